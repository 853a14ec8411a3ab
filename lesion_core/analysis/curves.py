"""ROC curves, thinned to what a screen can show."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.predictions import Floats, LabelledPredictions, check_classes
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
        raise ConfigError(f"{max_points} points do not make a line.", "Keep at least 2.")

    def farthest(a: int, b: int) -> tuple[float, int, int, int]:
        """Minus the distance of the point between a and b that is farthest from their chord, and its place."""
        if b - a < 2:
            return 0.0, a, a, b
        dx, dy, px, py = x[b] - x[a], y[b] - y[a], x[a + 1 : b] - x[a], y[a + 1 : b] - y[a]
        # From the chord, not from the line through it: a spike straight on from its end is not part of it.
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
            f"A truth of shape {y.shape} and type {y.dtype} and scores of shape {s.shape} do not make a curve.",
            "Give one boolean and one score per image.",
        )
    if not np.isfinite(s).all():
        raise DataError(
            f"{int((~np.isfinite(s)).sum())} of {len(s)} scores are NaN or infinite.",
            "Find their images: the model or its input went wrong there.",
        )
    if not y.any() or y.all():
        raise DataError(
            f"A curve needs images of both sides, and {int(y.sum())} of {len(y)} are positive.",
            "Choose images that hold both.",
        )
    return y, s


def roc(positive: ArrayLike, scores: ArrayLike, max_points: int = MAX_POINTS) -> pd.DataFrame:
    """The ROC curve: threshold, fpr, tpr, from (0, 0) at an infinite threshold to (1, 1).

    An image counts as positive iff ``score >= threshold`` (Fawcett 2006).

    Args:
        positive: (N,) bool.
        scores: (N,), high speaks for positive.
        max_points: The curve is thinned to at most these.

    Raises:
        DataError: A score is NaN or infinite, one side is missing, or the arrays do not fit.
    """
    from sklearn.metrics import roc_curve  # a third of a second that pages without a curve do not wait for

    y, s = _check(positive, scores)
    fpr, tpr, thresholds = roc_curve(y, s, drop_intermediate=False)
    kept = thin(fpr, tpr, max_points)
    return pd.DataFrame({"threshold": thresholds[kept], "fpr": fpr[kept], "tpr": tpr[kept]})


def roc_by_class(
    truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[str], max_points: int = MAX_POINTS
) -> pd.DataFrame:
    """The ROC curve of each class against the rest, as in `roc`, with a column `class` before.

    A class that is absent from the truth, or that is all there is, has no rows.

    Args:
        truth: (N,) class indices.
        probabilities: (N, K), rows sum to 1.
        classes: K names.
        max_points: A curve is thinned to at most these.

    Raises:
        DataError: The arrays are empty or do not fit.
    """
    labelled = LabelledPredictions.of(truth, probabilities)
    names = check_classes(classes, labelled.probabilities.shape[1])
    curves = [
        roc(labelled.truth == k, labelled.probabilities[:, k], max_points).assign(**{"class": name})
        for k, name in enumerate(names)
        if 0 < (labelled.truth == k).sum() < len(labelled.truth)
    ]
    columns = ["class", "threshold", "fpr", "tpr"]
    return pd.concat(curves, ignore_index=True)[columns] if curves else pd.DataFrame(columns=columns)
