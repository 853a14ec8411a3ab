"""A run's answers along the severities of a change, and figures of them with intervals over lesions.

Severity 0 is the image as it is. The severities of an image are repeated measures: they are never more lesions.
Every difference is of the same images in the same resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.evaluation_sets import rows_of_view
from lesion_core.analysis.intervals import Interval, check_level, count_lesions, resampled_figures, share_intervals
from lesion_core.analysis.metrics import calibration_error
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import Weights, ratio, sums
from lesion_core.analysis.resampling import group_codes
from lesion_core.analysis.robustness.corruption_errors import balanced_errors, corruption_errors
from lesion_core.analysis.robustness.outcomes import OUTCOMES, TURNED_AWAY, outcomes, turned_away
from lesion_core.analysis.robustness.references import Reference, weak
from lesion_core.errors import DataError
from lesion_core.runs.classifier import Run
from lesion_core.runs.robustness import CLEAN, SEVERITIES

Mask = NDArray[np.bool_]

VIEWS = ("test", "isic2018", "binary")
"""Sets of images that are told of, keys of `EVALUATION_SETS`."""

FIGURES = {
    "error": "the share of images that are classified wrongly",
    "balanced_error": "1 minus the mean sensitivity of the diagnoses that are there",
    "calibration_error": "how far the confidence is from the share that is right, at the run's own temperature",
    "rejected": "the share that the policy rejects",
    "error_kept": "the share of the images that are answered whose answer is wrong",
}
"""What `by_severity` gives; the last two only where there is a policy."""


@dataclass(frozen=True)
class Answers:
    """A run's answers to N images as they are and under one change.

    Attributes:
        change: Its key.
        severities: S + 1, rising; the first is 0, the images as they are.
        image_ids: (N,).
        groups: (N,) lesion of each.
        truth: (N,) class index.
        predicted: (S + 1, N) class index, -1 where it is undecided.
        confidence: (S + 1, N) highest probability at the run's temperature.
        kept: (S + 1, N) whether the policy lets it be answered; None without a policy.
        classes: K codes.
    """

    change: str
    severities: tuple[int, ...]
    image_ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: Floats
    kept: Mask | None
    classes: tuple[str, ...]

    @cached_property
    def right(self) -> Mask:
        """(S + 1, N): the answer is the truth."""
        return np.asarray(self.predicted == self.truth)

    def counts(self) -> dict[str, int]:
        """Images of each class: where there are few, a balanced error jumps."""
        return dict(zip(self.classes, np.bincount(self.truth, minlength=len(self.classes)).tolist(), strict=True))

    def images(self, chosen: NDArray[np.intp]) -> Answers:
        """Those of some of the images, by place."""
        return replace(
            self,
            image_ids=self.image_ids[chosen],
            groups=self.groups[chosen],
            truth=self.truth[chosen],
            predicted=self.predicted[:, chosen],
            confidence=self.confidence[:, chosen],
            kept=None if self.kept is None else self.kept[:, chosen],
        )


def answers_under_changes(
    run: Run, table: pd.DataFrame, view: str = "test", kept: Mask | None = None
) -> dict[str, Answers]:
    """The answers that a run's robustness table holds, by change.

    Args:
        run: The run.
        table: Rows of `runs.robustness`.
        view: Key of `EVALUATION_SETS` whose images are of the test set.
        kept: (rows,) whether the policy keeps each row.

    Returns:
        By change, each over the images that are there at all of its severities; empty where no image is of the view, or
        its classes are none that the run's map onto.

    Raises:
        ConfigError: The view is unknown, or not of test images.
    """
    chosen, data = rows_of_view(run, table, view)
    if data is None:
        return {}
    rows = table[chosen]
    predicted, confidence = data.predicted, data.probabilities.max(axis=1)
    keeps = None if kept is None else np.asarray(kept)[chosen]
    places = pd.DataFrame(
        {
            "image_id": rows["image_id"].to_numpy(str),
            "change": rows["change"].to_numpy(str),
            "severity": rows["severity"].to_numpy(int),
            "place": np.arange(len(rows)),
        }
    )
    clean = places[places["change"] == CLEAN].set_index("image_id")["place"]
    found = {}
    for change, own in places[places["change"] != CLEAN].groupby("change", sort=False):
        grid = own.pivot_table("place", "image_id", "severity").dropna()
        grid = grid[grid.index.isin(clean.index)].sort_index(axis=1).sort_index()
        if grid.empty:
            continue
        at = np.concatenate([clean[grid.index].to_numpy()[None], grid.to_numpy(int).T])  # (S + 1, N)
        found[str(change)] = Answers(
            str(change),
            (0, *map(int, grid.columns)),
            grid.index.to_numpy(str),
            data.groups[at[0]],
            data.truth[at[0]],
            predicted[at],
            confidence[at],
            None if keeps is None else keeps[at],
            data.classes,
        )
    return found


def by_severity(answers: Answers, n: int = 1000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """`FIGURES` at each severity with intervals, and how much higher each is than on the images as they are.

    Args:
        answers: The answers under one change.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.
        level: Coverage of the intervals, in (0, 1).

    Returns:
        severity, metric, value, low, high; more, more_low, more_high (the paired difference; NaN at severity 0);
        n_images, n_groups (what the value is of).

    Raises:
        ConfigError: `n` or `level` is out of range.
    """
    check_level(level)
    codes = group_codes(answers.groups, len(answers.truth))
    figures = _figures(answers)

    def both(weights: Weights) -> dict[str, Floats]:
        values = {metric: figure(weights) for metric, figure in figures.items()}
        return {**values, **{f"{metric}/more": own - own[:1] for metric, own in values.items()}}

    draws = resampled_figures(both, codes, n, seed)
    shares, counts = _shares(answers, level), (len(codes), count_lesions(codes))
    rows = []
    for metric in figures:
        for place, severity in enumerate(answers.severities):
            noisy = metric == "calibration_error"
            own = shares.get((metric, place)) or draws[metric][place].interval(level, *counts, noise_adds=noisy, low=0)
            more = draws[f"{metric}/more"][place].interval(level, *counts, noise_adds=noisy)
            change = (more.value, more.low, more.high) if severity else (np.nan,) * 3
            rows.append((severity, metric, own.value, own.low, own.high, *change, own.n_images, own.n_groups))
    names = ("severity", "metric", "value", "low", "high", "more", "more_low", "more_high", "n_images", "n_groups")
    return pd.DataFrame(rows, columns=list(names))


def _figures(answers: Answers) -> dict[str, Callable[[Weights], Floats]]:
    """By metric, weights (N, B) to (S + 1, B)."""
    right, kept = answers.right, answers.kept
    wrong = (~right).astype(np.float64)
    found: dict[str, Callable[[Weights], Floats]] = {
        "error": lambda w: ratio(sums(wrong, w), w.sum(axis=0)),
        "balanced_error": lambda w: balanced_errors(right, answers.truth, w),
        "calibration_error": lambda w: np.stack(
            [calibration_error(c, r, w) for c, r in zip(answers.confidence, right, strict=True)]
        ),
    }
    if kept is not None:
        answered = kept.astype(np.float64)
        found["rejected"] = lambda w: ratio(sums(1 - answered, w), w.sum(axis=0))
        found["error_kept"] = lambda w: ratio(sums(wrong * answered, w), sums(answered, w))
    return found


def _shares(answers: Answers, level: float) -> dict[tuple[str, int], Interval]:
    """The intervals of the figures that are shares, which are not resampled."""
    right, every = answers.right, np.ones(len(answers.truth), bool)
    asked = {("error", place): (~own, every) for place, own in enumerate(right)}
    if answers.kept is not None:
        asked |= {("rejected", place): (~own, every) for place, own in enumerate(answers.kept)}
        asked |= {("error_kept", place): (~right[place], own) for place, own in enumerate(answers.kept)}
    return share_intervals(asked, answers.groups, level)


def outcome_shares(found: Mapping[str, Answers], level: float = 0.95) -> pd.DataFrame:
    """The share of images with each of Young's outcomes, under all severities of all these changes together.

    Args:
        found: By change; those of one change, or of several over the same images as `common` gives them.
        level: Coverage of the intervals over lesions, in (0, 1).

    Returns:
        outcome, n, share, low, high, in the order of `OUTCOMES`.

    Raises:
        DataError: There are none, or they are not of the same images.
    """
    one = _same_images(found)
    codes = outcomes(np.concatenate([one.right[:1], *(own.right[1:] for own in found.values())]))
    return _share_rows("outcome", OUTCOMES, codes, one.groups, level)


def turned_away_shares(answers: Answers, level: float = 0.95) -> pd.DataFrame:
    """The share of images that the policy turns away in time, too late, for nothing, or has no need to.

    Returns:
        outcome, n, share, low, high, in the order of `TURNED_AWAY`.

    Raises:
        DataError: There is no policy.
    """
    codes = turned_away(answers.right, _kept(answers))
    return _share_rows("outcome", TURNED_AWAY, codes, answers.groups, level)


def right_and_kept(answers: Answers, level: float = 0.95) -> pd.DataFrame:
    """At each severity the shares of right and wrong answers that are kept and rejected: four that add up to 1.

    Returns:
        severity, right, kept (truth values), n, share, low, high.

    Raises:
        DataError: There is no policy.
    """
    every, kept = np.ones(len(answers.truth), bool), _kept(answers)
    cells = {
        (severity, right, keep): ((r == right) & (k == keep), every)
        for severity, r, k in zip(answers.severities, answers.right, kept, strict=True)
        for right in (True, False)
        for keep in (True, False)
    }
    shares = share_intervals(cells, answers.groups, level)
    rows = [(*cell, int(cells[cell][0].sum()), own.value, own.low, own.high) for cell, own in shares.items()]
    return pd.DataFrame(rows, columns=["severity", "right", "kept", "n", "share", "low", "high"])


def common(found: Mapping[str, Answers]) -> dict[str, Answers]:
    """The same over the images that are there under every change, in one order.

    Examples:
        >>> common({})
        {}
    """
    if not found:
        return {}
    ids = sorted(set.intersection(*(set(own.image_ids.tolist()) for own in found.values())))
    return {change: own.images(pd.Index(own.image_ids).get_indexer(pd.Index(ids))) for change, own in found.items()}


@dataclass(frozen=True)
class Comparison:
    """Balanced errors beside AlexNet's.

    Attributes:
        table: A row per change with all five severities: change, metric (error, more, be, rbe), value, low, high, weak
            (AlexNet hardly loses: not to be relied on).
        summary: metric, value, low, high: keys of `CorruptionErrors.summary`.
        compared: Changes that means and medians are over.
        n_images: Images, the same under every change.
        n_groups: Lesions that they show.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    compared: tuple[str, ...]
    n_images: int
    n_groups: int


