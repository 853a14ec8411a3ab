"""What a positive answer means where few are ill, and what a missed case may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lesion_core.analysis.intervals import Interval, Statistic, bootstrap_all, share_intervals
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import Weights, ratio, sums
from lesion_core.errors import ConfigError, DataError

Mask = NDArray[np.bool_]


def predictive_value(sensitivity: Floats | float, specificity: Floats | float, prevalence: float) -> Floats:
    """The chance that a positive answer is right, by Bayes' rule: ``se p / (se p + (1 - sp) (1 - p))``.

    Args:
        sensitivity: Share of the ill that are called ill, in [0, 1]; any shape.
        specificity: Share of the others that are not, of the same shape.
        prevalence: Share of all that are ill, in (0, 1).

    Returns:
        In [0, 1]; NaN where nobody is called ill.

    Raises:
        ConfigError: The prevalence is out of range.

    Examples:
        >>> round(float(predictive_value(0.9, 0.9, 0.01)), 3)
        0.083
    """
    if not 0 < prevalence < 1:
        raise ConfigError(f"A prevalence of {prevalence} is not between 0 and 1.", "Give a share, such as 0.02.")
    found = np.asarray(sensitivity, np.float64) * prevalence
    false = (1 - np.asarray(specificity, np.float64)) * (1 - prevalence)
    return ratio(found, found + false)


@dataclass(frozen=True)
class AlarmRates:
    """How a yes-or-no answer does, with 95 % intervals over lesions.

    Attributes:
        sensitivity: Share of the positive images that are called so.
        specificity: Share of the others that are not.
        predictive: By prevalence, the chance that a positive answer is right.
    """

    sensitivity: Interval
    specificity: Interval
    predictive: dict[float, Interval]


def alarm_rates(
    positive: Mask, called: Mask, groups: NDArray[np.str_], prevalences: Sequence[float], n: int = 1000
) -> AlarmRates:
    """Sensitivity, specificity, and what a positive answer means at several prevalences.

    Args:
        positive: (N,) bool, the truth.
        called: (N,) bool, the answer.
        groups: (N,) lesion ids.
        prevalences: Shares of all that are ill, each in (0, 1).
        n: Resamples of lesions for the predictive values.

    Raises:
        ConfigError: A prevalence is out of range.
    """
    shares = share_intervals({"se": (called, positive), "sp": (~called, ~positive)}, groups)
    yes, no = positive.astype(np.float64), (~positive).astype(np.float64)
    hits, clear = (positive & called).astype(np.float64), (~positive & ~called).astype(np.float64)

    def at(weights: Weights, prevalence: float) -> Floats:
        se, sp = ratio(sums(hits, weights), sums(yes, weights)), ratio(sums(clear, weights), sums(no, weights))
        return predictive_value(se, sp, prevalence)

    statistics: dict[str, Statistic] = {f"{p:.9g}": partial(at, prevalence=p) for p in prevalences}
    found = bootstrap_all(statistics, groups, n)
    return AlarmRates(shares["se"], shares["sp"], {p: found[f"{p:.9g}"] for p in prevalences})


def cheapest_threshold(positive: Mask, probability: NDArray[np.float64], cost: float) -> float:
    """The threshold with the least ``false alarms + cost * misses``; of several the highest, which alarms least.

    Args:
        positive: (N,) bool, the truth.
        probability: (N,) of being positive; called positive at the threshold or over it.
        cost: How many false alarms a miss counts as, at least 0.

    Returns:
        One of the probabilities, or infinity where it is cheapest to call nobody positive.

    Raises:
        DataError: There are no images, or the arrays do not fit.
        ConfigError: The cost is under 0, NaN or infinite.

    Examples:
        >>> ill, p = np.array([True, False, True, False]), np.array([0.9, 0.8, 0.3, 0.1])
        >>> cheapest_threshold(ill, p, 0.5), cheapest_threshold(ill, p, 2)
        (0.9, 0.3)
    """
    if positive.shape != probability.shape or positive.ndim != 1 or not len(positive):
        raise DataError("Truth and probabilities do not fit each other.", "Give one of each per image, and some.")
    if not (np.isfinite(cost) and cost >= 0):
        raise ConfigError(f"A cost of {cost} is not a number of false alarms.", "Give 0 or more, such as 20.")
    thresholds = np.unique(probability)
    missed = np.searchsorted(np.sort(probability[positive]), thresholds)
    false = int((~positive).sum()) - np.searchsorted(np.sort(probability[~positive]), thresholds)
    bill = np.append(false + cost * missed, cost * positive.sum())
    return float(np.append(thresholds, np.inf)[len(bill) - 1 - int(bill[::-1].argmin())])
