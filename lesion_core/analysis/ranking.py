"""Areas under the ROC and the precision-recall curve, for many weightings of the same images at once.

A bootstrap asks for an area a thousand times and only the weights change. So the scores are sorted once,
and each area is then a cumulative sum over rows of an (N, B) matrix of weights, one column a resample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]
"""(N, B): the weight of each image in each of B resamples."""


def ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, with NaN where the denominator is 0: what has no cases has no rate.

    Examples:
        >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
        [0.5, nan]
    """
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    out: NDArray[np.float64] = np.full(shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)


def ones(n: int) -> Weights:
    """The weights of the images as they are, (n, 1).

    Examples:
        >>> ones(3).ravel().tolist()
        [1.0, 1.0, 1.0]
    """
    return np.ones((n, 1))


def sums(rows: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Weighted sums over images: (N,) or (K, N) to (B,) or (K, B).

    A matrix product without BLAS: its threads wait for each other, long when other work holds the cores.

    Examples:
        >>> sums(np.array([[1.0, 0.0, 1.0]]), ones(3)).tolist()
        [[2.0]]
    """
    return np.asarray(np.einsum("...n,nb->...b", rows, weights))


@dataclass(frozen=True)
class Ranking:
    """The images of one binary question, sorted by falling score.

    Attributes:
        positives: (P,) rows of the positive images, highest score first.
        negatives: (N - P,) rows of the negative images, highest score first.
        starts: (U,) where each of the U distinct scores of positives starts in `positives`.
        above: (U,) how many negatives score higher than each of those.
        level: (U,) how many negatives score as high or higher.
    """

    positives: NDArray[np.intp]
    negatives: NDArray[np.intp]
    starts: NDArray[np.intp]
    above: NDArray[np.intp]
    level: NDArray[np.intp]


def rank(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Ranking:
    """Sort images once, for `areas` to be cheap. Both arguments are (N,); a high score speaks for positive.

    Examples:
        >>> ranking = rank(np.array([True, False, True]), np.array([0.9, 0.5, 0.4]))
        >>> auroc(ranking, ones(3)).tolist()
        [0.5]
    """
    order = np.argsort(-scores, kind="stable")
    positives, negatives = order[positive[order]], order[~positive[order]]
    distinct, starts = np.unique(-scores[positives], return_index=True)
    falling = -scores[negatives]
    above = np.searchsorted(falling, distinct, side="left")
    level = np.searchsorted(falling, distinct, side="right")
    return Ranking(positives, negatives, starts, above, level)


def _masses(ranking: Ranking, weights: Weights) -> tuple[Weights, Weights]:
    """Weight of the positives at each distinct score (U, B), and of the 0, 1, 2, ... highest negatives."""
    negative = np.zeros((len(ranking.negatives) + 1, weights.shape[1]))
    np.cumsum(weights[ranking.negatives], axis=0, out=negative[1:])
    positive = weights[ranking.positives]
    if len(ranking.starts) < len(ranking.positives):
        positive = np.add.reduceat(positive, ranking.starts, axis=0)
    return positive, negative


def auroc(ranking: Ranking, weights: Weights) -> NDArray[np.float64]:
    """Area under the ROC curve: the chance that a positive image outscores a negative one, ties count half.

    ``sum_ij w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / sum_ij w_i w_j`` over positives i and negatives j
    (the Mann-Whitney statistic; Hanley and McNeil 1982).

    Returns:
        (B,), NaN where one side has no weight.

    Examples:
        >>> auroc(rank(np.array([True, False, True]), np.array([0.9, 0.5, 0.4])), ones(3)).tolist()
        [0.5]
    """
    positive, negative = _masses(ranking, weights)
    beaten = negative[-1] - (negative[ranking.above] + negative[ranking.level]) / 2
    return ratio((positive * beaten).sum(axis=0), positive.sum(axis=0) * negative[-1])


def average_precision(ranking: Ranking, weights: Weights) -> NDArray[np.float64]:
    """Area under the precision-recall curve, as a sum of steps: ``sum_t (R_t - R_(t-1)) P_t`` over thresholds t.

    Without the linear interpolation that is too optimistic between two points (Davis and Goadrich 2006).

    Returns:
        (B,), NaN where the positives have no weight; 1 where only the negatives have none.

    Examples:
        >>> average_precision(rank(np.array([True, False]), np.array([0.9, 0.5])), ones(2)).tolist()
        [1.0]
    """
    positive, negative = _masses(ranking, weights)
    found = np.cumsum(positive, axis=0)
    precision = np.nan_to_num(ratio(found, found + negative[ranking.level]))
    return ratio((positive * precision).sum(axis=0), positive.sum(axis=0))
