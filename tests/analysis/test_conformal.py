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

from lesion_core.analysis.conformal import calibrate_sets, conformal, evaluate_sets, fewest, fewest_of_class
from lesion_core.analysis.resampling import one_per_group
from lesion_core.errors import ConfigError, DataError
from lesion_core.runs.classifier import Run


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
    everybody = mapie_sets(p, y, new, level / 32)
    for j in range(k):
        own = by_class and (y == j).sum() >= fewest_of_class(level / 32)
        theirs = mapie_sets(p[y == j], y[y == j], new, level / 32) if own else everybody
        assert (found.predict(new)[:, j] == theirs[:, j]).all()
        assert (j in found.rare) == (by_class and not own)


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
    assert found.rare == () and found.predict(np.zeros((0, 4))).shape == (0, 4)


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


@given(seed=st.integers(0, 2**32 - 1), few=st.integers(0, 40), level=st.sampled_from([0.7, 0.8, 0.9, 0.95]))
def test_a_class_with_few_images_takes_the_threshold_of_all_and_is_named(seed: int, few: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    p, y = world(400, seed)
    y[y == 3] = 0
    y[rng.choice(400, few, replace=False)] = 3
    found, together = conformal(p, y, level, by_class=True), conformal(p, y, level)
    rare = few < fewest_of_class(level)
    assert (3 in found.rare) == rare
    if rare:
        assert found.thresholds[3] == together.thresholds[3]
    # So no diagnosis is in a set whatever its probability is.
    assert (found.thresholds > 0).all() and not found.predict(np.eye(4))[~np.eye(4, dtype=bool)].any()


@pytest.mark.parametrize("level", [0.5, 0.6, 0.75, 0.8, 0.9, 0.95, 0.99])
def test_a_class_with_a_threshold_of_its_own_does_not_take_that_of_its_oddest_image(level: float) -> None:
    n, rng = fewest_of_class(level), np.random.default_rng(0)
    p = rng.dirichlet(np.ones(2), 2 * n)
    y = np.arange(2 * n) % 2
    p[0] = [1e-9, 1 - 1e-9]
    found = conformal(p, y, level, by_class=True)
    assert found.rare == () and found.thresholds[0] > 1e-6


def test_the_fewest_images() -> None:
    assert (fewest(0.9), fewest(0.95), fewest_of_class(0.9)) == (10, 20, 20)
    p, y = world(200, 4)
    with pytest.raises(DataError, match="9 images are too few"):
        conformal(p[:9], y[:9], 0.9)


def test_the_table_of_a_run_is_that_of_a_loop(small_run: Run) -> None:
    """Cover, size and promises, counted lesion by lesion."""
    level = 0.7
    table = evaluate_sets(small_run, level, by_class=True).set_index("diagnosis")
    learned = calibrate_sets(small_run, level, by_class=True)
    counted: dict[str, list[tuple[bool, int]]] = {name: [] for name in table.index}
    test, calibrate = (small_run.part(split) for split in ("test", "calibrate"))
    test, calibrate = (rows.iloc[one_per_group(rows["lesion_id"])] for rows in (test, calibrate))
    logits = small_run.logits(test) / small_run.calibration.temperature
    for (_, row), z in zip(test.iterrows(), logits, strict=True):
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        held = [code for code, ok in zip(small_run.classes, p >= learned.thresholds, strict=True) if ok]
        for name in ("all", row["label"]):
            counted[name].append((row["label"] in held, len(held)))
    known = calibrate["label"].value_counts()
    for name, found in counted.items():
        assert table.loc[name, "n"] == len(found)
        if found:
            assert table.loc[name, "covered"] == pytest.approx(np.mean([inside for inside, _ in found]))
            assert table.loc[name, "size"] == pytest.approx(np.mean([size for _, size in found]))
        if name != "all":
            assert table.loc[name, "calibration"] == known.get(name, 0)
            assert table.loc[name, "promised"] == (known.get(name, 0) >= fewest_of_class(level))
    assert not evaluate_sets(small_run, level, by_class=False).set_index("diagnosis")["promised"].drop("all").any()


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
