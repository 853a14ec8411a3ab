"""Answers with a guarantee, by MAPIE on stored outputs: a bounded error among the kept, and sets of diagnoses.

Both hold for pictures drawn as the calibration pictures were, one a lesion; not for another clinic, and not for
pictures that are no dermoscopy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from lesion_core.analysis.predictions import Floats, check_probabilities, check_results, check_scores, check_truth
from lesion_core.errors import ConfigError, DataError

# MAPIE is imported where it is used: it takes a second, and most pages promise nothing.

GRID = 60
"""Thresholds that are tried, at even shares of the learning pictures."""

STARTS = 5
"""Places from which they are tried one after another, each at its part of the level."""

Sets = NDArray[np.bool_]
"""(N, K): the diagnoses in each picture's set."""


@dataclass(frozen=True)
class RiskControl:
    """Whether the error among the kept can be bounded.

    Attributes:
        threshold: Keep iff ``score <= threshold``; None where nothing can be promised.
        error: The bound on the share of wrong answers among the kept.
        confidence: How sure the bound is, over draws of the calibration pictures.
        kept: Share of the calibration pictures that is kept; 0 where nothing can be promised.
        description: The promise, or that there is none, one sentence.
    """

    threshold: float | None
    error: float
    confidence: float
    kept: float
    description: str


def _check_level(value: float, what: str) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{what} of {value} is not between 0 and 1.", "Give a share, such as 0.9.")


def control_risk(
    learn_scores: ArrayLike,
    scores: ArrayLike,
    correct: ArrayLike,
    error: float = 0.1,
    confidence: float = 0.9,
) -> RiskControl:
    """The threshold that keeps most while the error among the kept is bounded: Learn then Test.

    For each of `GRID` thresholds the hypothesis that the error is over the bound is tested by MAPIE's p-value
    (Hoeffding-Bentkus on the kept). From each of `STARTS` places the thresholds are tested from strict to loose
    until one fails (*fixed sequence*), each place at its part of the level. The thresholds come from other pictures:
    taken from those that are tested they would void the promise.

    Args:
        learn_scores: (L,) scores of the pictures that the thresholds are taken from: select.
        scores: (N,) scores of the pictures that are tested on: calibrate, one a lesion.
        correct: (N,) bool.
        error: The bound, in (0, 1).
        confidence: In (0, 1).

    Raises:
        DataError: There are no pictures, the arrays do not fit, or a score is NaN or infinite.
        ConfigError: The bound or the confidence is out of range.

    Paper: Angelopoulos et al. 2021, Learn then Test (arXiv:2110.01052).
    """
    from mapie.risk_control.fwer_control import FWERFixedSequenceTesting, control_fwer
    from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

    learn, s = (check_scores(x, "calibration", some=True) for x in (learn_scores, scores))
    right = check_results(correct, len(s))
    _check_level(error, "A bound")
    _check_level(confidence, "A confidence")
    thresholds = np.unique(np.quantile(learn, np.linspace(1 / GRID, 1, GRID), method="inverted_cdf"))
    kept = np.array([(s <= t).sum() for t in thresholds])
    wrong = np.array([(~right[s <= t]).sum() for t in thresholds])
    some = kept > 0
    p_values = np.ones(len(thresholds))  # where nothing is kept nothing is shown
    if some.any():
        # MAPIE counts mistakes as ceil(kept * risk): a risk that is rounded up would add one.
        risk = np.nextafter(wrong[some] / kept[some], 0)
        p_values[some] = compute_hoeffding_bentkus_p_value(risk, kept[some], error, binary=True)[:, 0]
    starts = FWERFixedSequenceTesting(min(STARTS, len(thresholds)))
    valid = control_fwer(p_values, 1 - confidence, starts)
    bound = f"the error among the kept is at most {100 * error:g} %"
    if not len(valid):
        return RiskControl(
            None,
            error,
            confidence,
            0.0,
            f"With {len(s)} calibration pictures it cannot be promised with {100 * confidence:g} % confidence that "
            f"{bound}.",
        )
    loosest = int(valid.max())
    threshold, share = float(thresholds[loosest]), float(kept[loosest] / len(s))
    return RiskControl(
        threshold,
        error,
        confidence,
        share,
        f"With {100 * confidence:g} % confidence {bound}, tested on {len(s)} calibration pictures, one a lesion; "
        f"{100 * share:.1f} % of them are kept.",
    )


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
    _check_level(level, "A level")
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
