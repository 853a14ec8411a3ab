"""Thinned curves against scikit-learn's full ones, bands against their own points."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_core.analysis.curves import roc, roc_by_class, thin
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


@pytest.mark.parametrize("steps", [None, 2])
def test_points_are_what_their_threshold_gives(steps):
    positive, scores = sample(300, steps=steps)
    for row in roc(positive, scores).itertuples():
        said = scores >= row.threshold
        assert (row.fpr, row.tpr) == pytest.approx((said[~positive].mean(), said[positive].mean()))


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


def test_roc_by_class_leaves_out_what_has_no_curve():
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 2], 200)
    p = softmax(rng.normal(0, 1, (200, 3)) + 1.5 * np.eye(3)[truth])
    rocs = roc_by_class(truth, p, ("MEL", "NV", "BCC"))
    assert list(rocs.columns) == ["class", "threshold", "fpr", "tpr"] and set(rocs["class"]) == {"MEL", "BCC"}
    mel = rocs[rocs["class"] == "MEL"].reset_index(drop=True)
    assert mel.drop(columns="class").equals(roc(truth == 0, p[:, 0]))
    rocs = roc_by_class(np.zeros(3, dtype=int), p[:3], ("MEL", "NV", "BCC"))
    assert rocs.empty and "fpr" in rocs


@pytest.mark.parametrize(
    ("positive", "scores", "words"),
    [
        (np.zeros(3, dtype=bool), [0.1, 0.2, 0.3], "0 of 3 are positive"),
        (np.ones(1, dtype=bool), [0.1], "1 of 1 are positive"),
        (np.array([True, False]), [0.1, np.nan], "1 of 2 scores"),
        (np.array([True, False]), [0.1], "do not make a curve"),
        (np.array([1, 0]), [0.1, 0.2], "do not make a curve"),
    ],
)
def test_bad_input_is_refused(positive, scores, words):
    with pytest.raises(DataError, match=words):
        roc(positive, scores)
