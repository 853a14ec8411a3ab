"""The contact gel: the bubbles in it, and the line where it or the contact plate ends."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.finders.rulers import find_ruler
from lesion_core.imaging.finders.working_size import grey_of, light, share_of, skin_of

_BUBBLE = 11  # pixels: the widest glint
_BRIGHTER = 8  # grey levels
_BUBBLES_CUT = 56.0

_BLUR = 1.7  # pixels
_WEAK, _STRONG = 0.4, 0.8  # per cent of light per pixel: where an edge goes on, and where it begins
_TILE = 86  # pixels; edges are cut to pieces at so many, within which the border of gel is nearly straight
_LEAST = 30  # pixels from end to end of a piece
_BORDER_CUT = 130.0


def find_gel_bubbles(image: Pixels) -> tuple[float, Mask]:
    """Small bright spots, as the glints and rims of bubbles are: how many, in an image without its dark hairs.

    A closing fills hairs, so that skin between two of them is not a spot. Milia and scales are found too.
    """
    grey = grey_of(image)
    filled = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, _disc(5))
    hats = cv2.morphologyEx(filled, cv2.MORPH_TOPHAT, _disc(_BUBBLE))
    _, labels, stats, _ = cv2.connectedComponentsWithStats((hats > _BRIGHTER).astype(np.uint8))
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    longest, shortest = np.maximum(width, height), np.minimum(width, height)
    round_ = (longest <= _BUBBLE + 1) & (2 * shortest >= longest) & (stats[:, cv2.CC_STAT_AREA] >= 3)
    round_[0] = False
    per_square = int(round_.sum()) * 256 * 256 / grey.size
    return share_of(per_square, _BUBBLES_CUT), np.asarray(round_[labels])


def find_gel_border(image: Pixels) -> tuple[float, Mask]:
    """Long, smooth, faint edges on skin, in pixels: where gel or the contact plate ends. A ruler is left out."""
    grey = grey_of(image)
    skin = skin_of(grey, 15)
    score, ruler = find_ruler(image)
    if score > 0.5:
        skin &= ~ruler
    field = np.asarray(cv2.GaussianBlur(light(grey), (0, 0), _BLUR), np.float32)
    edges = cv2.Canny(_slope(field, 1, 0), _slope(field, 0, 1), _WEAK * 64, _STRONG * 64)
    edges[~skin] = 0
    edges[_TILE - 1 :: _TILE] = 0
    edges[:, _TILE - 1 :: _TILE] = 0
    _, labels, stats, _ = cv2.connectedComponentsWithStats(edges, connectivity=8)
    extent = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    area = stats[:, cv2.CC_STAT_AREA]
    smooth = (extent > _LEAST) & (area < 1.1 * extent + 4)  # what branches or wriggles has more pixels
    smooth[0] = False
    length = float(area[smooth].sum()) * 256 * 256 / grey.size
    mask = cv2.dilate(smooth[labels].astype(np.uint8), _disc(3))
    return share_of(length, _BORDER_CUT), np.asarray(mask > 0)


def _disc(width: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)), np.uint8)


def _slope(field: NDArray[np.float32], x: int, y: int) -> NDArray[np.int16]:
    """The derivative of light in per cent per pixel, times 64, as the edge finder takes it."""
    return np.asarray(np.clip(cv2.Sobel(field, cv2.CV_32F, x, y) * 8, -32000, 32000), np.int16)