def against_alexnet(
    found: Mapping[str, Answers], reference: Reference, n: int = 1000, seed: int = 0, level: float = 0.95
) -> Comparison | None:
    """BE, rBE and their means with intervals, all in the same resamples; AlexNet's figures are constants.

    Args:
        found: By change. Those without all five severities are left out: AlexNet's error is the mean over five.
        reference: AlexNet's errors.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.
        level: Coverage of the intervals, in (0, 1).

    Returns:
        None where no change has all severities, or no image is there under all of them.

    Raises:
        ConfigError: `n` or `level` is out of range.
    """
    check_level(level)
    whole = common({key: own for key, own in found.items() if own.severities == (0, *SEVERITIES)})
    if not whole or not len(next(iter(whole.values())).truth):
        return None
    one = next(iter(whole.values()))
    right = np.concatenate([one.right[:1], *(own.right[1:] for own in whole.values())])
    codes = group_codes(one.groups)

    def figures(weights: Weights) -> dict[str, Floats]:
        errors = balanced_errors(right, one.truth, weights)  # (1 + C S, B)
        under = errors[1:].reshape(len(whole), len(SEVERITIES), -1)
        beside = corruption_errors(under, errors[0], list(whole), reference)
        each = {"error": beside.error, "more": beside.more, "be": beside.be, "rbe": beside.rbe}
        return {**each, **beside.summary()}

    draws, counts = resampled_figures(figures, codes, n, seed), (len(codes), count_lesions(codes))
    rows = []
    for place, change in enumerate(whole):
        for metric in ("error", "more", "be", "rbe"):
            own = draws[metric][place].interval(level, *counts)
            marked = metric == "rbe" and weak(reference.loss(change))
            rows.append((change, metric, own.value, own.low, own.high, marked))
    summary = [
        (metric, own.value, own.low, own.high)
        for metric, each in draws.items()
        if metric not in ("error", "more", "be", "rbe")
        for own in [each[0].interval(level, *counts)]
    ]
    return Comparison(
        pd.DataFrame(rows, columns=["change", "metric", "value", "low", "high", "weak"]),
        pd.DataFrame(summary, columns=["metric", "value", "low", "high"]),
        tuple(change for change in whole if np.isfinite(reference.loss(change))),
        *counts,
    )


def _same_images(found: Mapping[str, Answers]) -> Answers:
    ids = {tuple(own.image_ids.tolist()) for own in found.values()}
    if len(ids) != 1:
        raise DataError("The changes are not of the same images.", "Take those that they have in common.")
    return next(iter(found.values()))


def _kept(answers: Answers) -> Mask:
    if answers.kept is None:
        raise DataError("There is no policy, so nothing is rejected.", "`ood tune` makes one.")
    return answers.kept


def _share_rows(
    name: str, meanings: Mapping[str, str], codes: NDArray[np.intp], groups: ArrayLike, level: float
) -> pd.DataFrame:
    every = np.ones(len(codes), bool)
    shares = share_intervals({key: (codes == place, every) for place, key in enumerate(meanings)}, groups, level)
    rows = [
        (key, int((codes == place).sum()), shares[key].value, shares[key].low, shares[key].high)
        for place, key in enumerate(meanings)
    ]
    return pd.DataFrame(rows, columns=[name, "n", "share", "low", "high"])
