"""The whole test set under every change: errors along the severity, what is rejected, and which images change sides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import robustness as measured
from app.cache import runs as cached_runs
from app.cache.drawn import FinishedFigure, drawn_once
from app.components import badges, choose, how_to_read
from app.figures import under_changes as figures
from app.figures.style import percent
from app.foreign_text import literal
from app.robustness import errors, sides
from app.robustness.sides import forget_page, name_of
from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
from lesion_core.analysis.robustness.severities import FIGURES, Answers
from lesion_core.errors import LesionError
from lesion_core.foreign_text import visible
from lesion_core.imaging.changes.registry import CHANGES
from lesion_core.ood.policy import Policy
from lesion_core.runs.classifier import Run

Asked = tuple[Run, int, Policy | None]
"""A run, when its file was written, and the policy that holds for it."""
PLAIN = {"displayModeBar": False}
ALONG = {
    "balanced_error": "Balanced error",
    "error": "Error",
    "calibration_error": "Calibration error",
    "error_kept": "Error of what is answered",
}
"""Figures that can be drawn over the severity: keys of `FIGURES`, and what stands on their buttons."""


def draw(run: Run) -> None:
    """The tab.

    Raises:
        RunError: The run's file is damaged.
    """
    asked = asked_of(run)
    views = measured.views(*asked[:2]) if asked else ()
    if asked is None or not views:
        missing(run)
        return
    view = choose(
        "Images and classes",
        {key: EVALUATION_SETS[key].short for key in views},
        state.TEST_VIEW,
        buttons=True,
        label_visibility="collapsed",
        on_change=forget_page,
    )
    found = measured.answers(*asked[:2], view, asked[2])
    if not found:
        missing(run)
        return
    st.markdown(headline(run, asked[1], view))
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        change = choose("Change", {key: name_of(key) for key in found}, state.CHANGE, on_change=forget_page)
    with right:
        keeps = found[change].kept is not None
        shown = {key: title for key, title in ALONG.items() if key != "error_kept" or keeps}
        figure = choose("Figure", shown, state.FIGURE, buttons=True)
    others, absent = beside(run)
    draw_curves((asked, *others), view, change, figure)
    badges(
        ("real dermoscopy", "blue"),
        ("test set, a sample drawn at random", "green"),
        (images_of(found[change]), "gray"),
    )
    if absent:
        names = ", ".join(literal(other.name) for other in absent)
        st.caption(f":material/info: Not measured for {names} yet: `python -m lesion_core robustness` measures it.")
    st.subheader("Right or wrong, before and after", anchor=False)
    sides.draw(asked, view, change, found)
    st.subheader("Which change hurts which diagnosis", anchor=False)
    draw_lost(run, asked[1], view)
    st.subheader("Balanced errors, and in the unit of AlexNet's", anchor=False)
    errors.draw((asked, *others), view)
    how_to_read(
        "A line is a run, its band the 95 % confidence interval over lesions. Severity 0 is the same images as they "
        "are; the severities of one image are repeated measures, never more lesions.",
        "Beside the error stands what the policy rejects: where the error rises and the rejected share does not, the "
        "loss goes unnoticed.",
        "A bar is all images under one change: *right, then wrong* is at one severity or more. The four outcomes are "
        "those of Young et al. 2021 (npj Digital Medicine 4:10).",
        f"Many figures stand here: {len(found)} changes in five severities. Some stand out by chance; take this page "
        "as an exploration, and test again what you find.",
        "Changes that a run's training drew itself flatter it, and a change made by code is not another clinic.",
    )


def asked_of(run: Run) -> Asked | None:
    """What is asked about a run; None where it has no file."""
    changed = measured.measured_at(run)
    return (run, changed, measured.policy_if_any(run)) if changed else None


def beside(run: Run) -> tuple[tuple[Asked, ...], list[Run]]:
    """The other runs that have a file that can be used, and those that have none."""
    have, lack = [], []
    for other in cached_runs.runs()[0]:
        if other.name == run.name:
            continue
        asked = asked_of(other)
        try:
            usable = asked is not None and measured.table(*asked[:2]) is not None
        except LesionError:  # told where that run is looked at
            usable = False
        if asked is not None and usable:
            have.append(asked)
        else:
            lack.append(other)
    return tuple(have), lack


def missing(run: Run) -> None:
    """The command that makes what is missing."""
    st.caption("Not measured for this run yet. This command measures it, with the folder of the data for DATA:")
    st.code(f"python -m lesion_core robustness checkpoints/{run.name} --data DATA", language=None)


def places_of_runs() -> Mapping[str, int]:
    """The place of each run in the list of all, for its look."""
    return {found.name: place for place, found in enumerate(cached_runs.runs()[0])}


def images_of(answers: Answers) -> str:
    """How many images and lesions there are."""
    return f"n = {len(answers.truth):,} images, {len(np.unique(answers.groups)):,} lesions"


def headline(run: Run, changed: int, view: str) -> str:
    """How many images some change makes wrong, and which change costs most."""
    together = measured.outcomes(run, changed, view).get("")
    lost = measured.lost(run, changed, view).groupby("change")["lost"].mean()
    said = ""
    if together is not None:
        row = together[together["outcome"] == "correct_then_wrong"].iloc[0]
        said = (
            f"**{percent(row['share'])}** ({percent(row['low'])} to {percent(row['high'])}) of the images are answered "
            "rightly as they are and wrongly under one change or more. "
        )
    worst = str(lost.idxmax())
    return (
        f"{said}**{name_of(worst)}** costs most: on average over its severities it takes "
        f"{100 * lost[worst]:.0f} percentage points from the balanced accuracy."
    )


def draw_curves(asked: tuple[Asked, ...], view: str, change: str, figure: str) -> None:
    """A figure along the severity left, what is rejected right."""
    places = tuple(places_of_runs().items())
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            along(asked, view, change, figure, places),
            config=PLAIN,
            alt=f"{ALONG[figure]} over the severity of {name_of(change).lower()}, a line per run",
        )
        st.caption(f"{ALONG[figure]}: {FIGURES[figure]}. Lower is better; a flat line is a model that stands it.")
    with right:
        rejected = along(asked, view, change, "rejected", places)
        if rejected is None:
            st.caption(
                "No policy rejects anything: `python -m lesion_core ood tune` chooses one, and `robustness` then keeps "
                "its scores."
                if asked[0][2] is None
                else "The policy that holds looks at other scores than the file has; `python -m lesion_core "
                "robustness` computes those of the run's own policy."
            )
        else:
            st.plotly_chart(
                rejected,
                config=PLAIN,
                alt=f"Rejected share over the severity of {name_of(change).lower()}, a line per run",
            )
            st.caption(
                "What the policy rejects; it should rise where the error does. "
                + in_time(*asked[0], view, change)
                + " A threshold tuned on corrupted images has seen dark corners, ink and blur at full strength."
            )
    if change in CHANGES:
        entry = CHANGES[change]
        st.caption(f"**{entry.name}.** {entry.plain} {entry.scale}" + (f" {entry.drawn}" if entry.drawn else ""))


def in_time(run: Run, changed: int, policy: Policy | None, view: str, change: str) -> str:
    """Whether the policy rejects before the answer goes wrong."""
    found = measured.turned_away(run, changed, view, policy, change)
    if found is None:
        return ""
    share = {str(row.outcome): percent(float(row.share)) for row in found.itertuples()}  # type: ignore[arg-type]
    return (
        f"{literal(run.name)}: {share['in_time']} of the images are rejected before or when the answer is first wrong, "
        f"{share['too_late']} later or never, {share['for_nothing']} though it never is."
    )


@drawn_once("Measuring, with intervals …")
def along(
    asked: tuple[Asked, ...], view: str, change: str, figure: str, places: tuple[tuple[str, int], ...]
) -> FinishedFigure | None:
    """A figure along the severity for every run that has it; None where none has.

    Args:
        asked: The runs.
        view: A key of `VIEWS`.
        change: A key of `CHANGES`.
        figure: A key of `FIGURES`.
        places: The place of each run in the list of all.
    """
    tables: dict[str, pd.DataFrame] = {}
    for run, changed, policy in asked:
        found = measured.figures(run, changed, view, policy, change)
        rows = found[found["metric"] == figure] if found is not None else pd.DataFrame()
        if len(rows):
            tables[run.name] = rows
    if not tables:
        return None
    title = "rejected" if figure == "rejected" else ALONG[figure].lower()
    return FinishedFigure(figures.along_severity(tables, dict(places), title))


@drawn_once("Counting …")
def draw_lost(run: Run, changed: int, view: str) -> None:
    """Which diagnosis loses by which change."""
    table = measured.lost(run, changed, view)
    st.plotly_chart(
        figures.lost_by_class(table, {key: name_of(key) for key in table["change"].unique()}),
        config=PLAIN,
        alt=f"Percentage points of sensitivity that each diagnosis loses under each change, {visible(run.name)}",
    )
    st.caption(
        "Percentage points of sensitivity, a mean over the five severities minus the images as they are: orange loses, "
        "teal wins. With few images (n above the column) a cell jumps by itself."
    )
