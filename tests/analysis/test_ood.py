"""Scores, thresholds and the policy: literal counts, scikit-learn, and the convention at the edge."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_core.analysis.intervals import share_interval, wilson
from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.ood import (
    SCORES,
    Policy,
    decide,
    fpr_at_95_tpr,
    keep_share_policy,
    keep_share_threshold,
    ood_auroc,
    operating_point,
    score,
    threshold_table,
)
from lesion_core.errors import ConfigError, DataError

scores_lists = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30)


def logits_of(confidence):
    """Two classes with this confidence in the first."""
    c = np.asarray(confidence, dtype=float)
    return np.stack([np.log(c), np.log(1 - c)], axis=1)


def policy(threshold=0.38, **changes):
    fields = {"score": "confidence", "threshold": threshold, "temperature": 1.0, "chosen": "By hand.",
              "chosen_on": "calibrate", "kept_share": 0.95, "run": "abc"}
    return Policy(**{**fields, **changes})


def test_confidence_score():
    logits = np.random.default_rng(0).normal(0, 2, (50, 8))
    assert SCORES["confidence"](logits, 1.7) == pytest.approx(1 - softmax(logits / 1.7).max(axis=1))
    assert SCORES["confidence"](np.zeros((0, 8))).shape == (0,)
    unsure, sure = SCORES["confidence"]([[0.0, 0.0], [9.0, 0.0]])
    assert unsure == 0.5 > sure
    assert score("confidence") is SCORES["confidence"]
    with pytest.raises(ConfigError, match=r"'energy'.*confidence"):
        score("energy")
    with pytest.raises(DataError, match="1 of 1 rows"):
        SCORES["confidence"]([[np.nan, 0]])


def test_table_by_hand():
    table = threshold_table([0.1, 0.2, 0.2, 0.9], np.array([True, True, False, False]), [0.2, 0.5, 0.95],
                            [-np.inf, 0.05, 0.2, 0.5, np.inf])
    assert table["coverage"].tolist() == [0, 0, 0.75, 0.75, 1]
    assert table["n_kept"].tolist() == [0, 0, 3, 3, 4]
    assert table["accuracy"].tolist() == pytest.approx([np.nan, np.nan, 2 / 3, 2 / 3, 0.5], nan_ok=True)
    assert table["ood_rejected"].tolist() == pytest.approx([1, 1, 2 / 3, 1 / 3, 0])


@settings(max_examples=60, deadline=None)
@given(scores_lists, st.lists(st.integers(-4, 4).map(float), max_size=20), scores_lists, st.integers(0, 99))
def test_table_equals_counting_and_is_monotone(score_in, score_out, thresholds, seed):
    s, out, t = np.array(score_in), np.array(score_out), np.sort(thresholds)
    correct = np.random.default_rng(seed).random(len(s)) < 0.7
    table = threshold_table(s, correct, out, t)
    for row in table.itertuples():
        kept = s <= row.threshold
        assert row.n_kept == kept.sum() and row.coverage == pytest.approx(kept.mean())
        assert row.accuracy == pytest.approx(correct[kept].mean() if kept.any() else np.nan, nan_ok=True)
        expected = (out > row.threshold).mean() if len(out) else np.nan
        assert row.ood_rejected == pytest.approx(expected, nan_ok=True)
    assert (table["coverage"].diff().dropna() >= 0).all()
    assert (table["ood_rejected"].diff().dropna() <= 0).all()


def test_operating_point_agrees_with_the_table():
    rng = np.random.default_rng(0)
    s, out, correct = rng.random(200), rng.random(50) + 0.3, rng.random(200) < 0.8
    groups = rng.integers(0, 120, 200)
    row = threshold_table(s, correct, out, 0.7).iloc[0]
    for lesions in (None, groups):
        point = operating_point(s, correct, out, 0.7, lesions, n=300)
        assert (point.coverage.value, point.accuracy.value, point.ood_rejected.value) == pytest.approx(
            (row["coverage"], row["accuracy"], row["ood_rejected"]))
        for interval in (point.coverage, point.accuracy, point.ood_rejected):
            assert interval.low < interval.value < interval.high
    kept = s <= 0.7
    assert operating_point(s, correct, out, 0.7).coverage == wilson(int(kept.sum()), 200)
    assert point.accuracy == share_interval(correct, kept, groups, 300)
    assert point.coverage.n_groups == len(set(groups)) and point.ood_rejected.n_images == 50


def test_operating_point_where_nothing_is_left():
    nothing = operating_point([0.5], np.array([True]), [], 0.1, ["a"])
    assert nothing.coverage.value == 0 and np.isnan(nothing.accuracy.value) and np.isnan(nothing.ood_rejected.value)
    one = operating_point([0.5], np.array([True]), [0.6], 0.5)
    assert one.coverage.value == one.accuracy.value == one.ood_rejected.value == 1
    assert one.coverage.low == pytest.approx(wilson(1, 1).low)


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


@settings(max_examples=60, deadline=None)
@given(scores_lists, scores_lists)
def test_detection_figures_against_scikit_learn(score_in, score_out):
    truth = np.array([False] * len(score_in) + [True] * len(score_out))
    both = np.array(score_in + score_out)
    assert ood_auroc(score_in, score_out) == pytest.approx(sk.roc_auc_score(truth, both))
    fpr, tpr, _ = sk.roc_curve(truth, both, drop_intermediate=False)
    assert fpr_at_95_tpr(score_in, score_out) == pytest.approx(fpr[np.argmax(tpr >= 0.95)])


def test_detection_figures_by_hand():
    assert ood_auroc([0, 0.1], [0.8, 0.9]) == 1 and fpr_at_95_tpr([0, 0.1], [0.8, 0.9]) == 0
    assert ood_auroc([1, 1], [1, 1, 1]) == 0.5 and fpr_at_95_tpr([1, 1], [1, 1, 1]) == 1
    assert np.isnan(ood_auroc([1.0], [])) and np.isnan(fpr_at_95_tpr([1.0], [])) and np.isnan(fpr_at_95_tpr([], [1.0]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    right = np.array([True, True])
    with pytest.raises(DataError, match="1 of 2 in-distribution scores"):
        threshold_table([0.1, bad], right, [], [0.5])
    with pytest.raises(DataError, match="1 of 1 OOD scores"):
        operating_point([0.1, 0.2], right, [bad], 0.5)
    with pytest.raises(DataError, match="1 of 2"):
        ood_auroc([0.1, bad], [1.0])
    with pytest.raises(DataError, match="calibration"):
        keep_share_threshold([0.1, bad])


def test_other_bad_input_is_refused():
    with pytest.raises(DataError, match="fit 2 scores"):
        threshold_table([0.1, 0.2], np.array([True]), [], [0.5])
    with pytest.raises(DataError, match="no list of scores"):
        threshold_table([], np.zeros(0, dtype=bool), [0.5], [0.5])
    with pytest.raises(ConfigError, match="NaN"):
        threshold_table([0.1], np.array([True]), [], [np.nan])
    with pytest.raises(ConfigError, match="NaN"):
        operating_point([0.1], np.array([True]), [], np.nan)


def test_a_picture_on_the_threshold_is_kept():
    logits = np.random.default_rng(0).normal(0, 2, (101, 8))
    scores = SCORES["confidence"](logits)
    for i in (0, 17, 100):
        here = policy(float(scores[i]))
        found = decide(here, logits)
        assert not found[i].rejected and found[i].score == here.threshold
        assert [d.rejected for d in found] == (scores > scores[i]).tolist()
        assert not decide(here, logits[i : i + 1])[0].rejected  # alone as in the batch
        just_under = policy(float(np.nextafter(scores[i], -1)))
        assert decide(just_under, logits)[i].rejected


def test_reason_is_a_sentence_with_both_numbers():
    rejected, kept = decide(policy(), logits_of([0.55, 0.8]))
    assert rejected.rejected and not kept.rejected
    assert rejected.reason == (
        "The model's confidence 0.55 is under 0.62, which 95 % of the calibration pictures reach."
    )
    assert kept.reason == "The model's confidence 0.80 is at least 0.62, which 95 % of the calibration pictures reach."
    bare = decide(policy(kept_share=None), logits_of([0.55]))[0]
    assert bare.reason == "The model's confidence 0.55 is under 0.62."
    near = decide(policy(), logits_of([0.61996]))[0]
    assert near.rejected and "0.61996 is under 0.62000" in near.reason
    nearly_all = decide(policy(kept_share=0.9996), logits_of([0.55]))[0]
    assert "99.9 %" in nearly_all.reason


def test_temperature_of_the_policy_is_applied():
    logits = logits_of([0.7])
    assert not decide(policy(), logits)[0].rejected
    assert decide(policy(temperature=3.0), logits)[0].rejected
    assert decide(policy(), np.zeros((0, 2))) == []
    with pytest.raises(DataError, match="1 of 1 rows"):
        decide(policy(), [[np.nan, 0.0]])


def test_policy_from_the_calibrate_split():
    logits = np.random.default_rng(0).normal(0, 2, (200, 8))
    made = keep_share_policy("confidence", logits, "abc", temperature=1.5, share=0.9)
    kept = [not d.rejected for d in decide(made, logits)]
    assert sum(kept) == 180 and made.kept_share == 0.9 and made.chosen_on == "calibrate"
    assert "90 %" in made.chosen and "200" in made.chosen
    again = Policy.from_json(made.to_json())
    assert again == made and [not d.rejected for d in decide(again, logits)] == kept  # every digit survives
    with pytest.raises(ConfigError, match="Known are confidence"):
        keep_share_policy("energy", logits, "abc")


@pytest.mark.parametrize(("field", "value"), [
    ("score", "energy"), ("threshold", "NaN"), ("threshold", "0.5"), ("temperature", 0), ("temperature", -1.0),
    ("chosen_on", "test"), ("chosen", ""), ("run", ""), ("kept_share", 1.5), ("extra", 1),
])
def test_policy_files_are_strict(field, value):
    fields = json.loads(policy().to_json()) | {field: value}
    with pytest.raises(ConfigError, match=field):
        Policy.from_json(json.dumps(fields))


def test_policy_refuses_what_json_calls_infinity():
    text = policy().to_json().replace("0.38", "Infinity")
    assert "Infinity" in text
    with pytest.raises(ConfigError, match="threshold"):
        Policy.from_json(text)
