"""The bootstrap over lesions against a literal one, and the exact interval of a share against sums of chances."""

from __future__ import annotations

import dataclasses
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from lesion_core.analysis.intervals import (
    bootstrap,
    bootstrap_all,
    clopper_pearson,
    paired_intervals,
    share_interval,
    share_intervals,
    shares_by,
)
from lesion_core.analysis.metrics import METRICS, binary_view, calibration_error, per_class, softmax
from lesion_core.analysis.predictions import LabelledPredictions
from lesion_core.analysis.resampling import one_per_group, resamples
from lesion_core.analysis.summaries import binary_summary, multiclass_summary, per_class_summary
from lesion_core.errors import ConfigError, DataError

CLASSES = tuple("abcdefgh")
SHARES = (0.11, 0.66, 0.05, 0.03, 0.1, 0.01, 0.02, 0.02)


def sample(n=2000, lesions=1400, seed=0):
    """Images whose lesion decides the truth and most of the logits."""
    rng = np.random.default_rng(seed)
    lesion = rng.integers(0, lesions, n)
    truth = rng.choice(8, lesions, p=SHARES)[lesion]
    logits = rng.normal(0, 1.2, (lesions, 8))[lesion] + rng.normal(0, 0.3, (n, 8))
    logits[np.arange(n), truth] += 2
    return truth, softmax(logits), np.array([f"HAM_{i:07}" for i in lesion])


def mean_of(values):
    return lambda w: values @ w / w.sum(axis=0)


def at_most(k: int, n: int, p: float) -> float:
    """The chance of at most k of n."""
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (95, 100)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_at_its_ends_what_was_seen_has_half_of_the_rest(k, n, level):
    found, half = clopper_pearson(k, n, level), (1 - level) / 2
    assert found.low == 0 if k == 0 else 1 - at_most(k - 1, n, found.low) == pytest.approx(half)
    assert found.high == 1 if k == n else at_most(k, n, found.high) == pytest.approx(half)
    assert 0 <= found.low <= k / n <= found.high <= 1 and found.low < found.high


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 14, 30, 100])
def test_the_exact_interval_covers_whatever_the_share(n):
    ends = [clopper_pearson(k, n) for k in range(n + 1)]
    for p in np.linspace(0.001, 0.999, 300):
        chances = [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
        assert sum(c for c, end in zip(chances, ends, strict=True) if end.low <= p <= end.high) >= 0.95 - 1e-12


def test_a_share_in_printed_tables_and_bad_input():
    found = clopper_pearson(13, 14)  # Documenta Geigy: 66.13 to 99.82 %
    assert (found.low, found.high) == (pytest.approx(0.6613, abs=1e-4), pytest.approx(0.9982, abs=1e-4))
    assert np.isnan(clopper_pearson(0, 0).value) and np.isnan(clopper_pearson(0, 0).high)
    with pytest.raises(ConfigError):
        clopper_pearson(3, 2)
    with pytest.raises(ConfigError, match="level"):
        clopper_pearson(1, 2, 95)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 600))
def test_a_resample_draws_whole_lesions_as_many_as_there_are(groups, n):
    weights = np.concatenate(list(resamples(groups, n)), axis=1)
    assert weights.shape == (len(groups), n)
    ids, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    assert (weights == weights[first][inverse]).all()
    assert (weights[first].sum(axis=0) == len(ids)).all()


def test_resamples_do_not_depend_on_their_number():
    first = np.concatenate(list(resamples(np.arange(50), 100, seed=3)), axis=1)
    more = np.concatenate(list(resamples(np.arange(50), 700, seed=3)), axis=1)
    other = np.concatenate(list(resamples(np.arange(50), 100, seed=4)), axis=1)
    assert (more[:, :100] == first).all() and (other != first).any()


def test_lesions_are_drawn_uniformly():
    weights = np.concatenate(list(resamples(np.arange(20), 20_000)), axis=1)
    assert weights.mean(axis=1) == pytest.approx(np.ones(20), abs=0.04)
    assert (weights == 0).mean() == pytest.approx((1 - 1 / 20) ** 20, abs=0.005)
    assert weights.var() == pytest.approx(1 - 1 / 20, abs=0.02)


