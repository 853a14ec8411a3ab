"""Files that visitors upload in the soak: healthy, damaged, as large as may be, and with far too many pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lesion_core.imaging.decode import Limits
from tests.mutations.picture_files import FORMATS, healthy, png_of
from tests.mutations.pictures import KINDS

ENDINGS = ("jpg", "png", "tif", "bmp", "webp", "gif")


def good(seed: int) -> tuple[str, bytes]:
    """Ending and content of a small healthy file of any format."""
    rng = np.random.default_rng([seed, 1])
    name = str(rng.choice(FORMATS))
    return {"jpeg": "jpg", "tiff": "tif"}.get(name, name), healthy(rng, name)[0]


def fuzzed(seed: int) -> tuple[str, bytes, bool]:
    """Ending and content of a mutated file, and whether it may be refused.

    The kinds of `tests.mutations.pictures` take turns; the ending may be another format's.
    """
    rng = np.random.default_rng([seed, 2])
    made = list(KINDS.values())[seed % len(KINDS)](rng, Path())
    return str(rng.choice(ENDINGS)), made.data, made.refusable


def large(seed: int) -> tuple[str, bytes]:
    """A healthy BMP of noise, as many bytes as a file may have."""
    width = 2000
    height = (Limits.max_bytes - 54) // (3 * width)
    sizes = 54 + 3 * width * height, 0, 54, 40, width, height
    head = b"BM" + struct.pack("<IIIIiiHHIIiiII", *sizes, 1, 24, *[0] * 6)
    return "bmp", head + np.random.default_rng([seed, 3]).bytes(3 * width * height)


def vast(side: int = 40_000) -> tuple[str, bytes]:
    """A PNG of black that is `side` pixels wide and high, in few bytes."""
    pack, row = zlib.compressobj(9), bytes(1 + side // 8)

    def packed() -> Iterator[bytes]:
        for _ in range(side // 100):
            yield pack.compress(row * 100)
        yield pack.flush()

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return "png", png_of([(b"IHDR", header), (b"IDAT", b"".join(packed())), (b"IEND", b"")])
