"""What software does to an image: elastic deformation, coarse pixels, JPEG."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.artefacts import Rng
from lesion_core.imaging.changes.entry import GRID, OF_SAM_C, SAM_C, Change, Changed, Move
from lesion_core.imaging.detail import compressed

Field = NDArray[np.float32]
Displacements = tuple[Field, Field]

SMOOTHNESS = 0.01
"""Sigma of the smoothing of an elastic field, in short sides."""


def warp(displacements: Displacements) -> Move:
    """Moves arrays (H, W) or (H, W, 3): each point shows what lies (dx, dy) pixels beside it, mirrored at the border.

    Bilinear; what is bool stays bool.
    """
    dx, dy = displacements
    height, width = dx.shape
    x, y = np.arange(width, dtype=np.float32) + dx, np.arange(height, dtype=np.float32)[:, None] + dy

    def move(array: NDArray[Any]) -> NDArray[Any]:
        values: NDArray[Any] = array if array.dtype == np.uint8 else array.astype(np.float32)
        moved = np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))
        return moved > 0.5 if array.dtype == np.bool_ else moved

    return move


def elastic_field(shape: tuple[int, int], deviation: float, rng: Rng) -> Displacements:
    """Smooth random displacements (dx, dy): uniform noise, smoothed with a sigma of 0.01 short sides.

    Args:
        shape: (H, W).
        deviation: Standard deviation of a displacement, in short sides.
        rng: Drawn on a grid of 224 along the short side, so that larger images are deformed the same way.
    """
    height, width = shape
    short = min(shape)
    pitch = max(short / GRID, 1)
    rows, columns = round(height / pitch), round(width / pitch)
    sigma = SMOOTHNESS * short / pitch
    kernel = cv2.getGaussianKernel(2 * math.ceil(3 * sigma) + 1, sigma)
    # Smoothing leaves sum(kernel^2) of the deviation, which is 1 / sqrt(3) for uniform values in [-1, 1].
    gain = np.float32(deviation * short * math.sqrt(3) / float(np.square(kernel).sum()))

    def field() -> Field:
        raw = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        smooth = cv2.sepFilter2D(raw, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT)
        if (rows, columns) != shape:
            smooth = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(gain * smooth, np.float32)

    return field(), field()


def elastic(image: Pixels, deviation: float, rng: Rng) -> Changed:
    """An image (H, W, 3) uint8 under `elastic_field`."""
    move = warp(elastic_field((image.shape[0], image.shape[1]), deviation, rng))
    return Changed(np.asarray(move(image), np.uint8), moved=move)


def pixelate(image: Pixels, cells: int) -> Pixels:
    """An image of so many cells along its short side, at most 0.9 of its pixels; (H, W, 3) uint8."""
    height, width = image.shape[:2]
    short = min(height, width)
    share = min(cells, 0.9 * short) / short
    small = Image.fromarray(image).resize(
        (max(1, int(width * share)), max(1, int(height * share))), Image.Resampling.BOX
    )
    return np.array(small.resize((width, height), Image.Resampling.BOX))


DEVIATIONS = tuple(
    alpha * 0.005 / math.sqrt(3) / (2 * math.sqrt(math.pi) * SMOOTHNESS * GRID)
    for alpha in (12.5, 16.25, 21.25, 25, 30)
)
"""In short sides: of a field uniform in +-0.005 of the side, smoothed at 224 pixels, times alpha."""
CELLS = (156, 112, 89, 67, 56)
"""0.7, 0.5, 0.4, 0.3 and 0.25 of 224, cut off as published."""
QUALITIES = (30, 20, 15, 10, 7)

DIGITAL = (
    Change(
        key="elastic_transform",
        name="Elastic transform",
        group="digital",
        plain="The skin is stretched and squeezed from place to place.",
        source=f"A change of {SAM_C}, nor does MedMNIST-C; these are those of imagecorruptions 1.1.2 (Michaelis et "
        "al., "
        "arXiv 1907.07484), since those of ImageNet-C do not grow with the severity. The field is drawn on a grid of "
        "224 "
        "along the short side.",
        scale="Displacements of 0.0045, 0.0059, 0.0077, 0.0091, 0.0109 of the short side (standard deviation).",
        draw=lambda image, severity, rng: elastic(image, DEVIATIONS[severity - 1], rng),
        moves=True,
    ),
    Change(
        key="pixelate",
        name="Pixelate",
        group="digital",
        plain="The image has few, large pixels, as an enlarged thumbnail.",
        source=f"{OF_SAM_C} An image of few pixels has at most 0.9 of them as cells, or severity 1 would change "
        "nothing.",
        scale="156, 112, 89, 67, 56 cells along the short side.",
        draw=lambda image, severity, _: Changed(pixelate(image, CELLS[severity - 1])),
    ),
    Change(
        key="jpeg_compression",
        name="JPEG compression",
        group="digital",
        plain="The file was compressed strongly, as chat programs do.",
        source=f"{OF_SAM_C} At the size of the image, so it is milder on a large one.",
        scale="Quality 30, 20, 15, 10, 7.",
        draw=lambda image, severity, _: Changed(compressed(image, QUALITIES[severity - 1])),
        drawn="Every training image of all runs was compressed at quality 75, which is milder than severity 1.",
    ),
)
