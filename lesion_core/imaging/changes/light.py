"""Light and colour: brightness, contrast, saturation, white balance. (H, W, 3) uint8 in and out."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.entry import EXTRA_OF_SAM_C, MEDMNIST_C, MEDMNIST_C_PATH, OF_SAM_C, Change, Changed


def _levels(image: Pixels, values: NDArray[np.floating]) -> Pixels:
    """Each grey level replaced: `values` is (256,) or (256, 3), by level and channel."""
    table = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table.reshape(1, 256, -1)), np.uint8)


def brightness(image: Pixels, factor: float) -> Pixels:
    """Every value times a factor."""
    return _levels(image, factor * np.arange(256))


def contrast(image: Pixels, factor: float) -> Pixels:
    """Distances from the mean of the grey image times a factor; that mean is rounded, as Pillow does it."""
    # cv2.mean, of the whole image at once, is exact: it sums in double.
    centre = np.floor(cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0] + 0.5)
    return _levels(image, centre + factor * (np.arange(256) - centre))


def gains(image: Pixels, channels: Sequence[float]) -> Pixels:
    """Red, green and blue times a gain each."""
    return _levels(image, np.outer(np.arange(256), channels))


def _value(image: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The value of HSV (the largest channel) and the smallest channel, (H, W) in [0, 255]."""
    red, green, blue = cv2.split(image)
    return cv2.max(cv2.max(red, green), blue).astype(np.float32), cv2.min(cv2.min(red, green), blue).astype(np.float32)


def saturate(image: Pixels, added: float) -> Pixels:
    """The saturation of HSV, from 0 to 1, plus a number; hue and value stay. Grey has no hue, and stays grey."""
    value, least = _value(image)
    span = value - least
    # A channel lies v - c under the value v, and the saturation is (v - least) / v: both grow by one factor.
    factor = np.divide(
        np.minimum(span + np.float32(added) * value, value), span, out=np.ones_like(span), where=span > 0
    )
    result = value[..., None] - (value[..., None] - image) * factor[..., None]
    return np.asarray(cv2.convertScaleAbs(result), np.uint8)


def lift(image: Pixels, added: float) -> Pixels:
    """The value of HSV, from 0 to 1, plus a number, which may be negative; hue and saturation stay."""
    value, _ = _value(image)
    lifted = np.clip(value + np.float32(255 * added), 0, 255)
    factor = np.divide(lifted, value, out=np.zeros_like(value), where=value > 0)
    result = image * factor[..., None] + np.where(value > 0, np.float32(0), lifted)[..., None]
    return np.asarray(cv2.convertScaleAbs(result), np.uint8)


BRIGHTER = (1.1, 1.2, 1.3, 1.4, 1.5)
DARKER = (0.9, 0.8, 0.7, 0.6, 0.5)
MORE_CONTRAST = (1.1, 1.2, 1.3, 1.4, 1.6)
LESS_CONTRAST = (0.8, 0.7, 0.6, 0.5, 0.4)
SATURATIONS = (0.05, 0.10, 0.15, 0.20, 0.25)

LIGHT = (
    Change(
        key="brightness_up",
        name="Brighter",
        group="light",
        plain="The exposure was too long, and bright skin is burnt out.",
        source=OF_SAM_C,
        scale="Every value times 1.1, 1.2, 1.3, 1.4, 1.5.",
        draw=lambda image, severity, _: Changed(brightness(image, BRIGHTER[severity - 1])),
        drawn="The classifiers drew brightness within 12 %, which holds severity 1; the U-Net within 30 %, severities "
        "1 "
        "to 3.",
    ),
    Change(
        key="brightness_down",
        name="Darker",
        group="light",
        plain="The exposure was too short.",
        source=OF_SAM_C,
        scale="Every value times 0.9, 0.8, 0.7, 0.6, 0.5.",
        draw=lambda image, severity, _: Changed(brightness(image, DARKER[severity - 1])),
        drawn="The classifiers drew brightness within 12 %, which holds severity 1; the U-Net within 30 %, severities "
        "1 "
        "to 3.",
    ),
    Change(
        key="contrast_down",
        name="Less contrast",
        group="light",
        plain="Everything is nearer to the mean grey, as through a veil.",
        source=f"{OF_SAM_C} SAM-C calls it contrast.",
        scale="Distances from the mean grey times 0.8, 0.7, 0.6, 0.5, 0.4.",
        draw=lambda image, severity, _: Changed(contrast(image, LESS_CONTRAST[severity - 1])),
        drawn="The classifiers drew contrast within 12 %, less than severity 1; the U-Net within 30 %, severities 1 "
        "and 2.",
    ),
    Change(
        key="contrast_up",
        name="More contrast",
        group="light",
        plain="Dark is darker and bright is brighter.",
        source=f"{MEDMNIST_C}; not in SAM-C.",
        scale="Distances from the mean grey times 1.1, 1.2, 1.3, 1.4, 1.6.",
        draw=lambda image, severity, _: Changed(contrast(image, MORE_CONTRAST[severity - 1])),
        drawn="The classifiers drew contrast within 12 %, which holds severity 1; the U-Net within 30 %, severities 1 "
        "to 3.",
    ),
    Change(
        key="saturate",
        name="More saturated",
        group="light",
        plain="The colours are stronger than they were.",
        source=f"{EXTRA_OF_SAM_C} {MEDMNIST_C_PATH}, since those of ImageNet-C take colour out at first. Grey stays "
        "grey.",
        scale="Saturation, from 0 to 1, plus 0.05, 0.10, 0.15, 0.20, 0.25.",
        draw=lambda image, severity, _: Changed(saturate(image, SATURATIONS[severity - 1])),
        drawn="Not this rule, but saturation was drawn: within 12 % by the classifiers, within 35 % by the U-Net.",
    ),
)