def test_equals_a_literal_bootstrap_of_lesions():
    """Percentiles of a loop that copies the images of drawn lesions, within the noise of two seeds."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 150)
    values = rng.normal(0, 1, 60)[groups] + rng.normal(0, 0.3, 150)
    found = bootstrap(mean_of(values), groups, n=4000)
    ids, draws = np.unique(groups), []
    for _ in range(4000):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in rng.choice(ids, len(ids))])
        draws.append(values[rows].mean())
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(low, abs=0.02) and found.high == pytest.approx(high, abs=0.02)
    assert (found.n_images, found.n_groups) == (150, len(ids))
    alone = bootstrap(mean_of(values), np.arange(150), n=4000)
    assert found.high - found.low > 1.3 * (alone.high - alone.low)  # images of one lesion are not independent


def test_one_picture_a_lesion_is_the_usual_bootstrap():
    values = np.random.default_rng(0).normal(0, 1, 400)
    found = bootstrap(mean_of(values), np.arange(400), n=4000)
    error = values.std() / 20
    assert (found.high - found.low) == pytest.approx(2 * 1.96 * error, rel=0.06)
    assert (found.high + found.low) / 2 == pytest.approx(values.mean(), abs=0.1 * error)


def test_names_of_lesions_do_not_matter():
    values = np.random.default_rng(0).random(30)
    numbers = np.repeat(np.arange(10), 3)
    assert bootstrap(mean_of(values), numbers) == bootstrap(mean_of(values), [f"L{i}" for i in numbers])


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(0), 0
    for trial in range(200):
        per_lesion = rng.random(80) < 0.7
        groups = rng.integers(0, 80, 160)
        found = bootstrap(mean_of(per_lesion[groups].astype(float)), groups, n=400, seed=trial)
        hits += found.low <= 0.7 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_a_resample_without_a_value_is_left_out():
    values = np.array([9.0, 1.0, 2.0, 3.0, 4.0, 5.0])

    def needs_the_first(w):
        return np.where(w[0] > 0, mean_of(values)(w), np.nan)

    found = bootstrap_all({"never": lambda w: np.full(w.shape[1], np.nan), "some": needs_the_first}, np.arange(6))
    assert np.isnan(found["never"].value) and np.isnan(found["never"].low)
    draws = np.concatenate([needs_the_first(w) for w in resamples(np.arange(6))])
    assert 200 < np.isnan(draws).sum() < 500  # (5/6)^6 of 1000 lose the first
    assert (found["some"].low, found["some"].high) == tuple(np.quantile(draws[~np.isnan(draws)], [0.025, 0.975]))


def test_one_lesion_says_nothing():
    found = bootstrap(mean_of(np.array([0.2, 0.4])), ["a", "a"])
    assert found.value == pytest.approx(0.3) and np.isnan(found.low) and np.isnan(found.high)
    assert (found.n_images, found.n_groups) == (2, 1)


def test_share_where_all_agree_has_the_width_of_its_lesions():
    everything = np.ones(12, dtype=bool)
    groups = np.repeat(np.arange(4), 3)
    found = share_interval(everything, everything, groups)
    assert (found.value, found.low, found.high) == (1, pytest.approx(0.025 ** (1 / 4)), 1)
    none = share_interval(~everything, everything, groups)
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(1 - 0.025 ** (1 / 4)))
    assert np.isnan(share_interval(everything, ~everything, groups).value)


PICTURES_OF_A_LESION = {
    "one": lambda _, n: np.ones(n, int),
    "three": lambda _, n: np.full(n, 3),
    "1 to 6": lambda rng, n: rng.integers(1, 7, n),
    "few have many": lambda rng, n: np.where(rng.random(n) < 0.08, 12, 1),
}


def covered(lesions: int, alike: float, p: float, sizes: str, trials: int) -> float:
    """How often the interval holds the truth: beta-binomial outcomes, `alike` is the correlation within a lesion."""
    rng = np.random.default_rng([lesions, int(1000 * alike), int(1000 * p), list(PICTURES_OF_A_LESION).index(sizes)])
    groups = np.repeat(np.arange(lesions), PICTURES_OF_A_LESION[sizes](rng, lesions))
    among = np.ones(len(groups), bool)
    spread = (1 - alike) / max(alike, 1e-9)
    chances = rng.beta(p * spread, (1 - p) * spread, (trials, lesions))
    right = rng.random((trials, len(groups))) < chances[:, groups]
    found = share_intervals({trial: (row, among) for trial, row in enumerate(right)}, groups)
    return float(np.mean([interval.low <= p <= interval.high for interval in found.values()]))


@pytest.mark.slow
@pytest.mark.parametrize("lesions", [5, 9, 22, 60, 150, 450, 1000])
@pytest.mark.parametrize("sizes", PICTURES_OF_A_LESION)
def test_shares_cover_by_lesion_at_every_n(lesions: int, sizes: str) -> None:
    """At least 93 % for 95 %, whatever the share and however alike a lesion's images are.

    `_CAUTION` was chosen on 5, 14, 40, 200 and 1000 lesions with 1 to 6 images each, and on other seeds. The errors
    of a simulation are tested, too: a setting that is under 0.93 in `trials` is tried again with ten times as many.
    """
    trials = 400 if lesions < 450 else 200
    for alike in (0.0, 0.2, 0.7, 0.99):
        for p in (0.55, 0.75, 0.85, 0.93, 0.97):
            found = covered(lesions, alike, p, sizes, trials)
            if found < 0.93:
                found = covered(lesions, alike, p, sizes, 10 * trials)
            assert found >= 0.93, (alike, p)


def test_a_share_of_single_pictures_is_clopper_and_pearsons():
    right = np.arange(14) > 0
    found = share_interval(right, np.ones_like(right), np.arange(14))
    # 13 of 14 in printed tables (Documenta Geigy): 66.13 to 99.82 %; G / (G - 1) and caution keep it within a point.
    assert (found.low, found.high) == (pytest.approx(0.6613, abs=0.01), pytest.approx(0.9982, abs=0.001))
    whole = share_interval(np.ones(14, bool), np.ones(14, bool), np.arange(14))
    assert found.low < whole.low == pytest.approx(0.025 ** (1 / 14))
    twice = share_interval(np.tile(right, 2), np.ones(28, bool), np.tile(np.arange(14), 2))
    assert twice.low == pytest.approx(found.low, abs=0.002), "a second image that always agrees says nothing new"


def test_share_is_of_those_asked_about():
    rng = np.random.default_rng(0)
    part, among, groups = rng.random(300) < 0.4, rng.random(300) < 0.5, rng.integers(0, 200, 300)
    found = share_interval(part, among, groups)
    assert found.value == pytest.approx(part[among].mean())
    assert (found.n_images, found.n_groups) == (among.sum(), len(set(groups[among])))
    assert found.low < found.value < found.high


def test_summary_holds_every_metric():
    truth, p, groups = sample()
    table = multiclass_summary(truth, p, groups, CLASSES)
    assert table["metric"].tolist() == list(METRICS)
    assert list(table.columns) == ["metric", "value", "low", "high", "n_images", "n_groups"]
    for row in table.itertuples():
        assert row.value == pytest.approx(METRICS[row.metric](truth, p))
        assert METRICS[row.metric].low <= row.low <= row.value <= row.high <= METRICS[row.metric].high
        assert row.low < row.high
    assert (table["n_groups"] == len(set(groups))).all() and (table["n_images"] == 2000).all()


def test_a_summary_draws_its_resamples_in_blocks(monkeypatch: pytest.MonkeyPatch):
    """Fast enough for a page because a figure is counted for many resamples at once, not in a loop over them."""
    truth, p, groups = sample()
    columns: list[int] = []
    accuracy = METRICS["accuracy"]

    def counted(labelled, weights):
        columns.append(weights.shape[1])
        return accuracy.statistic(labelled, weights)

    monkeypatch.setitem(METRICS, "accuracy", dataclasses.replace(accuracy, statistic=counted))
    multiclass_summary(truth, p, groups, CLASSES, n_boot=1000)
    assert sum(columns) >= 1000
    assert len(columns) <= 1000 // 16 + 2


def test_interval_of_the_calibration_error_covers_where_percentiles_cannot():
    """Confidence that is right by construction: the true error is 0, any sample's is over it."""
    rng, hits = np.random.default_rng(0), 0
    for trial in range(30):
        p = softmax(rng.normal(0, 2, (600, 3)))
        truth = (p.cumsum(axis=1) > rng.random((600, 1))).argmax(axis=1)
        row = multiclass_summary(truth, p, np.arange(600), "abc", n_boot=200, seed=trial).set_index("metric").loc["ece"]
        assert 0 <= row["low"] <= row["value"] <= row["high"]
        hits += row["low"] <= 0.002
    assert hits >= 15  # percentile intervals: none


