"""Methods that cover parts of the image and watch the answer. They need no gradient."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from captum.attr import KernelShap, Occlusion
from numpy.typing import NDArray
from torch import Tensor

from lesion_core.explain.target_function import TargetFunction, seeded

WINDOWS = 8
"""Occlusion covers squares of this part of the side, at steps of half of one."""
PATCHES = 7
"""Superpixels grow from this many seeds per side."""
SHAP_SAMPLES = 300
BATCH = 16


def occlusion(evidence: TargetFunction, image: Tensor, baseline: Tensor) -> Tensor:
    """Occlusion (Zeiler and Fergus, ECCV 2014) through Captum: how far the answer falls where a square is covered.

    Args:
        evidence: What is explained.
        image: (1, 3, S, S).
        baseline: Of the same shape, what the square is covered with.

    Returns:
        (S, S), each pixel the mean over the squares on it.
    """
    side = max(2, image.shape[-1] // WINDOWS)
    with torch.no_grad():
        found: Tensor = Occlusion(evidence).attribute(
            image,
            sliding_window_shapes=(3, side, side),
            strides=(3, side // 2, side // 2),
            baselines=baseline,
            perturbations_per_eval=BATCH,
        )
    return found[0].mean(0)


def superpixels(square: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Patches of like colour: a watershed from a regular grid of seeds (Neubert and Protzel, Compact Watershed, ICPR
    2014, without the compactness).

    Args:
        square: (S, S, 3) uint8 RGB.

    Returns:
        (S, S), the number of each pixel's patch, 0 to `PATCHES` squared - 1 at most.
    """
    height, width = square.shape[:2]
    seeds = np.zeros((height, width), np.int32)
    rows, columns = (np.linspace(0, n, PATCHES + 1)[:-1] + n / (2 * PATCHES) for n in (height, width))
    for i, (y, x) in enumerate((y, x) for y in rows for x in columns):
        seeds[int(y), int(x)] = i + 1
    smooth = cv2.GaussianBlur(square, (0, 0), max(0.8, height / 100))
    found = cv2.watershed(np.ascontiguousarray(smooth), seeds.copy())
    # Borders are -1: they go to the patch beside them.
    while (found <= 0).any():
        grown = cv2.dilate(found.astype(np.float32), np.ones((3, 3))).astype(np.int32)
        found = np.where(found <= 0, grown, found)
        if (grown <= 0).all():
            return np.zeros((height, width), np.int64)
    return np.unique(found, return_inverse=True)[1].reshape(height, width).astype(np.int64)


def kernel_shap(
    evidence: TargetFunction, image: Tensor, baseline: Tensor, patches: NDArray[np.int64], seed: int = 0
) -> Tensor:
    """KernelSHAP over patches (Lundberg and Lee, NeurIPS 2017) through Captum.

    Args:
        evidence: What is explained.
        image: (1, 3, S, S).
        baseline: Of the same shape, what an absent patch shows.
        patches: (S, S), from `superpixels`.
        seed: The same seed gives the same map.

    Returns:
        (S, S): each pixel holds its patch's value divided by the patch's pixels, so that the map sums to what the
        patches add together.
    """
    mask = torch.from_numpy(patches)[None, None].expand_as(image)
    with seeded(seed, evidence.on_pass), torch.no_grad():
        found: Tensor = KernelShap(evidence).attribute(
            image, baselines=baseline, feature_mask=mask, n_samples=SHAP_SAMPLES, perturbations_per_eval=BATCH
        )
    sizes = np.bincount(patches.ravel())
    return found[0, 0] / torch.from_numpy(sizes[patches]).to(found.dtype)
