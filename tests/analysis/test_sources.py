"""Sources of test images, lesions in two forms and groups, against loops that count image by image."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from lesion_core.analysis.evaluation_sets import EvaluationData
from lesion_core.analysis.intervals import Interval
from lesion_core.analysis.sources import (
    FIGURES,
    Loss,
    Source,
    by_group,
    by_source,
    mcnemar,
    source_of,
    two_forms,
)
from lesion_core.analysis.sources import test_images as images_of
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import DataError
from lesion_core.runs.classifier import Run

CLASSES = ("MEL", "NV", "BCC")


def data_of(n: int = 120, seed: int = 0, classes: int = 3) -> tuple[EvaluationData, np.ndarray]:
    """Images with answers that are right more often than not, and what is kept of them."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    probabilities = rng.dirichlet(np.ones(3), n)
    probabilities[np.arange(n), truth] += 0.4
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    groups = np.array([f"l{i}" for i in rng.integers(0, n // 2, n)])
    table = pd.DataFrame({"image_id": [f"i{i}" for i in range(n)]})
    return EvaluationData(table, truth, probabilities, groups, CLASSES), rng.random(n) < 0.8


@pytest.mark.parametrize("seed", range(3))
def test_the_figures_of_a_source_are_those_of_loops(seed: int) -> None:
    data, kept = data_of(seed=seed)
    found = source_of("here", data, kept, n_boot=50)
    right = rejected = kept_n = wrong_kept = wrong = wrong_rejected = 0
    for truth, row, keep in zip(data.truth, data.probabilities, kept, strict=True):
        is_right = max(range(3), key=lambda k: row[k]) == truth
        right += is_right
        rejected += not keep
        kept_n += keep
        wrong_kept += keep and not is_right
        wrong += not is_right
        wrong_rejected += not keep and not is_right
    melanoma = data.truth == 0
    expected = {
        "accuracy": right / len(kept),
        "balanced_accuracy": balanced_accuracy_score(data.truth, data.probabilities.argmax(axis=1)),
        "melanoma_auroc": roc_auc_score(melanoma, data.probabilities[:, 0]),
        "rejected": rejected / len(kept),
        "wrong_among_kept": wrong_kept / kept_n,
        "wrong_rejected": wrong_rejected / wrong,
        "melanoma_auroc_kept": roc_auc_score(melanoma[kept], data.probabilities[kept, 0]),
    }
    assert list(found.figures) == list(FIGURES)
    assert {key: one.value for key, one in found.figures.items()} == pytest.approx(expected)
    assert all(one.low <= one.value <= one.high for one in found.figures.values())
    assert (found.n_images, found.n_lesions) == (len(kept), len(set(data.groups)))


def test_what_cannot_be_measured_is_left_out() -> None:
    data, kept = data_of(classes=2)
    one = source_of("here", data, None, n_boot=10)
    assert set(one.figures) == {"accuracy", "balanced_accuracy", "melanoma_auroc"} and one.diagnoses == ("MEL", "NV")
    nevi = EvaluationData(data.table, np.ones_like(data.truth), data.probabilities, data.groups, CLASSES)
    assert "melanoma_auroc" not in source_of("here", nevi, kept, n_boot=10).figures
    nothing_kept = source_of("here", data, np.zeros_like(kept), n_boot=10).figures
    assert "melanoma_auroc_kept" not in nothing_kept and nothing_kept["rejected"].value == 1
    assert math.isnan(nothing_kept["wrong_among_kept"].value)


def test_every_test_image_is_in_one_source_and_no_other_is(small_run: Run) -> None:
    table = small_run.predictions.copy()
    test = np.flatnonzero((table["split"] == "test").to_numpy())
    names = ["b", "a", "a", OFFICIAL_TEST, *["a"] * len(test)]
    table.loc[table.index[test], "dataset"] = names[: len(test)]
    run = small_run.with_predictions(table)
    images = images_of(run)
    kept = np.arange(len(images)) % 3 > 0
    found = by_source(run, kept, n_boot=20)
    assert [one.dataset for one in found] == ["a", "b", OFFICIAL_TEST]
    assert sum(one.n_images for one in found) == len(test) == len(images)
    for one in found:
        own = (images["dataset"] == one.dataset).to_numpy()
        assert one.figures["rejected"].value == pytest.approx((~kept[own]).mean())
    with pytest.raises(DataError, match="does not fit"):
        by_source(run, kept[1:])


def source(**figures: tuple[float, float, float]) -> Source:
    return Source("x", ("MEL",), 9, 9, {key: Interval(*ends, 9, 9) for key, ends in figures.items()})


HERE = {
    "accuracy": (0.8, 0.78, 0.82),
    "melanoma_auroc": (0.9, 0.88, 0.92),
    "rejected": (0.05, 0.04, 0.06),
    "wrong_among_kept": (0.2, 0.18, 0.22),
    "melanoma_auroc_kept": (0.9, 0.88, 0.92),
}
WORSE = {"accuracy": (0.6, 0.58, 0.62)}
LESS_SURE = {"melanoma_auroc": (0.7, 0.68, 0.72)}
REJECTED = {"rejected": (0.4, 0.38, 0.42)}


@pytest.mark.parametrize(
    ("there", "verdict"),
    [
        ({}, "no loss seen"),
        (REJECTED, "no loss seen"),
        ({"accuracy": (0.7, 0.3, 0.9)}, "no loss seen"),
        (WORSE, "not noticed"),
        (LESS_SURE, "not noticed"),
        (WORSE | REJECTED, "noticed"),
        (LESS_SURE | REJECTED, "noticed"),
        (WORSE | REJECTED | {"wrong_among_kept": (0.4, 0.38, 0.42)}, "noticed in part"),
        (LESS_SURE | REJECTED | {"melanoma_auroc_kept": (0.7, 0.68, 0.72)}, "noticed in part"),
    ],
)
def test_a_loss_is_noticed_where_more_is_rejected_and_the_kept_are_as_good(
    there: dict[str, tuple[float, float, float]], verdict: str
) -> None:
    loss = Loss.of(source(**HERE), source(**HERE | there))
    assert loss.verdict == verdict
    for key, (value, low, high) in loss.changes.items():
        assert value == pytest.approx((HERE | there)[key][0] - HERE[key][0]) and low <= value <= high
    without = {key: HERE[key] for key in ("accuracy", "melanoma_auroc")}
    assert Loss.of(source(**without), source(**without)).verdict is None


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 0), (3, 3), (2, 9), (40, 61), (1, 0)])
def test_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    expected = binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected) == mcnemar(second, first)


