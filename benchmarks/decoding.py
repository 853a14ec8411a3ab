"""What the costliest uploads cost: python -m benchmarks.decoding [MEGAPIXELS] [square | wide | tall]

Seconds of one core and MB of memory for reading, decoding and reducing the costliest file of each kind that the limit
on pixels (by default the dashboard's) allows, each in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.costly_images import KINDS, size_of
from lesion_core.imaging.decode import Limits

CHILD = """
import sys, time
from pathlib import Path
from PIL import Image
from lesion_core.data.samples import reduced
from lesion_core.errors import ImageError
from lesion_core.imaging.decode import Limits, decode

def memory(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) / 1024

limits = Limits(max_pixels=int(sys.argv[1]))
for name in ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"):
    small = Path(sys.argv[2], name)
    Image.new("RGB", (64, 64)).save(small, name)
    reduced(decode(small))
for file in sys.argv[3:]:
    data = None
    before = memory("VmRSS")
    data = Path(file).read_bytes()
    read = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    start = time.process_time()
    try:
        what = "{1} x {0} pixels".format(*reduced(decode(data, limits=limits))[0].shape)
    except ImageError as error:
        what = f"{type(error).__name__}: {error.problem}"
    print(time.process_time() - start, memory("VmHWM") - before, memory("VmHWM") - read, what)
"""


class Cost(NamedTuple):
    """Seconds of one core, MB of memory with and without the file itself, and what was said."""

    seconds: float
    megabytes: float
    beyond_the_file: float
    answer: str


def costs(files: dict[str, bytes], pixels: int = Limits.max_pixels) -> dict[str, Cost]:
    """What uploads cost a process that has decoded others before, one after another (Linux)."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(i) for i in range(len(files))]
        for path, data in zip(paths, files.values(), strict=True):
            path.write_bytes(data)
        command = [sys.executable, "-c", CHILD, str(pixels), folder, *map(str, paths)]
        one = os.environ | {"OMP_NUM_THREADS": "1"}
        said = subprocess.run(command, capture_output=True, text=True, check=True, env=one).stdout.splitlines()
    found = {}
    for name, line in zip(files, said, strict=True):
        seconds, megabytes, beyond, answer = line.split(" ", 3)
        found[name] = Cost(float(seconds), float(megabytes), float(beyond), answer)
    return found


def cost(data: bytes, pixels: int = Limits.max_pixels) -> Cost:
    """`costs` of one, in a process of its own."""
    return costs({"": data}, pixels)[""]


def main() -> None:
    pixels = round(1e6 * float(sys.argv[1])) if len(sys.argv) > 1 else Limits.max_pixels
    shape = sys.argv[2] if len(sys.argv) > 2 else "square"
    for name, kind in KINDS.items():
        size = size_of(pixels, kind.bits, shape)
        data = kind.make(size)
        found = cost(data, pixels)
        print(
            f"{name:<36} {size[0] * size[1] / 1e6:5.1f} Mpx {len(data) / 2**20:5.1f} MiB "
            f"{found.seconds:5.2f} s {found.megabytes:4.0f} MB  {found.answer}",
            flush=True,
        )


if __name__ == "__main__":
    main()
