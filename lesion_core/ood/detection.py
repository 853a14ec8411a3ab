"""How well a score tells images that show no lesion (OOD, the positive class) from dermoscopy, at all thresholds.

Higher scores mean more OOD. The figures are NaN where one side is empty. In intervals dermoscopy is drawn by lesion
and the OOD images image by image, each side by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lesion_core.analysis.intervals import Interval, bootstrap_all
from lesion_core.analysis.predictions import Floats, check_scores
from lesion_core.analysis.ranking import Ranking, Weights, auroc, average_precision, ones, rank, ratio


def fpr_at_tpr(ranking: Ranking, weights: Weights, share: float = 0.95) -> Floats:
    """The share of negatives at or over the highest score that at least `share` of the positives reach, (B,).

    Examples:
        >>> from lesion_core.analysis.ranking import ones
        >>> ranking = rank(np.array([False, False, True]), np.array([0.1, 0.6, 0.5]))
        >>> fpr_at_tpr(ranking, ones(3)).tolist()
        [0.5]
    """
    positive = weights[ranking.positives]
    negative = np.zeros((len(ranking.negatives) + 1, weights.shape[1]))
    np.cumsum(weights[ranking.negatives], axis=0, out=negative[1:])
    if not len(positive):
        return np.full(weights.shape[1], np.nan)
    found = np.cumsum(np.add.reduceat(positive, ranking.starts, axis=0), axis=0)
    reached = np.argmax(np.nan_to_num(ratio(found, found[-1])) >= share, axis=0)
    flagged = negative[ranking.level[reached], np.arange(weights.shape[1])]
    return np.where(found[-1] > 0, ratio(flagged, negative[-1]), np.nan)


@dataclass(frozen=True)
class Measure:
    """A figure of how well two kinds of images are told apart.

    Attributes:
        name: What a person reads.
        description: What it means, one sentence that names the positive class.
        guess: Its value for a score that knows nothing, where that does not depend on how many there are.
        statistic: From a ranking of OOD against dermoscopy, the reversed one, and weights (N, B), to (B,).
    """

    name: str
    description: str
    guess: float | None
    statistic: Callable[[Ranking, Ranking, Weights], Floats]


MEASURES: dict[str, Measure] = {
    "auroc": Measure(
        name="AUROC",
        description="The chance that an OOD image scores higher than dermoscopy; ties count half.",
        guess=0.5,
        statistic=lambda out, _, weights: auroc(out, weights),
    ),
    "aupr_ood": Measure(
        name="AUPR, OOD positive",
        description="Precision over recall in finding OOD images by high scores; it depends on how many there are.",
        guess=None,
        statistic=lambda out, _, weights: average_precision(out, weights),
    ),
    "aupr_dermoscopy": Measure(
        name="AUPR, dermoscopy positive",
        description="Precision over recall in finding dermoscopy by low scores; it depends on how many there are.",
        guess=None,
        statistic=lambda _, known, weights: average_precision(known, weights),
    ),
    "fpr95": Measure(
        name="FPR at 95 % TPR",
        description="The share of dermoscopy that is flagged when at least 95 % of the OOD images are; OOD is "
        "positive, papers that take dermoscopy as positive mean another figure.",
        guess=0.95,
        statistic=lambda out, _, weights: fpr_at_tpr(out, weights),
    ),
}
"""The measures by key."""


def _rankings(score_in: ArrayLike, score_out: ArrayLike) -> tuple[Ranking, Ranking, int, int]:
    s, out = check_scores(score_in, "in-distribution"), check_scores(score_out, "OOD")
    both, is_out = np.concatenate([s, out]), np.arange(len(s) + len(out)) >= len(s)
    return rank(is_out, both), rank(~is_out, -both), len(s), len(out)


def measure(key: str, score_in: ArrayLike, score_out: ArrayLike) -> float:
    """One of `MEASURES` of scores (N,) of dermoscopy and (M,) of OOD images; NaN where one side is empty.

    Raises:
        DataError: A score is NaN or infinite.

    Examples:
        >>> measure("auroc", [0.1, 0.2, 0.6], [0.5, 0.9])
        0.8333333333333334
    """
    out, known, n, m = _rankings(score_in, score_out)
    return float(MEASURES[key].statistic(out, known, ones(n + m))[0]) if n and m else float("nan")


def detection(
    score_in: ArrayLike,
    score_out: ArrayLike,
    groups: ArrayLike | None = None,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """All of `MEASURES` with intervals.

    Args:
        score_in: (N,) scores of dermoscopy.
        score_out: (M,) scores of OOD images.
        groups: (N,) lesion ids; None takes each image as a lesion.
        n: Resamples.
        seed: The same seed draws the same images.
        level: Coverage of the intervals, in (0, 1).

    Raises:
        DataError: A score is NaN or infinite, or a lesion id is missing.
        ConfigError: `n` or `level` is out of range.

    Examples:
        >>> found = detection(np.linspace(0, 1, 50), np.linspace(0.8, 2, 20))["auroc"]
        >>> found.low < found.value < found.high
        True
    """
    out, known, n_in, n_out = _rankings(score_in, score_out)
    if not n_in or not n_out:
        nothing = Interval(float("nan"), float("nan"), float("nan"), n_in + n_out, 0)
        return dict.fromkeys(MEASURES, nothing)

    def statistic(m: Measure) -> Callable[[Weights], Floats]:
        return lambda weights: m.statistic(out, known, weights)

    return bootstrap_all(
        {key: statistic(m) for key, m in MEASURES.items()},
        np.arange(n_in) if groups is None else groups,
        n,
        seed,
        level,
        others=n_out,
    )
