"""BMP: run lengths (Microsoft, BITMAPINFOHEADER; MS-WMF 3.1.6)."""

from __future__ import annotations

import struct
from functools import partial

from lesion_core.imaging.containers.parts import CostlyError, EndsEarlyError, Parts

MOST_RUNS = 2**20
"""Bytes of run lengths: Pillow unpacks them step by step, about a second for each MiB."""


def take_apart(data: bytes) -> Parts:
    """The file as it is; if its pixels are run lengths, they are followed to their end before they are unpacked."""
    (start,), (size,) = struct.unpack_from("<I", data, 10), struct.unpack_from("<I", data, 14)
    compression = struct.unpack_from("<I", data, 30)[0] if size >= 40 else 0
    return Parts(data, check=partial(_check, data, start, compression) if compression in (1, 2) else lambda: None)


def _check(data: bytes, start: int, compression: int) -> None:
    """Refuse run lengths that end before the last row, and too many of them."""
    width, height = struct.unpack_from("<ii", data, 18)
    runs = data[start:]
    if len(runs) > MOST_RUNS:
        raise CostlyError(f"has {len(runs) / 2**20:.1f} MiB of run lengths")
    at, x, y = 0, 0, 0
    while at + 1 < len(runs) and y < height and not (y == height - 1 and x >= width):
        count, value = runs[at], runs[at + 1]
        at += 2
        if count:
            x += count
        elif value == 0:
            x, y = 0, y + 1
        elif value == 1:
            break
        elif value == 2:
            x, y, at = x + runs[at], y + runs[at + 1], at + 2
        else:
            x, at = x + value, at + -(-value // (4 if compression == 2 else 2)) * 2
    # A row may end early, which is said by its end; the last one too.
    if y < height - 1 or (y == height - 1 and x == 0):
        raise EndsEarlyError(max(0, y) / max(1, height))
