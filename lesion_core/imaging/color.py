"""Colour: shades-of-gray constancy and contrast limited histogram equalisation."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.config import Clahe, ColorConstancy


def shades_of_gray(image: NDArray[np.uint8], settings: ColorConstancy) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Correct the light's colour, taken as the Minkowski mean of the image.

    .. math:: e_c = (\\tfrac1n \\sum_i I_{c,i}^p)^{1/p}, \\quad g_c = \\lVert e \\rVert / (\\sqrt 3 \\, e_c)

    Each channel c is multiplied by its gain g_c and clipped to [0, 255]. p = 1 is gray world; p towards
    infinity is white patch. An image with an all-black channel has no estimate and stays as it is.

    Args:
        image: (H, W, 3) uint8 RGB.
        settings: The power p.

    Returns:
        The corrected (H, W, 3) uint8 and the three gains.

    References:
        Finlayson and Trezzi, Shades of gray and colour constancy, Color Imaging Conference 2004;
        for dermoscopy Barata, Celebi and Marques, IEEE J. Biomed. Health Inform. 19 (2015).
    """
    levels = np.arange(256) / 255.0
    # A channel has 256 values: powers and gains are taken on those, not on the pixels.
    counts = np.stack([cv2.calcHist([image], [c], None, [256], [0, 256]).ravel() for c in range(3)]).astype(np.float64)
    light = (counts @ levels**settings.power / counts.sum(axis=1)) ** (1 / settings.power)
    if (light == 0).any():
        return image.copy(), np.ones(3)
    gains = np.linalg.norm(light) / (np.sqrt(3) * light)
    table = np.rint(np.clip(255 * np.outer(levels, gains), 0, 255)).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), dtype=np.uint8), gains


def equalize(image: NDArray[np.uint8], settings: Clahe) -> NDArray[np.uint8]:
    """Spread the contrast of L in CIE LAB tile by tile (CLAHE); hue stays.

    Args:
        image: (H, W, 3) uint8 RGB.
        settings: Clip limit, as a multiple of the mean bin, and tiles per side.

    Returns:
        (H, W, 3) uint8.

    References:
        Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV (1994).
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    # Made anew for each call: a CLAHE object keeps buffers and is not thread safe.
    clahe = cv2.createCLAHE(settings.clip_limit, (settings.tiles, settings.tiles))
    lab[:, :, 0] = clahe.apply(np.ascontiguousarray(lab[:, :, 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), dtype=np.uint8)
