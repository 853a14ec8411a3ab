"""Blur: defocus, motion, zoom, Gaussian. Lengths are in pixels of the image itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.entry import EXTRA_OF_SAM_C, OF_SAM_C, Change, Changed, unit


def gaussian(image: Pixels, sigma: float) -> Pixels:
    """Gaussian blur; (H, W, 3) uint8."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.01)), np.uint8)


def defocus(image: Pixels, radius: float) -> Pixels:
    """The mean over a disc with a soft rim, weights clip(radius + 1/2 - distance, 0, 1); (H, W, 3) uint8."""
    reach = math.ceil(radius + 0.5)
    along = np.arange(-reach, reach + 1)
    weights = np.clip(radius + 0.5 - np.hypot(along, along[:, None]), 0, 1)
    return np.asarray(cv2.filter2D(image, -1, weights / weights.sum()), np.uint8)


def motion(image: Pixels, radius: float, sigma: float, angle: float) -> Pixels:
    """A one-sided streak, as ImageMagick's motion blur draws it; (H, W, 3) uint8.

    Args:
        image: (H, W, 3) uint8.
        radius: The streak has 2 radius + 1 taps.
        sigma: Tap i weighs exp(-i^2 / (2 sigma^2)).
        angle: Degrees from the x axis, clockwise on the screen.
    """
    i = np.arange(round(2 * radius) + 1)
    weights = np.exp(-(i**2) / (2 * sigma**2))
    x, y = (np.ceil(i * f(math.radians(angle)) - 0.5).astype(int) for f in (math.cos, math.sin))
    kernel = np.zeros((np.ptp(y) + 1, np.ptp(x) + 1))
    np.add.at(kernel, (y - y.min(), x - x.min()), weights / weights.sum())
    # The tap of weight i = 0 lies on the pixel itself.
    anchor = (int(-x.min()), int(-y.min()))
    return np.asarray(cv2.filter2D(image, -1, kernel, anchor=anchor, borderType=cv2.BORDER_REPLICATE), np.uint8)


def zoom(image: Pixels, factors: Sequence[float], clean: int = 0) -> Pixels:
    """The mean of the image zoomed about its centre; (H, W, 3) uint8.

    Args:
        image: (H, W, 3) uint8.
        factors: Zooms, at least 1.
        clean: How often the image itself is added.
    """
    height, width = image.shape[:2]
    total = np.multiply(image, np.float32(clean), dtype=np.float32)
    for factor in factors:
        # OpenCV's coordinates are those of pixel centres.
        shift = [(side - 1) / 2 * (1 - factor) for side in (width, height)]
        matrix = np.array([[factor, 0, shift[0]], [0, factor, shift[1]]])
        layer = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cv2.accumulate(layer, total)
    return np.asarray(cv2.convertScaleAbs(total, alpha=1 / (len(factors) + clean)), np.uint8)


RADII = (4, 5, 6, 7, 8)
STREAKS = (10, 15, 15, 15, 20)
FADES = (5, 5, 8, 12, 15)
"""Radius and sigma of a streak."""
ZOOMS = ((0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11))
"""Step of the zoom, and how many."""
SIGMAS = (1, 2, 3, 4, 6)

BLUR = (
    Change(
        key="defocus_blur",
        name="Defocus blur",
        group="blur",
        plain="The lens is out of focus, and every point is a disc.",
        source=f"{OF_SAM_C} The disc has a soft rim and weights that sum to 1; the published one of severity 5 "
        "brightens.",
        scale="Radius 4, 5, 6, 7, 8 pixels where the short side has 224.",
        draw=lambda image, severity, _: Changed(defocus(image, RADII[severity - 1] * unit(image))),
    ),
    Change(
        key="motion_blur",
        name="Motion blur",
        group="blur",
        plain="The camera moved during the exposure.",
        source=f"{OF_SAM_C} Severities 1 and 2 are published as nearly the same.",
        scale="Radius and sigma 10 and 5, 15 and 5, 15 and 8, 15 and 12, 20 and 15 pixels where the short side has "
        "224; "
        "an angle of up to 45 degrees from the horizontal.",
        draw=lambda image, severity, rng: Changed(
            motion(image, STREAKS[severity - 1] * unit(image), FADES[severity - 1] * unit(image), rng.uniform(-45, 45))
        ),
    ),
    Change(
        key="zoom_blur",
        name="Zoom blur",
        group="blur",
        plain="The camera moved towards the skin during the exposure.",
        source=OF_SAM_C,
        scale="Zooms up to 1.11, 1.15, 1.20, 1.24, 1.30, averaged.",
        draw=lambda image, severity, _: Changed(
            zoom(image, [1 + ZOOMS[severity - 1][0] * j for j in range(ZOOMS[severity - 1][1])], clean=1)
        ),
    ),
    Change(
        key="gaussian_blur",
        name="Gaussian blur",
        group="blur",
        plain="The image is smoothed, and fine structures are gone.",
        source=f"{EXTRA_OF_SAM_C} ImageNet-C (Hendrycks and Dietterich, ICLR 2019).",
        scale="Sigma 1, 2, 3, 4, 6 pixels where the short side has 224.",
        draw=lambda image, severity, _: Changed(gaussian(image, SIGMAS[severity - 1] * unit(image))),
        drawn="The U-Net saw blur up to about severity 2 in 15 % of its training images; the classifiers saw none.",
    ),
)
