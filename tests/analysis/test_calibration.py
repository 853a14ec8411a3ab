"""Temperature against a literal search, reliability against a loop, ECE against torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional.classification as tm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from lesion_core.analysis.calibration import (
    TEMPERATURES,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from lesion_core.analysis.intervals import share_interval
from lesion_core.analysis.metrics import METRICS, softmax
from lesion_core.errors import ConfigError, DataError


def drawn(n=3000, k=4, seed=0, scale=2.0):
    """Logits that are right as they are: the truth is drawn from their softmax."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (n, k))
    return logits, (softmax(logits).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)


def loss(logits, truth, temperature):
    return sk.log_loss(truth, softmax(logits, temperature), labels=range(logits.shape[1]))


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_known_one(factor):
    logits, truth = drawn()
    assert fit_temperature(logits * factor, truth) == pytest.approx(factor, rel=0.08)


@pytest.mark.parametrize("seed", range(4))
def test_temperature_is_the_minimum_of_the_loss(seed):
    logits, truth = drawn(n=200, seed=seed)
    logits *= 1 + seed
    reference = minimize_scalar(
        lambda log_t: loss(logits, truth, np.exp(log_t)), bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}
    )
    found = fit_temperature(logits, truth)
    assert found == pytest.approx(np.exp(reference.x), rel=1e-4)
    assert loss(logits, truth, found) <= min(loss(logits, truth, found * f) for f in (0.99, 1.01, 0.5, 2))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.3, 3), st.floats(-50, 50))
def test_temperature_scales_with_the_logits_and_ignores_a_shift(seed, factor, shift):
    logits, truth = drawn(n=100, seed=seed)
    base = fit_temperature(logits, truth)
    if 3 * TEMPERATURES[0] < base < TEMPERATURES[1] / 3:
        assert fit_temperature(logits * factor + shift, truth) == pytest.approx(base * factor, rel=1e-6)


def test_temperature_at_the_ends():
    truth = np.array([0, 1, 2])
    assert fit_temperature(5 * np.eye(3), truth) == TEMPERATURES[0]  # all right: surer is better without end
    assert fit_temperature(-5 * np.eye(3), truth) == TEMPERATURES[1]  # all wrong: guessing is better
    assert fit_temperature(np.ones((3, 3)), truth) == 1
    assert fit_temperature(1e6 * np.eye(3)[[0, 1, 1]], truth) == TEMPERATURES[1]
    with pytest.raises(DataError, match="no images"):
        fit_temperature(np.zeros((0, 3)), [])
    with pytest.raises(DataError, match="1 of 2 rows of the logits"):
        fit_temperature([[0, 1], [np.inf, 0]], [0, 1])


def test_temperature_leaves_the_discrimination():
    logits, truth = drawn(n=300)
    t = fit_temperature(3 * logits, truth)
    before, after = softmax(3 * logits), softmax(3 * logits, t)
    assert METRICS["accuracy"](truth, before) == METRICS["accuracy"](truth, after)
    assert METRICS["ece"](truth, after) < METRICS["ece"](truth, before) / 2


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_error_against_torchmetrics_and_the_metric(bins):
    logits, truth = drawn(n=500)
    p = softmax(1.7 * logits)
    found = expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == truth, bins)
    expected = tm.multiclass_calibration_error(torch.tensor(p), torch.tensor(truth), 4, n_bins=bins, norm="l1")
    assert found == pytest.approx(float(expected), abs=1e-6)
    if bins == 15:
        assert found == pytest.approx(METRICS["ece"](truth, p))


def test_reliability_by_hand():
    table = reliability([0.5, 0.500001, 1.0, 0.9, 0.0], np.array([True, False, True, True, False]), bins=2)
    assert table["n"].tolist() == [2, 3]  # an edge belongs to the bin under it, 0 to the first
    assert table["confidence"].tolist() == pytest.approx([0.25, (0.500001 + 1.9) / 3])
    assert table["accuracy"].tolist() == pytest.approx([1 / 2, 2 / 3])
    two_of_three = share_interval(np.array([True, True, False]), np.ones(3, bool), np.arange(3))
    assert (table["accuracy_low"][1], table["accuracy_high"][1]) == (two_of_three.low, two_of_three.high)
    assert table[["low", "high"]].to_numpy().tolist() == [[0, 0.5], [0.5, 1]]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50), st.integers(1, 20))
def test_reliability_adds_up(pairs, bins):
    confidence, correct = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    table = reliability(confidence, correct, bins)
    assert len(table) == bins and table["n"].sum() == len(pairs)
    empty = table["n"] == 0
    assert table.loc[empty, ["confidence", "accuracy", "accuracy_low"]].isna().all(axis=None)
    full = table[~empty]
    assert (full["n"] * full["accuracy"]).sum() == pytest.approx(correct.sum())
    assert (full["confidence"] <= full["high"] + 1e-12).all() and (full["confidence"] >= full["low"] - 1e-12).all()
    gap = (full["n"] * (full["accuracy"] - full["confidence"]).abs()).sum() / len(pairs)
    assert expected_calibration_error(confidence, correct, bins) == pytest.approx(gap, abs=1e-12)


@pytest.mark.parametrize(
    ("confidence", "correct", "words"),
    [
        ([], np.zeros(0, dtype=bool), "at least one"),
        ([0.5], np.array([1]), "boolean"),
        ([0.5, 0.6], np.array([True]), "do not fit"),
        ([0.5, np.nan], np.array([True, True]), "1 of 2 confidences"),
        ([1.5], np.array([True]), "outside 0 to 1"),
    ],
)
def test_bad_input_is_refused(confidence, correct, words):
    with pytest.raises(DataError, match=words):
        reliability(confidence, correct)


def test_no_bins_are_refused():
    with pytest.raises(ConfigError, match="bins"):
        expected_calibration_error([0.5], np.array([True]), 0)
