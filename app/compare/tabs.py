"""The tabs of the page Compare: each a function of the run, its evaluation set and the runs beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.figures import results as result_figures
from app.figures.style import name_of
from app.foreign_text import literal
from lesion_core.analysis.confusion import Confusion
from lesion_core.analysis.metrics import METRIC_NAMES, METRICS
from lesion_core.foreign_text import for_people, visible
from lesion_core.labels import BINARY
from lesion_core.runs.classifier import Run

# What an earlier project published for the binary view; its split was by image.
REFERENCE = {"accuracy": 0.880, "precision": 0.675, "recall": 0.745, "f1": 0.708}
PLAIN = {"displayModeBar": False}


@dataclass(frozen=True)
class Compared:
    """A run on an evaluation set, and the runs that are shown beside it.

    Attributes:
        run: The run.
        view: Key of `EVALUATION_SETS`.
        counts: Its confusion matrix.
        measured: Metrics with intervals by run, the run's own too: value, low, high, n_images by metric.
        beside: The other runs in `measured`.
        without: The other runs that were chosen and have no images for this evaluation set.
        source: Which images are counted and how many, for captions.
    """

    run: Run
    view: str
    counts: Confusion
    measured: Mapping[str, pd.DataFrame]
    beside: Sequence[str]
    without: Sequence[str]
    source: str

    @property
    def binary(self) -> bool:
        """Whether it is benign against malignant, where there is a reference."""
        return self.counts.classes == BINARY


def draw_metrics(compared: Compared) -> None:
    """Every metric of every run, and the differences to this one on the same images."""
    run, beside, binary = compared.run, compared.beside, compared.binary
    metrics = pd.DataFrame(
        {
            f"{name}, n = {found['n_images'].max():,}": found.apply(with_interval, axis=1)
            for name, found in compared.measured.items()
        }
    )
    if binary:
        metrics["reference"] = pd.Series({key: f"{value:.3f}" for key, value in REFERENCE.items()})
    keys = [str(key) for key in metrics.index]
    metrics.insert(0, "metric", [METRIC_NAMES[key] for key in keys])
    st.dataframe(
        for_people(metrics.fillna("none")), hide_index=True, alt="Metrics with 95 % intervals, one column per run"
    )
    st.caption(f"{compared.source}. In brackets the 95 % confidence interval over lesions.")
    if not binary:
        with st.expander("What each metric says"):  # in the table it would be cut beside three runs
            st.markdown("\n".join(f"- **{METRIC_NAMES[key]}**: {METRICS[key].description}" for key in keys))
    for name in compared.without:
        st.caption(f":material/info: Run {literal(name)} has no images for this view.")
    own_split = run.config.split_fingerprint
    if any(cached_runs.run(name).config.split_fingerprint != own_split for name in beside):
        st.caption(
            ":material/warning: These runs were split differently: only images that are in the test set of both are "
            "compared below, if there are any."
        )
    differences = {
        name: minus
        for name in beside
        if (minus := cached_results.paired(run, cached_runs.run(name), compared.view)) is not None
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


def draw_classes(compared: Compared) -> None:
    """Each class by itself: a chart, and the same figures as a table."""
    each, classes = cached_results.per_class(compared.run, compared.view), compared.counts.classes
    st.plotly_chart(
        result_figures.per_class(each, classes),
        config=PLAIN,
        alt="Sensitivity, specificity, precision, F1 and AUROC of each class, with 95 % intervals",
    )
    st.caption(
        f"Further right is better; a long line means few lesions, so little is known. Lines: 95 % confidence "
        f"intervals over lesions. {compared.source}."
    )
    text = each.assign(text=each.apply(with_interval, axis=1)).set_index(["class", "metric"])["text"].to_dict()
    wide = pd.DataFrame(
        {
            "class": [code if code in BINARY else f"{name_of(code)} ({code})" for code in classes],
            "n": compared.counts.totals,
            **{
                title: [text[code, metric] for code in classes]
                for metric, title in result_figures.CLASS_METRICS.items()
            },
        }
    )
    st.dataframe(wide, hide_index=True, alt="The same figures as a table")


def draw_roc(compared: Compared) -> None:
    """ROC curves of each class against the rest."""
    each = cached_results.per_class(compared.run, compared.view)
    auroc = each[each["metric"] == "auroc"]
    areas = dict(zip(auroc["class"], auroc["value"], strict=True))
    left, _ = st.columns([3, 1])
    left.plotly_chart(
        result_figures.roc_by_class(cached_results.roc_curves(compared.run, compared.view), areas),
        alt="ROC curves of each class against the rest",
    )
    st.caption(f"Each class against all others: the nearer to the upper left corner, the better. {compared.source}.")


def draw_training(run: Run) -> None:
    """How the run was trained, epoch by epoch."""
    history = run.history
    if history.empty:
        st.info("This run kept no history of its training.", icon=":material/info:")
        return
    monitor = run.config.settings.training.monitor.removeprefix("select_")
    watched = history[(history["phase"] == "select") & (history["metric"] == monitor)]
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
