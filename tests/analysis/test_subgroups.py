"""Figures of groups of people, against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_core.analysis.evaluation_sets import view_data
from lesion_core.analysis.subgroups import AGE_NAMES, NOT_RECORDED, age_bands, subgroups
from lesion_core.runs.classifier import Run


def test_ages_fall_into_bands() -> None:
    found = age_bands(pd.Series([0, 19.9, 20, 39, 40, 60, 79, 80, 95, np.nan]))
    assert found.tolist() == [
        AGE_NAMES[0],
        AGE_NAMES[0],
        AGE_NAMES[1],
        AGE_NAMES[1],
        AGE_NAMES[2],
        AGE_NAMES[3],
        AGE_NAMES[3],
        AGE_NAMES[4],
        AGE_NAMES[4],
        NOT_RECORDED,
    ]


def test_each_group_is_what_pandas_counts(small_run: Run) -> None:
    data = view_data(small_run, "test")
    assert data is not None
    found = subgroups(data)
    facts = data.table.assign(
        right=data.probabilities.argmax(1) == data.truth,
        melanoma=data.table["label"] == "MEL",
        sex=data.table["sex"].astype(object).fillna(NOT_RECORDED),
    )
    for sex, own in facts.groupby("sex"):
        rows = found[(found["by"] == "sex") & (found["group"] == sex)].set_index("metric")
        assert rows.loc["accuracy", "value"] == pytest.approx(own["right"].mean())
        assert rows.loc["accuracy", "n_images"] == len(own)
        mel = own[own["melanoma"]]
        assert rows.loc["melanoma_recall", "n_images"] == len(mel)
        if len(mel):
            assert rows.loc["melanoma_recall", "value"] == pytest.approx(mel["right"].mean())
        else:
            assert np.isnan(rows.loc["melanoma_recall", "value"])
    for by in ("sex", "age", "site"):
        accuracy = found[(found["by"] == by) & (found["metric"] == "accuracy")]
        assert accuracy["n_images"].sum() == len(facts)
        assert accuracy["n_images"].is_monotonic_decreasing
