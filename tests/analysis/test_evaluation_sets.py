"""The views of a run: which images, in which label set."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from lesion_core.analysis.evaluation_sets import (
    EVALUATION_SETS,
    at_chosen_threshold,
    evaluation_data,
    paired_differences,
    view_data,
    view_summary,
)
from lesion_core.analysis.metrics import softmax
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import ConfigError, RunError
from lesion_core.labels import BINARY, HAM10000, ISIC2019
from lesion_core.ood.evaluation import evaluate_score
from lesion_core.ood.scores import Scorer
from lesion_core.runs.classifier import Run, open_run


def forget_counts(folder: Path) -> None:
    """The table of a run may have other numbers of images afterwards."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"counts": {}}))


@pytest.fixture
def with_official(run_copy: Path) -> Run:
    """The small run; its last four test images are said to be the official test set, in its seven classes."""
    table = pd.read_parquet(run_copy / "predictions.parquet")
    chosen = table.index[table["split"] == "test"][-4:]
    table.loc[chosen, "dataset"] = OFFICIAL_TEST
    table.loc[chosen, "label"] = table.loc[chosen, "label"].replace({"AK": "AKIEC", "SCC": "AKIEC"})
    table.to_parquet(run_copy / "predictions.parquet")
    forget_counts(run_copy)
    return open_run(run_copy, verify=False)


def test_the_test_view_is_the_runs_own(small_run: Run) -> None:
    data = view_data(small_run, "test")
    assert data is not None and data.classes == ISIC2019
    part = small_run.part("test")
    assert [ISIC2019[i] for i in data.truth] == part["label"].tolist()
    np.testing.assert_allclose(data.probabilities, softmax(small_run.logits(part), small_run.calibration.temperature))
    assert data.groups.tolist() == part["lesion_id"].tolist()


def test_ham10000_merges_ak_and_scc(small_run: Run) -> None:
    whole, seven = view_data(small_run, "test"), view_data(small_run, "ham10000")
    assert whole is not None and seven is not None and seven.classes == HAM10000
    np.testing.assert_allclose(
        seven.probabilities[:, 3], whole.probabilities[:, [ISIC2019.index("AK"), ISIC2019.index("SCC")]].sum(axis=1)
    )
    np.testing.assert_allclose(seven.probabilities.sum(axis=1), 1)
    expected = ["AKIEC" if code in ("AK", "SCC") else code for code in seven.table["label"]]
    assert [HAM10000[i] for i in seven.truth] == expected and "AKIEC" in expected


def test_two_classes_add_up(small_run: Run) -> None:
    whole, two = view_data(small_run, "test"), view_data(small_run, "binary")
    assert whole is not None and two is not None and two.classes == BINARY
    malignant = [i for i, code in enumerate(ISIC2019) if code in ("MEL", "BCC", "AK", "SCC")]
    np.testing.assert_allclose(two.probabilities[:, 1], whole.probabilities[:, malignant].sum(axis=1))
    np.testing.assert_array_equal(two.truth, np.isin(whole.truth, malignant))


def test_the_official_test_set_is_only_had_by_its_name(with_official: Run, small_run: Run) -> None:
    assert view_data(small_run, "isic2018") is None
    official = view_data(with_official, "isic2018")
    assert official is not None and len(official.truth) == 4 and set(official.table["dataset"]) == {OFFICIAL_TEST}
    for key in ("test", "ham10000", "binary"):
        data, before = view_data(with_official, key), view_data(small_run, key)
        assert data is not None and before is not None
        assert OFFICIAL_TEST not in set(data.table["dataset"]) and len(data.truth) == len(before.truth) - 4


@pytest.mark.parametrize("key", ["calibrate", "select"])
def test_other_roles_have_views(small_run: Run, key: str) -> None:
    data = view_data(small_run, key)
    assert data is not None and set(data.table["split"]) == {key}


@pytest.mark.parametrize("key", [k for k in EVALUATION_SETS if k not in ("isic2018", "milk10k")])
def test_summaries_count_images_and_lesions(small_run: Run, key: str) -> None:
    data, found = view_data(small_run, key), view_summary(small_run, key, n_boot=100)
    assert data is not None and found is not None
    assert (found.n_images, found.n_groups) == (len(data.table), data.table["lesion_id"].nunique())
    assert {"metric", "value", "low", "high"} <= set(found.table.columns)
    value = found.table.set_index("metric")["value"]
    assert value["accuracy"] == pytest.approx((data.probabilities.argmax(axis=1) == data.truth).mean())


