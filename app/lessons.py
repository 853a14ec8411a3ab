"""The tab Lessons of Compare: what small trainings side by side say about leakage, files and imbalance."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import cache
from app.figures import percent
from lesion_core.config import RunSettings
from lesion_core.labels import DIAGNOSES
from lesion_core.studies import STUDIES

SHOWN = {"balanced_accuracy": "balanced accuracy", "macro_auroc": "mean AUROC", "accuracy": "accuracy"}
VIEWS = {"test": "its own test split", "isic2018": "official ISIC 2018 test set"}


def lessons() -> None:
    """Every study that was made, as a table with its question."""
    made = {key: found for key in ("leakage", "files", "imbalance") if (found := cache.finding(key))}
    if not made:
        st.caption("No study was made yet: `python -m lesion_core study leakage --data DATA --settings FILE`.")
        return
    for key, found in made.items():
        entry = STUDIES[key]
        st.subheader(entry.question, anchor=False)
        st.dataframe(study_table(key, found.table), alt=f"{entry.question} A row a training.")
        st.caption(f"{entry.says} In brackets 95 % intervals by lesion. {budget(found.settings)}")


def budget(settings: RunSettings) -> str:
    """What every training of a study had, in a sentence."""
    return (f"Not the runs of this dashboard but small trainings: {settings.model.architecture}, "
            f"{settings.training.epochs} epochs at {settings.preprocessing.resize.size} px, seed "
            f"{settings.training.seed}.")


def study_table(key: str, table: pd.DataFrame) -> pd.DataFrame:
    """The figures of each variant as text, a row a variant.

    Args:
        key: Of `STUDIES`.
        table: `studies.COLUMNS`.

    Returns:
        By the variant's name: the figures of `SHOWN` on each test set with intervals, and n; where ways with
        rare classes are compared, also every class's recall on the own test split.
    """
    entry = STUDIES[key]
    rows = {}
    for variant, described in entry.variants.items():
        own = table[table["variant"] == variant]
        row = {}
        for view, where in VIEWS.items():
            figures = own[(own["view"] == view) & (own["class"].fillna("") == "")].set_index("metric")
            for metric, name in SHOWN.items():
                if metric in figures.index:
                    f = figures.loc[metric]
                    row[f"{name}, {where}"] = f"{f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f})"
                    row[f"n, {where}"] = f"{f['n_images']:,.0f}"
        if key == "imbalance":
            recalls = own[(own["view"] == "test") & (own["metric"] == "sensitivity")].set_index("class")["value"]
            row |= {f"recall {code}": percent(float(recalls[code])) for code in DIAGNOSES if code in recalls.index}
        rows[described.name] = row
    return pd.DataFrame.from_dict(rows, orient="index").fillna("none")
