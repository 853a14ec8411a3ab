"""What has a colour that skin does not have: stickers beside the lesion, and a surgeon's ink."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.finders.working_size import light, middle, share_of

_FOREIGN = 15  # distance in a and b of CIELAB from the image's middle colour, from which on a pixel is foreign
_VIVID = 60
_AREA = (0.008, 0.4)  # shares of the frame
_PATCH_CUT = 0.27

_NEIGHBOURHOOD = 45  # pixels; wider than a stroke, narrower than what the skin's colour changes over
_INK_CUT = 3.7  # per cent of light
_INK_SHARE = 0.006  # of the frame


def find_patches(image: Pixels) -> tuple[float, Mask]:
    """Smooth-edged, vividly coloured areas that the frame cuts off, as round stickers beside a lesion are.

    The middle colour of the image is taken for skin. A connected area of another colour counts by its solidity (its
    share of its convex hull, over 0.8) times its distance from the skin's colour. White and grey stickers are not
    found.
    """
    lab = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 1.5), cv2.COLOR_RGB2LAB)
    height, width = lab.shape[:2]
    a, b = (lab[..., i].astype(np.float32) for i in (1, 2))
    far = np.hypot(a - middle(a), b - middle(b))
    count, labels, stats, _ = cv2.connectedComponentsWithStats((far > _FOREIGN).astype(np.uint8))
    best, mask = 0.0, np.zeros((height, width), np.bool_)
    for i in range(1, count):
        x, y, w, h, area = stats[i].tolist()
        inside = x > 0 and y > 0 and x + w < width and y + h < height
        if inside or not _AREA[0] <= area / (height * width) <= _AREA[1]:
            continue
        part = slice(y, y + h), slice(x, x + w)
        own = labels[part] == i
        contours, _ = cv2.findContours(own.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(contours, key=cv2.contourArea)
        solidity = cv2.contourArea(outline) / max(cv2.contourArea(cv2.convexHull(outline)), 1.0)
        value = max(0.0, solidity - 0.8) / 0.2 * min(1.0, float(far[part][own].mean()) / _VIVID)
        if value > 0.25:
            mask[part] |= own
        best = max(best, value)
    return share_of(best, _PATCH_CUT), mask


def find_ink(image: Pixels) -> tuple[float, Mask]:
    """Strokes that take more green than blue out of the light that skin returns, which neither blood nor melanin does.

    A pixel counts by how much its blue exceeds its green, in per cent of light, both against the image's middle and
    against its neighbourhood; where it is darker than that, does not lose its red less than its blue, keeps its blue,
    and does not lie in a sticker, a lesion or a bluish area. The score is the value that 0.6 % of the frame reach.
    """
    smooth = np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8)
    red, green, blue = (light(smooth[..., i]) for i in range(3))
    red, green, blue = red - middle(red), green - middle(green), blue - middle(blue)
    over_red, over_green, dark = blue - red, blue - green, -(red + green + blue) / 3
    beside_red, beside_green, beside_dark = (
        _beside(np.asarray(field, np.float32)) for field in (over_red, over_green, dark)
    )
    stroke = (over_red > -5) & (over_red > beside_red) & (dark > beside_dark + 2) & (blue > -25)
    stroke &= (np.abs(beside_red) < 40) & (np.abs(beside_green) < 35) & (beside_dark < 30)
    value = np.minimum(over_green, over_green - beside_green) * stroke
    place = int(value.size * (1 - _INK_SHARE))
    reached = float(np.partition(value.ravel(), place)[place])
    mask = cv2.morphologyEx((value > _INK_CUT).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return share_of(reached, _INK_CUT), np.asarray(mask > 0)


def _beside(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median around each pixel, taken at a quarter of the size, where it costs a tenth and is as smooth."""
    height, width = field.shape
    small = cv2.resize(field, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    levels = np.clip(small + 128.5, 0, 255).astype(np.uint8)
    smooth = cv2.medianBlur(levels, 2 * (_NEIGHBOURHOOD // 8) + 1).astype(np.float32) - 128
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