@pytest.mark.parametrize("n", [0, 1, 60])
def test_lesions_in_two_forms_are_counted_one_by_one(n: int) -> None:
    rng = np.random.default_rng(n)
    codes = np.array(CLASSES)
    pairs = pd.DataFrame(
        {
            "lesion_id": [f"l{i}" for i in range(n)],
            "label": [None if i % 5 == 0 else str(rng.choice(codes)) for i in range(n)],
            **{f"{form}_answer": rng.choice(codes, n) for form in ("dermoscopy", "close_up")},
            **{f"{form}_kept": rng.random(n) < share for form, share in (("dermoscopy", 0.9), ("close_up", 0.4))},
        }
    )
    found = two_forms(pairs)
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    same = known = right = answered = wrong = 0
    for row in pairs.itertuples():
        counts[bool(row.dermoscopy_kept), bool(row.close_up_kept)] += 1
        same += row.dermoscopy_answer == row.close_up_answer
        if pd.notna(row.label):
            known += 1
            right += row.close_up_answer == row.label
            answered += row.close_up_kept
            wrong += row.close_up_kept and row.close_up_answer != row.label
    assert list(counts.values()) == [found.both, found.only_dermoscopy, found.only_close_up, found.neither]
    assert found.lesions == n and found.p == mcnemar(found.only_dermoscopy, found.only_close_up)
    assert (found.right[1].n_images, found.wrong_among_answered[1].n_images) == (known, answered)
    if known:
        assert found.right[1].value == pytest.approx(right / known)
        assert found.wrong_among_answered[1].value == pytest.approx(wrong / answered)
    if n:
        assert found.same.value == pytest.approx(same / n)
        with pytest.raises(DataError, match="twice"):
            two_forms(pd.concat([pairs, pairs[:1]]))


def test_groups_are_counted_one_by_one() -> None:
    data, kept = data_of()
    groups = np.where(np.arange(len(kept)) < 7, "rare", "usual")
    table = by_group(data, groups, kept).set_index(["group", "figure"])
    for group in ("rare", "usual"):
        rows = [i for i in range(len(kept)) if groups[i] == group]
        melanomas = [i for i in rows if data.truth[i] == 0]
        right = [data.probabilities[i].argmax() == data.truth[i] for i in rows]
        found = [data.probabilities[i].argmax() == 0 for i in melanomas]
        assert table.loc[(group, "accuracy"), "value"] == pytest.approx(np.mean(right))
        assert table.loc[(group, "accuracy"), "n_images"] == len(rows)
        assert table.loc[(group, "melanoma_recall"), "n_images"] == len(melanomas)
        if melanomas:
            assert table.loc[(group, "melanoma_recall"), "value"] == pytest.approx(np.mean(found))
        assert table.loc[(group, "rejected"), "value"] == pytest.approx(np.mean([not kept[i] for i in rows]))
    assert "rejected" not in set(by_group(data, groups)["figure"])
