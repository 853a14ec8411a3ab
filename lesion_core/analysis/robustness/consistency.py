"""Whether a model says the same of one lesion however it is held, and of several photographs of it.

Poses are flips and quarter turns, rotations and crops of one image: artificial, and nothing in the lesion differs.
Several photographs of one lesion are the natural counterpart; Maron et al. 2021 (European Journal of Cancer 145:81-91)
found that what helps against the first helps less against the second. To compare the two, and series of different
length, `pairs` does not depend on how many images there are; the share of lesions with more than one answer grows with
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.analysis.evaluation_sets import EvaluationData, rows_of_view
from lesion_core.analysis.intervals import (
    Statistic,
    bootstrap_all,
    check_level,
    count_lesions,
    resampled_figures,
    share_intervals,
)
from lesion_core.analysis.predictions import Floats, most_probable
from lesion_core.analysis.ranking import Weights, ratio, sums
from lesion_core.analysis.resampling import group_codes
from lesion_core.analysis.robustness.corruption_errors import balanced_errors
from lesion_core.analysis.robustness.flips import flip_summary, flips
from lesion_core.analysis.robustness.references import Reference
from lesion_core.errors import DataError
from lesion_core.labels import BINARY
from lesion_core.runs.classifier import Run
from lesion_core.runs.robustness import CLEAN

MEASURES = {
    "several": "the share of lesions with more than one answer",
    "sides": "the share of lesions that are answered rightly once and wrongly once",
    "pairs": "the chance that two images of a lesion get different answers",
    "agreement": "the share of a lesion's images that get its most frequent answer, a mean over the lesions",
}
"""What `measures` gives of each lesion, and what its mean is."""
AVERAGES = {
    "one": "the image as it is",
    "flips": "the mean of its four flips",
    "all": "the mean of all members",
}
"""What is averaged in `errors_of_averages`."""


@dataclass(frozen=True)
class Members:
    """A run's answers to the F members of a series, each of N images.

    Attributes:
        series: Its key.
        image_ids: (N,).
        groups: (N,) lesion of each.
        truth: (N,) class index.
        probabilities: (F, N, K) at the run's temperature.
        classes: K codes.
    """

    series: str
    image_ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    truth: NDArray[np.int64]
    probabilities: Floats
    classes: tuple[str, ...]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(F, N) class index, -1 where it is undecided; in two classes one half counts as malignant."""
        if self.classes == BINARY:
            return (self.probabilities[..., 1] >= 0.5).astype(np.int64)
        flat = self.probabilities.reshape(-1, len(self.classes))
        return most_probable(flat).reshape(self.probabilities.shape[:2])

    def averaged(self, over: Sequence[Sequence[int]]) -> Members:
        """The same after test-time averaging.

        Args:
            over: Of each member that there will be, those whose probabilities it is the mean of.
        """
        return replace(self, probabilities=np.stack([self.probabilities[list(own)].mean(axis=0) for own in over]))


def members_of(run: Run, table: pd.DataFrame, view: str = "test") -> dict[str, Members]:
    """The answers that a run's table of series holds.

    Args:
        run: The run.
        table: Rows of `runs.robustness.SERIES`.
        view: Key of `EVALUATION_SETS` whose images are of the test set.

    Returns:
        By series, each over the images of which every member is there that any image has; empty where no image is of
        the view, or the run's classes do not map onto its classes.

    Raises:
        ConfigError: The view is unknown, or not of test images.
    """
    chosen, data = rows_of_view(run, table, view)
    if data is None:
        return {}
    rows = table[chosen]
    places = pd.DataFrame(
        {
            "image_id": rows["image_id"].to_numpy(str),
            "series": rows["series"].to_numpy(str),
            "member": rows["place"].to_numpy(int),
            "place": np.arange(len(rows)),
        }
    )
    found = {}
    for key, own in places[places["series"] != CLEAN].groupby("series", sort=False):
        grid = own.pivot_table("place", "image_id", "member").dropna().sort_index(axis=1).sort_index()
        if grid.empty or [int(i) for i in grid.columns] != list(range(grid.shape[1])):
            continue
        at = grid.to_numpy(int).T  # (F, N)
        found[str(key)] = Members(
            str(key),
            grid.index.to_numpy(str),
            data.groups[at[0]],
            data.truth[at[0]],
            data.probabilities[at],
            data.classes,
        )
    return found


