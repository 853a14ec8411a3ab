"""One way in: an image file of any format taken apart, and what is left of it opened."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageFile

from lesion_core.imaging.containers import bmp, gif, jpeg, png, tiff, webp
from lesion_core.imaging.containers.parts import Parts

TAKE_APART: dict[str, Callable[[bytes], Parts]] = {
    "JPEG": jpeg.take_apart,
    "PNG": png.take_apart,
    "TIFF": tiff.take_apart,
    "GIF": gif.take_apart,
    "BMP": bmp.take_apart,
    "WEBP": webp.take_apart,
}
"""By the names of `formats.SIGNATURES`."""


def take_apart(name: str, data: bytes) -> Parts:
    """The parts of a file of the format `name`, a key of `formats.SIGNATURES`.

    Raises:
        EndsEarlyError: Pixels are missing, as far as that is seen without knowing their number.
        DamagedError: The structure contradicts itself.
        CostlyError: It consists of too much, or is of a kind whose cost cannot be told.
    """
    return TAKE_APART.get(name, Parts)(data)


def opened(parts: Parts, known: str, *, other: bool = False) -> ImageFile.ImageFile:
    """The pixels' file, its header read; `other` for the one with other filling."""
    picture = Image.open(io.BytesIO(parts.other() if other and parts.other else parts.pixels), formats=[known])
    picture.info.update(parts.info)
    if parts.deep_planes:  # which Pillow takes for planes of 8 bits where they are not compressed
        picture.tile = [
            tile._replace(args=(f"{tile.args[0]};16{parts.deep_planes}", *tile.args[1:]))
            if isinstance(tile.args, tuple) and tile.args[0] in tuple("RGBA")
            else tile
            for tile in picture.tile
        ]
    return picture
