"""What tells a clinical photograph from dermoscopy, learned from photographs that no figure is of.

A network that saw only dermoscopy keeps no word for a photograph of a lesion: colours and textures are those of skin,
so no score that knows dermoscopy alone turns such images away. A few hundred of them are enough to learn the difference
from (outlier exposure, Hendrycks et al. 2019, arXiv:1812.04606), here with the network as it is: a linear probe of
layer3's features (Alain and Bengio 2016, arXiv:1610.01644).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lesion_core.runs.classifier import PHOTOGRAPH

FEWEST = 50
"""Photographs that a difference is learned from, at least; smaller sources of images count as one."""

STRENGTH = 0.1
"""The inverse of the penalty on the weights of features in standard deviations; chosen by photographs left out."""


def fit_photographs(
    dermoscopy: NDArray[np.float32],
    sources: NDArray[np.str_],
    photographs: NDArray[np.float32],
    kinds: NDArray[np.str_],
) -> dict[str, NDArray[np.float16]]:
    """A logistic regression of clinical photographs against dermoscopy.

    Both count the same, and so does each source of dermoscopy and each kind of photograph within them: else the camera
    of the largest source is what dermoscopy looks like.

    Args:
        dermoscopy: (N, C) features of training images.
        sources: (N,) the data set of each.
        photographs: (M, C) features of photographs that are kept to choose with.
        kinds: (M,) the kind of each.

    Returns:
        ``photograph_weights`` (C,) and ``photograph_bias`` (1,), so that ``weights . f + bias`` is the logarithm of the
        odds; nothing where there are fewer than `FEWEST` photographs.
    """
    if len(photographs) < FEWEST or not len(dermoscopy):
        return {}
    features = np.concatenate([dermoscopy, photographs]).astype(np.float64)
    scale = StandardScaler().fit(features)
    counts = np.concatenate([_equally(sources), _equally(kinds)]) * len(features) / 2
    regression = LogisticRegression(C=STRENGTH, max_iter=2000).fit(
        scale.transform(features), np.repeat([0, 1], [len(dermoscopy), len(photographs)]), counts
    )
    weights = regression.coef_[0] / scale.scale_
    bias = regression.intercept_ - weights @ scale.mean_
    return {f"{PHOTOGRAPH}_weights": weights.astype(np.float16), f"{PHOTOGRAPH}_bias": bias.astype(np.float16)}


def _equally(groups: NDArray[np.str_]) -> NDArray[np.float64]:
    """(N,) what each image counts, so that each group counts the same and all together 1."""
    _, own, n = np.unique(groups, return_inverse=True, return_counts=True)
    own = np.where(n[own] < FEWEST, -1, own)
    _, own, n = np.unique(own, return_inverse=True, return_counts=True)
    return np.asarray(1 / (n[own] * len(n)))
