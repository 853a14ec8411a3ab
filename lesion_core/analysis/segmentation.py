"""How well masks fit: the official ISIC figures of each image, and their means with intervals over lesions.

Everything comes from four counts of pixels per image: found and true (TP), found only (FP), true only (FN), neither
(TN). What is not defined counts as perfect, as in the official scorer of the ISIC challenges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.intervals import bootstrap_all, paired_intervals, share_interval
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import Weights
from lesion_core.errors import DataError
from lesion_core.runs.segmenter import COUNTS

THRESHOLD = 0.65
"""A Jaccard under this counts as a failure, as 0: experts agree with each other better than that (ISIC 2018)."""


class Counts(NamedTuple):
    """TP, FP, FN and TN of each image, (N,) each."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats


def _share(part: Floats, whole: Floats) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)


def _jaccard(c: Counts) -> Floats:
    return _share(c.tp, c.tp + c.fp + c.fn)


@dataclass(frozen=True)
class MaskMetric:
    """One figure of a mask against the true one.

    Attributes:
        key: Its name in tables.
        name: Its name on the screen.
        description: What it measures, one sentence.
        formula: In TeX.
        function: Counts to the figure of each image (N,), in [0, 1].
    """

    key: str
    name: str
    description: str
    formula: str
    function: Callable[[Counts], Floats]

    def __call__(self, counts: ArrayLike) -> Floats:
        """The figure of each image, (N,) in [0, 1], from counts (N, 4) in the order of `COUNTS`.

        Raises:
            DataError: The counts have another shape or a negative number.
        """
        c = np.asarray(counts, dtype=np.float64)
        if c.ndim != 2 or c.shape[1] != len(COUNTS) or not (c >= 0).all():
            raise DataError(f"Counts of shape {c.shape} are not TP, FP, FN and TN.", "Give four numbers per image.")
        return self.function(Counts(*c.T))


MASK_METRICS: dict[str, MaskMetric] = {
    m.key: m
    for m in (
        MaskMetric(
            key="dice",
            name="Dice",
            description="Twice the common area over the sum of both areas.",
            formula=r"\frac{2TP}{2TP+FP+FN}",
            function=lambda c: _share(2 * c.tp, 2 * c.tp + c.fp + c.fn),
        ),
        MaskMetric(
            key="jaccard",
            name="Jaccard",
            description="The common area over the area of both together.",
            formula=r"\frac{TP}{TP+FP+FN}",
            function=_jaccard,
        ),
        MaskMetric(
            key="threshold_jaccard",
            name="Threshold Jaccard",
            description="The Jaccard, or 0 where it is under 0.65: the goal of ISIC 2018.",
            formula=r"J \cdot [J \geq 0.65]",
            function=lambda c: np.where(_jaccard(c) >= THRESHOLD, _jaccard(c), 0.0),
        ),
        MaskMetric(
            key="accuracy",
            name="Pixel accuracy",
            description="The share of pixels that are called right.",
            formula=r"\frac{TP+TN}{TP+TN+FP+FN}",
            function=lambda c: _share(c.tp + c.tn, c.tp + c.fp + c.fn + c.tn),
        ),
        MaskMetric(
            key="sensitivity",
            name="Sensitivity",
            description="The share of the lesion that is found.",
            formula=r"\frac{TP}{TP+FN}",
            function=lambda c: _share(c.tp, c.tp + c.fn),
        ),
        MaskMetric(
            key="specificity",
            name="Specificity",
            description="The share of the skin that is left alone.",
            formula=r"\frac{TN}{TN+FP}",
            function=lambda c: _share(c.tn, c.tn + c.fp),
        ),
    )
}
"""The figures by key, as the official scorer defines them (ISIC 2018 Task 1, arXiv:1902.03368)."""


