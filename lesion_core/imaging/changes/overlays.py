"""What SAM-C lays over an image: a black field of view, words, bubbles."""

from __future__ import annotations

import string

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.artefacts import Field, Rng
from lesion_core.imaging.changes.entry import EXTRA_OF_SAM_C, MEDMNIST_C_PATH, OF_SAM_C, Change, Changed, unit

LETTERS = string.ascii_letters + string.digits


def black_corner(image: Pixels, radius: float, *, whole: bool = False) -> Changed:
    """Black outside of a hard circle about the centre.

    Args:
        image: (H, W, 3) uint8.
        radius: In half short sides, published for square images.
        whole: The radius is in half diagonals over the root of 2 instead, which is the same of a square and leaves a
            long image as much as a square.
    """
    height, width = image.shape[:2]
    y, x = (np.arange(side) - (side - 1) / 2 for side in (height, width))
    side = np.hypot(height, width) / np.sqrt(2) if whole else min(height, width)
    outside = np.hypot(x, y[:, None]) > radius * side / 2
    return Changed(image * ~outside[..., None], artefact=outside)


def word(shape: tuple[int, int], text: str, place: tuple[int, int], scale: float, thickness: int) -> Field:
    """The opacity of a word, (H, W) float32 in [0, 1].

    Args:
        shape: (H, W).
        text: ASCII letters and digits.
        place: x and y of its lower left corner, in pixels.
        scale: Of OpenCV's font `HERSHEY_DUPLEX`, where capitals of scale 1 are about 22 pixels high.
        thickness: In pixels.
    """
    canvas = np.zeros(shape, np.uint8)
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_DUPLEX, scale, 255, thickness)
    return np.float32(1 / 255) * canvas


def characters(image: Pixels, severity: int, rng: Rng) -> Changed:
    """Words at random places in random colours; those of a lower severity stay as they are, and lie on top."""
    height, width = image.shape[:2]
    result, touched = image.copy(), np.zeros((height, width), bool)
    for first in range(WORDS[-1]):
        letters = "".join(LETTERS[i] for i in rng.integers(len(LETTERS), size=MOST_LETTERS[-1]))
        length, size, across, down = rng.random(4)
        colour = rng.integers(256, size=3)
        since = next(k for k, words in enumerate(WORDS) if first < words)
        if since >= severity:
            continue
        text = letters[: 3 + int(length * (MOST_LETTERS[since] - 2))]
        scale = LARGEST_FONTS[0] + size * (LARGEST_FONTS[since] - LARGEST_FONTS[0])
        place = int(0.85 * across * width), int((0.05 + 0.95 * down) * height)
        opacity = word((height, width), text, place, scale * unit(image), max(1, round(unit(image))))
        where = (opacity > 0) & ~touched
        here = opacity[where][:, None]
        result[where] = np.rint((1 - here) * image[where] + here * colour)
        touched |= where
    return Changed(result, artefact=touched)


def veil(shape: tuple[int, int], bubbles: NDArray[np.floating], border: float) -> Field:
    """What shows through white bubbles, (H, W) float32 in [0, 1].

    Args:
        shape: (H, W).
        bubbles: (n, 3), x and y of the centre and the radius, in pixels.
        border: Width of the denser border, in pixels.
    """
    through = np.ones(shape, np.float32)
    for x, y, radius in bubbles.tolist():
        top, left = max(int(y - radius) - 1, 0), max(int(x - radius) - 1, 0)
        part = slice(top, max(int(y + radius) + 3, top)), slice(left, max(int(x + radius) + 3, left))
        rows, columns = through[part].shape
        far = np.hypot(
            np.arange(left, left + columns, dtype=np.float32) - x,
            np.arange(top, top + rows, dtype=np.float32)[:, None] - y,
        )
        inside, rim = np.clip(radius + 0.5 - far, 0, 1), np.clip(far - (radius - border) + 0.5, 0, 1)
        through[part] *= 1 - inside * (INSIDE + (BORDER - INSIDE) * rim)
    return through


def under(image: Pixels, through: Field) -> Changed:
    """An image (H, W, 3) under a white veil that lets a share of (H, W) through."""
    white = 255 - (255 - image.astype(np.float32)) * through[..., None]
    return Changed(np.asarray(cv2.convertScaleAbs(white), np.uint8), artefact=through < 1)


def bubble(image: Pixels, severity: int, rng: Rng) -> Changed:
    """White, half transparent bubbles; a higher severity has more of them, and larger ones."""
    height, width = image.shape[:2]
    drawn = rng.random((BUBBLES[-1], 3))
    radii = LEAST_RADIUS + drawn[:, 2:] * (LARGEST_RADII[severity - 1] - LEAST_RADIUS)
    bubbles = np.hstack([drawn[:, :2] * (width, height), radii * unit(image)])[: BUBBLES[severity - 1]]
    return under(image, veil((height, width), bubbles, 2 * unit(image)))


RADII = (1.10, 1.05, 1.00, 0.95, 0.90)
WORDS = (1, 2, 3, 4, 6)
MOST_LETTERS = (6, 7, 8, 9, 10)
LARGEST_FONTS = (0.14, 0.15, 0.16, 0.17, 0.18)
BUBBLES = (15, 15, 15, 20, 25)
LEAST_RADIUS, LARGEST_RADII = 3, (7, 10, 12, 15, 17)
INSIDE, BORDER = 100 / 255, 130 / 255
"""Opacity of a bubble."""

OVERLAYS = (
    Change(
        key="black_corner",
        name="Black corners",
        group="dermoscopy",
        plain="Outside of a circle everything is black, as in the field of view of a dermatoscope.",
        source=f"{OF_SAM_C} Published for severities 4 and 5 in the wrong order: 0.90, then 0.95.",
        scale="Radius 1.10, 1.05, 1.00, 0.95, 0.90 half short sides, about the centre of the image.",
        draw=lambda image, severity, _: black_corner(image, RADII[severity - 1]),
        draw_whole=lambda image, severity, _: black_corner(image, RADII[severity - 1], whole=True),
        drawn="The U-Net drew dark corners, with a soft edge, over 5 % of its training images; the classifiers "
        "drew none.",
    ),
    Change(
        key="characters",
        name="Characters",
        group="dermoscopy",
        plain="Small coloured words were written into the image.",
        source=f"{OF_SAM_C} SAM-C calls it char. Always the largest number of words, published as drawn from 1 on; "
        "each keeps the letters and the size of the severity that it comes with.",
        scale="1, 2, 3, 4, 6 words of at most 6, 7, 8, 9, 10 letters.",
        draw=characters,
    ),
    Change(
        key="bubble",
        name="White bubbles",
        group="dermoscopy",
        plain="White discs that one can see through lie over the image.",
        source=f"{EXTRA_OF_SAM_C} {MEDMNIST_C_PATH}. "
        "Always the largest number of bubbles, which is published as drawn from 7 on.",
        scale="15, 15, 15, 20, 25 bubbles with a radius of at most 7, 10, 12, 15, 17 pixels where the short side has "
        "224.",
        draw=bubble,
    ),
)
