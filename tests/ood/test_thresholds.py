"""Thresholds: literal counts, the convention at the edge, and the ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_core.analysis.intervals import clopper_pearson, share_interval
from lesion_core.errors import ConfigError, DataError
from lesion_core.ood.thresholds import (
    cost_optimal_threshold,
    keep_share_threshold,
    operating_point,
)

scores_lists = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30)


def test_operating_point_counts():
    rng = np.random.default_rng(0)
    kept, kept_out, correct = rng.random(200) < 0.7, rng.random(50) < 0.4, rng.random(200) < 0.8
    groups = rng.integers(0, 120, 200)
    for lesions in (None, groups):
        point = operating_point(kept, correct, kept_out, lesions)
        assert (point.coverage.value, point.accuracy.value, point.ood_rejected.value) == pytest.approx(
            (kept.mean(), correct[kept].mean(), 1 - kept_out.mean())
        )
        for interval in (point.coverage, point.accuracy, point.ood_rejected, point.risk):
            assert interval.low < interval.value < interval.high
        assert point.risk.value == pytest.approx(1 - point.accuracy.value)
    assert operating_point(kept, correct, kept_out).coverage == clopper_pearson(int(kept.sum()), 200)
    assert point.accuracy == share_interval(correct, kept, groups)
    assert point.coverage.n_groups == len(set(groups)) and point.ood_rejected.n_images == 50


def test_operating_point_where_nothing_is_left():
    none, one = np.zeros(0, dtype=bool), np.array([True])
    nothing = operating_point(~one, one, none, ["a"])
    assert nothing.coverage.value == 0 and np.isnan(nothing.accuracy.value) and np.isnan(nothing.ood_rejected.value)
    single = operating_point(one, one, ~one)
    assert single.coverage.value == single.accuracy.value == single.ood_rejected.value == 1
    assert single.coverage.low == pytest.approx(clopper_pearson(1, 1).low)


@settings(max_examples=200, deadline=None)
@given(scores_lists, st.one_of(st.floats(0.01, 1), st.integers(1, 20).map(lambda i: i / 20)))
def test_keep_share_threshold_is_the_lowest_that_keeps_enough(scores, share):
    s = np.array(scores)
    t = keep_share_threshold(s, share)
    assert (s <= t).mean() >= share
    assert (s < t).mean() < share


def test_keep_share_threshold_by_hand():
    assert keep_share_threshold(np.arange(1, 101), 0.95) == 95
    assert keep_share_threshold(np.arange(1, 101), 0.07) == 7  # 0.07 * 100 is over 7 in floating point
    assert keep_share_threshold([3.0], 0.95) == 3
    assert keep_share_threshold([1.0, 2.0, 3.0], 1) == 3
    for bad in (0, 1.1, -1):
        with pytest.raises(ConfigError, match="share"):
            keep_share_threshold([1.0], bad)
    with pytest.raises(DataError):
        keep_share_threshold([])


@settings(max_examples=150)
@given(scores_lists, st.integers(0, 99), st.sampled_from([0.0, 0.5, 1.0, 3.0, 20.0]))
def test_the_cheapest_threshold_is_the_cheapest(scores, seed, cost):
    s = np.array(scores)
    bad = np.random.default_rng(seed).random(len(s)) < 0.3

    def bill(t):
        return float((s > t).sum() + cost * (bad & (s <= t)).sum())

    found = cost_optimal_threshold(s, bad, cost)
    candidates = [-np.inf, *sorted(set(scores))]
    least = min(bill(t) for t in candidates)
    assert found.cost == bill(found.threshold) == least
    assert (found.referrals, found.missed) == ((s > found.threshold).sum(), (bad & (s <= found.threshold)).sum())
    assert (s <= found.threshold).sum() == max((s <= t).sum() for t in candidates if bill(t) == least)
    assert np.isfinite(found.threshold)


def test_cost_by_hand():
    scores, bad = [1.0, 2.0, 3.0, 4.0], np.array([False, True, False, True])
    assert cost_optimal_threshold(scores, bad, 0).threshold == 4
    assert cost_optimal_threshold(scores, bad, 1.5).threshold == 3  # 1 referral and 1 missed; keeping all costs 3
    assert cost_optimal_threshold(scores, bad, 5).threshold == 1
    nothing = cost_optimal_threshold(scores, np.ones(4, dtype=bool), 5)
    assert nothing.threshold < 1 and nothing.referrals == 4 and nothing.missed == 0
    more = [cost_optimal_threshold(scores, bad, k).threshold for k in (0, 1, 2, 3, 10)]
    assert more == sorted(more, reverse=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    right = np.array([True, True])
    with pytest.raises(DataError, match="calibration"):
        keep_share_threshold([0.1, bad])
    with pytest.raises(DataError, match="calibration"):
        cost_optimal_threshold([0.1, bad], right, 3)
    with pytest.raises(ConfigError, match="cost"):
        cost_optimal_threshold([0.1, 0.2], right, bad)


def test_other_bad_input_is_refused():
    with pytest.raises(DataError, match="fit"):
        operating_point(np.array([True]), np.array([1]), np.array([True]))
    with pytest.raises(ConfigError, match="cost"):
        cost_optimal_threshold([0.1], np.array([True]), -1)
