"""Risk control: against MAPIE, against the slow literal procedure, and what it promises on simulated data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.risk_control.fwer_control import FWERFixedSequenceTesting, control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

from lesion_core.errors import ConfigError, DataError
from lesion_core.ood.risk_control import GRID, STARTS, control_risk, fixed_sequence, risk_p_values


def binomial_tail(k, n, p):
    """P(Binomial(n, p) <= k)."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


def p_value(wrong, n, error):
    """Hoeffding-Bentkus: the smaller of a Chernoff bound and e times the binomial tail (the tail where 0 or 1)."""
    r = wrong / n
    if r >= error:
        hoeffding = 1.0
    else:
        left = r * math.log(r / error) if r else 0.0
        hoeffding = math.exp(-n * (left + (1 - r) * math.log((1 - r) / (1 - error))))
    return min(hoeffding, binomial_tail(wrong, n, error), 1.0)


def literal_promise(learn, scores, correct, error, confidence):
    ordered = sorted(learn)
    grid = sorted({ordered[max(math.ceil(len(ordered) * i / GRID - 1e-9) - 1, 0)] for i in range(1, GRID + 1)})
    starts = min(STARTS, len(grid))
    places = [i * (len(grid) // starts) for i in range(starts)]
    passed = set()
    for place in places:
        for j in range(place, len(grid)):
            kept = [c for s, c in zip(scores, correct, strict=True) if s <= grid[j]]
            if not kept or p_value(kept.count(False), len(kept), error) > (1 - confidence) / starts:
                break
            passed.add(j)
    return grid[max(passed)] if passed else None


@settings(deadline=None)
@given(
    counts=st.lists(
        st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=20
    ),
    error=st.floats(0.001, 0.999),
)
def test_p_values_against_mapie(counts: list[tuple[int, int]], error: float) -> None:
    wrong, kept = np.array(counts).T
    # MAPIE counts mistakes as ceil(kept * risk): a risk that is rounded up would add one.
    risk = np.nextafter(wrong / kept, 0)
    theirs = compute_hoeffding_bentkus_p_value(risk, kept, error, binary=True)[:, 0]
    assert risk_p_values(wrong, kept, error) == pytest.approx(theirs, rel=1e-9, abs=1e-300)


def test_where_nothing_is_kept_nothing_is_shown() -> None:
    assert risk_p_values(np.array([0, 0]), np.array([0, 50]), 0.1).tolist() == [1, pytest.approx(0.9**50)]


@given(
    p_values=st.lists(st.sampled_from([0.0, 0.01, 0.02, 0.1, 0.5, 1.0]), min_size=1, max_size=40),
    level=st.sampled_from([0.01, 0.05, 0.1, 0.3]),
    starts=st.integers(1, 8),
)
def test_fixed_sequence_against_mapie(p_values: list[float], level: float, starts: int) -> None:
    p, starts = np.array(p_values), min(starts, len(p_values))
    theirs = control_fwer(p, level, FWERFixedSequenceTesting(starts))
    assert np.flatnonzero(fixed_sequence(p, level, starts)).tolist() == sorted(theirs)


@pytest.mark.parametrize("seed", range(8))
def test_learn_then_test_against_the_literal_procedure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(460).round(3)
    correct = rng.random(460) > (0.4 if seed % 2 else 0.2) * scores
    learn, s, right = scores[:160], scores[160:], correct[160:]
    found = control_risk(learn, s, right, error=0.1, confidence=0.9)
    assert found.threshold == literal_promise(learn.tolist(), s.tolist(), right.tolist(), 0.1, 0.9)
    if found.threshold is not None:
        assert found.kept == (s <= found.threshold).mean()
        assert f"{100 * found.kept:.1f} %" in found.description and "at most 10 %" in found.description


def test_the_promise_is_kept() -> None:
    """In at most one world of five is the error among the kept over the bound."""
    broken = made = 0
    for world in range(60):
        rng = np.random.default_rng(world)
        s = rng.random(700)
        correct = rng.random(700) > 0.3 * s
        found = control_risk(s[:200], s[200:], correct[200:], error=0.1, confidence=0.8)
        if found.threshold is not None:
            made += 1
            broken += 0.15 * found.threshold > 0.1  # the true error among the kept
    assert made > 30 and broken <= 0.2 * made


def test_what_cannot_be_promised() -> None:
    rng = np.random.default_rng(0)
    none = control_risk(rng.random(50), rng.random(15), np.ones(15, dtype=bool))
    assert none.threshold is None and none.kept == 0
    assert none.description == (
        "With 15 calibration images it cannot be promised with 90 % confidence that the error among the kept is at "
        "most 10 %."
    )
    wrong = control_risk(rng.random(50), rng.random(500), np.zeros(500, dtype=bool))
    assert wrong.threshold is None
    sure = control_risk(rng.random(50), rng.random(500), np.ones(500, dtype=bool))
    assert sure.threshold is not None and sure.kept > 0.9
    assert control_risk([0.5], [0.5] * 60, np.ones(60, dtype=bool)).threshold == 0.5  # all tie
    assert control_risk([0.1, 0.2], [0.9] * 60, np.ones(60, dtype=bool)).threshold is None  # nothing would be kept


@pytest.mark.parametrize(
    "bad",
    [
        lambda: control_risk([np.nan], [0.5], np.array([True])),
        lambda: control_risk([0.5], [np.inf], np.array([True])),
        lambda: control_risk([0.5], [0.5, 0.6], np.array([True])),
        lambda: control_risk([], [0.5], np.array([True])),
    ],
)
def test_bad_input_is_refused(bad) -> None:
    with pytest.raises(DataError):
        bad()


def test_levels_out_of_range_are_refused() -> None:
    for level in (0, 1, -0.5, 2):
        with pytest.raises(ConfigError):
            control_risk([0.5], [0.5], np.array([True]), error=level)
        with pytest.raises(ConfigError):
            control_risk([0.5], [0.5], np.array([True]), confidence=level)
