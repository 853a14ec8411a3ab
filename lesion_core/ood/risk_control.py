"""A bounded error among the images that are kept (risk control, Learn then Test).

It holds for images drawn as the calibration images were, one per lesion; not for another clinic, and not for images
that show no lesion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.intervals import check_level
from lesion_core.analysis.predictions import Floats, check_results, check_scores

GRID = 60
"""Thresholds that are tried, at even shares of the learning images."""

STARTS = 5
"""Places from which they are tried one after another, each at its part of the level."""


@dataclass(frozen=True)
class RiskControl:
    """Whether the error among the kept can be bounded.

    Attributes:
        threshold: Keep iff ``score <= threshold``; None where nothing can be promised.
        error: The bound on the share of wrong answers among the kept.
        confidence: How sure the bound is, over draws of the calibration images.
        kept: Share of the calibration images that is kept; 0 where nothing can be promised.
        description: The promise, or that there is none, one sentence.
    """

    threshold: float | None
    error: float
    confidence: float
    kept: float
    description: str


def risk_p_values(wrong: NDArray[np.intp], kept: NDArray[np.intp], error: float) -> Floats:
    """The p-value of "the risk is over `error`" from `wrong` mistakes among `kept` images; 1 where none are kept.

    The Hoeffding-Bentkus p-value of a loss that is 0 or 1: Bentkus' bound is then the binomial tail
    ``P(Bin(kept, error) <= wrong)`` itself, and Hoeffding's bound (Chernoff's) never lies under that tail.

    Args:
        wrong: (T,) counts, 0 to `kept`.
        kept: (T,) counts.
        error: The bound on the risk, in (0, 1).

    Returns:
        (T,) in [0, 1].

    Papers: Bates et al. 2021 (arXiv:2101.02703); Angelopoulos et al. 2021 (arXiv:2110.01052).
    """
    from scipy.stats import binom  # takes longer to import than all else that a first page needs of SciPy

    return np.where(kept > 0, binom.cdf(wrong, kept, error), 1.0)


def fixed_sequence(p_values: Floats, level: float, starts: int) -> NDArray[np.bool_]:
    """Which hypotheses are rejected by testing them in their order, from several evenly spaced starts.

    From each start the tests go on to the first that fails, each at ``level / starts``, so the chance of any false
    rejection is at most `level`.

    Args:
        p_values: (T,) in the order of the tests.
        level: Family-wise error rate, in (0, 1).
        starts: Number of starts, 1 to T.

    Returns:
        (T,) bool.

    Paper: fixed sequence testing in Angelopoulos et al. 2021 (arXiv:2110.01052).
    """
    passes = p_values <= level / starts
    rejected = np.zeros_like(passes)
    for start in np.arange(starts) * (len(passes) // starts):
        rejected[start:] |= np.logical_and.accumulate(passes[start:])
    return rejected


def control_risk(
    learn_scores: ArrayLike,
    scores: ArrayLike,
    correct: ArrayLike,
    error: float = 0.1,
    confidence: float = 0.9,
) -> RiskControl:
    """The threshold that keeps most while the error among the kept is bounded: Learn then Test.

    For each of `GRID` thresholds the hypothesis that the error is over the bound is tested on the images that it keeps
    (`risk_p_values`), from strict to loose until one fails (`fixed_sequence` with `STARTS` starts). The thresholds come
    from other images: taken from those that are tested they would void the guarantee.

    Args:
        learn_scores: (L,) scores of the images that the thresholds are taken from (validation set).
        scores: (N,) scores of the images that are tested on (calibration set), one per lesion.
        correct: (N,) bool.
        error: The bound on the share of wrong answers, in (0, 1).
        confidence: Probability that the bound holds, in (0, 1).

    Raises:
        DataError: There are no images, the arrays do not fit, or a score is NaN or infinite.
        ConfigError: The bound or the confidence is out of range.

    Paper: Angelopoulos et al. 2021, Learn then Test (arXiv:2110.01052).
    """
    learn, s = (check_scores(x, "calibration", some=True) for x in (learn_scores, scores))
    right = check_results(correct, len(s))
    check_level(error, "bound")
    check_level(confidence, "confidence")
    thresholds = np.unique(np.quantile(learn, np.linspace(1 / GRID, 1, GRID), method="inverted_cdf"))
    kept = np.array([(s <= t).sum() for t in thresholds])
    wrong = np.array([(~right[s <= t]).sum() for t in thresholds])
    p_values = risk_p_values(wrong, kept, error)
    valid = np.flatnonzero(fixed_sequence(p_values, 1 - confidence, min(STARTS, len(thresholds))))
    bound = f"the error among the kept is at most {100 * error:g} %"
    if not len(valid):
        return RiskControl(
            None,
            error,
            confidence,
            0.0,
            f"With {len(s):,} calibration images it cannot be promised with {100 * confidence:g} % confidence that "
            f"{bound}.",
        )
    loosest = int(valid.max())
    threshold, share = float(thresholds[loosest]), float(kept[loosest] / len(s))
    return RiskControl(
        threshold,
        error,
        confidence,
        share,
        f"With {100 * confidence:g} % confidence {bound}, tested on {len(s):,} calibration images, one per lesion; "
        f"{100 * share:.1f} % of them are kept.",
    )