def measures(predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> dict[str, Floats]:
    """`MEASURES` of each of N lesions.

    Args:
        predicted: (V, N) answers to V images of each, V over 1.
        truth: (N,) class index.

    Returns:
        (N,) each.

    Raises:
        DataError: There are fewer than two images of each.

    Examples:
        >>> found = measures(np.array([[0, 1], [0, 1], [0, 2], [1, 1]]), np.array([0, 1]))
        >>> found["several"].tolist(), found["agreement"].tolist(), found["pairs"].tolist()
        ([1.0, 1.0], [0.75, 0.75], [0.5, 0.5])
    """
    if predicted.ndim != 2 or len(predicted) < 2:
        raise DataError(
            f"Answers of shape {predicted.shape} are not those of two or more images of each lesion.",
            "Give one row per image and a column for each lesion.",
        )
    v = len(predicted)
    same = (predicted[:, None] == predicted[None]).sum(axis=1)  # (V, N): how many say the same, itself too
    right = predicted == truth
    return {
        "several": (same[0] < v).astype(np.float64),
        "sides": (right.any(axis=0) & ~right.all(axis=0)).astype(np.float64),
        "pairs": 1 - (same - 1).sum(axis=0) / (v * (v - 1)),
        "agreement": same.max(axis=0) / v,
    }


def consistency(
    members: Members, shown: Sequence[int], n: int = 1000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """`MEASURES` of a series with intervals over lesions.

    Args:
        members: The answers.
        shown: The members that are compared with each other.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.
        level: Coverage of the intervals, in (0, 1).

    Returns:
        metric, value, low, high, n_images (images that there are members of), n_groups.

    Raises:
        ConfigError: `n` or `level` is out of range.
    """
    return _summary(measures(members.predicted[list(shown)], members.truth), members.groups, n, seed, level)


def repeated_images(data: EvaluationData, n: int = 1000, seed: int = 0, level: float = 0.95) -> pd.DataFrame | None:
    """The same of lesions that there are several photographs of.

    Args:
        data: The images of a view; the official test set does not say which images show one lesion.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.
        level: Coverage of the intervals, in (0, 1).

    Returns:
        As `consistency`, n_images being the photographs; None where no lesion has several.
    """
    codes, counts = np.unique(data.groups, return_inverse=True, return_counts=True)[1:]
    of_several = np.flatnonzero(counts > 1)
    if not len(of_several):
        return None
    each = [
        measures(data.predicted[own][:, None], data.truth[own][:1])
        for lesion in of_several
        for own in [np.flatnonzero(codes == lesion)]
    ]
    together = {name: np.concatenate([one[name] for one in each]) for name in MEASURES}
    return _summary(together, of_several.astype(str), n, seed, level).assign(n_images=int(counts[of_several].sum()))


def _summary(each: Mapping[str, Floats], groups: NDArray[np.str_], n: int, seed: int, level: float) -> pd.DataFrame:
    check_level(level)
    every = np.ones(len(groups), bool)
    shares = share_intervals({key: (each[key] == 1, every) for key in ("several", "sides")}, groups, level)
    means = bootstrap_all({key: _mean_of(each[key]) for key in ("pairs", "agreement")}, groups, n, seed, level)
    found = {**shares, **means}
    rows = [
        (key, found[key].value, found[key].low, found[key].high, found[key].n_images, found[key].n_groups)
        for key in MEASURES
    ]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "n_images", "n_groups"])


def _mean_of(values: Floats) -> Statistic:
    return lambda weights: ratio(sums(values, weights), weights.sum(axis=0))


def errors_of_averages(
    members: Members, flipped: Sequence[int], n: int = 1000, seed: int = 0, level: float = 0.95
) -> pd.DataFrame:
    """Whether averaging makes answers right too, not only the same: the balanced error of `AVERAGES`.

    Args:
        members: The answers; the first member is the image as it is.
        flipped: Those that are its four flips.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.
        level: Coverage of the intervals, in (0, 1).

    Returns:
        average, value, low, high; more, more_low, more_high (the paired difference from one image; NaN of that).
    """
    check_level(level)
    over = ((0,), tuple(flipped), tuple(range(len(members.probabilities))))
    right = members.averaged(over).predicted == members.truth  # (3, N)
    codes = group_codes(members.groups)

    def figures(weights: Weights) -> dict[str, Floats]:
        errors = balanced_errors(right, members.truth, weights)
        return {"error": errors, "more": errors - errors[:1]}

    draws, counts = resampled_figures(figures, codes, n, seed), (len(codes), count_lesions(codes))
    rows = []
    for place, average in enumerate(AVERAGES):
        own, more = (draws[name][place].interval(level, *counts) for name in ("error", "more"))
        change = (more.value, more.low, more.high) if place else (np.nan,) * 3
        rows.append((average, own.value, own.low, own.high, *change))
    return pd.DataFrame(rows, columns=["average", "value", "low", "high", "more", "more_low", "more_high"])


def flip_rates(
    found: Mapping[str, Members], reference: Reference | None, n: int = 1000, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Flip rates of sequences over the images that there are under all of them, as `flip_summary` gives them.

    Args:
        found: By sequence.
        reference: AlexNet's flip rates, which are of two classes; None in others.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.

    Returns:
        None where there is no sequence, or no image is there under all of them.
    """
    if not found:
        return None
    ids = sorted(set.intersection(*(set(own.image_ids.tolist()) for own in found.values())))
    if not ids:
        return None
    at = {key: pd.Index(own.image_ids).get_indexer(pd.Index(ids)) for key, own in found.items()}
    shares = {key: flips(own.predicted[:, at[key]].T, key) for key, own in found.items()}
    first, own = next(iter(found.items()))
    nothing = Reference(key="", name="", plain="", source="", errors={})
    return flip_summary(shares, own.groups[at[first]], reference or nothing, n, seed)
