"""Twenty visitors upload the costliest TIFF at once: python -m benchmarks.uploads [VISITORS]

Prints the peak of the process's memory beyond the files themselves, the time until the last has its pixels, and the
longest pause of another thread that wants to work every 10 ms.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from app.cache import uploads
from benchmarks.costly_images import KINDS, size_of
from lesion_core.imaging.decode import Limits


class Load(NamedTuple):
    """MB beyond the files, seconds in all, and the longest pause of another thread in seconds."""

    megabytes: float
    seconds: float
    pause: float


def memory(field: str) -> float:
    """MB of this process, as Linux names them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def at_once(data: bytes, visitors: int) -> Load:
    """Upload the file from as many threads."""
    files = [BytesIO(bytes(bytearray(data))) for _ in range(visitors)]
    over, pauses = threading.Event(), [0.0]

    def work() -> None:
        last = time.perf_counter()
        while not over.wait(0.01):
            now = time.perf_counter()
            pauses.append(now - last)
            last = now

    before, other = memory("VmRSS"), threading.Thread(target=work)
    Path("/proc/self/clear_refs").write_text("5")
    other.start()
    start = time.perf_counter()
    with ThreadPoolExecutor(visitors) as pool:
        for image, _ in pool.map(uploads.pixels, files):
            assert max(image.shape) == 1024
    took = time.perf_counter() - start
    over.set()
    other.join()
    return Load(memory("VmHWM") - before, took, max(pauses))


def main() -> None:
    logging.disable(logging.WARNING)  # Streamlit's, that there is no page
    visitors = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for name in ("TIFF, 8-bit RGB, a strip each row", "TIFF, 16-bit grey, one strip"):
        kind = KINDS[name]
        load = at_once(kind.make(size_of(Limits.max_pixels, kind.bits)), visitors)
        print(
            f"{visitors} x {name}: {load.megabytes:.0f} MB, {load.seconds:.1f} s in all, "
            f"longest pause of other work {1000 * load.pause:.0f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
