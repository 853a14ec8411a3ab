"""What a run gets right and what it mistakes, in every view, beside other runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from app import state
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.compare import tabs
from app.compare.cell import draw_cell, forget_page
from app.compare.lessons import lessons
from app.components import (
    badges,
    choose,
    current_run,
    how_to_read,
    open_tabs,
    page_title,
)
from app.figures.style import name_of, percent
from app.foreign_text import literal
from lesion_core.analysis.confusion import Confusion, confusion_of
from lesion_core.analysis.evaluation_sets import EVALUATION_SETS, EvaluationData, EvaluationSet
from lesion_core.config import ROLE_NAMES
from lesion_core.errors import RunError
from lesion_core.foreign_text import visible
from lesion_core.labels import BINARY
from lesion_core.runs.classifier import Run

COMPARED = 4  # runs that are there unasked


def draw(run: Run) -> None:
    """The page.

    Raises:
        RunError: The run has no scored images.
    """
    said = st.container()
    view, data, others = draw_controls(run)
    entry, counts = EVALUATION_SETS[view], confusion_of(data)
    said.markdown(headline(run.name, counts))  # it and the matrix need no intervals, so they are there at once
    pairs = [(data.classes[i], data.classes[j]) for i, j in np.argwhere(counts.counts).tolist()]
    cells = {f"{truth} as {answer}": (truth, answer) for truth, answer in pairs}
    above, below = st.container(), st.container()
    with below:
        caption = st.container()
        cell = draw_cell_list(cells)
    with above:
        main, side = st.columns([5, 3] if cell or others else [3, 1], gap="large")
    with main:
        draw_matrix(run, view, cells, cell)
    with side:
        if cell:
            draw_cell(run, view, cell)
        else:
            tabs.draw_figures(run, view, others)
    binary = data.classes == BINARY
    beside = None if cell else len(tabs.measured_of(run, view, others)) > 1
    caption.caption(explanation(entry, counts, beside, binary))
    open_tabs(
        {
            "Metrics": lambda: tabs.draw_metrics(run, view, others),
            "Each class": lambda: tabs.draw_classes(run, view),
            "ROC curves": lambda: tabs.draw_roc(run, view),
            "Calibration": lambda: tabs.draw_calibration(run, view),
            "Training": lambda: tabs.draw_training(run),
            "Model card": lambda: draw_card(run),
            "Lessons": lessons,
        }
    )


def draw_controls(run: Run) -> tuple[str, EvaluationData, tuple[Run, ...]]:
    """One row: the evaluation set, its badges, and the runs to compare.

    Returns:
        The chosen evaluation set's key, its images, and the other runs that were chosen.
    """
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
        data, role = views[view], EVALUATION_SETS[view].split
        with st.container(width="content"):
            badges(
                ("real dermoscopy", "blue"),
                (ROLE_NAMES[role], "green" if role == "test" else "orange"),
                (f"n = {len(data.truth):,} images, {len(np.unique(data.groups)):,} lesions", "gray"),
            )
        # Runs that were split alike have the same test images: those are compared unless somebody takes them away.
        everything = cached_runs.runs()[0]
        alike = [found.name for found in everything if found.config.split_fingerprint == run.config.split_fingerprint]
        if len(everything) < 2:
            return view, data, ()
        chosen = st.multiselect(
            "Runs to compare",
            [found.name for found in everything],
            default=alike[:COMPARED],
            key=state.FURTHER_RUNS,
            bind="query-params",
            placeholder="Runs to compare",
            label_visibility="collapsed",
            width=500,  # the names of three runs; on a line of its own where the rest leaves less
        )
        return view, data, tuple(found for found in everything if found.name in chosen and found.name != run.name)


def headline(name: str, counts: Confusion) -> str:
    """The answer of the page: how much is right, and what happens to the class that matters most."""
    classes = counts.classes
    worst = "MEL" if "MEL" in classes else "malignant" if "malignant" in classes else classes[0]
    said = (
        f"**{literal(name)}** gets **{percent(counts.balanced_accuracy)}** of each class right on average "
        "(balanced accuracy)."
    )
    at = classes.index(worst)
    if not counts.totals[at]:
        return said
    what = worst if worst in BINARY else name_of(worst)
    said += f" Of {counts.totals[at]:,} {what} images it finds **{percent(float(counts.recall[at]))}**"
    mistaken = counts.taken_for(worst)
    return f"{said}, and mistakes {mistaken[1]:,} for {name_of(mistaken[0])}." if mistaken else f"{said}."


def draw_cell_list(cells: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """The list in which a cell of the matrix is chosen, by keyboard too; the truth and the answer of the chosen one."""
    if st.session_state.get(state.CELL) is not None and st.session_state[state.CELL] not in cells:
        st.session_state[state.CELL] = None  # a cell of another view
    chosen = st.selectbox(
        "Images of a cell",
        list(cells),
        index=None,
        key=state.CELL,
        bind="query-params",
        placeholder="Click a cell of the matrix, or choose one here: truth as prediction",
        on_change=forget_page,
    )
    return cells.get(str(chosen))


def draw_matrix(run: Run, view: str, cells: Mapping[str, tuple[str, str]], chosen: tuple[str, str] | None) -> None:
    """The confusion matrix; a click chooses the cell in the list below, which is what the link keeps."""
    key = f"confusion_{run.name}_{view}"

    def take_click() -> None:
        points = st.session_state[key].selection.points
        pair = tuple(points[0]["customdata"][:2]) if points else None
        st.session_state[state.CELL] = next((cell for cell, known in cells.items() if known == pair), None)
        forget_page()

    st.plotly_chart(
        tabs.matrix(run, view, chosen),
        key=key,
        on_select=take_click,
        selection_mode="points",
        config=tabs.PLAIN,
        alt=f"Confusion matrix of {visible(run.name)}, {EVALUATION_SETS[view].name}: rows are the truth, columns what "
        "the model says.",
    )


def explanation(entry: EvaluationSet, counts: Confusion, beside: bool | None, binary: bool) -> str:
    """How to read the matrix and the figures beside it: of several runs, of one, or none where images stand there."""
    figures = {
        True: " Dots further right are better; their lines: 95 % confidence interval over lesions.",
        False: " In small type: 95 % confidence interval over lesions.",
        None: "",
    }
    return (
        f"**{entry.name}.** {entry.description} A row is a true class, a cell its images and their share of the row; "
        "darker is more."
        + figures[beside]
        + (f" {counts.undecided:,} undecided images are in no column." if counts.undecided else "")
        + (
            " The reference is an earlier project's; its split was by image, so images of one lesion were on both "
            "sides, which makes it look better than it is."
            if binary
            else ""
        )
    )


def draw_card(run: Run) -> None:
    """The run's card, made anew from its tables: no hash covers the file."""
    st.markdown(cached_results.card_of(run))


page_title("How good is the model, and what does it mistake?")
draw(current_run())
how_to_read(
    "*Accuracy* counts images, so it speaks mostly of the common mole; *balanced accuracy* counts each class alike.",
    "The interval says how far the figure could move with other lesions of the same kind. It says nothing of other "
    "clinics, cameras or skins: look at *Official ISIC 2018* for a hint of that.",
    "Only the *test set* was never chosen on. Figures of the *validation* and *calibration set* make the model look "
    "better than it is and are here to compare.",
    "A missed melanoma and a mole called melanoma are one mistake each here, and are not the same to a patient.",
)
