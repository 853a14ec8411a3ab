"""Every metric against scikit-learn, torchmetrics or a slow literal reference, plain and weighted."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional.classification as tm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax as scipy_softmax

from lesion_core.analysis.metrics import METRICS, binary_view, confusion, per_class, softmax
from lesion_core.analysis.predictions import UNDECIDED, LabelledPredictions, most_probable
from lesion_core.analysis.ranking import auroc, average_precision, rank
from lesion_core.errors import ConfigError, DataError

CLASSES = ("MEL", "NV", "BCC", "AK")


def sample(n=400, k=4, seed=0, absent=(), steps=None):
    """Truth and probabilities; `steps` rounds the logits so that scores tie."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([c for c in range(k) if c not in absent], n)
    logits = rng.normal(0, 1.5, (n, k))
    logits[np.arange(n), truth] += 1.5
    if steps:
        logits = np.round(logits * steps) / steps
    return truth, softmax(logits)


def weighted_reference(key, truth, p, w):
    """Scikit-learn's figure with sample weights, over the classes that have weight."""
    k = p.shape[1]
    present = [c for c in range(k) if w[truth == c].sum() > 0]
    tied = (p == p.max(1, keepdims=True)).sum(1) > 1
    said = np.where(tied, k, p.argmax(1))  # an undecided image is a class of its own
    confidence, correct = p.max(1), said == truth
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        match key:
            case "accuracy":
                return sk.accuracy_score(truth, said, sample_weight=w)
            case "balanced_accuracy":
                return sk.recall_score(truth, said, labels=present, average="macro", sample_weight=w)
            case "macro_f1":
                return sk.f1_score(truth, said, labels=present, average="macro", sample_weight=w, zero_division=0)
            case "macro_auroc":
                return np.mean([sk.roc_auc_score(truth == c, p[:, c], sample_weight=w) for c in present])
            case "macro_auprc":
                return np.mean([sk.average_precision_score(truth == c, p[:, c], sample_weight=w) for c in present])
            case "log_loss":
                return sk.log_loss(truth, p, labels=range(k), sample_weight=w)
            case "brier":
                return (
                    sum(
                        wi * sum((pi[c] - (c == y)) ** 2 for c in range(k))
                        for wi, pi, y in zip(w, p, truth, strict=True)
                    )
                    / w.sum()
                )
            case "ece":
                total = 0.0
                for b in range(15):
                    inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
                    total += abs((w * (correct - confidence))[inside].sum())
                return total / w.sum()
    raise AssertionError(f"no reference for {key}")


@pytest.mark.parametrize("key", METRICS)
@pytest.mark.parametrize("case", [{}, {"steps": 2}, {"absent": (2,)}, {"n": 37, "seed": 3}])
def test_value_equals_reference(key, case):
    truth, p = sample(**case)
    assert METRICS[key](truth, p) == pytest.approx(weighted_reference(key, truth, p, np.ones(len(truth))), abs=1e-12)


@pytest.mark.parametrize("key", METRICS)
@pytest.mark.parametrize("case", [{}, {"steps": 2}, {"absent": (0,), "steps": 1}])
def test_weighted_equals_reference(key, case):
    truth, p = sample(n=200, **case)
    labelled = LabelledPredictions.of(truth, p)
    w = np.random.default_rng(1).poisson(1, (200, 6)).astype(float)
    w[truth == 3, 0] = 0  # one resample loses a class
    found = METRICS[key].statistic(labelled, w)
    assert found == pytest.approx([weighted_reference(key, truth, p, w[:, b]) for b in range(6)], abs=1e-12)


def test_against_torchmetrics():
    truth, p = sample()
    t, q = torch.tensor(truth), torch.tensor(p)
    expected = {
        "accuracy": tm.multiclass_accuracy(q, t, 4, average="micro"),
        "balanced_accuracy": tm.multiclass_accuracy(q, t, 4, average="macro"),
        "macro_auroc": tm.multiclass_auroc(q, t, 4),
        "macro_auprc": tm.multiclass_average_precision(q, t, 4),
        "macro_f1": tm.multiclass_f1_score(q, t, 4, average="macro"),
        "ece": tm.multiclass_calibration_error(q, t, 4, n_bins=15, norm="l1"),
    }
    for key, value in expected.items():
        assert METRICS[key](truth, p) == pytest.approx(float(value), abs=1e-6), key


def test_figures_have_a_source_and_a_range():
    for m in METRICS.values():
        assert m.source and m.low < m.high


@pytest.mark.parametrize("key", METRICS)
def test_best_and_worst_are_in_range_and_ordered(key):
    truth = np.array([0, 1, 2, 0, 1, 2])
    right = np.eye(3)[truth]
    wrong = np.eye(3)[(truth + 1) % 3]
    m = METRICS[key]
    best, worst = m(truth, right), m(truth, wrong)
    assert m.low <= best <= m.high and m.low <= worst <= m.high
    assert best > worst if m.higher_is_better else best < worst
    assert best == pytest.approx(m.high if m.higher_is_better else m.low, abs=1e-12)


