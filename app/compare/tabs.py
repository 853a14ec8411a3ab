"""The tabs of the page Compare: each a function of the run, its evaluation set and the runs beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.cache.drawn import FinishedFigure, drawn_once
from app.components import metric_with_interval
from app.figures import results as result_figures
from app.figures.style import name_of
from app.foreign_text import literal
from app.reliability import show_calibration
from lesion_core.analysis.confusion import confusion_of
from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
from lesion_core.analysis.metrics import METRIC_NAMES, METRICS
from lesion_core.config import ROLE_NAMES
from lesion_core.foreign_text import for_people, visible
from lesion_core.labels import BINARY
from lesion_core.runs.classifier import Run

# What an earlier project published for the binary view; its split was by image.
REFERENCE = {"accuracy": 0.880, "precision": 0.675, "recall": 0.745, "f1": 0.708}
PLAIN = {"displayModeBar": False}


EARLIER = pd.DataFrame({"value": REFERENCE, "low": np.nan, "high": np.nan})
# The figures beside the matrix.
FIRST = ("balanced_accuracy", "macro_auroc", "accuracy", "macro_f1")
FIRST_BINARY = tuple(REFERENCE)


def measured_of(run: Run, view: str, others: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """Metrics with intervals by run, in the order of the list of runs, where a run has images for the evaluation set:
    value, low, high, n_images by metric."""
    chosen = {found.name for found in (run, *others)}
    summaries = {
        found.name: cached_results.view_summary(found, view) for found in cached_runs.runs()[0] if found.name in chosen
    }
    return {name: summary.table.set_index("metric") for name, summary in summaries.items() if summary is not None}


def source_of(run: Run, view: str) -> str:
    """Which images are counted and how many, for captions."""
    entry, data = EVALUATION_SETS[view], cached_results.answers_of(run, view)
    role = "" if entry.name.endswith((" split", " set")) else f", {ROLE_NAMES[entry.split]}"
    return f"{entry.name}{role}, n = {len(data.truth):,} images of {len(np.unique(data.groups)):,} lesions"


@drawn_once()
def matrix(run: Run, view: str, chosen: tuple[str, str] | None) -> FinishedFigure:
    """The confusion matrix with a cell framed: its truth and its answer."""
    counts = confusion_of(cached_results.answers_of(run, view))
    return FinishedFigure(result_figures.confusion_matrix(counts.counts, counts.classes, counts.totals, chosen))


@drawn_once("Measuring, with intervals …")
def draw_figures(run: Run, view: str, others: tuple[Run, ...]) -> None:
    """The first figures, as dots of several runs or as numbers of one."""
    measured, binary = measured_of(run, view, others), cached_results.answers_of(run, view).classes == BINARY
    first = FIRST_BINARY if binary else FIRST
    if len(measured) > 1:
        beside = ", ".join(visible(name) for name in measured if name != run.name)
        st.plotly_chart(
            result_figures.runs_side_by_side(
                {**measured, "earlier project": EARLIER} if binary else measured,
                {key: METRIC_NAMES[key] for key in first},
                run.name,
            ),
            config=PLAIN,
            alt=f"Figures of {visible(run.name)} beside {beside}, with intervals",
        )
        return
    with st.container(gap="xxsmall"):
        for key in first:
            reference = f", reference {REFERENCE[key]:.3f}" if binary else ""
            metric_with_interval(METRIC_NAMES[key] + reference, measured[run.name].T[key])


@drawn_once("Measuring, with intervals …")
def draw_metrics(run: Run, view: str, others: tuple[Run, ...]) -> None:
    """Every metric of every run, and the differences to this one on the same images."""
    measured, binary = measured_of(run, view, others), cached_results.answers_of(run, view).classes == BINARY
    beside = [other for other in others if other.name in measured]
    metrics = pd.DataFrame(
        {
            f"{name}, n = {found['n_images'].max():,}": found.apply(with_interval, axis=1)
            for name, found in measured.items()
        }
    )
    if binary:
        metrics["reference"] = pd.Series({key: f"{value:.3f}" for key, value in REFERENCE.items()})
    keys = [str(key) for key in metrics.index]
    metrics.insert(0, "metric", [METRIC_NAMES[key] for key in keys])
    st.dataframe(
        for_people(metrics.fillna("none")), hide_index=True, alt="Metrics with 95 % intervals, one column per run"
    )
    st.caption(f"{source_of(run, view)}. In brackets the 95 % confidence interval over lesions.")
    if not binary:
        with st.expander("What each metric says"):  # in the table it would be cut beside three runs
            st.markdown("\n".join(f"- **{METRIC_NAMES[key]}**: {METRICS[key].description}" for key in keys))
    for other in others:
        if other not in beside:
            st.caption(f":material/info: Run {literal(other.name)} has no images for this view.")
    own_split = run.config.split_fingerprint
    if any(other.config.split_fingerprint != own_split for other in beside):
        st.caption(
            ":material/warning: These runs were split differently: only images that are in the test set of both are "
            "compared below, if there are any."
        )
    differences = {
        other.name: minus for other in beside if (minus := cached_results.paired(run, other, view)) is not None
    }
    if differences:
        draw_differences(run.name, differences, binary)


def draw_differences(name: str, differences: Mapping[str, pd.DataFrame], binary: bool) -> None:
    """The figures of the other runs minus this one's.

    Args:
        name: This run's.
        differences: By run, as `cached_results.paired` gives them.
        binary: Whether the view is benign against malignant, which has no metrics where less is better.
    """
    st.markdown(f"**Difference to {literal(name)}, on the same images**")
    told = pd.DataFrame(
        {
            f"{other}, n = {minus['n_images'].max():,}": minus.set_index("metric").apply(difference, axis=1)
            for other, minus in differences.items()
        }
    )
    told.insert(0, "metric", [METRIC_NAMES[str(key)] for key in told.index])
    st.dataframe(for_people(told), hide_index=True, alt=f"Differences to {visible(name)} with 95 % intervals")
    st.caption(
        "The other run's figure minus this run's. If the 95 % interval (from the same resampled lesions for both) "
        "contains 0, the difference may be chance; a star marks the others."
        + ("" if binary else " Of Brier score, calibration error and log loss, less is better.")
    )


@drawn_once("Measuring each class, with intervals …")
def draw_classes(run: Run, view: str) -> None:
    """Each class by itself: a chart, and the same figures as a table."""
    each, counts = cached_results.per_class(run, view), confusion_of(cached_results.answers_of(run, view))
    classes = counts.classes
    st.plotly_chart(
        result_figures.per_class(each, classes),
        config=PLAIN,
        alt="Sensitivity, specificity, precision, F1 and AUROC of each class, with 95 % intervals",
    )
    st.caption(
        f"Further right is better; a long line means few lesions, so little is known. Lines: 95 % confidence "
        f"intervals over lesions. {source_of(run, view)}."
    )
    text = each.assign(text=each.apply(with_interval, axis=1)).set_index(["class", "metric"])["text"].to_dict()
    wide = pd.DataFrame(
        {
            "class": [code if code in BINARY else f"{name_of(code)} ({code})" for code in classes],
            "n": counts.totals,
            **{
                title: [text[code, metric] for code in classes]
                for metric, title in result_figures.CLASS_METRICS.items()
            },
        }
    )
    st.dataframe(wide, hide_index=True, alt="The same figures as a table")


@drawn_once("Drawing the curves …")
def draw_roc(run: Run, view: str) -> None:
    """ROC curves of each class against the rest."""
    each = cached_results.per_class(run, view)
    auroc = each[each["metric"] == "auroc"]
    areas = dict(zip(auroc["class"], auroc["value"], strict=True))
    left, _ = st.columns([3, 1])
    left.plotly_chart(
        result_figures.roc_by_class(cached_results.roc_curves(run, view), areas),
        alt="ROC curves of each class against the rest",
    )
    st.caption(
        f"Each class against all others: the nearer to the upper left corner, the better. {source_of(run, view)}."
    )


@drawn_once()
def draw_training(run: Run) -> None:
    """How the run was trained, epoch by epoch."""
    history = run.history
    monitor = run.config.settings.training.monitor.removeprefix("select_")
    watched = history[(history["phase"] == "select") & (history["metric"] == monitor)].dropna(subset=["value"])
    best = None
    if not watched.empty:
        place = watched["value"].argmin() if monitor == "loss" else watched["value"].argmax()
        best = int(watched["epoch"].iloc[place])
    st.plotly_chart(
        result_figures.training_history(history, best),
        config=PLAIN,
        alt="Loss and balanced accuracy by epoch",
    )
    counts = run.config.counts
    st.caption(
        "Where the loss on the training set falls and that on the validation set rises, the model learns by heart. "
        + (
            f"The dotted line is the epoch with the best {monitor.replace('_', ' ')} on the validation set. "
            if best is not None
            else ""
        )
        + f"Training set n = {counts.get('train', 0):,}, validation set n = {counts.get('select', 0):,}."
    )


@drawn_once()
def draw_calibration(run: Run, view: str) -> None:
    """Whether a confidence means what it says."""
    show_calibration(run, cached_results.answers_of(run, view), source_of(run, view))


def with_interval(row: pd.Series) -> str:
    """A figure and its interval, or that there is none."""
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})" if pd.notna(row["value"]) else "none"


def difference(row: pd.Series) -> str:
    """A difference and its interval, with a star where that does not contain 0.

    No plus sign, and a true minus: a spreadsheet would compute a cell that begins with either key.
    """
    if row[["value", "low", "high"]].isna().any():
        return "not known"
    value, low, high = (f"{row[end]:z.3f}".replace("-", "\N{MINUS SIGN}") for end in ("value", "low", "high"))
    told = f"{value} ({low} to {high})"
    return told if row["low"] <= 0 <= row["high"] else f"{told} *"
