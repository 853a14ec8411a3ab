"""How far an image lies from what the model was trained on, in its penultimate features.

Each function is fitted on the training set and returns a function of outputs, higher = farther. All work in the
principal components that a run stores (see `ood.model_outputs`); each says what that changes against its paper.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lesion_core.analysis.predictions import Floats
from lesion_core.errors import DataError
from lesion_core.ood.model_outputs import FitData, Outputs

Function = Callable[[Outputs], Floats]
"""Outputs of N images to scores (N,) float64, higher = more out of distribution."""

RIDGE = 1e-6
"""Added to a covariance, as a share of its mean variance: with fewer images than components it has no inverse."""

NEIGHBOURS = 50
"""The paper's choice for 50,000 images of ten classes, and pytorch-ood's."""

_BLOCK = 512
"""Images that are compared with the training set at once: 30 MB for 7,300."""


NO_FEATURES = "These images have logits only, no features.", "Give features, or a score of logits."
NO_PHOTOGRAPHS = (
    "This run has learned of no clinical photographs.",
    "Choose another score, or score the run again with `evaluate --data` and a folder that holds some.",
)


def _features(outputs: Outputs) -> Floats:
    if len(outputs) and not outputs.reduced.shape[1]:
        raise DataError(*NO_FEATURES)
    return outputs.reduced


def _train(known: FitData) -> Floats:
    if not len(known.train):
        raise DataError(
            "There are no training images to measure distances from.", "A run needs a training set for this."
        )
    return _features(known.train)


def _whitening(scatter: Floats, n: int) -> Floats:
    """W with ``|W x|^2 = x' (S / n + ridge)^-1 x``."""
    covariance = scatter / n
    ridge = RIDGE * np.trace(covariance) / len(covariance)
    # Features that are all the same have no variance to take a share of.
    lower = np.linalg.cholesky(covariance + (ridge or 1.0) * np.eye(len(covariance)))
    return np.asarray(np.linalg.inv(lower), dtype=np.float64)


def _class_means(known: FitData) -> tuple[Floats, Floats]:
    """The mean of each class that has images (C, P), and each image's distance vector from its own (N, P)."""
    present, own = np.unique(known.labels, return_inverse=True)
    x = _train(known)
    means = np.stack([x[own == k].mean(axis=0) for k in range(len(present))])
    return means, x - means[own]


def _nearest(whitened: Floats, means: Floats) -> Floats:
    """(N,) squared distance to the nearest of the means."""
    return np.asarray(np.min([((whitened - mean) ** 2).sum(axis=1) for mean in means], axis=0))


def mahalanobis(known: FitData) -> Function:
    """``min_k (r - m_k)' S^-1 (r - m_k)``, S the covariance about the class means m_k, shared by all classes.

    Against the paper: within the principal components, only of the last layer, without input perturbation.

    Paper: Lee et al. 2018 (arXiv:1807.03888).
    """
    means, within = _class_means(known)
    white = _whitening(within.T @ within, len(within))
    return lambda outputs: _nearest(_features(outputs) @ white.T, means @ white.T)


def relative_mahalanobis(known: FitData) -> Function:
    """The squared Mahalanobis distance to the nearest class minus that to the mean of all; it can be under 0.

    Against the paper: within the principal components.

    Paper: Ren et al. 2021 (arXiv:2106.09022).
    """
    x = _train(known)
    middle, nearest_class = x.mean(axis=0), mahalanobis(known)
    white = _whitening((x - middle).T @ (x - middle), len(x))
    return lambda outputs: nearest_class(outputs) - (((_features(outputs) - middle) @ white.T) ** 2).sum(axis=1)


def nearest_neighbours(known: FitData) -> Function:
    """The distance to the k-th nearest image of the training set, all features divided by their length.

    With ``f = mean + C' r + outside`` the inner product of two features is that of their stored parts and of the
    parts outside of the components. The direction of the latter is not stored: parts outside are taken as at right
    angles to each other and to the mean. Where the components are all that there is, this is the paper's distance.

    Paper: Sun et al. 2022 (arXiv:2204.06507), k = `NEIGHBOURS` or as many as there are.
    """

    def directions(outputs: Outputs) -> Floats:
        inside = np.column_stack([_features(outputs) + known.mean_inside, np.full(len(outputs), known.mean_outside)])
        length = np.sqrt((inside**2).sum(axis=1) + outputs.residual**2)
        return inside / np.where(length > 0, length, 1)[:, None]

    _train(known)
    train = directions(known.train)
    k = min(NEIGHBOURS, len(train))

    def distance(outputs: Outputs) -> Floats:
        asked = directions(outputs)
        found = np.empty(len(asked))
        for start in range(0, len(asked), _BLOCK):
            cosine = asked[start : start + _BLOCK] @ train.T
            kth = np.partition(cosine, len(train) - k, axis=1)[:, len(train) - k]
            found[start : start + _BLOCK] = np.sqrt(np.maximum(2 - 2 * kth, 0))
        return found

    return distance


def residual(_: FitData) -> Function:
    """The length of what lies outside of the principal components of the training set: nothing is fitted.

    Paper: Wang et al. 2022 (arXiv:2203.10807), where it is *Residual*; there about another origin, see `vim`.
    """
    return lambda outputs: _measured(outputs.residual)


def layer3_residual(_: FitData) -> Function:
    """The same of the features of layer3, of which a run keeps a quarter as components.

    Paper: as `residual`; that an earlier stage tells OOD images apart better is in Lee et al. 2018 (arXiv:1807.03888).
    """
    return lambda outputs: _measured(outputs.layer3)


def photograph(_: FitData) -> Function:
    """The evidence for a clinical photograph, which a run stores where it had some to learn from (`ood.photographs`).

    Paper: Hendrycks et al. 2019 (arXiv:1812.04606), with a linear probe of layer3 in place of another training.
    """

    def evidence(outputs: Outputs) -> Floats:
        if np.isnan(outputs.photograph).any():
            raise DataError(*NO_PHOTOGRAPHS)
        return outputs.photograph

    return evidence


def _measured(lengths: Floats) -> Floats:
    if np.isnan(lengths).any():
        raise DataError(*NO_FEATURES)
    return lengths


def vim(known: FitData) -> Function:
    """``a |residual| - log sum_k exp(z_k)``: the residual as a virtual logit against the energy of the real ones.

    a makes the mean virtual logit of the training set equal to its mean highest logit; it is 0 where no training
    image leaves a residual. Against the paper: the null space is what lies outside of all the components that
    are stored (the paper keeps 1,000 of 2,048), and the origin is the mean of the training set, for the paper's
    ``-pinv(W) b`` has no place in the stored space.

    Paper: Wang et al. 2022 (arXiv:2203.10807).
    """
    _train(known)
    left = float(known.train.residual.mean())
    factor = float(known.train.logits.max(axis=1).mean()) / left if left > 0 else 0.0
    length = residual(known)
    return lambda outputs: factor * length(outputs) - log_sum_exp(outputs.logits)


def log_sum_exp(logits: Floats) -> Floats:
    """``log sum_k exp(z_k)``, (N, K) to (N,), without overflow."""
    top = logits.max(axis=1)
    return np.asarray(top + np.log(np.exp(logits - top[:, None]).sum(axis=1)))
