"""Experiments: each variant is trained with one budget, one thing differs, and the table says what it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from lesion_core.analysis.summaries import per_class_summary
from lesion_core.config import ModelSettings, Preprocessing, Resize, RunSettings, SplitSettings, Training
from lesion_core.data.collection import collect
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import ConfigError, DataError
from lesion_core.experiments.registry import (
    COLUMNS,
    DIFFERENCE,
    EXPERIMENTS,
    SEEN,
    STRANGE_COLUMNS,
    UNSEEN,
    known_experiment,
)
from lesion_core.experiments.trainings import _by_image, run_experiment
from lesion_core.findings import Finding, read_experiment, write_experiment
from lesion_core.labels import ISIC2019
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.scores import Scorer, offered
from lesion_core.runs.classifier import open_run
from lesion_core.runs.consistency import check_roles

SETTINGS = RunSettings(
    name="base",
    model=ModelSettings(architecture="resnet10", classes=ISIC2019),
    preprocessing=Preprocessing(resize=Resize(size=32)),
    training=Training(epochs=1, batch_size=16, workers=0, precision="fp32", augmentation="flips", oversampling="sqrt"),
)


@pytest.fixture(scope="module")
def found(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    work = tmp_path_factory.mktemp("experiments")
    return run_experiment("leakage", SETTINGS, data_root, work, accelerator="cpu"), work


@pytest.mark.slow
def test_the_table_has_every_variant_with_intervals(found: tuple[pd.DataFrame, Path]) -> None:
    table, _ = found
    assert list(table.columns) == list(COLUMNS) and set(table["variant"]) == {"lesion", "image"}
    recalls = table[table["metric"] == "sensitivity"]
    assert set(recalls.loc[recalls["view"] == "test", "class"]) == set(ISIC2019)
    balanced = table[(table["metric"] == "balanced_accuracy") & (table["view"] == "test")]
    assert len(balanced) == 2 and (balanced["low"] <= balanced["value"]).all()
    assert set(table["view"]) >= {"test", "binary", "test" + DIFFERENCE}
    assert set(table.loc[table["view"].str.endswith(DIFFERENCE), "variant"]) == {"image"}
    for variant, rows in recalls[recalls["view"] == "test"].groupby("variant"):
        mean = balanced.set_index("variant").loc[variant, "value"]
        assert rows["value"].mean() == pytest.approx(mean)


@pytest.mark.slow
def test_pictures_of_lesions_in_train_are_counted_apart(found: tuple[pd.DataFrame, Path]) -> None:
    table, work = found
    told = table[(table["metric"] == "accuracy") & table["view"].isin([SEEN, UNSEEN])]
    assert set(told.loc[told["view"] == SEEN, "variant"]) == {"image"}
    shares = {}
    for folder in work.glob("*/run"):
        run = open_run(folder)
        check_roles(run)
        learned = set(run.predictions.loc[run.predictions["split"] == "train", "lesion_id"])
        rows = run.predictions[(run.predictions["split"] == "test") & (run.predictions["dataset"] != OFFICIAL_TEST)]
        answers = np.array(run.classes)[run.logits(rows).argmax(axis=1)]
        right: dict[str, list[bool]] = {}
        for lesion, label, answer in zip(rows["lesion_id"], rows["label"], answers, strict=True):
            if (run.predictions["lesion_id"] == lesion).sum() > 1:
                right.setdefault(SEEN if lesion in learned else UNSEEN, []).append(label == answer)
        variant = "image" if SEEN in right else "lesion"
        shares |= {(variant, view): np.mean(answered) for view, answered in right.items()}
    assert ("image", SEEN) in shares and ("lesion", UNSEEN) in shares
    assert told.set_index(["variant", "view"])["value"].to_dict() == pytest.approx(shares)


@pytest.mark.slow
def test_a_second_call_reads_what_was_finished(found: tuple[pd.DataFrame, Path], data_root: Path) -> None:
    table, work = found
    for checkpoint in work.glob("*/*.ckpt"):
        checkpoint.unlink()
    pd.testing.assert_frame_equal(run_experiment("leakage", SETTINGS, data_root, work), table)


@pytest.mark.slow
def test_experiments_share_what_is_the_same_training_and_nothing_else(
    found: tuple[pd.DataFrame, Path], data_root: Path
) -> None:
    table, work = found
    assert len(list(work.glob("*/run"))) == 2
    files = run_experiment("files", SETTINGS, data_root, work, accelerator="cpu")
    assert len(list(work.glob("*/run"))) == 3
    same = "equal_detail" if SETTINGS.preprocessing.detail.enabled else "as_they_are"
    pd.testing.assert_frame_equal(
        files[files["variant"] == same].drop(columns="variant").reset_index(drop=True),
        table[table["variant"] == "lesion"].drop(columns="variant").reset_index(drop=True),
    )
    longer = SETTINGS.model_copy(update={"training": SETTINGS.training.model_copy(update={"epochs": 2})})
    run_experiment("leakage", longer, data_root, work, accelerator="cpu")
    assert len(list(work.glob("*/run"))) == 5


def test_split_by_image_puts_a_lesion_on_both_sides_and_leaves_the_official_test_alone(data_root: Path) -> None:
    table = collect(data_root, SplitSettings()).table
    assert table.groupby("group")["role"].nunique().max() == 1
    # Two images per lesion, and some official ones.
    twice = pd.concat([table, table.assign(image_id=table["image_id"] + "b")], ignore_index=True)
    official = table.head(3).assign(dataset=OFFICIAL_TEST, role="test", image_id=["x", "y", "z"])
    mixed = _by_image(pd.concat([twice, official], ignore_index=True), SETTINGS)
    own = mixed[mixed["dataset"] != OFFICIAL_TEST]
    assert own.groupby("group")["role"].nunique().max() > 1
    assert (mixed[mixed["dataset"] == OFFICIAL_TEST]["role"] == "test").all()
    assert (mixed["group"] == pd.concat([twice, official], ignore_index=True)["group"]).all()
    # Each image is dealt by itself, so the number in test is binomial.
    assert binomtest(int((own["role"] == "test").sum()), len(own), SETTINGS.split.test).pvalue > 0.001


def test_variants_differ_from_the_first_in_one_thing() -> None:
    first, *others = EXPERIMENTS["imbalance"].variants.values()
    for other in others:
        assert sum(first.training[name] != value for name, value in other.training.items()) == 1, other.name
        SETTINGS.training.model_validate({**SETTINGS.training.model_dump(), **other.training})


def test_files_differ_in_the_detail_step_alone() -> None:
    found = {key: variant.apply(SETTINGS) for key, variant in EXPERIMENTS["files"].variants.items()}
    assert [s.preprocessing.detail.enabled for s in found.values()] == [False, True]
    for own in found.values():
        same = own.preprocessing.model_copy(update={"detail": SETTINGS.preprocessing.detail})
        assert own.model_copy(update={"preprocessing": same}) == SETTINGS


def test_an_unknown_experiment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no experiment 'magic'.*imbalance, leakage"):
        known_experiment("magic")
    with pytest.raises(ConfigError, match="no experiment"):
        read_experiment("magic", tmp_path)


@pytest.mark.slow
def test_a_table_is_read_back(found: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    table, _ = found
    assert read_experiment("leakage", tmp_path) is None
    path = write_experiment("leakage", Finding(table, SETTINGS), tmp_path)
    again = read_experiment("leakage", tmp_path)
    assert again is not None and np.allclose(again.table["value"], table["value"], equal_nan=True)
    assert again.settings == SETTINGS
    write_experiment("leakage", Finding(table.drop(columns="low"), SETTINGS), tmp_path)
    with pytest.raises(DataError, match="no column low"):
        read_experiment("leakage", tmp_path)
    unknown = table.assign(variant="what was there once")
    write_experiment("leakage", Finding(pd.concat([table, unknown]), SETTINGS), tmp_path)
    again = read_experiment("leakage", tmp_path)
    assert again is not None and len(again.table) == len(table)
    for damaged in (pd.concat([table, table[:1]]), table.assign(n_images=np.nan)):
        write_experiment("leakage", Finding(damaged, SETTINGS), tmp_path)
        with pytest.raises(DataError, match=r"leakage\.csv is damaged.*experiment leakage"):
            read_experiment("leakage", tmp_path)
    write_experiment("leakage", Finding(table, SETTINGS), tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(ConfigError, match="no settings file"):
        read_experiment("leakage", tmp_path)


def test_a_class_without_test_images_has_no_figure_and_no_images(tmp_path: Path) -> None:
    truth, probabilities = np.array([0, 0, 1, 1]), np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1]] * 2)
    figures = per_class_summary(truth, probabilities, np.arange(4), ("MEL", "NV", "DF"), n_boot=20)
    assert (figures["n_images"] == 0).any()
    table = figures.assign(variant="lesion", view="test")[list(COLUMNS)]
    write_experiment("leakage", Finding(table, SETTINGS), tmp_path)
    again = read_experiment("leakage", tmp_path)
    assert again is not None
    pd.testing.assert_frame_equal(again.table, table, check_dtype=False)
    write_experiment("leakage", Finding(table.fillna({"value": 0.5}), SETTINGS), tmp_path)
    with pytest.raises(DataError, match="a number of images is not a whole number from 1"):
        read_experiment("leakage", tmp_path)


def test_unseen_diagnoses_are_the_ood_images_and_nothing_else(data_root: Path, tmp_path: Path) -> None:
    table = run_experiment("left_out", SETTINGS, data_root, tmp_path, accelerator="cpu")
    run = open_run(next(tmp_path.glob("*/run")))
    assert list(table.columns) == list(STRANGE_COLUMNS) and set(table["score"]) == set(offered(run))
    assert run.classes == ("MEL", "NV", "BCC", "AK", "BKL", "SCC")
    assert set(run.predictions["label"]) == set(run.classes) and set(run.ood["kind"]) == {"VASC", "DF"}
    whole = collect(data_root, SETTINGS.split).table
    assert len(run.ood) == whole["diagnosis"].isin(["VASC", "DF"]).sum()
    scorer = Scorer.of(run)
    here = scorer("energy", outputs_of(run, run.part("test")))
    calibrate = np.sort(scorer("energy", outputs_of(run, run.part("calibrate"))))
    threshold = calibrate[int(np.ceil(0.95 * len(calibrate))) - 1]
    for code in ("VASC", "DF"):
        rows = run.ood[run.ood["kind"] == code]
        scores = scorer("energy", ood_outputs(run, rows))
        told = table[(table["score"] == "energy") & (table["diagnosis"] == code)].set_index("measure")
        assert told.loc["rejected", "value"] == np.mean(scores > threshold)
        truth = np.arange(len(here) + len(scores)) >= len(here)
        assert told.loc["auroc", "value"] == pytest.approx(roc_auc_score(truth, np.concatenate([here, scores])))
        assert (told["n"] == len(rows)).all()


def test_the_command_writes_the_table(
    call: Any, found: tuple[pd.DataFrame, Path], data_root: Path, tmp_path: Path
) -> None:
    _, work = found
    (tmp_path / "s.json").write_text(SETTINGS.to_json())
    code, out, err = call(
        "experiment",
        "leakage",
        "--data",
        data_root,
        "--settings",
        tmp_path / "s.json",
        "--work",
        work,
        "--out",
        tmp_path / "experiments",
    )
    assert code == 0 and "leakage.csv" in out and "split by image" in err
    assert read_experiment("leakage", tmp_path / "experiments") is not None
    other = SETTINGS.model_copy(update={"training": SETTINGS.training.model_copy(update={"seed": 1})})
    (tmp_path / "other.json").write_text(other.to_json())
    code, _, err = call(
        "study",
        "leakage",
        "--data",
        data_root,
        "--settings",
        tmp_path / "other.json",
        "--work",
        work,
        "--out",
        tmp_path / "experiments",
    )
    assert code == 1 and "other settings" in err and "--out" in err
    code, _, err = call("study", "magic", "--data", data_root, "--settings", tmp_path / "s.json")
    assert code == 1 and "no experiment 'magic'" in err
    assert json.loads((tmp_path / "s.json").read_text())["name"] == "base"
