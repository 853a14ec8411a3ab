"""One way in: an image file of any format taken apart."""

from __future__ import annotations

from collections.abc import Callable

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
"""The formats in which something beside the pixels can get in the way, or whose decoder fills up what is missing."""


def take_apart(name: str, data: bytes) -> Parts:
    """The parts of a file of the format `name`, a key of `formats.SIGNATURES`."""
    return TAKE_APART.get(name, Parts)(data)
