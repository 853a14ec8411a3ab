"""Figures of merit of a classifier, from frozen predictions.

Each metric is written once, as a function of weights (N, B) with one column a resample. Weights of 1 give
the metric itself; the counts of a bootstrap give its resamples (`lesion_core.analysis.intervals`).
An image whose highest probability is shared is undecided and wrong for all (`lesion_core.analysis.predictions`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.predictions import (
    UNDECIDED,
    Floats,
    LabelledPredictions,
    check_classes,
    check_logits,
    check_probabilities,
    check_truth,
    probabilities_of,
)
from lesion_core.analysis.ranking import Weights, auroc, average_precision, ones, ratio, sums
from lesion_core.errors import ConfigError, DataError

ECE_BINS = 15


def softmax(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """Probabilities ``exp(z_k / T) / sum_j exp(z_j / T)`` of logits, without overflow.

    Args:
        logits: (N, K), finite.
        temperature: T > 0; over 1 makes the model less sure, under 1 more. The order of the classes stays.

    Returns:
        (N, K) float64, rows sum to 1.

    Raises:
        DataError: Logits of another shape, or NaN or infinite ones.
        ConfigError: The temperature is not a positive number.

    Examples:
        >>> softmax([[2.0, 0.0], [0.0, 0.0]]).round(2).tolist()
        [[0.88, 0.12], [0.5, 0.5]]
    """
    z = check_logits(logits)
    if not (np.isfinite(temperature) and temperature > 0):
        raise ConfigError(f"A temperature of {temperature} is not positive.", "Give one over 0; 1 changes nothing.")
    return probabilities_of(z, temperature)


def mean_defined(values: Floats) -> Floats:
    """(K, B) to (B,): the mean over the classes that have a value, NaN where none has.

    Examples:
        >>> mean_defined(np.array([[0.5], [np.nan], [1.0]])).tolist()
        [0.75]
    """
    return ratio(np.nansum(values, axis=0), (~np.isnan(values)).sum(axis=0).astype(np.float64))


def class_figures(labelled: LabelledPredictions, weights: Weights) -> dict[str, Floats]:
    """Sensitivity, specificity, precision, F1, AUROC and AUPRC of each class against the rest, each (K, B).

    A figure without cases is NaN: precision of a class that is never predicted, specificity without another
    class, everything but specificity and precision of a class that is absent from the truth.

    Examples:
        >>> labelled = LabelledPredictions.of([0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
        >>> class_figures(labelled, ones(3))["sensitivity"].ravel().tolist()
        [0.5, 1.0]
    """
    yes, said, total = sums(labelled.is_class, weights), sums(labelled.says_class, weights), weights.sum(axis=0)
    hit = sums(labelled.hits_class, weights)
    return {
        "sensitivity": ratio(hit, yes),
        "specificity": ratio(total - yes - said + hit, total - yes),
        "precision": ratio(hit, said),
        "f1": np.where(yes > 0, ratio(2 * hit, yes + said), np.nan),
        "auroc": np.stack([auroc(r, weights) for r in labelled.rankings]),
        "auprc": np.stack([average_precision(r, weights) for r in labelled.rankings]),
    }


def bin_index(confidence: Floats, bins: int) -> NDArray[np.intp]:
    """The equal bin (low, high] of [0, 1] that each confidence is in, 0 in the first; (N,).

    Examples:
        >>> bin_index(np.array([0.0, 0.5, 0.51, 1.0]), 2).tolist()
        [0, 0, 1, 1]
    """
    return np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), confidence, side="left") - 1, 0, bins - 1)


def calibration_error(confidence: Floats, correct: NDArray[np.bool_], weights: Weights, bins: int = ECE_BINS) -> Floats:
    """Expected calibration error ``sum_b n_b / n |accuracy_b - confidence_b|`` over equal bins (low, high]; (B,).

    Examples:
        >>> calibration_error(np.array([0.75, 0.75]), np.array([True, False]), ones(2)).tolist()
        [0.25]
    """
    gap = np.where(np.arange(bins)[:, None] == bin_index(confidence, bins), correct - confidence, 0.0)
    return ratio(np.abs(sums(gap, weights)).sum(axis=0), weights.sum(axis=0))


def _mean(values: NDArray[np.generic], weights: Weights) -> Floats:
    return ratio(sums(values.astype(np.float64), weights), weights.sum(axis=0))


def _balanced_accuracy(s: LabelledPredictions, w: Weights) -> Floats:
    return mean_defined(ratio(sums(s.hits_class, w), sums(s.is_class, w)))


def _macro_f1(s: LabelledPredictions, w: Weights) -> Floats:
    yes, hit = sums(s.is_class, w), sums(s.hits_class, w)
    return mean_defined(np.where(yes > 0, ratio(2 * hit, yes + sums(s.says_class, w)), np.nan))


def _macro_auprc(s: LabelledPredictions, w: Weights) -> Floats:
    return mean_defined(np.stack([average_precision(r, w) for r in s.rankings]))


def _log_loss(s: LabelledPredictions, w: Weights) -> Floats:
    told = s.probabilities[np.arange(len(s.truth)), s.truth]
    return _mean(-np.log(np.clip(told, np.finfo(np.float64).eps, 1)), w)


@dataclass(frozen=True)
class Metric:
    """One figure of merit of multi-class predictions.

    Attributes:
        key: The name in links, files and on the command line.
        name: The name on the screen.
        description: What the figure says, one sentence.
        higher_is_better: The direction.
        low: Lowest possible value.
        high: Highest possible value.
        source: Where it is defined.
        statistic: `LabelledPredictions` and weights (N, B) to (B,).
        noise_adds: Sampling noise can only raise it, so its interval is the reversed one (see `intervals`).
    """

    key: str
    name: str
    description: str
    higher_is_better: bool
    low: float
    high: float
    source: str
    statistic: Callable[[LabelledPredictions, Weights], Floats]
    noise_adds: bool = False

    def __call__(self, truth: ArrayLike, probabilities: ArrayLike) -> float:
        """The figure for labels (N,) and probabilities (N, K); NaN where it is undefined.

        Raises:
            DataError: They are empty, do not fit each other, or are not labels and probabilities.

        Examples:
            >>> truth, probabilities = [0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]
            >>> for key, metric in METRICS.items():
            ...     print(key, round(metric(truth, probabilities), 3))
            accuracy 0.667
            balanced_accuracy 0.75
            macro_auroc 1.0
            macro_auprc 1.0
            macro_f1 0.667
            brier 0.273
            ece 0.3
            log_loss 0.415
        """
        labelled = LabelledPredictions.of(truth, probabilities)
        return float(self.statistic(labelled, ones(len(labelled.truth)))[0])


METRICS: dict[str, Metric] = {
    m.key: m
    for m in (
        Metric(
            key="accuracy",
            name="Accuracy",
            description="The share of images that are classified correctly; common classes rule it.",
            higher_is_better=True,
            low=0,
            high=1,
            source="ISO 5725-1; ties are undecided and count as wrong",
            statistic=lambda s, w: _mean(s.correct, w),
        ),
        Metric(
            key="balanced_accuracy",
            name="Balanced accuracy",
            description="The mean sensitivity of the classes, so that a rare diagnosis weighs as much as a common one.",
            higher_is_better=True,
            low=0,
            high=1,
            source="Official score of ISIC 2018 task 3 and ISIC 2019 (Codella et al. 2019, arXiv:1902.03368): "
            "mean of recalls over the classes present, ties undecided",
            statistic=_balanced_accuracy,
        ),
        Metric(
            key="macro_auroc",
            name="AUROC",
            description="The chance that an image of a class gets a higher probability for it than one of another "
            "class; mean over classes, 0.5 is guessing.",
            higher_is_better=True,
            low=0,
            high=1,
            source="Hanley and McNeil 1982, one against rest, mean over the classes present",
            statistic=lambda s, w: mean_defined(np.stack([auroc(r, w) for r in s.rankings])),
        ),
        Metric(
            key="macro_auprc",
            name="AUPRC",
            description="Average precision over all thresholds, mean over classes; guessing scores a class's "
            "own frequency.",
            higher_is_better=True,
            low=0,
            high=1,
            source="Davis and Goadrich 2006, step-wise, one against rest, mean over the classes present",
            statistic=_macro_auprc,
        ),
        Metric(
            key="macro_f1",
            name="Macro F1",
            description="The mean over classes of the harmonic mean of precision and sensitivity.",
            higher_is_better=True,
            low=0,
            high=1,
            source="van Rijsbergen 1979; mean of each class's F1 over the classes present",
            statistic=_macro_f1,
        ),
        Metric(
            key="brier",
            name="Brier score",
            description="The mean squared distance of the probabilities from the truth; it punishes wrong and unsure.",
            higher_is_better=False,
            low=0,
            high=2,
            source="Brier 1950, summed over classes",
            statistic=lambda s, w: _mean(((s.probabilities - s.is_class.T) ** 2).sum(axis=1), w),
        ),
        Metric(
            key="ece",
            name="Calibration error",
            description="How far the stated confidence is from the share that is correct, on average over 15 bins.",
            higher_is_better=False,
            low=0,
            high=1,
            source="Guo et al. 2017 (arXiv:1706.04599), 15 equal bins of the highest probability",
            statistic=lambda s, w: calibration_error(s.probabilities.max(axis=1), s.correct, w),
            noise_adds=True,
        ),
        Metric(
            key="log_loss",
            name="Log loss",
            description="The mean surprise at the true diagnosis, in nats; one sure mistake costs a lot.",
            higher_is_better=False,
            low=0,
            high=float("inf"),
            source="Good 1952; probabilities under 2.2e-16 count as that",
            statistic=_log_loss,
        ),
    )
}
"""The figures of merit by key."""

METRIC_NAMES = {key: m.name for key, m in METRICS.items()} | {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "specificity": "Specificity",
    "auroc": "AUROC",
}
"""The names on the screen, of the figures of `binary_view` too."""


def per_class(truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[str]) -> pd.DataFrame:
    """One row per class, each against the rest: class, n, sensitivity, specificity, precision, f1, auroc, auprc.

    `n` counts the images of the class. A figure without cases is NaN (see `class_figures`).

    Args:
        truth: (N,) class indices.
        probabilities: (N, K), rows sum to 1.
        classes: K names.

    Raises:
        DataError: The arrays are empty or do not fit.

    Examples:
        >>> table = per_class([0, 0, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], ["MEL", "NV"])
        >>> table[["class", "n", "sensitivity"]].values.tolist()
        [['MEL', 2, 0.5], ['NV', 1, 1.0]]
    """
    labelled = LabelledPredictions.of(truth, probabilities)
    k = labelled.probabilities.shape[1]
    figures = {name: values[:, 0] for name, values in class_figures(labelled, ones(len(labelled.truth))).items()}
    return pd.DataFrame({"class": check_classes(classes, k), "n": np.bincount(labelled.truth, minlength=k), **figures})


def confusion(truth: ArrayLike, predicted: ArrayLike, k: int) -> NDArray[np.int64]:
    """(K, K) counts, true class by row and predicted class by column.

    Undecided predictions are in no column, so a row can add up to less than its class has images.

    Raises:
        DataError: The arrays are empty, do not fit, or hold an index outside 0 ... k - 1 (-1 for undecided).

    Examples:
        >>> confusion([0, 0, 1], [0, 1, 1], 2).tolist()
        [[1, 1], [0, 1]]
    """
    said = np.asarray(predicted)
    y = check_truth(truth, said.shape[0] if said.ndim else 0, k)
    decided = said != UNDECIDED
    if decided.any():
        check_truth(said[decided], int(decided.sum()), k)
    cells = y[decided] * k + said[decided].astype(np.int64)
    return np.bincount(cells, minlength=k * k).reshape(k, k).astype(np.int64)


def two_sided(truth_malignant: ArrayLike, p_malignant: ArrayLike, threshold: float = 0.5) -> LabelledPredictions:
    """Benign against malignant, the classes 0 and 1; called malignant iff ``p >= threshold``.

    On the threshold counts as malignant: the side that a patient is safe on.

    Raises:
        DataError: The truth is not boolean, the probabilities not in [0, 1], or they do not fit each other.

    Examples:
        >>> two_sided(np.array([True, False]), [0.5, 0.4]).correct.tolist()
        [True, True]
    """
    y, p = np.asarray(truth_malignant), np.asarray(p_malignant, dtype=np.float64)
    if y.dtype != np.bool_ or p.ndim != 1:
        raise DataError(
            f"A truth of type {y.dtype} and probabilities of shape {p.shape} do not make a binary view.",
            "Give booleans and one probability per image.",
        )
    both = check_probabilities(np.stack([1 - p, p], axis=1))
    return LabelledPredictions(check_truth(y.astype(np.int64), len(p), 2), both, (p >= threshold).astype(np.int64))


def binary_view(truth_malignant: ArrayLike, p_malignant: ArrayLike, threshold: float = 0.5) -> dict[str, float]:
    """Accuracy, precision, recall, f1, specificity and auroc of malignant against benign.

    Args:
        truth_malignant: (N,) bool.
        p_malignant: (N,) probability of malignant, in [0, 1].
        threshold: An image is called malignant iff its probability is at or over this.

    Returns:
        Figures by name; one without cases is NaN (recall and AUROC without a malignant image, ...).

    Raises:
        DataError: The arrays are empty, do not fit, or are not booleans and probabilities.

    Examples:
        >>> figures = binary_view(np.array([True, True, False]), [0.9, 0.3, 0.2])
        >>> figures["recall"], figures["specificity"], figures["auroc"]
        (0.5, 1.0, 1.0)
    """
    labelled = two_sided(truth_malignant, p_malignant, threshold)
    return {name: float(values[0]) for name, values in binary_figures(labelled, ones(len(labelled.truth))).items()}


def binary_figures(labelled: LabelledPredictions, weights: Weights) -> dict[str, Floats]:
    """The figures of `binary_view` for weights (N, B), each (B,).

    Examples:
        >>> labelled = two_sided(np.array([True, True, False]), [0.9, 0.3, 0.2])
        >>> binary_figures(labelled, ones(3))["recall"].tolist()
        [0.5]
    """
    of_class = {name: values[1] for name, values in class_figures(labelled, weights).items()}
    return {
        "accuracy": _mean(labelled.correct, weights),
        "precision": of_class["precision"],
        "recall": of_class["sensitivity"],
        "f1": of_class["f1"],
        "specificity": of_class["specificity"],
        "auroc": of_class["auroc"],
    }
