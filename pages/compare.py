"""What a run gets right and what it mistakes, in every view, beside other runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import images as cached_images
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.compare.lessons import lessons
from app.components import badges, choose, current_run, how_to_read, metric_with_interval, page_title
from app.figures import results as result_figures
from app.figures.style import name_of, percent
from app.reliability import show_calibration
from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
from lesion_core.analysis.metrics import METRIC_NAMES, METRICS, confusion
from lesion_core.errors import RunError
from lesion_core.labels import BINARY

# What an earlier project published for the binary view; its split was by image.
REFERENCE = {"accuracy": 0.880, "precision": 0.675, "recall": 0.745, "f1": 0.708}
EARLIER = pd.DataFrame({"value": REFERENCE, "low": np.nan, "high": np.nan})
# The figures beside the matrix, and how many runs are there unasked.
FIRST = ("balanced_accuracy", "macro_auroc", "accuracy", "macro_f1")
FIRST_BINARY = tuple(REFERENCE)
COMPARED = 4

run = current_run()
title = st.container()

# One row of controls: only the views that the run has images for.
views = {key: found for key in EVALUATION_SETS if (found := cached_results.answers(run, key)) is not None}
if not views:
    raise RunError(f"Run {run.name} has no scored images.", "Score it with `evaluate`, or choose another run.")
with st.container(horizontal=True, vertical_alignment="center"):
    view = choose(
        "Images and classes",
        {key: EVALUATION_SETS[key].short for key in views},
        state.VIEW,
        buttons=True,
        label_visibility="collapsed",
    )
    labels = st.container(width="content")
    # Runs that were split alike have the same test pictures: those are compared unless somebody takes them away.
    everything = cached_runs.runs()[0]
    alike = [found.name for found in everything if found.config.split_fingerprint == run.config.split_fingerprint]
    chosen_runs = (
        list(
            st.multiselect(
                "Runs to compare",
                [found.name for found in everything],
                default=alike[:COMPARED],
                key=state.FURTHER_RUNS,
                bind="query-params",
                placeholder="Runs to compare",
                label_visibility="collapsed",
            )
        )
        if len(everything) > 1
        else []
    )
further = [name for name in chosen_runs if name != run.name]
data, predicted = views[view], views[view].predicted
k = len(data.classes)
totals = np.bincount(data.truth, minlength=k)
counts = confusion(data.truth, predicted, k)
n_images, n_lesions = len(data.truth), len(np.unique(data.groups))
split = EVALUATION_SETS[view].split
# The answer needs no intervals, so it and the matrix are there at once.
worst = "MEL" if "MEL" in data.classes else "malignant" if "malignant" in data.classes else data.classes[0]
row = counts[(at := data.classes.index(worst))].copy()
row[at] = 0
recalls = np.diag(counts)[totals > 0] / totals[totals > 0]
with title:
    mistake = (
        f" Of {totals[at]:,} {worst if worst in BINARY else name_of(worst)} pictures it finds "
        f"**{percent(counts[at, at] / totals[at])}**"
        + (f", and takes {row.max():,} for {name_of(data.classes[int(row.argmax())])}." if row.any() else ".")
        if totals[at]
        else ""
    )
    page_title(
        "How good is the model, and what does it mistake?",
        f"**{run.name}** names on average **{percent(float(recalls.mean()))}** of each class right (balanced accuracy)."
        + mistake,
    )
with labels:
    badges(
        ("real dermoscopy", "blue"),
        (f"{split} split", "green" if split == "test" else "orange"),
        (f"n = {n_images:,} images, {n_lesions:,} lesions", "gray"),
    )

main, side = st.columns([5, 3] if further else [3, 1], gap="large")
below = st.container()


def name_cell(truth: str, description: str) -> str:
    return f"{truth} as {description}"


pairs = [(data.classes[i], data.classes[j]) for i, j in np.argwhere(counts).tolist()]
cells = {name_cell(*pair): pair for pair in pairs}
matrix_key = f"confusion_{run.name}_{view}"


def take_click() -> None:
    """A click on the matrix chooses the cell in the list below, which is what the link keeps."""
    points = st.session_state[matrix_key].selection.points
    chosen_cell = name_cell(*points[0]["customdata"][:2]) if points else None
    st.session_state[state.CELL] = chosen_cell if chosen_cell in cells else None


if st.session_state.get(state.CELL) is not None and st.session_state[state.CELL] not in cells:
    st.session_state[state.CELL] = None  # a cell of another view
with below:
    caption = st.container()
    cell = st.selectbox(
        "Images of a cell",
        list(cells),
        index=None,
        key=state.CELL,
        bind="query-params",
        placeholder="Click a cell of the matrix, or choose one here: truth as prediction",
    )
chosen = cells.get(str(cell))
with main:
    st.plotly_chart(
        result_figures.confusion_matrix(counts, data.classes, totals, chosen),
        key=matrix_key,
        on_select=take_click,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Confusion matrix of {run.name}, {EVALUATION_SETS[view].name}: rows are the truth, columns what the "
        "model says.",
    )
names = [found.name for found in everything if found.name == run.name or found.name in further]
with side:
    measured = {
        name: summary.table.set_index("metric")
        for name in names
        if (summary := cached_results.view_summary(cached_runs.run(name), view)) is not None
    }
own, beside = measured[run.name], [name for name in further if name in measured]
first = FIRST_BINARY if data.classes == BINARY else FIRST
with side:
    if beside:
        st.plotly_chart(
            result_figures.runs_side_by_side(
                measured if data.classes != BINARY else measured | {"earlier project": EARLIER},
                {key: METRIC_NAMES[key] for key in first},
                run.name,
            ),
            config={"displayModeBar": False},
            alt=f"Figures of {run.name} beside {', '.join(beside)}, with intervals",
        )
    else:
        with st.container(gap="xxsmall"):
            for key in first:
                reference = f", reference {REFERENCE[key]:.3f}" if data.classes == BINARY else ""
                metric_with_interval(METRIC_NAMES[key] + reference, own.T[key])
undecided = n_images - int(counts.sum())
caption.caption(
    f"**{EVALUATION_SETS[view].name}.** {EVALUATION_SETS[view].description} A row is a true class, a cell its "
    "pictures and their share of the row; darker is more. "
    + ("Dots further right are better; their lines" if beside else "Small figures")
    + ": 95 % interval, by lesion."
    + (f" {undecided} undecided pictures are in no column." if undecided else "")
    + (
        " The reference is an earlier project's; its split was by image, so pictures of one lesion were on both sides, "
        "which flatters."
        if data.classes == BINARY
        else ""
    )
)

# The images of a cell, by click or by keyboard.
if chosen:
    i, j = (data.classes.index(code) for code in chosen)
    inside = (data.truth == i) & (predicted == j)
    table = pd.DataFrame(
        {
            "image": data.table["image_id"].to_numpy(str)[inside],
            "truth": data.table["label"].to_numpy(str)[inside],
            "the model says": data.classes[j],
            "confidence": data.probabilities[inside, j],
            "data set": data.table["dataset"].to_numpy(str)[inside],
        }
    ).sort_values("confidence", ascending=False, ignore_index=True)
    root = state.data_root()
    if root:
        here = table["image"].isin(list(cached_images.all_real_samples(root)))
        links = f"analyse?{state.RUN}={run.name}&{state.IMAGE}=" + table["image"]
        table["open"] = links.where(here, None)
    st.dataframe(
        table,
        hide_index=True,
        height=min(36 * (len(table) + 1) + 2, 300),
        column_config={
            "confidence": st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1),
            "open": st.column_config.LinkColumn("look at it", display_text="Analyse", width="small"),
        },
        alt=f"Images of {chosen[0]} that the model calls {chosen[1]}",
    )
    st.caption(
        f"{len(table):,} images, the surest first, {split} split."
        + ("" if root else " Their pictures are shown where the data folder is: set LESION_DATA to it.")
    )

# The detail. Only the open tab is computed.
tabs = st.tabs(
    ["Metrics", "Each class", "ROC curves", "Calibration", "Training", "Model card", "Lessons"],
    key=state.TAB,
    bind="query-params",
)
role = "" if "split" in EVALUATION_SETS[view].name.lower() else f", {split} split"
source = f"{EVALUATION_SETS[view].name}{role}, n = {n_images:,} images of {n_lesions:,} lesions"


def with_interval(row: pd.Series) -> str:
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})" if pd.notna(row["value"]) else "none"


def difference(row: pd.Series) -> str:
    if row[["value", "low", "high"]].isna().any():
        return "not known"
    told = f"{row['value']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
    return told if row["low"] <= 0 <= row["high"] else f"{told} *"


if tabs[0].open:
    with tabs[0]:
        metrics = pd.DataFrame(
            {
                f"{name}, n = {found['n_images'].max():,}": found.apply(with_interval, axis=1)
                for name, found in measured.items()
            }
        )
        if data.classes == BINARY:
            metrics["reference"] = pd.Series({key: f"{value:.3f}" for key, value in REFERENCE.items()})
        metrics.insert(0, "metric", [METRIC_NAMES[key] for key in metrics.index])
        st.dataframe(metrics.fillna("none"), hide_index=True, alt="Metrics with 95 % intervals, a column a run")
        st.caption(f"{source}. In brackets the 95 % interval, by lesion.")
        if data.classes != BINARY:
            with st.expander("What each metric says"):  # in the table it would be cut beside three runs
                st.markdown(
                    "\n".join(f"- **{METRIC_NAMES[key]}**: {METRICS[key].description}" for key in metrics.index)
                )
        for name in sorted(set(further) - set(beside)):
            st.caption(f":material/info: Run {name} has no images for this view.")
        if any(cached_runs.run(name).config.split_fingerprint != run.config.split_fingerprint for name in beside):
            st.caption(
                ":material/warning: These runs were split differently: only pictures that are test for both are "
                "compared below, if there are any."
            )
        differences = {
            name: less
            for name in beside
            if (less := cached_results.paired(run, cached_runs.run(name), view)) is not None
        }
        if differences:
            st.markdown(f"**Difference to {run.name}, on the same pictures**")
            told = pd.DataFrame(
                {
                    f"{name}, n = {less['n_images'].max():,}": less.set_index("metric").apply(difference, axis=1)
                    for name, less in differences.items()
                }
            )
            told.insert(0, "metric", [METRIC_NAMES[key] for key in told.index])
            st.dataframe(told, hide_index=True, alt=f"Differences to {run.name} with 95 % intervals")
            st.caption(
                "The other run's figure less this run's. Where the 95 % interval (the same resampled lesions "
                "for both) holds 0, chance alone could have made the difference; a star marks the others."
                + ("" if data.classes == BINARY else " Of Brier score, calibration error and log loss, less is better.")
            )
if tabs[1].open:
    with tabs[1]:
        each = cached_results.per_class(run, view)
        st.plotly_chart(
            result_figures.per_class(each, data.classes),
            config={"displayModeBar": False},
            alt="Sensitivity, specificity, precision, F1 and AUROC of each class, with 95 % intervals",
        )
        st.caption(f"Further right is better; a long line means few lesions, so little is known. {source}.")
        text = each.assign(text=each.apply(with_interval, axis=1)).set_index(["class", "metric"])["text"]
        wide = pd.DataFrame({m: [text[code, m] for code in data.classes] for m in result_figures.CLASS_METRICS})
        wide.columns = list(result_figures.CLASS_METRICS.values())
        wide.insert(0, "n", totals)
        wide.insert(0, "class", [code if code in BINARY else f"{name_of(code)} ({code})" for code in data.classes])
        st.dataframe(wide, hide_index=True, alt="The same figures as a table")
if tabs[2].open:
    with tabs[2]:
        each = cached_results.per_class(run, view)
        auroc = each[each["metric"] == "auroc"]
        areas = dict(zip(auroc["class"], auroc["value"], strict=True))
        left, _ = st.columns([3, 1])
        with left:
            st.plotly_chart(
                result_figures.roc_by_class(cached_results.roc_curves(run, view), areas),
                alt="ROC curves of each class against the rest",
            )
        st.caption(f"Each class against all others: the nearer to the upper left corner, the better. {source}.")
if tabs[3].open:
    with tabs[3]:
        show_calibration(run, data, source)
if tabs[4].open:
    with tabs[4]:
        history = run.history
        if history.empty:
            st.info("This run kept no history of its training.", icon=":material/info:")
        else:
            monitor = run.config.settings.training.monitor.removeprefix("select_")
            watched = history[(history["phase"] == "select") & (history["metric"] == monitor)]
            best = None
            if not watched.empty:
                place = watched["value"].argmin() if monitor == "loss" else watched["value"].argmax()
                best = int(watched["epoch"].iloc[place])
            st.plotly_chart(
                result_figures.training_history(history, best),
                config={"displayModeBar": False},
                alt="Loss and balanced accuracy by epoch",
            )
            st.caption(
                "Where the loss of train falls and that of select rises, the model learns by heart. "
                + (
                    f"The dotted line is the epoch with the best {monitor.replace('_', ' ')} on select. "
                    if best is not None
                    else ""
                )
                + f"train n = {run.config.counts.get('train', 0):,}, select n = {run.config.counts.get('select', 0):,}."
            )
if tabs[5].open:
    with tabs[5]:
        st.markdown(run.card)
if tabs[6].open:
    with tabs[6]:
        lessons()

how_to_read(
    "*Accuracy* counts pictures, so it speaks mostly of the common mole; *balanced accuracy* counts each class alike.",
    "The interval says how far the figure could move with other lesions of the same kind. It says nothing of other "
    "clinics, cameras or skins: look at *Official ISIC 2018* for a hint of that.",
    "Only *test* was never chosen on. Figures of *select* and *calibrate* flatter the model and are here to compare.",
    "A missed melanoma and a mole called melanoma are one mistake each here, and are not the same to a patient.",
)
