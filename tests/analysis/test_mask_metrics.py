"""The figures of masks against slow literal ones in the words of the official scorer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, recall_score

from lesion_core.analysis.segmentation import COUNTS, MASK_METRICS, THRESHOLD, count, figures, mask_summary
from lesion_core.errors import DataError

MASKS = hnp.arrays(np.bool_, (6, 7))


def literal(key: str, found: np.ndarray, true: np.ndarray) -> float:
    """Pixel by pixel."""
    pairs = list(zip(found.ravel().tolist(), true.ravel().tolist(), strict=True))
    tp, fp = pairs.count((True, True)), pairs.count((True, False))
    fn, tn = pairs.count((False, True)), pairs.count((False, False))
    if key == "accuracy":
        return (tp + tn) / len(pairs)
    if key == "sensitivity":
        return tp / (tp + fn) if tp + fn else 1.0
    if key == "specificity":
        return tn / (tn + fp) if tn + fp else 1.0
    if key == "dice":
        return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0
    jaccard = tp / (tp + fp + fn) if tp + fp + fn else 1.0
    return jaccard if key == "jaccard" or jaccard >= 0.65 else 0.0


@given(MASKS, MASKS)
def test_every_figure_is_the_official_one(found: np.ndarray, true: np.ndarray) -> None:
    counts = [count(found, true)]
    for key, metric in MASK_METRICS.items():
        assert metric(counts)[0] == pytest.approx(literal(key, found, true), abs=1e-12)


@given(MASKS, MASKS)
def test_figures_of_masks_with_both_kinds_of_pixel_are_scikit_learn_s(found: np.ndarray, true: np.ndarray) -> None:
    if not found.any() or not true.any() or true.all():
        return
    row, f, t = figures([count(found, true)]).iloc[0], found.ravel(), true.ravel()
    assert row["dice"] == pytest.approx(f1_score(t, f))
    assert row["jaccard"] == pytest.approx(jaccard_score(t, f))
    assert row["accuracy"] == pytest.approx(accuracy_score(t, f))
    assert row["sensitivity"] == pytest.approx(recall_score(t, f))
    assert row["specificity"] == pytest.approx(recall_score(~t, ~f))


@given(MASKS, MASKS)
def test_dice_and_jaccard_say_the_same_in_two_ways_and_do_not_mind_the_order(a: np.ndarray, b: np.ndarray) -> None:
    row, other = figures([count(a, b)]).iloc[0], figures([count(b, a)]).iloc[0]
    assert row["jaccard"] == pytest.approx(row["dice"] / (2 - row["dice"]))
    assert row["dice"] == other["dice"] and row["sensitivity"] <= 1
    assert ((figures([count(a, b)]) >= 0) & (figures([count(a, b)]) <= 1)).all(axis=None)


def test_the_threshold_keeps_a_jaccard_that_is_just_on_it() -> None:
    assert MASK_METRICS["threshold_jaccard"]([[65, 35, 0, 0], [64, 36, 0, 0]]).tolist() == [0.65, 0.0]


def test_means_and_intervals_are_over_lesions() -> None:
    rng = np.random.default_rng(0)
    tp = rng.integers(40, 100, 60)
    counts = np.stack([tp, 100 - tp, np.zeros(60, int), np.full(60, 100)], axis=1)
    groups = np.arange(60) // 3
    table = mask_summary(counts, groups, n_boot=400).set_index("metric")
    jaccard = tp / 100
    assert list(table.index) == [*MASK_METRICS, "failures"]
    assert table.loc["jaccard", "value"] == pytest.approx(jaccard.mean())
    assert table.loc["failures", "value"] == pytest.approx((jaccard < THRESHOLD).mean())
    # The same lesions drawn one by one.
    draws = []
    for _ in range(400):
        chosen = rng.integers(0, 20, 20)
        draws.append(np.concatenate([jaccard[groups == g] for g in chosen]).mean())
    low, high = np.quantile(draws, [0.025, 0.975])
    assert table.loc["jaccard", "low"] == pytest.approx(low, abs=0.01)
    assert table.loc["jaccard", "high"] == pytest.approx(high, abs=0.01)
    assert table.loc["jaccard", "n_images"] == 60 and table.loc["jaccard", "n_groups"] == 20


def test_no_failure_in_few_pictures_is_no_certainty() -> None:
    table = mask_summary(np.tile([[9, 1, 0, 5]], (20, 1)), np.arange(20)).set_index("metric")
    assert table.loc["failures", "value"] == table.loc["failures", "low"] == 0 < 0.1 < table.loc["failures", "high"]


@given(st.integers(1, 5), st.integers(1, 3))
def test_one_picture_has_a_figure_and_no_interval(tp: int, fp: int) -> None:
    table = mask_summary([[tp, fp, 0, 4]], ["a"], n_boot=5).set_index("metric")
    assert table.loc["jaccard", "value"] == pytest.approx(tp / (tp + fp)) and np.isnan(table.loc["jaccard", "low"])


@pytest.mark.parametrize("counts", [[1, 2, 3, 4], [[1, 2, 3]], [[-1, 0, 0, 4]], [[np.nan, 0, 0, 4]]])
def test_what_is_no_counts_is_refused(counts: list[object]) -> None:
    with pytest.raises(DataError, match="not TP, FP, FN and TN"):
        MASK_METRICS["dice"](counts)


def test_masks_of_two_frames_are_refused() -> None:
    with pytest.raises(DataError, match="cannot be compared"):
        count(np.zeros((3, 4), bool), np.zeros((4, 3), bool))
    with pytest.raises(DataError, match="cannot be compared"):
        count(np.zeros((3, 4), np.uint8), np.zeros((3, 4), bool))  # type: ignore[arg-type]


def test_the_columns_are_in_the_order_of_count() -> None:
    found, true = np.array([[True, True, False, False, False]]), np.array([[True, False, True, True, False]])
    assert dict(zip(COUNTS, count(found, true), strict=True)) == {"tp": 1, "fp": 1, "fn": 2, "tn": 1}
