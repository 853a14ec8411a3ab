"""The tab Lessons of Compare: what small trainings side by side say about leakage, files and imbalance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app.cache import results as cached_results
from app.cache.drawn import drawn_once
from app.components import problem
from app.figures import results as result_figures
from app.figures.style import percent
from lesion_core.analysis.intervals import Interval
from lesion_core.config import RunSettings
from lesion_core.errors import LesionError
from lesion_core.experiments.registry import DIFFERENCE, EXPERIMENTS, SEEN, UNSEEN
from lesion_core.runs.hashes import FileState

DRAWN = {
    ("test", "balanced_accuracy"): "Balanced accuracy, own test set",
    ("test", "accuracy"): "Accuracy, own test set",
    ("isic2018", "balanced_accuracy"): "Balanced accuracy, official ISIC 2018",
}
"""View and metric to a name: what the chart shows."""

SEVERAL = {("several", "accuracy"): "Accuracy, lesions with several images"}
"""What the chart shows first where lesions were trained on: there the images `SEEN`, and `UNSEEN` of the others."""

EVALUATION_SETS = {
    "test": "own test set",
    SEEN: "of it, other images of the lesion in the training set",
    UNSEEN: "of it, lesions with several images, none in the training set",
    "ham10000": "HAM10000 part",
    "binary": "benign or malignant",
    "isic2018": "official ISIC 2018 set",
}
METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "macro_auroc": "mean AUROC",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}

COMPARED = ("balanced_accuracy", "accuracy")
"""Of `METRICS`: those whose differences are told."""


def lessons() -> None:
    """Every experiment that was made: its question, the chart, what it says, and all figures."""
    made = {key: state for key in ("leakage", "files", "imbalance") if (state := cached_results.finding_state(key))}
    if not made:
        st.caption("No experiment yet: `python -m lesion_core experiment leakage --data DATA --settings FILE`.")
    for key, state in made.items():
        try:
            draw_lesson(key, state)
        except LesionError as error:  # the others are still worth reading
            problem(error)


@drawn_once()
def draw_lesson(key: str, state: tuple[FileState, ...]) -> None:  # noqa: ARG001
    """An experiment that was made.

    Args:
        key: Of `EXPERIMENTS`.
        state: Of its files.
    """
    found = cached_results.finding(key)
    if found is not None:
        entry = EXPERIMENTS[key]
        names = {variant: described.name for variant, described in entry.variants.items()}
        st.subheader(entry.question, anchor=False)
        left, right = st.columns([3, 2], gap="large")
        wanted = drawn(found.table)
        with left:
            st.plotly_chart(
                result_figures.runs_side_by_side(
                    chart_tables(found.table, names),
                    wanted,
                    next(iter(names.values())),
                    height=70 + len(wanted) * (30 + 26 * len(names)),
                ),
                config={"displayModeBar": False},
                key=f"lesson-{key}",
                alt=f"{entry.question} A dot per training, with its interval.",
            )
        with right:
            for sentence in said(found.table, names):
                st.markdown(sentence)
        if key == "imbalance":
            st.dataframe(recall_table(found.table, names), alt="Recall of each diagnosis. A row per training.")
            st.caption("Recall of each diagnosis on the own test set, with its number of images.")
        st.caption(
            f"Further right is better; bars are 95 % confidence intervals over lesions. {entry.description} One "
            f"training each: another seed moves the dots too, which the bars do not show. {budget(found.settings)}"
        )
        with st.expander("All figures"):
            st.dataframe(experiment_table(key, found.table), alt=f"{entry.question} A column per training.")


def budget(settings: RunSettings) -> str:
    """What every training of an experiment had, in a sentence."""
    return (
        f"Not the runs of this dashboard but small trainings: {settings.model.architecture}, "
        f"{settings.training.epochs} epochs at {settings.preprocessing.resize.size} px, seed "
        f"{settings.training.seed}."
    )


def drawn(table: pd.DataFrame) -> dict[str, str]:
    """What the chart of an experiment shows: the figure, view and metric, to its name."""
    wanted = {**SEVERAL, **DRAWN} if (table["view"] == SEEN).any() else DRAWN
    return {"|".join(key): name for key, name in wanted.items()}


def chart_tables(table: pd.DataFrame, names: dict[str, str]) -> dict[str, pd.DataFrame]:
    """Value, low and high of what is `drawn`, by the variant's name; NaN where it was not measured."""
    whole = table[table["class"].fillna("") == ""]
    tables = {}
    for variant, name in names.items():
        own = whole[whole["variant"] == variant]
        several = SEEN if (own["view"] == SEEN).any() else UNSEEN
        figure = own["view"].replace({several: "several"}) + "|" + own["metric"]
        tables[name] = own.set_index(figure)[["value", "low", "high"]].reindex(list(drawn(table)))
    return tables


