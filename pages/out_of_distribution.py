"""A threshold on a score: what it rejects, who is rejected, and how to choose it honestly."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.cache import rejection as rejections
from app.cache import runs as cached_runs
from app.components import choose, current_run, how_to_read, open_tabs, page_title, problem
from app.out_of_distribution.corrupted_images import draw_corrupted
from app.out_of_distribution.head import draw_facts, headline
from app.out_of_distribution.line import Line
from app.out_of_distribution.score_tables import draw_rules, draw_scores
from app.out_of_distribution.tabs import draw_calibration, draw_near, draw_save, draw_sets
from app.out_of_distribution.uploads import draw_uploads, your_pictures
from app.out_of_distribution.who import draw_who
from app.widgets.threshold import ThresholdBins, threshold_line
from lesion_core.config import ROLE_NAMES
from lesion_core.errors import LesionError
from lesion_core.ood.policy import Policy
from lesion_core.ood.scores import DEFAULT, PUBLISHED_CONFIDENCE, SCORES
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
    own_policy = policy_of_run(run)
    bins = rejections.bins(run, key, split, own_threshold(run, key, own_policy))
    if bins is None:
        st.info(f"This run has no images in its {ROLE_NAMES[split]}.", icon=":material/info:")
        return
    uploaded = your_pictures(run, key)
    at = draw_line(run, key, split, bins, [value for _, _, value in uploaded], field)
    # Marks are edges of bins, so a line on one is exactly on it.
    mark = next((mark.label for mark in bins.marks if mark.value == at), None)
    line = Line(run, key, split, at, st.query_params.get(state.MOVED_ON, "test"), mark, own_policy)
    head.markdown(headline(bins, split, at))
    draw_facts(key, split, bins.dermoscopy, bins.strange, mark, line.honest)
    open_tabs(
        {
            "Who is rejected": lambda: draw_who(line),
            "How to choose it": lambda: draw_rules(run, key),
            "All scores": lambda: draw_scores(run, key, at),
            "Corrupted images": lambda: draw_corrupted(run, key, at),
            "Calibration": lambda: draw_calibration(run),
            "Near the threshold": lambda: draw_near(run, key, split, at, state.data_root()),
            "Sets": lambda: draw_sets(run),
            "Your images": lambda: draw_uploads(uploaded, key, at),
            "Save": lambda: draw_save(line),
        },
        RENAMED,
    )


def policy_of_run(run: Run) -> Policy | None:
    """The run's own policy; None where there is none, or, told, where it cannot be read: here it can be replaced."""
    try:
        return cached_runs.own_policy(run)
    except LesionError as error:
        problem(error)
        return None


def own_threshold(run: Run, key: str, policy: Policy | None) -> float | None:
    """The threshold of the run's own policy, None where it has none on this score."""
    if policy is None or policy.score != key:
        return None
    return cached_runs.scorer(run).threshold(key, {limit.score: limit.threshold for limit in policy.limits})


def draw_line(
    run: Run, key: str, split: str, bins: ThresholdBins, own: Sequence[float], field: DeltaGenerator
) -> float:
    """The threshold as a line that is dragged and as a number that is typed; where it stands.

    Args:
        run: The run.
        key: A key of `SCORES`.
        split: What is looked at.
        bins: The counts on either side of it. It stands on their first mark unless it was moved.
        own: Values of the visitor's own images.
        field: Where the number is typed.
    """

    def moved() -> None:
        # In the link too: a reload must not turn a threshold that was tuned on test into an honest one.
        st.query_params[state.MOVED_ON] = split

    def take(value: float) -> None:
        moved()
        st.session_state[state.THRESHOLD] = value

    default = bins.snap(bins.marks[0].value if bins.marks else PUBLISHED_CONFIDENCE)
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
    return threshold_line(bins, float(threshold), key=f"line_{key}_{split}", on_release=take, own=own)


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
