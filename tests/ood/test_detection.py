"""Detection and selective classification: scikit-learn, literal sums, hand-solved cases, resampling by hand."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_core.errors import DataError
from lesion_core.ood.detection import MEASURES, detection, measure
from lesion_core.ood.selective import augrc, aurc, selective

scores_lists = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=30)


def reference(key, score_in, score_out):
    out = np.array([False] * len(score_in) + [True] * len(score_out))
    both = np.concatenate([score_in, score_out])
    if key == "auroc":
        return sk.roc_auc_score(out, both)
    if key == "aupr_ood":
        return sk.average_precision_score(out, both)
    if key == "aupr_dermoscopy":
        return sk.average_precision_score(~out, -both)
    assert key == "fpr95", "a new measure needs a reference here"
    fpr, tpr, _ = sk.roc_curve(out, both, drop_intermediate=False)
    return fpr[np.argmax(tpr >= 0.95)]


@settings(max_examples=60)
@given(scores_lists, scores_lists)
def test_against_scikit_learn(score_in, score_out):
    for key in MEASURES:
        assert measure(key, score_in, score_out) == pytest.approx(reference(key, score_in, score_out)), key


def test_detection_by_hand():
    assert measure("auroc", [0, 0.1], [0.8, 0.9]) == 1 and measure("fpr95", [0, 0.1], [0.8, 0.9]) == 0
    assert measure("auroc", [1, 1], [1, 1, 1]) == 0.5 and measure("fpr95", [1, 1], [1, 1, 1]) == 1
    assert measure("aupr_ood", [1, 1], [1]) == pytest.approx(1 / 3)
    for key in MEASURES:
        assert np.isnan(measure(key, [1.0], [])) and np.isnan(measure(key, [], [1.0]))
    with pytest.raises(DataError, match="1 of 2"):
        measure("auroc", [0.1, np.nan], [1.0])


def test_both_sides_are_drawn_each_by_itself():
    """Lesions of five images each: intervals are as wide as with one, and value and size stay."""
    rng = np.random.default_rng(0)
    s, out = rng.normal(0, 1, 60), rng.normal(1, 1, 40)
    once = detection(s, out, n=400)
    five = detection(np.repeat(s, 5), out, np.repeat(np.arange(60), 5), n=400)
    for key in MEASURES:
        assert once[key].value == pytest.approx(reference(key, s, out))
        assert once[key].low <= once[key].value <= once[key].high
        assert once[key].n_images == 100 and five[key].n_groups == 100
    assert five["auroc"].value == pytest.approx(once["auroc"].value)
    width = [i["auroc"].high - i["auroc"].low for i in (once, five)]
    assert width[0] == pytest.approx(width[1], rel=0.15)
    # Against drawing by hand.
    drawn = [measure("auroc", s[rng.integers(0, 60, 60)], out[rng.integers(0, 40, 40)]) for _ in range(400)]
    assert (once["auroc"].low, once["auroc"].high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)
    assert detection(s, out, n=100) == detection(s, out, n=100)
    empty = detection(s, [])
    assert all(np.isnan(i.value) and np.isnan(i.low) for i in empty.values())


def areas(scores, correct):
    """AURC and AUGRC from their curves, threshold by threshold; ties of the generalised risk on a line."""
    n, risk_area, joint_area, before, joint_before = len(scores), 0.0, 0.0, 0, 0
    for t in sorted(set(scores)):
        kept = sum(s <= t for s in scores)
        wrong = sum(s <= t and not c for s, c in zip(scores, correct, strict=True))
        risk_area += (kept - before) / n * wrong / kept
        joint_area += (kept - before) / n * (wrong + joint_before) / (2 * n)
        before, joint_before = kept, wrong
    return risk_area, joint_area


@settings(max_examples=100)
@given(scores_lists, st.integers(0, 99))
def test_areas_are_what_their_curves_hold(scores, seed):
    rng = np.random.default_rng(seed)
    correct = rng.random(len(scores)) < 0.7
    expected = areas(scores, correct.tolist())
    assert (aurc(scores, correct), augrc(scores, correct)) == pytest.approx(expected)
    order = rng.permutation(len(scores))
    s = np.array(scores)
    assert (aurc(s[order], correct[order]), augrc(2 * s[order] + 1, correct[order])) == pytest.approx(expected)
    assert 0 <= augrc(scores, correct) <= 0.5 and 0 <= aurc(scores, correct) <= 1


def test_areas_by_hand():
    right = np.array([True, True, False, True])
    assert aurc([1, 2, 3, 4], right) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    assert augrc([1, 2, 3, 4], right) == pytest.approx((0.5 * 0.25 + 0.25) * 0.25)
    assert aurc([1, 1, 1, 1], right) == 0.25 and augrc([1, 1, 1, 1], right) == 0.125
    for all_alike, expected in ((np.ones(3, dtype=bool), (0, 0)), (np.zeros(3, dtype=bool), (1, 0.5))):
        assert (aurc([1, 2, 3], all_alike), augrc([1, 2, 3], all_alike)) == pytest.approx(expected)
    assert (aurc([7.0], [True]), augrc([7.0], [False])) == (0, 0.5)
    for bad in ([np.nan, 1.0], [np.inf, 1.0]):
        with pytest.raises(DataError, match="1 of 2"):
            aurc(bad, [True, True])
    with pytest.raises(DataError, match="fit 2 scores"):
        augrc([1.0, 2.0], [True])
    with pytest.raises(DataError, match="not a list"):
        aurc([], np.zeros(0, dtype=bool))


def test_intervals_of_areas():
    rng = np.random.default_rng(0)
    s = rng.random(300)
    correct, groups = rng.random(300) > s / 2, rng.integers(0, 150, 300)
    found = selective(s, correct, groups, n=300)
    assert found["aurc"].value == aurc(s, correct) and found["augrc"].value == augrc(s, correct)
    for interval in found.values():
        assert interval.low < interval.value < interval.high and interval.n_groups == len(set(groups))
    drawn = []
    for _ in range(300):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in rng.choice(np.unique(groups), len(set(groups)))])
        drawn.append(aurc(s[rows], correct[rows]))
    assert (found["aurc"].low, found["aurc"].high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)


def test_exactly_95_percent_of_ood_is_enough_for_its_threshold():
    out = np.arange(20, 40.0)  # 19 of 20 are at or over 21, exactly 95 %
    assert measure("fpr95", np.array([20.5, 21.0, 1.0, 2.0]), out) == 0.25
