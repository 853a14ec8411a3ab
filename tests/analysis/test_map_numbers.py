"""Whether a number of a map tells right answers from wrong ones: against scikit-learn, loops, and what ships."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lesion_core.analysis.map_numbers import (
    CONFIDENCE,
    FEWEST,
    FOLDS,
    MAP_NUMBERS,
    among_called,
    confidence_of,
    out_of_fold,
    tells_right,
)
from lesion_core.runs.attribution import FILE, read_attribution
from lesion_core.runs.classifier import Run, list_runs
from tests.literal import ROOT


def made(n: int = 240, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of two images per lesion, and the confidence of each."""
    rng = np.random.default_rng(seed)
    lesions = np.repeat([f"L{i:03}" for i in range(n // 2)], 2)
    answer = rng.choice(["MEL", "NV", "BKL"], n)
    area = rng.uniform(0.05, 0.9, n)
    right = rng.random(n) < np.where(answer == "MEL", area, 0.7)
    table = pd.DataFrame(
        {
            "image_id": [f"i{i}" for i in range(n)],
            "lesion_id": lesions,
            "label": np.where(right, answer, np.where(answer == "NV", "MEL", "NV")),
            "answer": answer,
            "method": "gradcam",
            "inside": np.round(np.clip(area + rng.normal(0, 0.1, n), 0, 1), 2),  # with ties
            "area": area,
            "peak": rng.random(n) < 0.8,
            "deletion": rng.uniform(0, 1, n),
            "maximum": rng.gamma(2, 1, n),
        }
    )
    return table, np.round(rng.uniform(0.3, 1, n), 2)


def literal_auroc(right: np.ndarray, values: np.ndarray) -> float:
    """How often a right answer has the higher number; a tie counts half."""
    pairs = [(a > b) + 0.5 * (a == b) for a in values[right] for b in values[~right]]
    return float(np.mean(pairs))


def test_every_number_is_what_loops_and_scikit_learn_say() -> None:
    table, confidence = made()
    right = (table["label"] == table["answer"]).to_numpy()
    found = tells_right(table, confidence, n=200).set_index("number")
    assert list(found.index) == [CONFIDENCE, *MAP_NUMBERS]
    values = {
        CONFIDENCE: confidence,
        "inside": table["inside"],
        "peak": table["peak"].astype(float),
        "inside_by_area": table["inside"] / table["area"],
        "deletion": -table["deletion"],
        "deletion_by_confidence": -table["deletion"] / confidence,
        "maximum": table["maximum"],
    }
    for key, own in values.items():
        row = found.loc[key]
        assert row["value"] == pytest.approx(roc_auc_score(right, own)), key
        assert row["value"] == pytest.approx(literal_auroc(right, np.asarray(own))), key
        assert row["low"] < row["value"] < row["high"]
        assert (row["n"], row["lesions"], row["right"]) == (240, 120, right.sum())


def test_a_number_counts_where_it_was_measured_and_an_image_where_its_confidence_is_known() -> None:
    table, confidence = made()
    table.loc[:99, "deletion"], confidence[-40:] = np.nan, np.nan
    found = tells_right(table, confidence, n=50).set_index("number")
    right = (table["label"] == table["answer"]).to_numpy()
    assert found["n"].to_dict() == {key: 100 if "deletion" in key else 200 for key in (CONFIDENCE, *MAP_NUMBERS)}
    own = slice(100, 200)
    expected = roc_auc_score(right[own], -table["deletion"][own])
    assert found.loc["deletion", "value"] == pytest.approx(expected)
    old = tells_right(table.assign(deletion=np.nan), confidence, n=50)["number"]
    assert list(old) == [key for key in (CONFIDENCE, *MAP_NUMBERS) if "deletion" not in key]
    assert tells_right(table, np.full(len(table), np.nan)).empty


def test_where_all_answers_are_right_nothing_is_told() -> None:
    table, confidence = made(20)
    assert tells_right(table.assign(label=table["answer"]), confidence, n=50)["value"].isna().all()
    assert among_called(table.assign(label=table["answer"]), "MEL") is None
    assert among_called(table, "VASC") is None


def test_a_lesion_is_never_among_those_that_answered_for_it() -> None:
    """A value that names the lesion tells everything where it was fitted on, and nothing of another lesion."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 4).astype(str)
    right = np.repeat(rng.random(60) < 0.5, 4)
    names = np.eye(60)[np.repeat(np.arange(60), 4)]  # one column per lesion
    found = out_of_fold(names, right, groups)
    assert roc_auc_score(right, found) < 0.6
    assert len(set(groups)) >= FOLDS


def test_among_images_called_one_thing_the_map_is_asked_beside_the_size() -> None:
    table, _ = made(1200)
    found = among_called(table, "MEL", n=200)
    assert found is not None and found.gain is not None
    own = table[table["answer"] == "MEL"]
    right = (own["label"] == "MEL").to_numpy()
    assert (found.n_images, found.n_groups, found.right) == (len(own), own["lesion_id"].nunique(), right.sum())
    for key, column in (("inside", "inside"), ("size", "area")):
        assert found.areas[key].value == pytest.approx(roc_auc_score(right, own[column]))
    assert found.gain.value == pytest.approx(found.areas["both_fitted"].value - found.areas["size_fitted"].value)
    assert found.areas["size_fitted"].low > 0.6, "the size was what made it right"
    assert found.gain.low < 0 < found.gain.high, "and the map adds nothing to it"
    few = among_called(own.head(FEWEST), "MEL", n=50)
    assert few is not None and few.gain is None and set(few.areas) == {"inside", "size"}


@pytest.mark.parametrize("run", list_runs(ROOT / "checkpoints")[0], ids=lambda run: run.name)
def test_the_shipped_tables_say_what_scikit_learn_says_of_them(run: Run) -> None:
    """Read from the files as they are, without our own readers, joins and areas."""
    stored = pd.read_parquet(run.folder / FILE)
    own = pd.read_parquet(run.folder / "predictions.parquet").set_index("image_id")
    table = read_attribution(run)
    assert table is not None
    for method, rows in stored.groupby("method"):
        logits = own.loc[rows["image_id"], [f"logit_{code}" for code in run.classes]].to_numpy(np.float64)
        p = np.exp(logits / run.calibration.temperature)
        confidence = (p / p.sum(axis=1, keepdims=True)).max(axis=1)
        right = rows["label"] == rows["answer"]
        ours = table[table["method"] == method]
        found = tells_right(ours, confidence_of(run, ours["image_id"]), n=20).set_index("number")
        expected = {"inside": rows["inside"], "peak": rows["peak"], "maximum": rows["maximum"], CONFIDENCE: confidence}
        for key, values in expected.items():
            assert found.loc[key, "value"] == pytest.approx(roc_auc_score(right, values), abs=1e-9), (method, key)
        sample = rows["deletion"].notna()
        if sample.any():
            area = roc_auc_score(right[sample], -rows["deletion"][sample])
            assert found.loc["deletion", "value"] == pytest.approx(area, abs=1e-9), method
        for number, told in found.iterrows():  # deletion areas may be of a sample
            of = rows[sample] if str(number).startswith("deletion") else rows
            assert (told["n"], told["lesions"]) == (len(of), of["lesion_id"].nunique()), (method, number)
