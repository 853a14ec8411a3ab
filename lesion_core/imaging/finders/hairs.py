"""Hair over the lesion, told from rulers and ink, which are thin and dark too."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.config import HairRemoval
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.finders.rulers import find_ruler
from lesion_core.imaging.finders.working_size import grey_of, light, middle, share_of, skin_of
from lesion_core.imaging.hair import hair_mask

_ANGLES = 6
_ACROSS, _ALONG = 0.8, 3.0  # pixels: deviations of the filter for the thinnest hair
_FAINT = 5.0  # per cent of light
_SHORTEST = 8  # pixels
_CUT = 0.014


def find_hair(image: Pixels) -> tuple[float, Mask]:
    """The share of skin under what `imaging.hair.hair_mask` finds or under finer lines.

    Only on skin: the lines of a pigment network are not hair. What lies on a ruler or is violet is left out.
    """
    grey = grey_of(image)
    violet = light(image[..., 2]) - light(image[..., 1])
    ink = cv2.dilate((violet > middle(violet) + 8).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    score, ruler = find_ruler(image)
    free = skin_of(grey, 12) & ~ink
    if score > 0.5:
        free &= ~ruler
    found = (hair_mask(image, HairRemoval(kernel=0.02, threshold=5)) & free) | _fine_lines(grey, free)
    share = float(found.sum()) / max(int(free.sum()), free.size // 10)
    return share_of(share, _CUT), found


def _fine_lines(grey: NDArray[np.uint8], free: Mask) -> Mask:
    """Lines of a pixel's width that are too faint for a black-hat."""
    field = light(grey)
    most: NDArray[np.float32] = np.full(grey.shape, -np.inf, np.float32)
    total = np.zeros(grey.shape, np.float32)
    for kernel in _KERNELS:
        answer = np.asarray(cv2.filter2D(field, cv2.CV_32F, kernel), np.float32)
        np.maximum(most, answer, out=most)
        total += np.abs(answer)
    lines = ((most - total / _ANGLES > _FAINT) & free).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lines)
    long = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) > _SHORTEST
    long[0] = False
    return np.asarray(long[labels])


def _kernel(angle: float) -> NDArray[np.float32]:
    """A second derivative across, a Gaussian along; of zero sum, so that even light gives nothing."""
    radius = int(3 * _ALONG) // 2 + 2
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    square = (across / _ACROSS) ** 2
    kernel = (square - 1) * np.exp(-square / 2 - (along / _ALONG) ** 2 / 2)
    kernel -= kernel.mean()
    return np.asarray(2 * kernel / np.abs(kernel).sum(), np.float32)


_KERNELS = [_kernel(i * np.pi / _ANGLES) for i in range(_ANGLES)]
