"""The tables of the studies as the page shows them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import cache
from app.lessons import study_table
from lesion_core.config import ModelSettings, RunSettings
from lesion_core.labels import ISIC2019
from lesion_core.studies import COLUMNS, STUDIES, Finding, write_study

HOME = str(Path(__file__).parent.parent / "app" / "Home.py")


def made(key: str) -> Finding:
    rows = []
    for i, variant in enumerate(STUDIES[key].variants):
        for view, n in (("test", 1090 + i), ("isic2018", 40)):  # split otherwise, a test split is not as large
            rows += [(variant, view, "", metric, 0.5 + i / 10, 0.4, 0.7, n, n // 2)
                     for metric in ("balanced_accuracy", "macro_auroc", "accuracy", "ece")]
            rows += [(variant, view, code, "sensitivity", 0.25, 0.2, 0.3, 10, 5) for code in ISIC2019]
    settings = RunSettings(name="s", model=ModelSettings(architecture="resnet10", classes=ISIC2019))
    return Finding(pd.DataFrame(rows, columns=list(COLUMNS)), settings)


@pytest.mark.parametrize("key", ["imbalance", "leakage", "files"])
def test_a_row_a_training_with_intervals(key: str) -> None:
    table = study_table(key, made(key).table)
    assert table.index.tolist() == [variant.name for variant in STUDIES[key].variants.values()]
    assert table["n, its own test split"].tolist()[:2] == ["1,090", "1,091"] and "none" not in table.to_numpy()
    assert table.iloc[1]["balanced accuracy, its own test split"] == "0.600 (0.400 to 0.700)"
    assert table.iloc[0]["accuracy, official ISIC 2018 test set"] == "0.500 (0.400 to 0.700)"
    assert not any("ece" in column for column in table.columns)
    assert ("recall DF" in table.columns) == (key == "imbalance")


def test_the_page_shows_what_was_made(
    runs_root: Path, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.setenv("LESION_DATA", str(data_root))
    monkeypatch.setattr(cache, "STUDIES", tmp_path)
    for made_before, says in ((False, "No study was made"), (True, STUDIES["leakage"].question)):
        if made_before:
            write_study("leakage", made("leakage"), tmp_path)
        st.cache_data.clear()
        st.cache_resource.clear()
        app = AppTest.from_file(HOME, default_timeout=120)
        app.switch_page("../pages/compare.py")
        app.query_params["tab"] = "Lessons"
        app.run()
        assert not app.exception
        assert says in "".join(str(e.value) for kind in (app.caption, app.subheader) for e in kind)
