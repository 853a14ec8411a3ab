"""What a map says about a lesion, in numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lesion_core.errors import DataError


def _check(heatmap: NDArray[np.floating], mask: NDArray[np.bool_]) -> None:
    if heatmap.shape != mask.shape:
        raise DataError(
            f"A map of {heatmap.shape} and a mask of {mask.shape} are not one frame.",
            "Bring both to the picture's size.",
        )


def energy_inside(heatmap: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """The share of a map's positive sum that lies inside a mask (the energy-based pointing game; Wang et al.,
    Score-CAM, CVPR Workshops 2020).

    Args:
        heatmap: (H, W); what is negative counts as 0.
        mask: (H, W) bool.

    Returns:
        In [0, 1]; 0 for an empty map.

    Raises:
        DataError: The shapes differ.
    """
    _check(heatmap, mask)
    positive = np.maximum(heatmap, 0)
    total = float(positive.sum(dtype=np.float64))
    return float(positive[mask].sum(dtype=np.float64)) / total if total > 0 else 0.0


def peak_inside(heatmap: NDArray[np.floating], mask: NDArray[np.bool_]) -> bool:
    """Whether a map's strongest point lies inside a mask (the pointing game; Zhang et al., ECCV 2016).

    An empty map points nowhere.

    Raises:
        DataError: The shapes differ.
    """
    _check(heatmap, mask)
    if not heatmap.max() > 0:
        return False
    return bool(mask.flat[int(heatmap.argmax())])