def test_hand_solved_case():
    truth = np.array([0, 0, 0, 1])
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    assert METRICS["accuracy"](truth, p) == pytest.approx(3 / 4)
    assert METRICS["balanced_accuracy"](truth, p) == pytest.approx((2 / 3 + 1) / 2)
    assert METRICS["macro_f1"](truth, p) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert METRICS["macro_auroc"](truth, p) == pytest.approx(2 / 3)
    assert METRICS["brier"](truth, p) == pytest.approx((0.02 + 0.08 + 0.98 + 0.32) / 4)
    # bins of 1/15: 0.9, 0.8, 0.7 and 0.6 are alone in theirs
    assert METRICS["ece"](truth, p) == pytest.approx((0.1 + 0.2 + 0.7 + 0.4) / 4)
    assert METRICS["log_loss"](truth, p) == pytest.approx(-np.log([0.9, 0.8, 0.3, 0.6]).mean())


def test_ties_are_undecided_and_wrong():
    p = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [0.6, 0.2, 0.2], [1 / 3, 1 / 3, 1 / 3]])
    assert most_probable(p).tolist() == [UNDECIDED, UNDECIDED, 0, UNDECIDED]
    truth = np.array([0, 1, 0, 2])
    assert METRICS["balanced_accuracy"](truth, p) == pytest.approx((1 / 2 + 0 + 0) / 3)
    assert METRICS["accuracy"](truth, p) == pytest.approx(1 / 4)


def test_a_sure_mistake_has_a_finite_log_loss():
    assert METRICS["log_loss"]([0], [[0.0, 1.0]]) == pytest.approx(-np.log(np.finfo(float).eps))


def test_absent_class_is_nan_and_left_out_of_the_mean():
    truth, p = sample(absent=(2,))
    table = per_class(truth, p, CLASSES)
    row = table[table["class"] == "BCC"].iloc[0]
    assert row["n"] == 0 and np.isnan(row[["sensitivity", "f1", "auroc", "auprc"]].astype(float)).all()
    assert row["specificity"] < 1 and row["precision"] == 0
    assert METRICS["macro_auroc"](truth, p) == pytest.approx(table["auroc"].mean())  # pandas skips NaN
    assert METRICS["macro_f1"](truth, p) == pytest.approx(table["f1"].mean())


def test_one_class_only():
    truth, p = np.zeros(5, dtype=int), np.tile([0.7, 0.3], (5, 1))
    assert np.isnan(METRICS["macro_auroc"](truth, p))
    assert METRICS["balanced_accuracy"](truth, p) == 1
    assert np.isnan(per_class(truth, p, ("a", "b"))["specificity"][0])


def test_per_class_against_scikit_learn():
    truth, p = sample(steps=2)
    said = np.where((p == p.max(1, keepdims=True)).sum(1) > 1, 4, p.argmax(1))
    table = per_class(truth, p, CLASSES)
    assert table["class"].tolist() == list(CLASSES) and table["n"].tolist() == np.bincount(truth).tolist()
    for k, row in table.iterrows():
        is_k, says_k = truth == k, said == k
        assert row["sensitivity"] == pytest.approx(sk.recall_score(is_k, says_k))
        assert row["specificity"] == pytest.approx(sk.recall_score(~is_k, ~says_k))
        assert row["precision"] == pytest.approx(sk.precision_score(is_k, says_k))
        assert row["f1"] == pytest.approx(sk.f1_score(is_k, says_k))
        assert row["auroc"] == pytest.approx(sk.roc_auc_score(is_k, p[:, k]))
        assert row["auprc"] == pytest.approx(sk.average_precision_score(is_k, p[:, k]))


def test_a_class_that_is_never_predicted_has_no_precision():
    table = per_class([0, 1], [[0.9, 0.1], [0.8, 0.2]], ("a", "b"))
    assert np.isnan(table["precision"][1]) and table["sensitivity"][1] == 0 and table["f1"][1] == 0


def test_confusion():
    truth, p = sample(steps=1)
    said = most_probable(p)
    decided = said != UNDECIDED
    assert 0 < decided.sum() < len(said)
    assert (confusion(truth, said, 4) == sk.confusion_matrix(truth[decided], said[decided], labels=range(4))).all()
    assert confusion([0], [UNDECIDED], 3).sum() == 0
    with pytest.raises(DataError, match="outside 0 to 2"):
        confusion([0, 1], [0, 3], 3)
    with pytest.raises(DataError):
        confusion([0, 1], [0], 3)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.8])
def test_binary_view(threshold):
    rng = np.random.default_rng(0)
    truth, p = rng.random(200) < 0.3, np.round(rng.random(200), 1)
    said = p >= threshold
    assert binary_view(truth, p, threshold) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(truth, said),
            "precision": sk.precision_score(truth, said),
            "recall": sk.recall_score(truth, said),
            "f1": sk.f1_score(truth, said),
            "specificity": sk.recall_score(~truth, ~said),
            "auroc": sk.roc_auc_score(truth, p),
        }
    )


