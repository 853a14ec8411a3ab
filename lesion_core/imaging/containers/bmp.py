"""BMP: run lengths (Microsoft, BITMAPINFOHEADER; MS-WMF 3.1.6)."""

from __future__ import annotations

import struct
from functools import partial

from lesion_core.imaging.containers.parts import ORDINARY_BITS, CostlyError, DamagedError, EndsEarlyError, Parts

MOST_RUNS = 2**19
"""Bytes of run lengths: Pillow unpacks them step by step, about a second for each MiB."""
FOUR_BITS, BITS_OF_FOUR = 2, 64
"""The compression of run lengths of 4 bits, which Pillow unpacks pixel by pixel, and what a pixel of them counts."""


def take_apart(data: bytes) -> Parts:
    """The file as it is; if its pixels are run lengths, they are followed to their end before they are unpacked."""
    (start,), (size,) = struct.unpack_from("<I", data, 10), struct.unpack_from("<I", data, 14)
    compression = struct.unpack_from("<I", data, 30)[0] if size >= 40 else 0
    if compression not in (1, FOUR_BITS):
        return Parts(data)
    bits = BITS_OF_FOUR if compression == FOUR_BITS else ORDINARY_BITS
    return Parts(data, check=partial(_check, data, start, compression), bits=bits, because="in run lengths of 4 bits")


def _check(data: bytes, start: int, compression: int) -> None:
    """Refuse run lengths that end before the last row, and too many of them."""
    width, height = struct.unpack_from("<ii", data, 18)
    runs = data[start:]
    if len(runs) > MOST_RUNS:
        raise CostlyError(f"has {len(runs) // 2**10:,} KiB of run lengths, the limit is {MOST_RUNS // 2**10} KiB")
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
            if y >= height:
                raise DamagedError
        else:
            x, at = x + value, at + -(-value // (4 if compression == 2 else 2)) * 2
    # A row may end early, which is said by its end; the last one too.
    if y < height - 1 or (y == height - 1 and x == 0):
        raise EndsEarlyError(max(0, y) / max(1, height))
