"""A threshold on a score: what it rejects, who is rejected, and how to choose it honestly."""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.cache import rejection as rejections
from app.cache import runs as cached_runs
from app.components import badges, choose, current_run, how_to_read, open_tabs, page_title, problem
from app.figures.style import percent
from app.out_of_distribution.corrupted_images import draw_corrupted
from app.out_of_distribution.line import KEPT, OWN, PUBLISHED, Line
from app.out_of_distribution.score_tables import draw_rules, draw_scores
from app.out_of_distribution.tabs import draw_calibration, draw_near, draw_save, draw_sets
from app.out_of_distribution.uploads import draw_uploads, your_pictures
from app.out_of_distribution.who import draw_who
from app.widgets.threshold import Mark, ThresholdBins, threshold_line
from lesion_core.config import ROLE_NAMES
from lesion_core.errors import LesionError
from lesion_core.ood.evaluation import EvaluatedScore
from lesion_core.ood.policy import Policy, read_policy
from lesion_core.ood.scores import DEFAULT, PUBLISHED_CONFIDENCE, SCORES
from lesion_core.ood.thresholds import keep_share_threshold
from lesion_core.runs.classifier import Run

LOOK_AT = {"test": "Test set", "calibrate": "Calibration set, to choose"}
# Former titles of tabs, which links still hold. (Not in quotes: of a page, Streamlit draws them.)
RENAMED = {
    "Who pays": "Who is rejected",
    "Ways to choose": "How to choose it",
    "Something wrong": "Corrupted images",
    "The borderline": "Near the threshold",
    "Your pictures": "Your images",
}


@st.fragment
def draw(run: Run) -> None:
    """All that moves with the threshold; only this runs again when the line is let go."""
    try:
        draw_page(run)
    except LesionError as error:  # a fragment's errors do not reach Home.py
        problem(error)


def draw_page(run: Run) -> None:
    """The threshold, its figures and its tabs."""
    head = st.container()
    if st.query_params.get(state.SCORE) not in (None, *SCORES):
        st.session_state["threshold_of"] = None  # on a score that there is no more: nobody chose it on calibrate
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        key = choose("Score", {k: s.name for k, s in SCORES.items()}, state.SCORE, default=DEFAULT, width=280)
        split = choose("Look at", LOOK_AT, state.LOOK_AT, buttons=True)
        field = st.container(width=170)
    judged = rejections.judged(run, key)
    if judged.split(split).empty:
        st.info(f"This run has no images in its {ROLE_NAMES[split]}.", icon=":material/info:")
        return
    own_policy = policy_of_run(run)
    marks = marks_of(run, judged, own_policy)
    uploaded = your_pictures(run, key)
    bins = rejections.bins(run, key, split, tuple(marks), tuple(value for _, _, value in uploaded))
    at = draw_line(run, key, split, bins, marks[0].value if marks else PUBLISHED_CONFIDENCE, field)
    # Marks are edges of bins, so a line on one is exactly on it.
    mark = next((mark.label for mark in marks if mark.value == at), None)
    line = Line(judged, split, at, st.query_params.get(state.MOVED_ON, "test"), mark, own_policy)
    head.markdown(headline(line, bins.decimals))
    draw_badges(line)
    measure = line.measure
    st.caption(f"**{measure.name}**, ${measure.formula}$. {measure.description} {measure.paper}. {measure.cost}")
    open_tabs(
        {
            "Who is rejected": lambda: draw_who(line),
            "How to choose it": lambda: draw_rules(run, key),
            "All scores": lambda: draw_scores(run, key, at),
            "Corrupted images": lambda: draw_corrupted(judged, at),
            "Calibration": lambda: draw_calibration(run),
            "Near the threshold": lambda: draw_near(run, line),
            "Sets": lambda: draw_sets(run),
            "Your images": lambda: draw_uploads(uploaded, judged, at),
            "Save": lambda: draw_save(run, line),
        },
        RENAMED,
    )


def policy_of_run(run: Run) -> Policy | None:
    """The run's own policy; None where there is none, or, told, where it cannot be read: here it can be replaced."""
    try:
        return read_policy(run)
    except LesionError as error:
        problem(error)
        return None