def test_per_class_summary():
    truth, p, groups = sample()
    table = per_class_summary(truth, p, groups, CLASSES, n_boot=300)
    plain = per_class(truth, p, CLASSES).set_index("class")
    assert len(table) == 8 * 6
    for row in table.itertuples():
        assert row.value == pytest.approx(plain.loc[row[1], row.metric], nan_ok=True)
        assert row.low <= row.value <= row.high
    sensitivity = table[table["metric"] == "sensitivity"].set_index("class")
    assert (sensitivity["n_images"] == plain["n"]).all()
    width = sensitivity["high"] - sensitivity["low"]
    assert width["f"] > 3 * width["b"]  # 1 % of the images against 66 %


def test_per_class_summary_of_rare_and_absent_classes():
    truth = np.array([0] * 20 + [1] * 2)
    p = np.where(truth[:, None] == np.arange(3), 0.8, 0.1)
    groups = [*range(20), "x", "x"]
    table = per_class_summary(truth, p, np.array(groups, dtype=object), "abc").set_index(["class", "metric"])
    one_lesion = table.loc[("b", "sensitivity")]
    assert (one_lesion["value"], one_lesion["high"], one_lesion["n_groups"]) == (1, 1, 1)
    assert one_lesion["low"] == pytest.approx(0.025)
    assert table.loc[("b", "auroc"), "value"] == 1 and np.isnan(table.loc[("b", "auroc"), "low"])
    assert table.loc["c"].loc[["sensitivity", "auroc", "f1"], ["value", "low", "high"]].isna().all(axis=None)


