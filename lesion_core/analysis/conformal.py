"""Sets of diagnoses that hold the truth with a chosen probability (split conformal prediction)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from lesion_core.analysis.intervals import check_level
from lesion_core.analysis.predictions import Floats, check_probabilities, check_truth
from lesion_core.errors import DataError

Sets = NDArray[np.bool_]
"""(N, K): the diagnoses in each image's set."""


class _Stored(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose inputs are its own stored probabilities: what MAPIE asks for."""

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> NDArray[np.int64]:
        return np.arange(self.classes)

    def predict_proba(self, x: Floats) -> Floats:
        return np.asarray(x)

    def predict(self, x: Floats) -> NDArray[np.int64]:
        return np.asarray(np.argmax(x, axis=1), dtype=np.int64)


@dataclass(frozen=True)
class Conformal:
    """Sets of diagnoses that hold the true one with a chosen chance.

    Attributes:
        predict: Probabilities (N, K) to sets (N, K) bool; a set can be empty: no diagnosis fits.
        unbounded: Classes with too few calibration pictures to say anything: they are in every set.
        level: The chance that the true diagnosis is in the set.
    """

    predict: Callable[[ArrayLike], Sets]
    unbounded: tuple[int, ...]
    level: float


def fewest(level: float) -> int:
    """Pictures that MAPIE asks for: the smallest n with ``1 / n <= 1 - level`` and ``1 / n <= level``.

    For level 0.9 that is 10, one more than ``ceil((n + 1) level) <= n`` needs.
    """
    return int(np.ceil(max(1 / (1 - level), 1 / level) - 1e-9))


def conformal(probabilities: ArrayLike, truth: ArrayLike, level: float = 0.9, *, by_class: bool = False) -> Conformal:
    """Learn sets of diagnoses from calibration pictures, one a lesion.

    A class is in the set iff ``1 - p_k`` is at most the ``ceil((n + 1) level) / n`` quantile of ``1 - p_truth`` over
    the calibration pictures (*least ambiguous sets*). That holds on average over all pictures: rare diagnoses may
    be left out far more often. By class (*Mondrian*), the quantile of class k is over its own pictures, and the
    chance holds within each diagnosis; the sets are larger.

    Args:
        probabilities: (N, K) of the calibrate split.
        truth: (N,) class indices.
        level: In (0, 1).
        by_class: Hold the level within each diagnosis.

    Raises:
        DataError: The arrays do not fit, or there are too few pictures for the level.
        ConfigError: The level is out of range.

    Papers: Sadinle et al. 2019 (arXiv:1609.00451); Vovk 2012 (arXiv:1209.2673) on class-conditional validity.
    """
    p = check_probabilities(probabilities)
    n, k = p.shape
    y = check_truth(truth, n, k)
    check_level(level)
    if n < fewest(level):
        raise DataError(
            f"{n} pictures are too few for sets that hold in {100 * level:g} % of cases.",
            f"It takes {fewest(level)}; lower the level.",
        )
    if not by_class:
        return Conformal(_learned(p, y, level), (), level)
    enough = [j for j in range(k) if (y == j).sum() >= fewest(level)]
    learned = {j: _learned(p[y == j], y[y == j], level) for j in enough}

    def predict(new: ArrayLike) -> Sets:
        asked = check_probabilities(new)
        sets = np.ones(asked.shape, dtype=bool)
        for j, of_class in learned.items():
            sets[:, j] = of_class(asked)[:, j]
        return sets

    return Conformal(predict, tuple(j for j in range(k) if j not in learned), level)


def _learned(p: Floats, y: NDArray[np.int64], level: float) -> Callable[[ArrayLike], Sets]:
    """MAPIE's split conformal sets on stored probabilities."""
    from mapie.classification import SplitConformalClassifier

    classifier = SplitConformalClassifier(_Stored(p.shape[1]), confidence_level=level, conformity_score="lac")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes without calibration pictures
        classifier.conformalize(p, y)

    def predict(new: ArrayLike) -> Sets:
        asked = check_probabilities(new)
        if not len(asked):
            return np.zeros(asked.shape, dtype=bool)
        return np.asarray(classifier.predict_set(asked)[1][:, :, 0], dtype=bool)

    return predict