def test_classes_that_do_not_map_have_no_view(small_run: Run) -> None:
    model = small_run.config.settings.model.model_copy(update={"classes": ("MEL", "NV", "BCC", "AK")})
    settings = small_run.config.settings.model_copy(update={"model": model})
    few = dataclasses.replace(small_run, config=small_run.config.model_copy(update={"settings": settings}))
    assert view_data(few, "test") is None and view_summary(few, "test") is None


def test_unknown_views_list_the_known(small_run: Run) -> None:
    for call in (view_data, view_summary):
        with pytest.raises(ConfigError, match=r"no view 'train'.*test, ham10000"):
            call(small_run, "train")


def test_the_official_test_set_stands_beside_the_others(with_official: Run) -> None:
    judged = evaluate_score(with_official, Scorer.of(with_official), "mahalanobis")
    assert len(judged.official) == len(with_official.part("test", OFFICIAL_TEST)) == 4
    assert not set(judged.official["image_id"]) & set(judged.dermoscopy["image_id"])
    assert (judged.split("test")["dataset"] == with_official.part("test")["dataset"].to_numpy()).all()


@pytest.mark.parametrize("key", ["test", "binary"])
def test_another_runs_figures_are_compared_on_the_pictures_both_have(small_run: Run, run_copy: Path, key: str) -> None:
    table = pd.read_parquet(run_copy / "predictions.parquet")
    logits = [c for c in table if c.startswith("logit_")]
    table[logits] += np.random.default_rng(0).normal(0, 3, table[logits].shape)
    lost = table.index[table["split"] == "test"][0]
    table.drop(index=lost).sample(frac=1, random_state=0).to_parquet(run_copy / "predictions.parquet")  # another order
    forget_counts(run_copy)
    other = open_run(run_copy, verify=False)
    found = paired_differences(small_run, other, key, n_boot=50)
    assert found is not None
    found = found.set_index("metric")
    theirs = view_summary(other, key, n_boot=20)
    shared = small_run.predictions.drop(index=lost)
    ours = view_summary(small_run.with_predictions(shared), key, n_boot=20)
    assert theirs is not None and ours is not None
    expected = theirs.table.set_index("metric")["value"] - ours.table.set_index("metric")["value"]
    pd.testing.assert_series_equal(found["value"], expected[found.index], check_names=False)
    assert found["n_images"].iloc[0] == theirs.n_images and (found["low"] <= found["high"]).all()


def test_runs_without_pictures_in_common_are_not_compared(small_run: Run) -> None:
    table = small_run.predictions.assign(image_id=[f"x{i}" for i in range(len(small_run.predictions))])
    assert paired_differences(small_run, small_run.with_predictions(table), "test") is None
    assert paired_differences(small_run, small_run, "isic2018") is None


def test_a_picture_that_is_listed_twice_is_told(small_run: Run) -> None:
    table = small_run.predictions
    first, second = table.index[table["split"] == "test"][:2]
    table = table.assign(image_id=table["image_id"].where(table.index != second, table["image_id"][first]))
    for pair in ((small_run, small_run.with_predictions(table)), (small_run.with_predictions(table), small_run)):
        with pytest.raises(RunError, match="lists an image twice"):
            paired_differences(*pair, "test", n_boot=10)


@pytest.mark.parametrize("dataset", [None, "ham10000"])
def test_the_threshold_with_the_best_f1_is_chosen_on_the_calibration_set(small_run: Run, dataset: str | None) -> None:
    found = at_chosen_threshold(small_run, dataset, n_boot=50)
    assert found is not None
    known, asked = (evaluation_data(small_run, small_run.part(role, dataset), BINARY) for role in ("calibrate", "test"))
    assert known is not None and asked is not None
    scores = {p: f1_score(known.truth, known.probabilities[:, 1] >= p) for p in known.probabilities[:, 1]}
    assert scores[found.threshold] == pytest.approx(max(scores.values()))
    values = found.summary.table.set_index("metric")["value"]
    called = asked.probabilities[:, 1] >= found.threshold
    assert values["f1"] == pytest.approx(f1_score(asked.truth, called))
    assert values["accuracy"] == pytest.approx((called == asked.truth).mean())
    assert at_chosen_threshold(small_run, "milk10k") is None