def _by_place(table: pd.DataFrame) -> dict[tuple[str, str, str, str], Interval]:
    """An experiment's figures by variant, view, class and metric."""
    columns = ("variant", "view", "class", "metric", "value", "low", "high", "n_images", "n_groups")
    rows = zip(*(table[c].fillna("") if c == "class" else table[c] for c in columns), strict=True)
    return {
        (variant, view, code, metric): Interval(value, low, high, int(images), int(groups))
        for variant, view, code, metric, value, low, high, images, groups in rows
    }


def said(table: pd.DataFrame, names: dict[str, str]) -> list[str]:
    """What the figures say: where lesions were trained on, what that did; then a sentence per variant but the first."""
    found = _by_place(table)
    first, *others = names
    sentences = []
    for variant in others:
        parts = []
        for view in ("test", "isic2018"):
            less = {metric: found.get((variant, view + DIFFERENCE, "", metric)) for metric in COMPARED}
            told = [
                f"{METRICS[metric]} {f.value:+.3f} ({f.low:+.3f} to {f.high:+.3f})" for metric, f in less.items() if f
            ]
            n = next((f.n_images for f in less.values() if f), 0)
            own = found.get((variant, view, "", COMPARED[0]))
            where = (
                f"the {n:,} images that are in both test sets"
                if own and own.n_images != n
                else f"the {EVALUATION_SETS[view]} (n {n:,})"
            )
            if told:
                parts.append(f"on {where} {', '.join(told)}")
        if parts:
            sentences.append(f"**{names[variant]}** minus *{names[first]}*: {'; '.join(parts)}.")
    return [*_said_of_lesions_in_train(found, names), *sentences]


def _said_of_lesions_in_train(found: dict[tuple[str, str, str, str], Interval], names: dict[str, str]) -> list[str]:
    """What each variant's authors would report, and what is right of lesions with several images; or nothing."""
    if all(view != SEEN for _, view, _, _ in found):
        return []
    reported = [
        f"{f.value:.3f} ({f.low:.3f} to {f.high:.3f}) *{name}*"
        for variant, name in names.items()
        if (f := found.get((variant, "test", "", COMPARED[0])))
    ]
    apart = [f"As its authors would report it, each on its own test set, balanced accuracy is {', '.join(reported)}."]
    for variant, name in names.items():
        parts = [
            f"{percent(f.value)} ({percent(f.low)} to {percent(f.high)}, n {f.n_images:,}) of those with {where}"
            for view, where in ((SEEN, "other images in the training set"), (UNSEEN, "none there"))
            if (f := found.get((variant, view, "", "accuracy")))
        ]
        if parts:
            apart.append(f"**{name}**, lesions with several images: right are {', and '.join(parts)}.")
    return apart


def recall_table(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Each diagnosis' recall on the own test set as text, a row per variant, a column per diagnosis with its n."""
    shown: dict[str, dict[str, str]] = {name: {} for name in names.values()}
    for (variant, view, code, metric), found in _by_place(table).items():
        if (view, metric) == ("test", "sensitivity"):
            shown[names[variant]][f"{code}, n {found.n_images:,}"] = percent(found.value)
    return pd.DataFrame.from_dict(shown, orient="index").fillna("none")


def experiment_table(key: str, table: pd.DataFrame) -> pd.DataFrame:
    """The figures as text, a column per variant.

    Args:
        key: Of `EXPERIMENTS`.
        table: `experiments.COLUMNS`.

    Returns:
        A row per figure: `METRICS` in every view of `EVALUATION_SETS`, and where ways with rare classes are compared
        also each class's recall; cells are the value, its interval and n, or "none".
    """
    shown = {view: where for view, where in EVALUATION_SETS.items() if key == "leakage" or view not in (SEEN, UNSEEN)}
    wanted = [
        (view, "", metric, f"{name}, {where}") for view, where in shown.items() for metric, name in METRICS.items()
    ]
    if key == "imbalance":
        recalls = table[(table["metric"] == "sensitivity") & table["view"].isin(["test", "isic2018"])]
        wanted += [
            (view, code, "sensitivity", f"recall {code}, {EVALUATION_SETS[view]}")
            for view, code in recalls[["view", "class"]].drop_duplicates().itertuples(index=False)
        ]
    found = _by_place(table)
    rows = {}
    for view, code, metric, name in wanted:
        row = {}
        for variant, described in EXPERIMENTS[key].variants.items():
            f = found.get((variant, view, code, metric))
            if f and np.isfinite(f.value):
                row[described.name] = f"{f.value:.3f} ({f.low:.3f} to {f.high:.3f}), n {f.n_images:,}"
        if row:
            rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").fillna("none")
