"""The four outcomes of every change as bars, and the images that changed sides under one of them, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import state, visit
from app.cache import images as cached_images
from app.cache import robustness as measured
from app.cache.drawn import FinishedFigure, drawn_once
from app.components import choose
from app.figures import under_changes as figures
from app.figures.style import percent
from app.gallery import Entry, Order, pictures
from app.widgets.gallery import Word
from lesion_core.analysis.robustness.outcomes import OUTCOMES
from lesion_core.analysis.robustness.severities import Answers
from lesion_core.foreign_text import for_people
from lesion_core.imaging.changes.registry import CHANGES
from lesion_core.ood.policy import Policy
from lesion_core.runs.classifier import Run

TURNED = {"correct_then_wrong": "Right, then wrong", "wrong_then_correct": "Wrong, then right"}
"""Outcomes whose images are shown: keys of `OUTCOMES`."""
A_PAGE = 6
"""Images beside the bars."""


def name_of(change: str) -> str:
    """What a person reads for a change."""
    return CHANGES[change].name if change in CHANGES else change


def forget_page() -> None:
    """Other images begin with their first page."""
    visit.change_link({state.PAGE: None})


def draw(asked: tuple[Run, int, Policy | None], view: str, change: str, found: Mapping[str, Answers]) -> None:
    """The bars left, the images of the chosen piece right.

    Args:
        asked: The run, when its file was written, and the policy that holds.
        view: A key of `VIEWS`.
        change: The chosen one.
        found: The run's answers by change.
    """
    run, changed, policy = asked
    key = f"outcomes {run.name} {view}"

    def take_click() -> None:
        points = st.session_state[key].selection.points
        if points:
            clicked, outcome = (str(one) for one in points[0]["customdata"][:2])
            st.session_state[state.CHANGE] = clicked
            turned = outcome if outcome in TURNED else next(iter(TURNED))
            st.session_state[state.SIDES] = turned
            unasked = turned == next(iter(TURNED))
            visit.change_link({state.CHANGE: clicked, state.SIDES: None if unasked else turned, state.PAGE: None})

    left, right = st.columns([5, 4], gap="large")
    with right:
        turned = choose("Images that changed sides", TURNED, state.SIDES, buttons=True, on_change=forget_page)
        draw_images(run, changed, view, policy, change, turned, found[change])
    with left:
        st.plotly_chart(
            bars(run, changed, view, change, turned),
            key=key,
            on_select=take_click,
            selection_mode="points",
            config={"displayModeBar": False},
            alt="The share of images with each of four outcomes under each change",
        )
        st.caption("Click a piece of a bar to see its images. The change that makes most images wrong comes first.")


@drawn_once("Counting …")
def bars(run: Run, changed: int, view: str, change: str, turned: str) -> FinishedFigure:
    """A bar per change, the one that makes most images wrong first."""
    each = {key: table for key, table in measured.outcomes(run, changed, view).items() if key}
    lost = {key: float(t["share"][t["outcome"] == "correct_then_wrong"].iloc[0]) for key, t in each.items()}
    order = sorted(each, key=lambda key: -lost[key])
    names = {key: name_of(key) for key in order}
    return FinishedFigure(figures.outcome_bars({key: each[key] for key in order}, names, (change, turned)))


def draw_images(
    run: Run, changed: int, view: str, policy: Policy | None, change: str, turned: str, answers: Answers
) -> None:
    """The images with an outcome: themselves where they are here, else their ids and figures."""
    if visit.truth_is_hidden():
        st.info(
            "That an answer became wrong tells the truth, which is hidden. To see these images, switch off *Hide the "
            "truth* in the sidebar.",
            icon=":material/visibility_off:",
        )
        return
    every = measured.sides(run, changed, view, policy, change)
    table = every[every["outcome"] == turned].reset_index(drop=True)
    name = name_of(change)
    st.markdown(
        f"**{name}: {len(table):,} of {len(answers.truth):,} images**",
        help=f"{OUTCOMES[turned]} First those that turn at the lowest severity, of these the surest.",
    )
    if table.empty:
        st.caption("None.")
        return
    root = state.data_root()
    here = cached_images.all_real_samples(root, run.config.settings.images) if root else {}
    if not any(image_id in here for image_id in table["image_id"]):
        draw_ids(table, answers.kept is not None)
        return

    def entries(places: NDArray[np.intp]) -> Sequence[Entry]:
        return [entry(table.iloc[i], answers.kept is not None) for i in places.tolist()]

    def entry(row: pd.Series, rejects: bool) -> Entry:
        image = str(row["image_id"])
        out = row["rejected_at"]
        in_time = np.isfinite(out) and out <= row["severity"]
        words = (Word("NOTICED", "unknown") if in_time else Word("NOT NOTICED", "bad"),)
        said = f"severity {row['severity']}: {row['answer'] or 'undecided'}, {percent(float(row['confidence']))}"
        when = "never rejected" if np.isnan(out) else f"rejected from {int(out)} on"
        shown = rejects and turned == "correct_then_wrong"
        facts = (said, when) if rejects else (said,)
        return Entry(image, image, here.get(image), facts, words if shown else (), truth=str(row["truth"]))

    places = np.arange(len(table))
    pictures(
        len(table),
        entries,
        key="changed sides",
        label=f"Images that changed sides under {name.lower()}",
        noun=None,
        orders=(
            Order("first", "turned at the lowest severity first", places),
            Order("surest", "surest first", table["confidence"], highest_first=True),
        ),
        opens="robustness",
        query={state.RUN: run.name, state.CHANGE: change},
        run=run,
        a_page=A_PAGE,
    )
    st.caption("In small type the first severity at which the side is another, the answer there and its confidence.")


def draw_ids(table: pd.DataFrame, rejects: bool) -> None:
    """The images that are not on this machine, by their ids."""
    told = table.drop(columns=["outcome", *([] if rejects else ["rejected_at"])])
    told = told.rename(columns={"image_id": "image", "rejected_at": "rejected from"})
    st.dataframe(
        for_people(told),
        hide_index=True,
        height=min(36 * (len(told) + 1) + 2, 500),
        column_config={"confidence": st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1)},
        alt="Images that changed sides",
    )
    st.caption("The images themselves are shown where the data folder is: set `LESION_DATA` to it.")