def marks_of(run: Run, judged: EvaluatedScore, own_policy: Policy | None) -> list[Mark]:
    """Thresholds to compare with, as a person reads them: keeping 95 %, as published, the run's own."""
    measure, calibrate = judged.measure, judged.split("calibrate")
    marks = []
    if len(calibrate):
        marks.append(Mark(measure.to_display(keep_share_threshold(calibrate["score"])), KEPT))
    if measure.published is not None:
        marks.append(Mark(measure.published, PUBLISHED))
    if own_policy and own_policy.score == judged.key:
        limits = {limit.score: limit.threshold for limit in own_policy.limits}
        own = cached_runs.scorer(run).threshold(judged.key, limits)
        if own is not None and not (len(calibrate) and np.isclose(measure.to_display(own), marks[0].value)):
            marks.append(Mark(measure.to_display(own), OWN))
    return marks


def draw_line(run: Run, key: str, split: str, bins: ThresholdBins, first: float, field: DeltaGenerator) -> float:
    """The threshold as a line that is dragged and as a number that is typed; where it stands.

    Args:
        run: The run.
        key: A key of `SCORES`.
        split: What is looked at.
        bins: The counts on either side of it.
        first: Where it stands unless it was moved.
        field: Where the number is typed.
    """

    def moved() -> None:
        # In the link too: a reload must not turn a threshold that was tuned on test into an honest one.
        st.query_params[state.MOVED_ON] = split

    def take(value: float) -> None:
        moved()
        st.session_state[state.THRESHOLD] = value

    default = bins.snap(first)
    asked = [run.fingerprint, key]
    if st.session_state.setdefault("threshold_of", asked) != asked:
        # Another score, and another run, have other numbers. The link's own is bound: it is set, never deleted.
        st.session_state["threshold_of"], st.session_state[state.THRESHOLD] = asked, default
        st.query_params.pop(state.MOVED_ON, None)
    threshold = field.number_input(
        "Threshold",
        value=default,
        step=float(10.0**-bins.decimals),
        format=f"%.{bins.decimals}f",
        key=state.THRESHOLD,
        bind="query-params",
        help="Drag the line, or type it here.",
        on_change=moved,
    )
    return threshold_line(bins, float(threshold), key=f"line_{key}_{split}", on_release=take)


def headline(line: Line, decimals: int) -> str:
    """The answer of the page: how much is answered, how much of that is right, what slips through."""
    kept, strange = ~line.rejected, line.strange
    correct = line.table["correct"].to_numpy(bool)[kept]
    accepted = (
        f" and accepts **{percent(1 - float(strange.mean()), 1)}** of the non-lesion images" if len(strange) else ""
    )
    return (
        f"At {line.at:.{decimals}f} the model answers **{percent(float(kept.mean()))}** of the dermoscopic images of "
        f"the {ROLE_NAMES[line.split]}, is right in **{percent(float(correct.mean()) if len(correct) else np.nan)}** "
        f"of these{accepted}."
    )


def draw_badges(line: Line) -> None:
    """What is looked at, and how the threshold came about."""
    by_hand = ("by eye, on calibration", "orange") if line.honest else ("chosen on test: not valid", "red")
    badges(
        ("real dermoscopy", "blue"),
        (f"{ROLE_NAMES[line.split]}, n = {len(line.table):,}", "green" if line.split == "test" else "orange"),
        (f"non-lesion images, n = {len(line.strange):,}", "gray"),
        (f"threshold: {line.mark}", "green") if line.mark else by_hand,
    )


page_title("What does a threshold cost, and whom?")
draw(current_run())
how_to_read(
    "To reject an image is to say: I don't know, a person should look at it. Drag the line: everything in the frame "
    "moves with it.",
    "A network is often sure of what it has never seen, so confidence finds mistakes and hardly finds non-lesion "
    "images. Distance finds non-lesion images and hardly finds mistakes, and it also rejects real dermoscopy of "
    f"another kind: unusual is not the same as wrong. The score *{SCORES[DEFAULT].name}* uses both.",
    "The last layer keeps only what separates the diagnoses, so a cat no longer looks like a cat to it. The layer "
    "before it still sees the difference: where few may be rejected, the residual of layer 3 finds more non-lesion "
    "images.",
    "A threshold chosen on the test set looks better there than it is: choose on the calibration set, look at the test "
    "set after.",
    "The intervals speak of these images and these kinds of non-lesion images only.",
)
