"""Thinned curves against scikit-learn's full ones, bands against their own points."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_core.analysis.curves import by_class, precision_recall, precision_recall_band, roc, roc_band, thin
from lesion_core.analysis.metrics import softmax
from lesion_core.errors import ConfigError, DataError


def sample(n, seed=0, share=0.2, steps=None):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < share
    scores = rng.normal(0, 1, n) + 1.3 * positive
    return positive, np.round(scores * steps) / steps if steps else scores


def distance_to_line(x, y, lx, ly):
    """The distance of each point (x, y) to the polyline (lx, ly)."""
    best = np.full(len(x), np.inf)
    for x0, y0, x1, y1 in zip(lx[:-1], ly[:-1], lx[1:], ly[1:], strict=True):
        dx, dy = x1 - x0, y1 - y0
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-300), 0, 1)
        best = np.minimum(best, np.hypot(x - x0 - along * dx, y - y0 - along * dy))
    return best


@pytest.mark.parametrize(("n", "share"), [(50, 0.3), (2000, 0.05), (20_000, 0.2)])
def test_thinned_roc_looks_the_same(n, share):
    positive, scores = sample(n, share=share)
    curve = roc(positive, scores)
    assert len(curve) <= 200
    fpr, tpr, _ = sk.roc_curve(positive, scores, drop_intermediate=False)
    assert distance_to_line(fpr, tpr, curve["fpr"], curve["tpr"]).max() < 0.002  # about 1 of 600 pixels
    assert sk.auc(curve["fpr"], curve["tpr"]) == pytest.approx(sk.roc_auc_score(positive, scores), abs=1e-3)
    assert curve.iloc[0].tolist() == [np.inf, 0, 0] and curve.iloc[-1].tolist()[1:] == [1, 1]


@pytest.mark.parametrize(("n", "share"), [(50, 0.3), (2000, 0.05), (20_000, 0.2)])
def test_thinned_precision_recall_looks_the_same(n, share):
    positive, scores = sample(n, share=share)
    curve = precision_recall(positive, scores)
    assert len(curve) <= 200 and (curve["recall"].diff().dropna() >= 0).all()
    precision, recall, _ = sk.precision_recall_curve(positive, scores)
    inside = slice(int((recall == 1).sum()) - 1, None)
    assert distance_to_line(recall[inside], precision[inside], curve["recall"], curve["precision"]).max() < 0.006
    assert curve.iloc[0].tolist() == [np.inf, 0, 1] and curve["recall"].iloc[-1] == 1


@pytest.mark.parametrize("steps", [None, 2])
def test_points_are_what_their_threshold_gives(steps):
    positive, scores = sample(300, steps=steps)
    for row in roc(positive, scores).itertuples():
        said = scores >= row.threshold
        assert (row.fpr, row.tpr) == pytest.approx((said[~positive].mean(), said[positive].mean()))
    for row in precision_recall(positive, scores).iloc[1:].itertuples():
        said = scores >= row.threshold
        assert (row.recall, row.precision) == pytest.approx((said[positive].mean(), positive[said].mean()))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60), st.integers(2, 80))
def test_thin_keeps_the_ends_and_the_shape(points, max_points):
    x, y = np.array(sorted(p[0] for p in points)), np.array([p[1] for p in points])
    kept = thin(x, y, max_points)
    assert len(kept) <= max_points and (np.diff(kept) > 0).all()
    assert {0, len(x) - 1} == {kept[0], kept[-1]} | {0, len(x) - 1}
    if len(kept) < max_points:
        assert distance_to_line(x, y, x[kept], y[kept]).max() <= 5e-4 + 1e-9 or len(x) < 2


def test_thin_keeps_a_spike_straight_on_from_the_end():
    assert thin(np.zeros(3), np.array([0, 1, 0.5])).tolist() == [0, 1, 2]


def test_thin_drops_what_lies_on_a_line():
    x = np.linspace(0, 1, 1000)
    assert thin(x, x).tolist() == [0, 999]
    assert thin(x, np.where(x < 0.5, 0, 1).astype(float)).tolist() == [0, 499, 500, 999]
    with pytest.raises(ConfigError):
        thin(x, x, 1)


def test_by_class_leaves_out_what_has_no_curve():
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 2], 200)
    p = softmax(rng.normal(0, 1, (200, 3)) + 1.5 * np.eye(3)[truth])
    rocs, prs = by_class(truth, p, ("MEL", "NV", "BCC"))
    assert list(rocs.columns) == ["class", "threshold", "fpr", "tpr"] and set(rocs["class"]) == {"MEL", "BCC"}
    assert list(prs.columns) == ["class", "threshold", "recall", "precision"] and set(prs["class"]) == {"MEL", "BCC"}
    mel = rocs[rocs["class"] == "MEL"].reset_index(drop=True)
    assert mel.drop(columns="class").equals(roc(truth == 0, p[:, 0]))
    rocs, prs = by_class(np.zeros(3, dtype=int), p[:3], ("MEL", "NV", "BCC"))
    assert rocs.empty and prs.empty and "fpr" in rocs


def test_roc_band_holds_the_curve_and_narrows_with_data():
    widths = []
    for n in (200, 3000):
        positive, scores = sample(n)
        band = roc_band(positive, scores, np.arange(n), n=300)
        fpr, tpr, _ = sk.roc_curve(positive, scores, drop_intermediate=False)
        middle = np.interp(band["fpr"], fpr, tpr)
        assert ((band["low"] <= middle + 0.02) & (middle - 0.02 <= band["high"])).all()
        assert band["low"].between(0, 1).all() and (band["low"].diff().dropna() >= -1e-12).all()
        assert band.iloc[-1].tolist() == [1, 1, 1]
        widths.append((band["high"] - band["low"]).mean())
    assert widths[1] < widths[0] / 2


def test_roc_band_against_a_literal_bootstrap():
    positive, scores = sample(120, steps=3)
    groups = np.arange(120) // 2
    band = roc_band(positive, scores, groups, n=1500, points=11)
    rng, grid, curves = np.random.default_rng(5), np.linspace(0, 1, 11), []
    for _ in range(1500):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in rng.integers(0, 60, 60)])
        fpr, tpr, _ = sk.roc_curve(positive[rows], scores[rows], drop_intermediate=False)
        curves.append(np.interp(grid, fpr, tpr))
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    assert band["low"].to_numpy() == pytest.approx(low, abs=0.05)
    assert band["high"].to_numpy() == pytest.approx(high, abs=0.05)


def test_precision_recall_band_holds_the_curve():
    positive, scores = sample(800)
    band = precision_recall_band(positive, scores, np.arange(800), n=300, points=21)
    precision, recall, _ = sk.precision_recall_curve(positive, scores)
    for row in band.itertuples():
        here = precision[np.flatnonzero(recall >= row.recall - 1e-12)[-1]]  # the highest threshold that reaches it
        assert row.low - 0.03 <= here <= row.high + 0.03
    assert len(band) == 20 and band["high"].le(1).all()


@pytest.mark.parametrize(
    ("positive", "scores", "words"),
    [
        (np.zeros(3, dtype=bool), [0.1, 0.2, 0.3], "0 of 3 are positive"),
        (np.ones(1, dtype=bool), [0.1], "1 of 1 are positive"),
        (np.array([True, False]), [0.1, np.nan], "1 of 2 scores"),
        (np.array([True, False]), [0.1], "make no curve"),
        (np.array([1, 0]), [0.1, 0.2], "make no curve"),
    ],
)
def test_bad_input_is_refused(positive, scores, words):
    for curve in (roc, precision_recall):
        with pytest.raises(DataError, match=words):
            curve(positive, scores)
    with pytest.raises(DataError, match=words):
        roc_band(positive, scores, np.arange(len(scores)))
