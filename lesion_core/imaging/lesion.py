"""What a mask says of its lesion: cleaned up, its contour, the crop it suggests, and its shape in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from lesion_core.errors import ImageError
from lesion_core.imaging.arrays import Mask
from lesion_core.imaging.geometry import Box, enlarge

LARGEST_SIDE = 768
"""Pixels that a shape is measured on: its numbers do not get finer above, only slower."""


def mask_at(probabilities: NDArray[np.floating], shape: tuple[int, int], threshold: float) -> Mask:
    """The mask in the image's frame: probabilities enlarged to it, then cut at the threshold.

    Args:
        probabilities: (S, S) of a segmenter's square, in [0, 1].
        shape: Height and width of the image, in pixels.
        threshold: A pixel belongs to the lesion exactly if its probability is at or over this.

    Returns:
        (H, W) bool.
    """
    return enlarge(probabilities, shape) >= threshold


def clean_up(mask: Mask) -> Mask:
    """The largest connected part of a mask with its holes filled: an image shows one lesion. Empty stays empty.

    Args:
        mask: (H, W) bool; pixels that touch at a corner are connected.
    """
    if not mask.any():
        return mask.copy()
    labels, stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[1:3]
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return np.asarray(binary_fill_holes(labels == largest), dtype=np.bool_)


def suggested_crop(mask: Mask, margin: float = 0.15) -> Box | None:
    """The square around a lesion with some skin, inside the image as far as it goes; None for an empty mask.

    Args:
        mask: (H, W) bool.
        margin: Skin on each side, as a share of the lesion's longer side.

    Returns:
        (x0, y0, x1, y1) in pixels; a square unless the image is too narrow for it.
    """
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    side = (1 + 2 * margin) * max(bottom - top, right - left)

    def along(low: int, high: int, length: int) -> tuple[float, float]:
        start = (low + high - side) / 2
        start = max(0.0, min(start, length - side))
        return start, min(start + side, float(length))

    (x0, x1), (y0, y1) = along(left, right, mask.shape[1]), along(top, bottom, mask.shape[0])
    return x0, y0, x1, y1


@dataclass(frozen=True)
class Shape:
    """A lesion's shape and colour in numbers: descriptive, no diagnosis.

    Attributes:
        area: Share of the image, in [0, 1].
        irregularity: Perimeter squared over 4 pi times the area: 1 for a disc, more for a ragged border.
        solidity: Area over that of the convex hull, in (0, 1]; 1 has no notch.
        asymmetry: Share of the lesion that its mirror image leaves uncovered, the mean over the two main axes; 0 is
            symmetric, 1 is the most.
        contrast: Distance of the lesion's mean colour from the skin's around it, in CIELAB units (Delta E 1976); NaN
            where the image shows no skin.
        variegation: Root mean square distance of the lesion's colours from their mean, in CIELAB units.
        touches_edge: The lesion runs out of the image: its shape is cut.
    """

    area: float
    irregularity: float
    solidity: float
    asymmetry: float
    contrast: float
    variegation: float
    touches_edge: bool


def shape_of(mask: Mask, image: NDArray[np.uint8]) -> Shape | None:
    """A lesion's shape and colour, None for an empty mask.

    Args:
        mask: (H, W) bool, one connected part as `clean_up` leaves it.
        image: (H, W, 3) uint8 RGB.

    Raises:
        ImageError: Mask and image differ in size.
    """
    if mask.shape != image.shape[:2]:
        raise ImageError(
            f"A mask of shape {mask.shape} does not fit an image of {image.shape[:2]}.", "Bring both to one frame."
        )
    if not mask.any():
        return None
    touches = bool(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any())
    area = float(mask.mean())
    mask, image = _reduce(mask, image)
    contours = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    outer = max(contours, key=cv2.contourArea)
    # A smooth line through the pixel centres: the steps of the pixel grid would count as raggedness.
    line = _smooth(outer[:, 0, :].astype(np.float64))
    perimeter = float(np.linalg.norm(np.roll(line, -1, axis=0) - line, axis=1).sum())
    (x, y), (next_x, next_y) = line.T, np.roll(line, -1, axis=0).T
    inside = abs(float((x * next_y - y * next_x).sum())) / 2
    hull = float(cv2.contourArea(cv2.convexHull(outer)))
    own = float(cv2.contourArea(outer))
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    colours = lab[mask].astype(np.float64)
    mean = colours.mean(axis=0)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    skin = lab[(away <= max(3, 0.15 * np.sqrt(mask.sum()))) & ~mask].astype(np.float64)
    return Shape(
        area=area,
        irregularity=max(1.0, perimeter**2 / (4 * np.pi * inside)) if inside > 0 else 1.0,
        solidity=own / hull if hull > 0 else 1.0,
        asymmetry=_asymmetry(mask),
        contrast=float(np.linalg.norm(mean - skin.mean(axis=0))) if len(skin) else float("nan"),
        variegation=float(np.sqrt(((colours - mean) ** 2).sum(axis=1).mean())),
        touches_edge=touches,
    )


def _reduce(mask: Mask, image: NDArray[np.uint8]) -> tuple[Mask, NDArray[np.uint8]]:
    """Both at `LARGEST_SIDE` at most; a mask so thin that it would vanish keeps its size."""
    scale = LARGEST_SIDE / max(mask.shape)
    if scale >= 1:
        return mask, image
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
    if not small.any():
        return mask, image
    # The same pixels of both: averages would mix skin into the lesion's border.
    return small, np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def _smooth(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A closed line with each point the mean of its neighbourhood, about a fiftieth of the line long."""
    width = max(1, len(points) // 50) | 1
    if width < 3:
        return points
    around = np.concatenate([points[-(width // 2) :], points, points[: width // 2]])
    kernel = np.full(width, 1 / width)
    return np.stack([np.convolve(around[:, i], kernel, mode="valid") for i in range(2)], axis=1)


def _asymmetry(mask: Mask) -> float:
    """Stoecker's measure (Comput. Med. Imaging Graph. 16, 1992), over both main axes."""
    points = np.argwhere(mask)[:, ::-1].astype(np.float64)  # x, y
    centre = points.mean(axis=0)
    _, axes = np.linalg.eigh((points - centre).T @ (points - centre))
    reach = int(np.ceil(np.linalg.norm(points - centre, axis=1).max())) + 1
    turn = np.column_stack([axes.T, reach - axes.T @ centre])
    side = 2 * reach + 1
    upright = cv2.warpAffine(255 * mask.astype(np.uint8), turn, (side, side), flags=cv2.INTER_LINEAR) > 127
    if not upright.any():
        return 0.0
    return float(np.mean([(upright & ~np.flip(upright, axis)).sum() / upright.sum() for axis in (0, 1)]))
