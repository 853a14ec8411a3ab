"""The tables of the experiments as the page shows them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import streamlit as st

from app.cache import results as cached_results
from app.compare.lessons import DRAWN, chart_tables, experiment_table, recall_table, said
from lesion_core.config import ModelSettings, RunSettings
from lesion_core.experiments.registry import COLUMNS, DIFFERENCE, EXPERIMENTS, SEEN, UNSEEN
from lesion_core.findings import Finding, write_experiment
from lesion_core.labels import ISIC2019
from tests.literal import open_page


def made(key: str) -> Finding:
    rows = []
    for i, variant in enumerate(EXPERIMENTS[key].variants):
        for view, n in (("test", 1090 + i), ("isic2018", 40)):  # split otherwise, a test set is not as large
            rows += [
                (variant, view, "", metric, 0.5 + i / 10, 0.4, 0.7, n, n // 2)
                for metric in ("balanced_accuracy", "macro_auroc", "accuracy", "ece")
            ]
            rows += [(variant, view, code, "sensitivity", 0.25, 0.2, 0.3, 10, 5) for code in ISIC2019]
            if i:
                rows.append((variant, view + DIFFERENCE, "", "balanced_accuracy", 0.1, -0.02, 0.2, 240, 200))
    rows += [("image", SEEN, "", "accuracy", 0.9, 0.85, 0.95, 400, 350)]
    rows += [("image", UNSEEN, "", "accuracy", 0.7, 0.6, 0.8, 90, 80)]
    rows += [("lesion", UNSEEN, "", "accuracy", 0.6, 0.5, 0.7, 500, 400)]
    settings = RunSettings(name="s", model=ModelSettings(architecture="resnet10", classes=ISIC2019))
    return Finding(pd.DataFrame(rows, columns=list(COLUMNS)), settings)


@pytest.mark.parametrize("key", ["imbalance", "leakage", "files"])
def test_a_column_a_training_with_intervals_and_n(key: str) -> None:
    names = [variant.name for variant in EXPERIMENTS[key].variants.values()]
    table = experiment_table(key, made(key).table)
    assert table.columns.tolist() == names
    assert table.loc["balanced accuracy, own test set", names[1]] == "0.600 (0.400 to 0.700), n 1,091"
    assert table.loc["accuracy, official ISIC 2018 set", names[0]] == "0.500 (0.400 to 0.700), n 40"
    assert not any("ece" in row for row in table.index)
    assert ("recall DF, own test set" in table.index) == (key == "imbalance")
    if key == "imbalance":
        assert table.loc["recall DF, own test set", names[0]] == "0.250 (0.200 to 0.300), n 10"
    if key == "leakage":
        assert table.loc["accuracy, of it, other images of the lesion in the training set"].tolist() == [
            "none",
            "0.900 (0.850 to 0.950), n 400",
        ]
    else:
        assert not any("of it" in row for row in table.index)


def test_the_chart_has_every_variant_and_the_sentences_say_the_differences() -> None:
    found = made("leakage").table
    names = {key: variant.name for key, variant in EXPERIMENTS["leakage"].variants.items()}
    tables = chart_tables(found[found["view"] != "isic2018"], names)
    assert list(tables) == list(names.values())
    for table in tables.values():
        assert len(table) == len(DRAWN) + 1 and table.loc["isic2018|balanced_accuracy"].isna().all()
    assert tables["split by image"].loc["test|accuracy", "value"] == 0.6
    assert tables["split by image"].loc["several|accuracy", "value"] == 0.9, "those in train"
    assert tables["split by lesion"].loc["several|accuracy", "value"] == 0.6, "none is in train"
    reported, apart, seen, less = said(found, names)
    assert reported.endswith("is 0.500 (0.400 to 0.700) *split by lesion*, 0.600 (0.400 to 0.700) *split by image*.")
    assert less.startswith(
        "**split by image** minus *split by lesion*: on the 240 images that are in both test "
        "sets balanced accuracy +0.100 (-0.020 to +0.200); on the "
    )
    assert apart == (
        "**split by lesion**, lesions with several images: right are 60 % (50 % to 70 %, n 500) of "
        "those with none there."
    )
    assert seen == (
        "**split by image**, lesions with several images: right are 90 % (85 % to 95 %, n 400) of those "
        "with other images in the training set, and 70 % (60 % to 80 %, n 90) of those with none there."
    )
    assert said(found[found["variant"] == "lesion"], names) == []


def test_recall_of_each_diagnosis_stands_side_by_side() -> None:
    names = {key: variant.name for key, variant in EXPERIMENTS["imbalance"].variants.items()}
    table = recall_table(made("imbalance").table, names)
    assert table.index.tolist() == list(names.values()) and table.columns.tolist() == [f"{c}, n 10" for c in ISIC2019]
    assert (table == "25 %").all(axis=None)


def test_the_page_shows_what_was_made(
    runs_root: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.setenv("LESION_DATA", str(data_root))
    monkeypatch.setattr(cached_results, "EXPERIMENTS", tmp_path)
    for made_before, description in ((False, "No experiment yet"), (True, EXPERIMENTS["leakage"].question)):
        if made_before:
            write_experiment("leakage", made("leakage"), tmp_path)
        st.cache_data.clear()
        st.cache_resource.clear()
        app = open_page("compare", tab="Lessons")
        assert not app.exception
        assert description in "".join(str(e.value) for kind in (app.caption, app.subheader) for e in kind)


@pytest.mark.parametrize("there", ["changed", "a folder"])
def test_a_damaged_table_is_told_beside_the_others(
    there: str, runs_root: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.setenv("LESION_DATA", str(data_root))
    monkeypatch.setattr(cached_results, "EXPERIMENTS", tmp_path)
    write_experiment("files", made("files"), tmp_path)
    path = write_experiment("leakage", made("leakage"), tmp_path)
    if there == "changed":
        path.write_text(path.read_text().replace("0.85", "0.88"))
    else:
        path.unlink()
        path.mkdir()
    app = open_page("compare", tab="Lessons")
    assert not app.exception and "leakage.csv" in "".join(told.value for told in app.warning)
    headings = [subheader.value for subheader in app.subheader]
    assert EXPERIMENTS["files"].question in headings and EXPERIMENTS["leakage"].question not in headings