def count(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """TP, FP, FN and TN of one mask (H, W) against the true one.

    Raises:
        DataError: The shapes differ or the masks are not booleans.

    Examples:
        >>> count(np.array([[True, True]]), np.array([[True, False]]))
        (1, 1, 0, 0)
    """
    if found.shape != true.shape or found.dtype != np.bool_ or true.dtype != np.bool_:
        raise DataError(
            f"Masks of shape {found.shape} and {true.shape} cannot be compared.", "Bring both to the same frame."
        )
    tp, positive, called = int((found & true).sum()), int(true.sum()), int(found.sum())
    return tp, called - tp, positive - tp, found.size - called - positive + tp


def figures(counts: ArrayLike) -> pd.DataFrame:
    """All of `MASK_METRICS` of each image: one column each, rows as in `counts` (N, 4).

    Examples:
        >>> figures([[80, 10, 10, 100]])[["dice", "jaccard"]].round(3).values.tolist()
        [[0.889, 0.8]]
    """
    return pd.DataFrame({key: metric(counts) for key, metric in MASK_METRICS.items()})


def mask_summary(counts: ArrayLike, groups: ArrayLike, n_boot: int = 1000, seed: int = 0) -> pd.DataFrame:
    """The mean over images of each figure, and the share of failures, with 95 % intervals over lesions.

    Args:
        counts: (N, 4) in the order of `COUNTS`.
        groups: (N,) lesion ids.
        n_boot: Resamples.
        seed: The same seed draws the same lesions.

    Returns:
        metric (keys of `MASK_METRICS`, and `failures`: share of images with a Jaccard under 0.65), value, low, high,
        n_images, n_groups.

    Raises:
        DataError: There are no images, a lesion id is missing, or the arrays do not fit.

    Examples:
        >>> table = mask_summary([[80, 10, 10, 100], [50, 50, 0, 100]], ["a", "b"]).set_index("metric")
        >>> float(round(table.loc["jaccard", "value"], 3))
        0.65
    """
    table = figures(counts)
    failed = (table["jaccard"] < THRESHOLD).to_numpy(np.bool_)
    found = bootstrap_all(_means(table), groups, n_boot, seed)
    found["failures"] = share_interval(failed, np.ones_like(failed), groups)
    return pd.DataFrame([{"metric": key, **asdict(interval)} for key, interval in found.items()])


def mask_differences(
    before: ArrayLike, after: ArrayLike, groups: ArrayLike, n_boot: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """How much higher the mean of each figure is after than before, of the same images in the same resamples.

    Args:
        before: (N, 4) in the order of `COUNTS`.
        after: (N, 4), rows as in `before`.
        groups: (N,) lesion ids.
        n_boot: Resamples.
        seed: The same seed draws the same lesions.

    Returns:
        metric (keys of `MASK_METRICS`), value, low, high, n_images, n_groups.

    Raises:
        DataError: There are no images, a lesion id is missing, or the arrays do not fit.

    Examples:
        >>> table = mask_differences([[80, 10, 10, 100]] * 2, [[90, 0, 10, 100]] * 2, ["a", "b"]).set_index("metric")
        >>> float(round(table.loc["jaccard", "value"], 3))
        0.1
    """
    ours, theirs = figures(before), figures(after)
    if len(ours) != len(theirs):
        raise DataError(f"{len(ours):,} and {len(theirs):,} images are not the same ones.", "Give one row per image.")

    def together(means: dict[str, Callable[[Weights], Floats]]) -> Callable[[Weights], dict[str, Floats]]:
        return lambda weights: {key: mean(weights) for key, mean in means.items()}

    found = paired_intervals(together(_means(ours)), together(_means(theirs)), groups, n_boot, seed)
    return pd.DataFrame([{"metric": key, **asdict(interval)} for key, interval in found.items()])


def _means(table: pd.DataFrame) -> dict[str, Callable[[Weights], Floats]]:
    """The weighted mean of each column."""

    def mean(values: Floats) -> Callable[[Weights], Floats]:
        return lambda weights: np.asarray(values @ weights / weights.sum(axis=0))

    return {str(key): mean(table[key].to_numpy(np.float64)) for key in table}
