"""Guarantees: MAPIE through our wrappers against slow literal procedures, and what they promise on simulated data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lesion_core.analysis.conformal import conformal, fewest
from lesion_core.errors import ConfigError, DataError
from lesion_core.ood.risk_control import GRID, STARTS, control_risk


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
        "With 15 calibration pictures it cannot be promised with 90 % confidence that the error among the kept is at "
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
        lambda: conformal([[0.5, 0.5]], [0]),
        lambda: conformal([[0.5, 0.6]] * 30, [0] * 30),
        lambda: conformal([[0.5, 0.5]] * 30, [2] * 30),
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
        with pytest.raises(ConfigError):
            conformal([[0.5, 0.5]] * 30, [0] * 30, level)


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
    with pytest.raises(DataError, match="9 pictures are too few"):
        conformal(p[:9], y[:9], 0.9)
