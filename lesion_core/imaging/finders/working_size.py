"""What all finders share: the size that they work at, what they return, and which pixels are plain skin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.imaging.arrays import Mask, Pixels

SIDE = 256
"""Short side that finders work at, in pixels."""

_LONGEST = 4 * SIDE
SMALLEST = 32
"""Under this short side, in pixels, nothing is looked for: a tick or a bubble has no pixel of its own."""

_LOG = (100 * np.log(np.arange(256) + 10.0)).astype(np.float32)
"""Of a grey level: 100 times its logarithm, so that differences are per cent of light; the 10 calms the darkest."""


@dataclass(frozen=True)
class Found:
    """What a finder says of an image.

    Attributes:
        score: In [0, 1]; 0.5 is the cut that separated the images tuned on best.
        mask: (H, W) bool, where it is; it may be empty where the score is low.
    """

    score: float
    mask: Mask


def at_working_size(find: Callable[[Pixels], tuple[float, Mask]], image: Pixels) -> Found:
    """Run a finder on an image of any size, and lay its mask over the image.

    Args:
        find: From an image at the working size to the score and the mask at that size.
        image: (H, W, 3) uint8.
    """
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST:
        return Found(0.0, np.zeros((height, width), np.bool_))
    scale = min(SIDE / min(height, width), _LONGEST / max(height, width))
    size = (max(SMALLEST, round(width * scale)), max(SMALLEST, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = image if size == (width, height) else np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
    score, mask = find(np.ascontiguousarray(small))
    if mask.shape != (height, width):
        mask = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return Found(float(score), np.asarray(mask, np.bool_))


def share_of(value: float, cut: float) -> float:
    """A measurement from 0 on as a score: 0 is 0, the cut is 0.5, and it comes near 1 where it is many cuts."""
    value = max(value, 0.0)
    return value / (value + cut)


def grey_of(image: Pixels) -> NDArray[np.uint8]:
    """(H, W) uint8, as OpenCV weighs red, green and blue."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def light(channel: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The logarithm of a channel in per cent: a difference of 5 is about five per cent of light."""
    return np.asarray(_LOG[channel])


def middle(field: NDArray[np.float32]) -> float:
    """The median, of every fourth row and column: a frame has more pixels than it needs."""
    return float(np.median(field[::4, ::4]))


def skin_of(grey: NDArray[np.uint8], darkest: float) -> Mask:
    """Where an image, seen from far away, is at most so much darker than its middle: skin, not lesion or dark corner.

    Args:
        grey: (H, W) at the working size.
        darkest: Per cent of light.
    """
    far = np.asarray(cv2.GaussianBlur(light(grey), (0, 0), 8), np.float32)
    return np.asarray(far > middle(far) - darkest)
