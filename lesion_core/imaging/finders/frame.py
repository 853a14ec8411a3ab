"""The dark corners that the round field of a dermatoscope leaves."""

from __future__ import annotations

import numpy as np

from lesion_core.config import DarkCorner
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.finders.working_size import grey_of, share_of
from lesion_core.imaging.geometry import dark_ring

_CORNER = 4  # pixels: even the last trace of a ring lies in one
_CUT = 0.6
_DARKEST = 120


def find_dark_corner(image: Pixels) -> tuple[float, Mask]:
    """How much darker the darkest corner is than the middle grey of the image, and the ring that lies in the corners.

    A trace of a ring gives a score without a mask: `dark_ring` leaves out what is under half a per cent of the frame.
    """
    grey = grey_of(image)
    usual = float(np.median(grey))
    if usual < 1:  # a black image has no corners
        return 0.0, np.zeros(grey.shape, np.bool_)
    ends = slice(None, _CORNER), slice(-_CORNER, None)
    corner = min(float(grey[rows, columns].mean()) for rows in ends for columns in ends)
    fall = max(0.0, 1 - corner / usual)
    if fall < 0.2:
        return share_of(fall, _CUT), np.zeros(grey.shape, np.bool_)
    darkness = int(np.clip((corner + usual) / 2, 1, _DARKEST))
    return share_of(fall, _CUT), dark_ring(image, DarkCorner(enabled=True, darkness=darkness))
