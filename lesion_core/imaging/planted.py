"""A ruler laid over the square that a model sees: what the shortcut experiment plants, and its lesson draws."""

from __future__ import annotations

import numpy as np

from lesion_core.config import Resize
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.artefacts import ARTEFACTS
from lesion_core.imaging.geometry import resize

STRENGTH = 0.5
"""Of the ruler in `artefacts.ARTEFACTS`: its ticks are 0.06 to 0.09 of a side long."""

MARGIN = 1.15
"""Side of the planted square, in sides of the model's input: a training keeps its images at this size."""


def centre_square(image: Pixels, size: int) -> Pixels:
    """The centred square of an image, on which a ruler loses nothing to the model's own crop.

    Args:
        image: (H, W, 3) uint8.
        size: Pixels per side of the model's input.

    Returns:
        (S, S, 3) uint8, S being `MARGIN` times the size, rounded.
    """
    return resize(image, Resize(size=round(MARGIN * size), fit="crop"))


def with_ruler(square: Pixels, image_id: str) -> Pixels:
    """The square (S, S, 3) uint8 with a ruler along one side; the same id lays the same ruler at any size."""
    return _drawn(square, image_id)[0]


def ruler_band(image_id: str, size: int) -> Mask:
    """The upright rectangle around everything that `with_ruler` draws for an id, (size, size) bool."""
    ruler = _drawn(np.zeros((size, size, 3), np.uint8), image_id)[1]
    rows, columns = (np.flatnonzero(ruler.any(axis=axis)) for axis in (1, 0))
    band = np.zeros((size, size), bool)
    band[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return band


def _drawn(square: Pixels, image_id: str) -> tuple[Pixels, Mask]:
    rng = np.random.default_rng([*b"ruler", *image_id.encode()])
    return ARTEFACTS["ruler"].draw(square, rng, STRENGTH)