def test_binary_view_without_a_malignant_picture():
    view = binary_view(np.zeros(3, dtype=bool), np.array([0.1, 0.2, 0.9]))
    assert np.isnan(view["recall"]) and np.isnan(view["auroc"]) and view["specificity"] == pytest.approx(2 / 3)
    with pytest.raises(DataError, match="booleans"):
        binary_view(np.array([0, 1]), np.array([0.1, 0.2]))
    with pytest.raises(DataError, match="1 of 2"):
        binary_view(np.array([True, False]), np.array([0.1, np.nan]))


def slow_auroc(positive, scores, w):
    """All pairs, literally."""
    top = bottom = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            bottom += w[i] * w[j]
            top += w[i] * w[j] * ((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
    return top / bottom if bottom else np.nan


def slow_average_precision(positive, scores, w):
    """Step by step down the distinct scores."""
    total, area, before = w[positive].sum(), 0.0, 0.0
    if not total:
        return np.nan
    for t in sorted(set(scores), reverse=True):
        hits, said = w[positive & (scores >= t)].sum(), w[scores >= t].sum()
        area += (hits - before) / total * (hits / said if said else 0)
        before = hits
    return area


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 3)), min_size=1, max_size=25))
def test_areas_equal_their_definitions_with_ties_and_weights(rows):
    positive = np.array([r[0] for r in rows])
    scores, w = np.array([r[1] for r in rows], dtype=float), np.array([r[2] for r in rows], dtype=float)
    ranking = rank(positive, scores)
    assert auroc(ranking, w[:, None])[0] == pytest.approx(slow_auroc(positive, scores, w), nan_ok=True)
    assert average_precision(ranking, w[:, None])[0] == pytest.approx(
        slow_average_precision(positive, scores, w), nan_ok=True
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(METRICS)))
def test_order_of_pictures_does_not_matter(seed, key):
    truth, p = sample(n=40, seed=seed, steps=2)
    order = np.random.default_rng(seed).permutation(40)
    assert METRICS[key](truth[order], p[order]) == pytest.approx(METRICS[key](truth, p), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(METRICS)))
def test_a_picture_twice_is_a_weight_of_two(seed, key):
    truth, p = sample(n=30, seed=seed)
    counts = np.random.default_rng(seed).integers(0, 3, 30)
    counts[0] = 1
    rows = np.repeat(np.arange(30), counts)
    weighted = METRICS[key].statistic(LabelledPredictions.of(truth, p), counts[:, None].astype(float))[0]
    assert weighted == pytest.approx(METRICS[key](truth[rows], p[rows]), abs=1e-12, nan_ok=True)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 20))
def test_temperature_keeps_the_order(seed, temperature):
    logits = np.random.default_rng(seed).normal(0, 3, (20, 5)).astype(np.float32)
    cold, warm = softmax(logits, temperature), softmax(logits)
    assert (cold.argmax(1) == warm.argmax(1)).all()
    assert cold.sum(1) == pytest.approx(np.ones(20))
    assert cold == pytest.approx(scipy_softmax(logits.astype(float) / temperature, axis=1), abs=1e-12)


def test_softmax_of_large_logits():
    assert softmax([[1e308, -1e308], [1000.0, 1000.0]], 0.01).tolist() == [[1, 0], [0.5, 0.5]]
    assert softmax(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("truth", "p", "words"),
    [
        ([0, 1], [[np.nan, 1], [0.5, 0.5]], "1 of 2 rows"),
        ([0, 1], [[np.inf, 0], [np.nan, 0.5]], "2 of 2 rows"),
        ([], np.zeros((0, 2)), "no images"),
        ([0, 1, 1], [[0.5, 0.5]], "do not fit 1"),
        ([[0]], [[0.5, 0.5]], "do not fit 1"),
        ([0], [0.5, 0.5], "not \\(images, classes\\)"),
        ([0], [[1.0]], "not \\(images, classes\\)"),
        ([2], [[0.5, 0.5]], "outside 0 to 1"),
        ([-1], [[0.5, 0.5]], "outside 0 to 1"),
        ([0.0], [[0.5, 0.5]], "class indices"),
        ([0], [[2.0, 1.0]], "sum to 1"),
        ([0], [[-0.5, 1.5]], "negative"),
    ],
)
def test_bad_input_is_refused(truth, p, words):
    with pytest.raises(DataError, match=words):
        METRICS["accuracy"](truth, p)


def test_bad_logits_and_names_are_refused():
    with pytest.raises(DataError, match="2 of 3 rows of the logits"):
        softmax([[0, np.nan], [1, 2], [-np.inf, 0]])
    with pytest.raises(ConfigError, match="positive"):
        softmax([[0, 1]], 0)
    with pytest.raises(ConfigError, match="positive"):
        softmax([[0, 1]], float("nan"))
    with pytest.raises(DataError, match="3 class names do not fit 2"):
        per_class([0], [[0.5, 0.5]], ("a", "b", "c"))
