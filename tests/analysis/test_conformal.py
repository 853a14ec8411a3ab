"""Conformal sets: against MAPIE, against the order statistic, and what they hold on simulated data."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from lesion_core.analysis.conformal import conformal, fewest
from lesion_core.errors import ConfigError, DataError


class Stored(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are its own probabilities: what MAPIE asks for."""

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def classes_(self) -> np.ndarray:
        return np.arange(self.classes)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.argmax(x, axis=1)


def mapie_sets(p: np.ndarray, y: np.ndarray, new: np.ndarray, level: float) -> np.ndarray:
    classifier = SplitConformalClassifier(Stored(p.shape[1]), confidence_level=level, conformity_score="lac")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes without calibration images
        classifier.conformalize(p, y)
    return classifier.predict_set(new)[1][:, :, 0]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(32, 200),
    k=st.integers(2, 6),
    level=st.integers(1, 31),
    ties=st.booleans(),
    by_class=st.booleans(),
)
def test_sets_against_mapie(seed: int, n: int, k: int, level: int, ties: bool, by_class: bool) -> None:
    """Levels of 1/32, for which both compute (n + 1) level without rounding."""
    rng = np.random.default_rng(seed)
    p, new = (rng.multinomial(8, np.ones(k) / k, m) / 8 if ties else rng.dirichlet(np.ones(k), m) for m in (n, 50))
    y = rng.permutation(np.concatenate([np.arange(k), rng.integers(0, k, n - k)]))
    found = conformal(p, y, level / 32, by_class=by_class)
    for j in range(k):
        among = y == j if by_class else np.ones(n, bool)
        if among.sum() >= fewest(level / 32):
            theirs = mapie_sets(p[among], y[among], new, level / 32)
            assert (found.predict(new)[:, j] == theirs[:, j]).all()


@given(level=st.integers(1, 31))
def test_mapie_asks_for_the_same_number_of_images(level: int) -> None:
    n, rng = fewest(level / 32), np.random.default_rng(0)
    p, y = rng.dirichlet(np.ones(2), n), np.arange(n) % 2
    mapie_sets(p, y, p, level / 32)
    with pytest.raises(ValueError):
        mapie_sets(p[1:], y[1:], p, level / 32)
    with pytest.raises(DataError, match="too few"):
        conformal(p[1:], y[1:], level / 32)


def world(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([3, 1, 0.6, 0.3], n)
    return p, np.array([rng.choice(4, p=row) for row in p])


@pytest.mark.parametrize("by_class", [False, True])
def test_sets_against_the_order_statistic(by_class: bool) -> None:
    p, y = world(400, 0)
    level, new = 0.85, world(300, 1)[0]

    def quantile(misfits: list[float]) -> float:
        return sorted(misfits)[math.ceil((len(misfits) + 1) * level - 1e-9) - 1]

    found = conformal(p, y, level, by_class=by_class)
    for k in range(4):
        mine = [1 - p[i, y[i]] for i in range(400) if not by_class or y[i] == k]
        assert found.predict(new)[:, k].tolist() == [1 - row[k] <= quantile(mine) + 1e-12 for row in new]
    assert found.unbounded == () and found.predict(np.zeros((0, 4))).shape == (0, 4)


def test_sets_hold_the_truth() -> None:
    p, y = world(3000, 2)
    test, truth = world(6000, 3)
    plain, by_class = (conformal(p, y, 0.9, by_class=b).predict(test) for b in (False, True))
    inside = [s[np.arange(6000), truth] for s in (plain, by_class)]
    assert inside[0].mean() == pytest.approx(0.9, abs=0.02)
    for k in range(4):
        assert inside[1][truth == k].mean() == pytest.approx(0.9, abs=0.05)
    assert inside[0][truth == 3].mean() < 0.8  # what the average hides
    assert by_class.sum() > plain.sum()


def test_a_rare_class_is_in_every_set() -> None:
    p, y = world(200, 4)
    y[y == 3] = 0
    y[:3] = 3
    found = conformal(p, y, 0.9, by_class=True)
    assert found.unbounded == (3,) and found.predict(p)[:, 3].all() and not found.predict(p)[:, :3].all()
    assert fewest(0.9) == 10 and fewest(0.95) == 20
    with pytest.raises(DataError, match="9 images are too few"):
        conformal(p[:9], y[:9], 0.9)


@pytest.mark.parametrize(
    ("probabilities", "truth"), [([[0.5, 0.5]], [0]), ([[0.5, 0.6]] * 30, [0] * 30), ([[0.5, 0.5]] * 30, [2] * 30)]
)
def test_bad_input_is_refused(probabilities: list[list[float]], truth: list[int]) -> None:
    with pytest.raises(DataError):
        conformal(probabilities, truth)


@pytest.mark.parametrize("level", [0, 1, -0.5, 2])
def test_levels_out_of_range_are_refused(level: float) -> None:
    with pytest.raises(ConfigError):
        conformal([[0.5, 0.5]] * 30, [0] * 30, level)
