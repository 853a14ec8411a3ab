"""The tables of figures with intervals that cards, pages and the command line show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lesion_core.analysis.intervals import (
    check_level,
    count_lesions,
    resampled_figures,
    share_interval,
    share_intervals,
)
from lesion_core.analysis.metrics import METRICS, binary_figures, class_figures, two_sided
from lesion_core.analysis.predictions import LabelledPredictions, check_classes
from lesion_core.analysis.resampling import group_codes


def multiclass_summary(
    truth: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    classes: Sequence[str],
    n_boot: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """All of `METRICS` with intervals over lesions: metric, value, low, high, n_images, n_groups; one row each.

    Args:
        truth: (N,) class indices.
        probabilities: (N, K), rows sum to 1.
        groups: (N,) lesion ids.
        classes: K names.
        n_boot: Resamples.
        seed: The same seed draws the same lesions.
        level: Coverage of the intervals, in (0, 1).

    Raises:
        DataError: The arrays are empty, do not fit, or a lesion id is missing.
        ConfigError: `n_boot` or `level` is out of range.
    """
    check_level(level)
    labelled = LabelledPredictions.of(truth, probabilities)
    check_classes(classes, labelled.probabilities.shape[1])
    codes = group_codes(groups, len(labelled.truth))
    draws = resampled_figures(
        lambda w: {key: m.statistic(labelled, w) for key, m in METRICS.items()}, codes, n_boot, seed
    )
    counts = len(codes), count_lesions(codes)
    found = {
        key: draws[key][0].interval(level, *counts, noise_adds=m.noise_adds, low=m.low) for key, m in METRICS.items()
    }
    found["accuracy"] = share_interval(labelled.correct, np.ones_like(labelled.correct), codes, level)
    return pd.DataFrame([{"metric": key, **asdict(interval)} for key, interval in found.items()])


def per_class_summary(
    truth: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    classes: Sequence[str],
    n_boot: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Figures of each class with intervals, long form: class, metric, value, low, high, n_images, n_groups.

    The metrics are sensitivity, specificity, precision, f1, auroc and auprc. `n_images` and `n_groups` count
    what a share is of (the images of the class, of the others, or called the class), and the images of
    the class otherwise. Arguments and errors as in `multiclass_summary`.
    """
    check_level(level)
    labelled = LabelledPredictions.of(truth, probabilities)
    names = check_classes(classes, labelled.probabilities.shape[1])
    codes = group_codes(groups, len(labelled.truth))
    draws = resampled_figures(lambda w: class_figures(labelled, w), codes, n_boot, seed)
    rows = []
    for k, name in enumerate(names):
        is_class, says_class = labelled.truth == k, labelled.predicted == k
        asked = {
            "sensitivity": (says_class, is_class),
            "specificity": (~says_class, ~is_class),
            "precision": (is_class, says_class),
        }
        shares, counts = share_intervals(asked, codes, level), (int(is_class.sum()), count_lesions(codes, is_class))
        for metric, each in draws.items():
            interval = shares[metric] if metric in shares else each[k].interval(level, *counts)
            rows.append({"class": name, "metric": metric, **asdict(interval)})
    return pd.DataFrame(rows)


def binary_summary(
    truth_malignant: ArrayLike,
    p_malignant: ArrayLike,
    groups: ArrayLike,
    threshold: float = 0.5,
    n_boot: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """The figures of `metrics.binary_view` with intervals: metric, value, low, high, n_images, n_groups.

    Args:
        truth_malignant: (N,) bool.
        p_malignant: (N,) probability of malignant, in [0, 1].
        groups: (N,) lesion ids.
        threshold: An image is called malignant iff its probability is at or over this.
        n_boot: Resamples.
        seed: The same seed draws the same lesions.
        level: Coverage of the intervals, in (0, 1).

    Raises:
        DataError: The arrays are empty, do not fit, or a lesion id is missing.
        ConfigError: `n_boot` or `level` is out of range.
    """
    check_level(level)
    labelled = two_sided(truth_malignant, p_malignant, threshold)
    codes = group_codes(groups, len(labelled.truth))
    draws = resampled_figures(lambda w: binary_figures(labelled, w), codes, n_boot, seed)
    malignant, called = labelled.truth == 1, labelled.predicted == 1
    asked = {
        "accuracy": (labelled.correct, np.ones_like(malignant)),
        "precision": (malignant, called),
        "recall": (called, malignant),
        "specificity": (~called, ~malignant),
    }
    shares, counts = share_intervals(asked, codes, level), (int(malignant.sum()), count_lesions(codes, malignant))
    rows = []
    for metric, each in draws.items():
        interval = shares[metric] if metric in shares else each[0].interval(level, *counts)
        rows.append({"metric": metric, **asdict(interval)})
    return pd.DataFrame(rows)
