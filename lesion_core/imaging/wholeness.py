"""Whether all pixels of an image came from its file, and the share that did."""

from __future__ import annotations

import zlib
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesion_core.imaging.containers.dissect import opened
from lesion_core.imaging.containers.parts import EndsEarlyError, Parts
from lesion_core.imaging.pixels import bands

MOST_SHARE = 0.99
"""What is told of an image that is not whole, at most."""
ENOUGH_BANDS = 50
"""So many checksums tell a share to 2 %."""
UNWRITTEN = (173, 91, 37, 201)
"""A colour that a decoder writes over."""


def filled_otherwise(parts: Parts, known: str) -> list[int]:
    """Checksums of the image as it is where the decoder fills what is missing with something else; none where that
    need not be tried. Made first and let go, as the image itself takes as much memory."""
    if parts.other is None:
        return []
    with opened(parts, known, other=True) as picture:
        picture.load()
        return checksums(picture)


def checksums(picture: Image.Image) -> list[int]:
    """One for each of the image's `bands`."""
    return [zlib.crc32(band.tobytes()) for _, band in bands(picture)]


def can_be_decoded(data: bytes, known: str) -> bool:
    try:
        with opened(Parts(data), known) as picture:
            picture.load()
    except Exception:
        return False
    return True


def share_told(error: EndsEarlyError, known: str) -> tuple[float, str]:
    """The share of an image that ends early, and what is said before it. Where it would be a bound far too high, the
    rows that may be there are decoded."""
    if error.begins is not None:
        with suppress(Exception):
            parts, share = error.begins()
            with opened(parts, known) as picture:
                picture.load()
                return min(error.share, share * share_until(picture, parts, known)), ""
    return error.share, error.how


def share_until(
    picture: Image.Image, parts: Parts, known: str, sums: tuple[list[int], list[int]] | None = None
) -> float:
    """How much of an image whose end was made up is there: up to the first pixel that depends on how it was filled.

    Args:
        picture: Decoded.
        parts: Its file.
        known: Its format.
        sums: Its checksums with one filling and another, if known: where they tell the share well enough, nothing is
            decoded again.
    """
    if sums and len(sums[0]) >= ENOUGH_BANDS:
        return next((i for i, (one, other) in enumerate(zip(*sums, strict=True)) if one != other), 0) / len(sums[0])
    with opened(parts, known, other=True) as other:
        other.load()
        for (top, band), (_, filled) in zip(bands(picture), bands(other), strict=True):
            differs = (_pixels(band) != _pixels(filled)).any(axis=2)
            if differs.any():
                rows, left = int(differs.any(axis=1).argmax()), int(differs.any(axis=0).argmax())
                # Its block, of 16 rows at most, is the last that is there.
                return min(MOST_SHARE, (top + rows + 16 * left / picture.width) / picture.height)
    return MOST_SHARE


def share_written(parts: Parts, known: str) -> float | None:
    """How much a decoder had written when it gave up: it is run again over an image of one colour, and the rows that it
    leaves are counted. None where that cannot be told."""
    if known == "WEBP":  # whose decoder gives all or nothing
        return None
    with suppress(Exception), opened(parts, known) as picture:
        if picture.mode == "1":  # where every row may look as if it were left
            return None
        colour = UNWRITTEN[: len(picture.getbands())]
        canvas = Image.new(picture.mode, picture.size, colour if len(colour) > 1 else colour[0])
        picture.im = canvas.im
        picture.load_prepare = lambda: None  # type: ignore[method-assign]
        with suppress(Exception):
            picture.load()
        written = sum(int((_pixels(band) != colour).any(axis=(1, 2)).sum()) for _, band in bands(canvas))
        return min(MOST_SHARE, written / picture.height)
    return None


def _pixels(band: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(band).reshape(band.height, band.width, -1)