def test_binary_summary():
    truth, p, groups = sample(n=500, lesions=400)
    table = binary_summary(truth == 0, p[:, 0], groups, threshold=0.3, n_boot=300).set_index("metric")
    assert table["value"].to_dict() == pytest.approx(binary_view(truth == 0, p[:, 0], 0.3))
    assert (table["low"] < table["value"]).all() and (table["value"] < table["high"]).all()
    assert table.loc["recall", "n_images"] == (truth == 0).sum()
    assert table.loc["accuracy", "n_images"] == 500


def test_a_paired_difference_is_that_of_a_literal_bootstrap():
    rng = np.random.default_rng(2)
    groups = rng.integers(0, 60, 150)
    hard = rng.normal(size=150)
    first, second = ((hard + rng.normal(0, s, 150) > 0).astype(float) for s in (0.5, 0.7))
    found = paired_intervals(
        lambda w: {"share": mean_of(first)(w)}, lambda w: {"share": mean_of(second)(w)}, groups, n=400, seed=3
    )["share"]
    assert found.value == pytest.approx(second.mean() - first.mean())
    assert (found.n_images, found.n_groups) == (150, len(np.unique(groups)))
    each = []
    for weights in np.concatenate(list(resamples(groups, 400, 3)), axis=1).T:
        drawn = np.repeat(np.arange(150), weights.astype(int))
        each.append(second[drawn].mean() - first[drawn].mean())
    assert (found.low, found.high) == (pytest.approx(np.quantile(each, 0.025)), pytest.approx(np.quantile(each, 0.975)))
    apart = [bootstrap(mean_of(v), groups, 400, 3) for v in (first, second)]
    assert found.high - found.low < sum(a.high - a.low for a in apart), "pairing must pay where images are hard alike"


