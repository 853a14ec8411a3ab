"""Whether a confidence of 80 % is right 80 % of the time, and the temperature that mends it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from lesion_core.amounts import check_amount
from lesion_core.analysis.evaluation_sets import EvaluationData
from lesion_core.analysis.intervals import share_intervals
from lesion_core.analysis.metrics import ECE_BINS, bin_index, calibration_error, softmax
from lesion_core.analysis.predictions import check_logits, check_truth, most_probable, probabilities_of
from lesion_core.analysis.ranking import ones
from lesion_core.errors import DataError
from lesion_core.labels import convert_probabilities
from lesion_core.runs.classifier import Run

TEMPERATURES = (0.05, 20.0)
"""The lowest and highest temperature that `fit_temperature` gives."""


def fit_temperature(logits: ArrayLike, truth: ArrayLike) -> float:
    """The temperature T that makes ``softmax(logits / T)`` most likely, to about 10 digits.

    Minimises ``-mean log softmax(z / T)_y``. This is convex in 1 / T, so its slope
    ``mean(sum_k p_k z_k - z_y)`` has at most one root; it is searched in log T between `TEMPERATURES` (Brent's method).
    Where no T between them is best the nearer end is returned: the lowest when every image is right,
    the highest when guessing would be better. Logits that are the same for all classes give 1.

    Args:
        logits: (N, K), those of the calibration set.
        truth: (N,) class indices.

    Returns:
        T; over 1 the model was too sure.

    Raises:
        DataError: There are none, they do not fit, or logits are NaN or infinite.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks (arXiv:1706.04599).

    Examples:
        >>> too_sure = [[9.0, 0.0], [9.0, 0.0], [0.0, 9.0]]  # one of three is wrong
        >>> fit_temperature(too_sure, [0, 1, 1]) > 1
        True
    """
    z = check_logits(logits)
    y = check_truth(truth, *z.shape)
    z = z - z.max(axis=1, keepdims=True)
    if not z.any():
        return 1.0
    told = z[np.arange(len(y)), y].mean()

    def slope(log_t: float) -> float:
        """Slope of the loss in 1 / T: over 0 when a higher T is better."""
        return float((probabilities_of(z, float(np.exp(log_t))) * z).sum(axis=1).mean() - told)

    low, high = float(np.log(TEMPERATURES[0])), float(np.log(TEMPERATURES[1]))
    if slope(low) <= 0:
        return TEMPERATURES[0]
    if slope(high) >= 0:
        return TEMPERATURES[1]
    return float(np.exp(brentq(slope, low, high, xtol=1e-12)))


def _check_pairs(confidence: ArrayLike, correct: ArrayLike, bins: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    c, r = np.asarray(confidence, dtype=np.float64), np.asarray(correct)
    check_amount(bins, "bins")
    if c.ndim != 1 or c.shape != r.shape or len(c) == 0 or r.dtype != np.bool_:
        raise DataError(
            f"Confidences of shape {c.shape} and results of shape {r.shape} and type {r.dtype} do not fit.",
            "Give one confidence and one boolean per image, and at least one image.",
        )
    bad = ~((c >= 0) & (c <= 1 + 1e-6))
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} of {len(c)} confidences are NaN or outside 0 to 1.",
            "A confidence is the highest probability of an image.",
        )
    return c, r


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = ECE_BINS) -> float:
    """Mean distance between confidence and accuracy over bins, ``sum_b n_b / n |accuracy_b - confidence_b|``.

    Args:
        confidence: (N,) highest probability, in [0, 1].
        correct: (N,) bool.
        bins: Equal bins (low, high] of [0, 1].

    Raises:
        DataError: There are none, they do not fit, or a confidence is NaN or out of range.
        ConfigError: There are no bins.

    Source: Guo et al. 2017 (arXiv:1706.04599).

    Examples:
        >>> expected_calibration_error([0.75, 0.75], np.array([True, False]))
        0.25
    """
    c, r = _check_pairs(confidence, correct, bins)
    return float(calibration_error(c, r, ones(len(c)), bins)[0])


def reliability(
    confidence: ArrayLike,
    correct: ArrayLike,
    bins: int = ECE_BINS,
    level: float = 0.95,
    groups: ArrayLike | None = None,
) -> pd.DataFrame:
    """The rows of a reliability diagram, one a bin, empty bins included (n 0, the rest NaN).

    Args:
        confidence: (N,) highest probability, in [0, 1].
        correct: (N,) bool.
        bins: Equal bins (low, high] of [0, 1].
        level: Coverage of the intervals, in (0, 1).
        groups: (N,) lesion ids for intervals over lesions; None takes each image as a case.

    Returns:
        low, high (the bin's edges), n, confidence (mean), accuracy, accuracy_low, accuracy_high (its interval).

    Raises:
        DataError: There are none, they do not fit, or a confidence is NaN or out of range.
        ConfigError: There are no bins, or the level is out of range.

    Examples:
        >>> table = reliability([0.6, 0.9, 0.9], np.array([False, True, True]), bins=2)
        >>> table[["n", "accuracy"]].iloc[1].round(3).tolist()
        [3.0, 0.667]
    """
    c, r = _check_pairs(confidence, correct, bins)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = bin_index(c, bins)
    shares = {b: (r, bin_of == b) for b in range(bins)}
    accuracies = share_intervals(shares, np.arange(len(c)) if groups is None else groups, level)
    rows = []
    for b in range(bins):
        inside = bin_of == b
        n = int(inside.sum())
        accuracy = accuracies[b]
        rows.append(
            {
                "low": edges[b],
                "high": edges[b + 1],
                "n": n,
                "confidence": c[inside].mean() if n else np.nan,
                "accuracy": accuracy.value,
                "accuracy_low": accuracy.low,
                "accuracy_high": accuracy.high,
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Reliability:
    """Rows of a reliability diagram, as `reliability` gives them, and the expected calibration error."""

    table: pd.DataFrame
    error: float


def reliability_of(run: Run, data: EvaluationData) -> tuple[Reliability, Reliability]:
    """The reliability of a run's images before and after its temperature.

    Examples:
        >>> from pathlib import Path
        >>> from lesion_core.analysis.evaluation_sets import view_data
        >>> from lesion_core.runs.classifier import open_run
        >>> run = open_run(Path("checkpoints/resnet50-isic2019"))
        >>> before, after = reliability_of(run, view_data(run, "test"))
        >>> after.error < before.error
        True
    """
    plain = convert_probabilities(softmax(run.logits(data.table)), run.classes, data.classes)
    found = []
    for probabilities in (plain, data.probabilities):
        confidence, correct = probabilities.max(axis=1), most_probable(probabilities) == data.truth
        table = reliability(confidence, correct, groups=data.groups)
        found.append(Reliability(table, expected_calibration_error(confidence, correct)))
    return found[0], found[1]
