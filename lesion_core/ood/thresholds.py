"""What a threshold on a score keeps and rejects, and how one is chosen. An image is kept iff ``score <= threshold``.

Thresholds are chosen on images that no figure is shown of: the calibration or the validation set, never the test set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lesion_core.analysis.intervals import Interval, clopper_pearson, share_intervals
from lesion_core.analysis.predictions import check_results, check_scores
from lesion_core.errors import ConfigError


@dataclass(frozen=True)
class OperatingPoint:
    """What one way to reject does, with intervals; NaN where nothing is counted.

    Attributes:
        coverage: Share of the in-distribution images that are kept.
        accuracy: Share of the kept that are classified correctly.
        ood_rejected: Share of the OOD images that are rejected.
    """

    coverage: Interval
    accuracy: Interval
    ood_rejected: Interval

    @property
    def risk(self) -> Interval:
        """The selective risk: share of the kept that are classified wrongly."""
        a = self.accuracy
        return Interval(1 - a.value, 1 - a.high, 1 - a.low, a.n_images, a.n_groups)


def operating_point(
    kept: ArrayLike,
    correct: ArrayLike,
    kept_out: ArrayLike,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> OperatingPoint:
    """Coverage, accuracy of the kept and OOD images rejected, whatever the scores and thresholds were.

    Args:
        kept: (N,) bool, the in-distribution images that are kept.
        correct: (N,) bool, whether the prediction of each is correct.
        kept_out: (M,) bool, the OOD images that are kept; M may be 0.
        groups: (N,) lesion ids for intervals over lesions; None takes each image as a case.
        level: Coverage of the intervals, in (0, 1).

    Raises:
        DataError: The arrays do not fit, or a lesion id is missing.
        ConfigError: `level` is out of range.

    Examples:
        >>> kept, correct, kept_out = np.array([True, True, False]), np.array([True, False, False]), np.zeros(2, bool)
        >>> point = operating_point(kept, correct, kept_out)
        >>> point.accuracy.value, point.ood_rejected.value
        (0.5, 1.0)
    """
    k, out = check_results(kept, np.size(kept)), check_results(kept_out, np.size(kept_out))
    r = check_results(correct, len(k))
    rejected = clopper_pearson(int((~out).sum()), len(out), level)
    if groups is None:
        coverage = clopper_pearson(int(k.sum()), len(k), level)
        accuracy = clopper_pearson(int(r[k].sum()), int(k.sum()), level)
    else:
        shares = share_intervals({"coverage": (k, np.ones_like(k)), "accuracy": (r, k)}, groups, level)
        coverage, accuracy = shares["coverage"], shares["accuracy"]
    return OperatingPoint(coverage, accuracy, rejected)


def keep_share_threshold(scores: ArrayLike, share: float = 0.95) -> float:
    """The lowest threshold that keeps at least `share` of the images; with ties it can keep more.

    Args:
        scores: (N,) of in-distribution images that no other choice was made on.
        share: Share of the images to keep, in (0, 1].

    Returns:
        One of the scores.

    Raises:
        DataError: There are no scores, or one is NaN or infinite.
        ConfigError: The share is out of range.

    Examples:
        >>> keep_share_threshold(np.arange(100), share=0.95)
        94.0
    """
    s = np.sort(check_scores(scores, "calibration", some=True))
    if not 0 < share <= 1:
        raise ConfigError(f"A share of {share} to keep is not in (0, 1].", "Give 0.95 to keep 95 %.")
    return float(s[np.searchsorted(np.arange(1, len(s) + 1) / len(s), share)])


@dataclass(frozen=True)
class CostOptimum:
    """What a threshold costs on the images that it was chosen on.

    Attributes:
        threshold: The cheapest; under every score where it is cheapest to answer nothing.
        referrals: Images sent to a person.
        missed: Melanomas that are answered, and with another diagnosis.
        cost: ``referrals + k * missed``.
    """

    threshold: float
    referrals: int
    missed: int
    cost: float


def cost_optimal_threshold(scores: ArrayLike, missed_if_kept: ArrayLike, cost: float) -> CostOptimum:
    """The threshold with the least ``referrals + cost * missed``; of several the one that keeps most.

    Args:
        scores: (N,) of in-distribution images that no other choice was made on.
        missed_if_kept: (N,) bool, a melanoma that the model takes for something else.
        cost: k >= 0, how many referrals one missed melanoma counts as.

    Raises:
        DataError: There are no scores, the arrays do not fit, or a score is NaN or infinite.
        ConfigError: The cost is under 0, NaN or infinite.

    Examples:
        >>> cost_optimal_threshold([0.1, 0.2, 0.9], np.array([False, False, True]), cost=20.0).threshold
        0.2
    """
    s = check_scores(scores, "calibration", some=True)
    bad = check_results(missed_if_kept, len(s))
    if not (np.isfinite(cost) and cost >= 0):
        raise ConfigError(f"A cost of {cost} is not a number of referrals.", "Give 0 or more, such as 20.")
    order = np.argsort(s, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(s[order])), len(s) - 1)
    candidates = np.append(np.nextafter(s[order[0]], -np.inf), s[order][ends])
    missed = np.append(0, np.cumsum(bad[order])[ends])
    referrals = len(s) - np.append(0, ends + 1)
    bills = referrals + cost * missed
    best = len(bills) - 1 - int(np.argmin(bills[::-1]))
    return CostOptimum(float(candidates[best]), int(referrals[best]), int(missed[best]), float(bills[best]))