def test_noise_that_adds_up_turns_the_interval_of_a_difference_round():
    """The calibration error of a run that is off and of one that is not: noise lifts the one near 0 more."""
    rng, groups = np.random.default_rng(0), np.arange(400)
    chance = rng.uniform(0.3, 0.95, 400)
    right = rng.random(400) < chance
    off = np.clip(chance**1.6, 0, 1)

    def error(confidence):
        return lambda w: {"ece": calibration_error(confidence, right, w)}

    plain = paired_intervals(error(chance), error(off), groups, 300)["ece"]
    turned = paired_intervals(error(chance), error(off), groups, 300, noise_adds=["ece"])["ece"]
    assert turned.value == plain.value and turned.low <= turned.value <= turned.high
    assert turned.low == pytest.approx(min(2 * plain.value - plain.high, plain.value))
    assert turned.high == pytest.approx(max(2 * plain.value - plain.low, plain.value))


def test_predictions_do_not_differ_from_themselves():
    truth, p, groups = sample(300, 200)

    def figures(w):
        return {key: m.statistic(LabelledPredictions.of(truth, p), w) for key, m in METRICS.items()}

    for found in paired_intervals(figures, figures, groups, n=50).values():
        assert (found.value, found.low, found.high) == (0, 0, 0)


def test_bad_input_is_refused():
    good = mean_of(np.ones(3))
    with pytest.raises(DataError, match="1 of 3 images have no lesion"):
        bootstrap(good, np.array(["a", None, "b"], dtype=object))
    with pytest.raises(DataError, match="2 of 3 images have no lesion"):
        bootstrap(good, [1.0, np.nan, np.nan])
    with pytest.raises(DataError):
        bootstrap(good, [])
    with pytest.raises(ConfigError, match="resamples"):
        bootstrap(good, [1, 2, 3], n=0)
    with pytest.raises(ConfigError, match="level"):
        bootstrap(good, [1, 2, 3], level=1.0)
    with pytest.raises(DataError, match="do not fit 2"):
        multiclass_summary([0, 1], [[0.4, 0.6], [0.5, 0.5]], ["a"], "ab")
    with pytest.raises(DataError, match="class names"):
        multiclass_summary([0, 1], [[0.4, 0.6], [0.5, 0.5]], ["a", "b"], "abc")


def test_shares_by_counts_each_group() -> None:
    groups = pd.Series(["a"] * 30 + ["b"] * 5 + ["c"] * 5)
    yes = np.arange(40) < 12
    table = shares_by(groups, yes)
    assert table["group"].tolist() == ["a", "b", "c"] and table["n"].tolist() == [30, 5, 5]
    expected = clopper_pearson(12, 30)
    assert [table[c].iloc[0] for c in ("share", "low", "high")] == [expected.value, expected.low, expected.high]
    assert table["share"].tolist()[1:] == [0, 0] and table["high"].iloc[1] > 0


def test_shares_of_lesions_have_intervals_over_lesions() -> None:
    groups = pd.Series(["a"] * 40 + ["b"] * 40)
    lesions = np.array([f"L{i // 4}" for i in range(80)])
    yes = np.arange(80) % 40 < 12  # three of ten lesions, all of their images
    table = shares_by(groups, yes, lesions)
    of_pictures = clopper_pearson(12, 40)
    assert (table["share"] == 0.3).all() and (table["n"] == 40).all()
    assert (table["high"] - table["low"] > of_pictures.high - of_pictures.low).all()
    none = shares_by(groups, np.zeros(80, bool), lesions)
    # All alike: as wide as the ten lesions make it (Clopper and Pearson).
    exact = binomtest(0, 10).proportion_ci(0.95, method="exact").high
    assert none["high"].tolist() == pytest.approx([exact] * 2) and (none["n"] == 40).all()


def test_one_image_per_lesion() -> None:
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    rows = one_per_group(groups)
    assert sorted(groups[rows]) == ["a", "b", "c"] and (rows == one_per_group(groups)).all()
    drawn = np.concatenate([one_per_group(groups, seed) for seed in range(300)])
    assert np.bincount(drawn, minlength=6)[[0, 2, 5]] == pytest.approx([100] * 3, abs=35)
