"""ROC and precision-recall curves, thinned to what a screen can show, with bands over lesions."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from lesion_core.analysis.intervals import check_level, group_codes, resamples
from lesion_core.analysis.predictions import Floats, Scored, check_classes
from lesion_core.analysis.ranking import ratio
from lesion_core.errors import ConfigError, DataError

MAX_POINTS = 200
_FLAT = 5e-4
"""A deviation that no screen shows: a third of a pixel in a curve 600 pixels wide."""


def thin(x: Floats, y: Floats, max_points: int = MAX_POINTS) -> NDArray[np.intp]:
    """The points to keep of a line so that it looks the same.

    Starts from the two ends and adds the point that is farthest from the line so far (Douglas and Peucker
    1973, best first), until none is over 0.0005 away or there are `max_points`.

    Args:
        x: (N,) in [0, 1].
        y: (N,) in [0, 1].
        max_points: At least 2.

    Returns:
        Rising indices of at most `max_points` points, the first and the last included.

    Raises:
        ConfigError: `max_points` is under 2.
    """
    if max_points < 2:
        raise ConfigError(f"{max_points} points are no line.", "Keep at least 2.")

    def farthest(a: int, b: int) -> tuple[float, int, int, int]:
        """Minus the distance of the point between a and b that is farthest from their chord, and its place."""
        if b - a < 2:
            return 0.0, a, a, b
        dx, dy, px, py = x[b] - x[a], y[b] - y[a], x[a + 1 : b] - x[a], y[a + 1 : b] - y[a]
        # From the chord, not from the line through it: a spike straight on from its end is no part of it.
        square = dx * dx + dy * dy
        along = np.clip((dx * px + dy * py) / square, 0, 1) if square else np.zeros_like(px)
        distance = np.hypot(px - along * dx, py - along * dy)
        i = int(distance.argmax())
        return -float(distance[i]), a + 1 + i, a, b

    if len(x) < 3:
        return np.arange(len(x))
    kept, heap = [0, len(x) - 1], [farthest(0, len(x) - 1)]
    while len(kept) < max_points and -heap[0][0] > _FLAT:
        _, i, a, b = heapq.heappop(heap)
        kept.append(i)
        heapq.heappush(heap, farthest(a, i))
        heapq.heappush(heap, farthest(i, b))
    return np.sort(np.asarray(kept, dtype=np.intp))


def _check(positive: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    y, s = np.asarray(positive), np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape or y.dtype != np.bool_:
        raise DataError(
            f"A truth of shape {y.shape} and type {y.dtype} and scores of shape {s.shape} make no curve.",
            "Give one boolean and one score a picture.",
        )
    if not np.isfinite(s).all():
        raise DataError(
            f"{int((~np.isfinite(s)).sum())} of {len(s)} scores are NaN or infinite.",
            "Find their pictures: the model or its input went wrong there.",
        )
    if not y.any() or y.all():
        raise DataError(
            f"A curve needs pictures of both sides, and {int(y.sum())} of {len(y)} are positive.",
            "Choose pictures that hold both.",
        )
    return y, s


def roc(positive: ArrayLike, scores: ArrayLike, max_points: int = MAX_POINTS) -> pd.DataFrame:
    """The ROC curve: threshold, fpr, tpr, from (0, 0) at an infinite threshold to (1, 1).

    A picture counts as positive iff ``score >= threshold`` (Fawcett 2006).

    Args:
        positive: (N,) bool.
        scores: (N,), high speaks for positive.
        max_points: The curve is thinned to at most these.

    Raises:
        DataError: A score is NaN or infinite, one side is missing, or the arrays do not fit.
    """
    y, s = _check(positive, scores)
    fpr, tpr, thresholds = roc_curve(y, s, drop_intermediate=False)
    kept = thin(fpr, tpr, max_points)
    return pd.DataFrame({"threshold": thresholds[kept], "fpr": fpr[kept], "tpr": tpr[kept]})


def precision_recall(positive: ArrayLike, scores: ArrayLike, max_points: int = MAX_POINTS) -> pd.DataFrame:
    """The precision-recall curve: threshold, recall, precision, by rising recall from (0, 1) at infinity.

    A picture counts as positive iff ``score >= threshold``; the first point, at recall 0, is a convention.
    Arguments and errors as in `roc`.
    """
    y, s = _check(positive, scores)
    precision, recall, thresholds = precision_recall_curve(y, s)
    precision, recall, thresholds = precision[::-1], recall[::-1], np.append(thresholds, np.inf)[::-1]
    end = int(np.argmax(recall == 1)) + 1  # further points only lower the threshold past the last positive
    kept = thin(recall[:end], precision[:end], max_points)
    return pd.DataFrame({"threshold": thresholds[kept], "recall": recall[kept], "precision": precision[kept]})


def by_class(
    truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[str], max_points: int = MAX_POINTS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ROC and precision-recall curves of each class against the rest, as in `roc`, with a column `class` before.

    A class that is absent from the truth, or that is all there is, has no rows.

    Args:
        truth: (N,) class indices.
        probabilities: (N, K), rows sum to 1.
        classes: K names.
        max_points: A curve is thinned to at most these.

    Raises:
        DataError: The arrays are empty or do not fit.
    """
    scored = Scored.of(truth, probabilities)
    names = check_classes(classes, scored.probabilities.shape[1])
    rocs = [pd.DataFrame(columns=["class", "threshold", "fpr", "tpr"])]
    prs = [pd.DataFrame(columns=["class", "threshold", "recall", "precision"])]
    for k, name in enumerate(names):
        positive, scores = scored.truth == k, scored.probabilities[:, k]
        if positive.any() and not positive.all():
            rocs.append(roc(positive, scores, max_points).assign(**{"class": name}))
            prs.append(precision_recall(positive, scores, max_points).assign(**{"class": name}))
    return _stacked(rocs), _stacked(prs)


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The frames under each other, with the columns of the first, which is empty."""
    columns = frames[0].columns
    return pd.concat(frames[1:], ignore_index=True)[columns] if len(frames) > 1 else frames[0]


def roc_band(
    positive: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    points: int = 101,
) -> pd.DataFrame:
    """The pointwise band of the ROC curve over lesions: fpr, low, high (of the tpr at that fpr).

    Vertical averaging (Fawcett 2006): the tpr of each resample at the same rates of false alarms. The band
    holds at each point by itself, not everywhere at once.

    Args:
        positive: (N,) bool.
        scores: (N,), high speaks for positive.
        groups: (N,) lesion ids.
        n: Resamples; those that lose one side are left out.
        seed: The same seed draws the same lesions.
        level: In (0, 1).
        points: How many rates of false alarms, evenly spaced in [0, 1].

    Raises:
        DataError: As in `roc`, or a lesion id is missing.
        ConfigError: `n` or `level` is out of range.
    """
    check_level(level)
    y, s = _check(positive, scores)
    grid = np.linspace(0, 1, points)
    curves = [np.interp(grid, fpr, tpr) for tpr, fpr, _ in _resampled(y, s, groups, n, seed)]
    return _band("fpr", grid, curves, level)


def precision_recall_band(
    positive: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    points: int = 101,
) -> pd.DataFrame:
    """The pointwise band of the precision-recall curve: recall, low, high (of the precision there).

    Precision at a recall is that of the highest threshold which reaches it, so recall 0 has none and the grid
    starts after it. Arguments and errors as in `roc_band`.
    """
    check_level(level)
    y, s = _check(positive, scores)
    grid = np.linspace(0, 1, points)[1:]
    curves = []
    for tpr, _, precision in _resampled(y, s, groups, n, seed):
        first = np.searchsorted(tpr, grid - 1e-12)
        curves.append(precision[np.minimum(first, len(tpr) - 1)])
    return _band("recall", grid, curves, level)


def _resampled(
    y: NDArray[np.bool_], s: Floats, groups: ArrayLike, n: int, seed: int
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """tpr, fpr and precision of each resample with both sides, at every distinct score, highest first."""
    codes = group_codes(groups, len(y))
    order = np.argsort(-s, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(s[order])), len(s) - 1)
    for weights in resamples(codes, n, seed):
        sorted_weights = weights[order]
        hits = np.cumsum(sorted_weights * y[order, None], axis=0)[ends]
        said = np.cumsum(sorted_weights, axis=0)[ends]
        alarms = said - hits
        for j in np.flatnonzero((hits[-1] > 0) & (alarms[-1] > 0)):
            tpr, fpr = np.append(0, hits[:, j] / hits[-1, j]), np.append(0, alarms[:, j] / alarms[-1, j])
            precision = np.append(1, ratio(hits[:, j], said[:, j]))
            yield tpr, fpr, precision


def _band(name: str, grid: Floats, curves: list[Floats], level: float) -> pd.DataFrame:
    if not curves:
        return pd.DataFrame({name: grid, "low": np.nan, "high": np.nan})
    low, high = np.quantile(np.stack(curves), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame({name: grid, "low": low, "high": high})
