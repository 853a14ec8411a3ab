"""Lesion masks: read, checked, and brought to the size of their image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesion_core.config import Resize
from lesion_core.errors import DataError, ImageError
from lesion_core.foreign_text import shown
from lesion_core.imaging.decode import decode, header_of
from lesion_core.imaging.formats import SIGNATURES
from lesion_core.imaging.geometry import square

ASPECT_TOLERANCE = 0.02
CENTRE = "#centre"
"""What follows a mask's file name where its image is the central square of the mask's frame."""


def check_frame(mask: NDArray[np.bool_], shape: tuple[int, int], path: Path) -> None:
    """Refuse a mask (H, W) that cannot be of an image of that height and width.

    Raises:
        DataError: The frame has another aspect ratio.
    """
    own, wanted = mask.shape[1] / mask.shape[0], shape[1] / shape[0]
    if abs(own / wanted - 1) > ASPECT_TOLERANCE:
        raise DataError(
            f"The mask {shown(path.name)} is {mask.shape[1]}x{mask.shape[0]}, its image "
            f"{shape[1]}x{shape[0]}: they do not show the same frame.",
            "Give the mask of this image, not cropped.",
        )


def read_mask(path: Path, shape: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Read a binary mask.

    Another size of the same frame is normal (masks are published at full size, images often smaller) and is
    resized with nearest neighbour.

    Args:
        path: An image with at most two grey levels, the lesion in the brighter one; where its name is followed by
            `CENTRE`, its central square is read.
        shape: Height and width of the lesion's image.

    Returns:
        (H, W) bool, of `shape` where it is given.

    Raises:
        DataError: The file cannot be decoded, is not a black and white image of 8 bits, or the frame has another aspect
            ratio.
    """
    centre = path.name.endswith(CENTRE)
    path = path.with_name(path.name.removesuffix(CENTRE))
    try:
        pixels = decode(path)
    except ImageError as error:
        raise DataError(f"The mask {shown(path.name)} cannot be read: {error.problem}", error.remedy) from None
    with header_of(path) as file:
        deep, layered = file.mode.startswith("I"), file.has_transparency_data
    grey = pixels[:, :, 0]
    levels = np.unique(grey)
    for wrong, what in (
        # Decoded as an image, a 1 of 65535 is black and what is transparent is white.
        (deep, "it has 16 bits"),
        (layered, "it has a transparent layer"),
        ((pixels != grey[:, :, None]).any(), "it has colours"),
        (len(levels) > 2, f"it has {len(levels)} levels"),
    ):
        if wrong:
            raise DataError(
                f"The mask {shown(path.name)} is not binary: {what}.",
                "Give a black and white PNG of 8 bits; a JPEG smears the edge.",
            )
    mask = grey > 0 if len(levels) == 1 else grey == levels[1]
    if centre:
        x0, y0, x1, y1 = square(mask.shape, Resize(fit="crop"))
        mask = mask[y0:y1, x0:x1]
    if shape is None or mask.shape == shape:
        return mask
    check_frame(mask, shape, path)
    # Not INTER_NEAREST, which takes a block's first pixel and so shifts the mask.
    resized = cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, dtype=bool)


_BYTES = 4096, 0.15
"""What a mask's compressed file needs at most: bytes, and bytes per pixel. Most photographs of skin take more."""
_SMEARED = 32, 0.02, 0.25
"""How far from black and white the levels of a mask may be, and the share of its pixels that may be further: in all, or
away from its edges, which compression and resizing smear. The last: the share of it that must be away from edges."""
_EDGE = np.ones((17, 17), np.uint8)
"""The pixels around an edge that are smeared: a block of a JPEG on both sides."""
_TINT = 16
"""Levels by which colours of a grey image may differ where it was compressed in colour."""
_SMALL = 2**20
"""Pixels up to which no file, whatever is in it, is costly to decode."""


def looks_like_mask(path: Path) -> bool:
    """Whether an image is a mask by its pixels, whatever its name: grey, with at most two levels, or smeared.

    Where compression or resizing has smeared a mask's edges, nearly all pixels away from them are nearly black or
    nearly white. An image that cannot be read is not a mask.
    """
    try:
        with Image.open(path, formats=list(SIGNATURES)) as file:
            kind, pixels = file.format, file.width * file.height
            if kind not in ("BMP", "TIFF") and path.stat().st_size > _BYTES[0] + _BYTES[1] * pixels:
                return False
            plain = file.mode in ("1", "L", "P", "RGB") and kind != "TIFF" and pixels <= _SMALL
            image = file.convert("RGB") if plain else Image.fromarray(decode(path))
    except (ImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    if colours := image.getcolors(2):
        return all(isinstance(one, tuple) and len(set(one)) == 1 for _, one in colours)
    return _is_smeared_mask(image)


def _is_smeared_mask(image: Image.Image) -> bool:
    far, share, away = _SMEARED
    grey = np.asarray(image.convert("L"))
    between = (grey > far) & (grey < 255 - far)
    if between.mean() > 1 - away:  # as in nearly all photographs, found at once
        return False
    if between.mean() > share:
        edges = cv2.morphologyEx((grey > 127).astype(np.uint8), cv2.MORPH_GRADIENT, _EDGE) > 0
        if edges.mean() > 1 - away or between[~edges].mean() > share:
            return False
    levels = np.asarray(image).astype(np.int16)
    return bool((levels.max(axis=2) - levels.min(axis=2) <= _TINT).all())
