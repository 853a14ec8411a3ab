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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lesion_core.runs.classifier import PHOTOGRAPH

FEWEST = 50
"""Photographs that a difference is learned from, at least."""

STRENGTH = 0.01
"""The inverse of the penalty on the weights of features in standard deviations."""


def fit_photographs(
    dermoscopy: NDArray[np.float32], photographs: NDArray[np.float32]
) -> dict[str, NDArray[np.float16]]:
    """A logistic regression of clinical photographs against dermoscopy, both counted as equally common.

    Args:
        dermoscopy: (N, C) features of training images.
        photographs: (M, C) features of photographs that are kept to choose with.

    Returns:
        ``photograph_weights`` (C,) and ``photograph_bias`` (1,), so that ``weights . f + bias`` is the logarithm of the
        odds; nothing where there are fewer than `FEWEST` photographs.
    """
    if len(photographs) < FEWEST or not len(dermoscopy):
        return {}
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=2000)).fit(
        np.concatenate([dermoscopy, photographs]), np.repeat([0, 1], [len(dermoscopy), len(photographs)])
    )
    scale, regression = probe
    weights = regression.coef_[0] / scale.scale_
    bias = regression.intercept_ - weights @ scale.mean_
    return {f"{PHOTOGRAPH}_weights": weights.astype(np.float16), f"{PHOTOGRAPH}_bias": bias.astype(np.float16)}
