"""Checked predictions: class probabilities beside the truth, with what every figure made of them shares.

An image is classified as its most probable class. Where two or more classes share the highest probability
it is *undecided*, which is wrong whatever the truth: the official scorer of the ISIC challenges counts so,
and it keeps a model that answers 1/K everywhere from being right about the first class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.ranking import Ranking, rank
from lesion_core.errors import DataError

Floats = NDArray[np.float64]

UNDECIDED = -1
"""The predicted class of an image whose highest probability is shared."""


def _check_finite(values: Floats, what: str) -> None:
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        raise DataError(
            f"{bad:,} of {len(values):,} rows of the {what} hold NaN or infinite values.",
            "Find the images of those rows: the model or its input went wrong there.",
        )


def check_logits(logits: ArrayLike) -> Floats:
    """Logits as float64, (N, K) with K >= 2; N may be 0.

    Raises:
        DataError: Another shape, or values that are NaN or infinite.
    """
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 2 or z.shape[1] < 2:
        raise DataError(f"Logits of shape {z.shape} are not (images, classes).", "Give one row per image.")
    _check_finite(z, "logits")
    return z


def check_truth(truth: ArrayLike, n: int, k: int) -> NDArray[np.int64]:
    """Class indices as int64, (n,), each in 0 ... k - 1.

    Raises:
        DataError: No whole numbers, another length, or an index out of range.
    """
    y = np.asarray(truth)
    if y.ndim != 1 or len(y) != n:
        raise DataError(f"Labels of shape {y.shape} do not fit {n} predictions.", "Give one label per image.")
    if n == 0:
        raise DataError("There are no images to score.", "Choose a split or a filter that leaves some.")
    if not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"Labels of type {y.dtype} are not class indices.", "Give whole numbers from 0.")
    outside = (y < 0) | (y >= k)
    if outside.any():
        raise DataError(
            f"{int(outside.sum())} of {n} labels lie outside 0 to {k - 1}, the first is {y[outside][0]}.",
            "Labels and predictions must have the same classes in the same order.",
        )
    return y.astype(np.int64)


def check_probabilities(probabilities: ArrayLike) -> Floats:
    """Probabilities as float64, (N, K) with K >= 2, each row in [0, 1] and summing to 1 within 0.001.

    Raises:
        DataError: Anything else.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        raise DataError(f"Probabilities of shape {p.shape} are not (images, classes).", "Give one row per image.")
    _check_finite(p, "probabilities")
    off = (p < -1e-6).any(axis=1) | (np.abs(p.sum(axis=1) - 1) > 1e-3)
    if off.any():
        raise DataError(
            f"{int(off.sum()):,} of {len(p):,} rows of the probabilities are negative somewhere or do not sum to 1.",
            "Logits become probabilities by softmax.",
        )
    return p


def check_scores(scores: ArrayLike, what: str, *, some: bool = False) -> Floats:
    """OOD scores as float64, (N,); N may be 0 unless there must be `some`.

    Raises:
        DataError: Another shape, or values that are NaN or infinite.
    """
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1 or (some and len(s) == 0):
        raise DataError(f"The {what} scores of shape {s.shape} are not a list of scores.", "Give one number per image.")
    bad = int((~np.isfinite(s)).sum())
    if bad:
        raise DataError(
            f"{bad} of {len(s)} {what} scores are NaN or infinite.",
            "Find their images: the model or its input went wrong there.",
        )
    return s


def check_results(results: ArrayLike, n: int) -> NDArray[np.bool_]:
    """One boolean per image, (n,).

    Raises:
        DataError: Another shape or type.
    """
    r = np.asarray(results)
    if r.shape != (n,) or r.dtype != np.bool_:
        raise DataError(
            f"Results of shape {r.shape} and type {r.dtype} do not fit {n} scores.", "Give one boolean per image."
        )
    return r


def check_classes(classes: Sequence[str], k: int) -> list[str]:
    """Class names, one a column.

    Raises:
        DataError: There are more or fewer than columns.
    """
    if len(classes) != k:
        raise DataError(f"{len(classes)} class names do not fit {k} columns.", "Give the run's class order.")
    return list(classes)


def probabilities_of(logits: Floats, temperature: float = 1.0) -> Floats:
    """`metrics.softmax` of logits (N, K) that were checked when they were made; the temperature is over 0."""
    with np.errstate(over="ignore"):  # two logits 1e308 apart: the smaller one has probability 0
        e = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def most_probable(p: Floats) -> NDArray[np.int64]:
    """The most probable class of each row, `UNDECIDED` where several share the maximum.

    Args:
        p: (N, K) probabilities that were checked when they were made.

    Returns:
        (N,) class indices.
    """
    tied = (p == p.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return np.where(tied, UNDECIDED, p.argmax(axis=1)).astype(np.int64)


@dataclass(frozen=True)
class LabelledPredictions:
    """Checked predictions beside the truth, with what every metric shares.

    Attributes:
        truth: (N,) int64 class indices.
        probabilities: (N, K) float64.
        predicted: (N,) int64 class indices or `UNDECIDED`.
    """

    truth: NDArray[np.int64]
    probabilities: Floats
    predicted: NDArray[np.int64]

    @classmethod
    def of(cls, truth: ArrayLike, probabilities: ArrayLike) -> LabelledPredictions:
        """Check labels (N,) and probabilities (N, K).

        Raises:
            DataError: They are empty, do not fit each other, or are not labels and probabilities.
        """
        p = check_probabilities(probabilities)
        return cls(check_truth(truth, *p.shape), p, most_probable(p))

    def _rows_of(self, labels: NDArray[np.int64]) -> Floats:
        return np.asarray(np.arange(self.probabilities.shape[1])[:, None] == labels, dtype=np.float64)

    @cached_property
    def is_class(self) -> Floats:
        """(K, N): 1 where the truth is the class."""
        return self._rows_of(self.truth)

    @cached_property
    def says_class(self) -> Floats:
        """(K, N): 1 where the prediction is the class."""
        return self._rows_of(self.predicted)

    @cached_property
    def hits_class(self) -> Floats:
        """(K, N): 1 where the truth and the prediction are the class."""
        return self.is_class * self.says_class

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """(N,): the prediction is the truth; never where it is undecided."""
        return np.asarray(self.predicted == self.truth)

    @cached_property
    def rankings(self) -> tuple[Ranking, ...]:
        """One against rest, by the probability of each class."""
        return tuple(rank(self.truth == k, p) for k, p in enumerate(self.probabilities.T))
