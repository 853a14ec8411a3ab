"""What Pillow decoded, in any of its modes, as upright RGB of 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lesion_core.imaging.containers.parts import Parts

WITHOUT_WHITE = ("I", "F")
"""Modes of 32 bits for each colour, which have no agreed white."""
BAND = 2**17
"""Pixels that are converted at a time: few enough that they stay in the processor's cache."""


def upright(picture: Image.Image) -> Image.Image:
    """The image as its camera was held; as it is where what says so is damaged."""
    with suppress(Exception):  # Pillow turns the pixels before it edits the record, which may fail
        ImageOps.exif_transpose(picture, in_place=True)
    return picture


def to_rgb(picture: Image.Image, parts: Parts, low: Image.Image | None = None) -> NDArray[np.uint8]:
    """Pixels of any mode as RGB, transparency on white.

    Args:
        picture: Decoded.
        parts: What its file said beside the pixels.
        low: The lower bytes of its samples where they have 16 bits and `picture` has the upper ones.

    Returns:
        (H, W, 3) uint8.
    """
    if picture.mode.startswith("I;16"):
        return _grey(picture, parts)
    if low is not None:
        picture = _rounded(picture, low, parts.key)
    elif len(parts.key) == 3:
        picture.info["transparency"] = tuple(sample >> 8 for sample in parts.key)
    return _array(picture)


def _grey(picture: Image.Image, parts: Parts) -> NDArray[np.uint8]:
    """Grey of more than 8 bits: Pillow's own conversion clips at 255 where `parts.deepest` is white."""
    level = np.arange(2**16, dtype=np.uint32).clip(max=parts.deepest)
    if parts.white_is_zero:
        level = parts.deepest - level
    table = ((255 * level + parts.deepest // 2) // parts.deepest).astype(np.uint8)
    if parts.key:
        table[parts.key[0]] = 255  # transparent, on white
    out = np.empty((picture.height, picture.width, 3), np.uint8)
    for top, band in bands(picture):  # NumPy lets no other thread work while it looks values up
        out[top : top + band.height] = table[np.asarray(band, dtype=np.uint16)][:, :, None]
    return out


def _rounded(picture: Image.Image, low: Image.Image, key: tuple[int, ...]) -> Image.Image:
    """Samples of 16 bits divided by 257 = 65535 / 255 and rounded, where Pillow takes the upper byte."""
    upper, lower = np.asarray(picture), np.asarray(low)
    # v = 256 u + l = 257 u + (l - u), and |l - u| < 257.
    off = lower.astype(np.int16) - upper
    samples = (upper + (off > 128).astype(np.uint8) - (off < -128).astype(np.uint8)).astype(np.uint8)
    rounded = Image.fromarray(samples, picture.mode)
    if len(key) == 3 and picture.mode == "RGB":
        colour = np.array(key, np.uint16)
        same = ((upper == colour >> 8) & (lower == (colour & 255))).all(axis=2)
        rounded.putalpha(Image.fromarray(np.where(same, 0, 255).astype(np.uint8)))
    return rounded


def _array(picture: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3), band by band: Pillow's own conversions hold up to five copies at once."""
    out = np.empty((picture.height, picture.width, 3), np.uint8)
    for top, band in bands(picture):
        out[top : top + band.height] = np.asarray(_on_white(band))
    return out


def bands(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """An image in pieces of whole rows, of about `BAND` pixels, and the first row of each."""
    step = max(1, BAND // picture.width)
    if step >= picture.height:  # a crop copies all that Pillow knows of an image, which of a small one takes longer
        yield 0, picture
        return
    for top in range(0, picture.height, step):
        yield top, picture.crop((0, top, picture.width, min(top + step, picture.height)))


def _on_white(picture: Image.Image) -> Image.Image:
    """RGB, with white where it is transparent."""
    if picture.mode == "La":  # multiplied by its transparency, which Pillow converts to LA alone
        picture = picture.convert("LA")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return picture if picture.mode == "RGB" else picture.convert("RGB")
