"""A threshold on a score: what it rejects, who is rejected, and how to choose it honestly."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.cache import rejection as rejections
from app.cache import runs as cached_runs
from app.components import choose, current_run, how_to_read, open_tabs, page_title, problem
from app.out_of_distribution import place
from app.out_of_distribution.corrupted_images import draw_corrupted
from app.out_of_distribution.head import draw_facts
from app.out_of_distribution.line import Line
from app.out_of_distribution.near import draw_near
from app.out_of_distribution.score_tables import draw_rules, draw_scores
from app.out_of_distribution.sets import draw_sets
from app.out_of_distribution.tabs import draw_calibration, draw_save
from app.out_of_distribution.uploads import draw_uploads, your_pictures
from app.out_of_distribution.who import draw_who
from app.widgets.threshold import ThresholdBins, threshold_line
from lesion_core.config import ROLE_NAMES
from lesion_core.errors import LesionError
from lesion_core.ood.policy import Policy
from lesion_core.ood.scores import SCORES, default_score, offered
from lesion_core.runs.classifier import Run

LOOK_AT = {"test": "Test set", "calibrate": "Calibration set"}
# Counts first: right and wrong answers are parts of one set of images, so that their heights say how often an answer of
# that value is wrong. As shares of their own, 422 wrong answers tower over 1,209 right ones.
HEIGHTS = {"counts": "Counts", "shares": "Shares"}
AT_THE_LINE = "at_the_line"  # the key of what is drawn for one threshold
PHOTOGRAPHS = (
    "A photograph of a lesion without a dermatoscope is the hardest of all: it shows skin, and nothing that knows "
    "dermoscopy alone tells it. The score *Clinical photograph* was learned from a few hundred such images, none of "
    "which is shown here."
)
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
    if st.query_params.get(state.SCORE) not in (None, *offered(run)):
        place.forget(run)  # on a score that there is no more: nobody chose it on calibrate
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        key = choose(
            "Score",
            {k: s.name for k, s in offered(run).items()},
            state.SCORE,
            default=default_score(run),
            width=230,
            on_change=lambda: place.forget(run, st.session_state[state.SCORE]),
        )
        split = choose("Look at", LOOK_AT, state.LOOK_AT, buttons=True)
        heights = choose("Bars", HEIGHTS, state.BARS, buttons=True)
        field = st.container(width=150)
    own_policy = policy_of_run(run)
    bins = rejections.bins(run, key, split, own_threshold(run, key, own_policy))
    if bins is None:
        st.info(f"This run has no images in its {ROLE_NAMES[split]}.", icon=":material/info:")
        return
    uploaded = your_pictures(run, key)
    at = place.stands(run, bins)
    draw_line(run, at, key, split, bins, [value for _, _, value in uploaded], heights, field)
    # Marks are edges of bins, so a line on one is exactly on it.
    mark = next((mark.label for mark in bins.marks if mark.value == at), None)
    line = Line(run, key, split, at, place.chosen_on(), mark, own_policy)
    with st.container(key=AT_THE_LINE):
        limits = cached_runs.scorer(run).limits(key, SCORES[key].from_display(at))
        draw_facts(key, split, bins.dermoscopy, bins.strange, mark, line.honest, f"{at:.{bins.decimals}f}", limits)
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
    run: Run,
    at: float,
    key: str,
    split: str,
    bins: ThresholdBins,
    own: Sequence[float],
    heights: str,
    field: DeltaGenerator,
) -> None:
    """The threshold as a line that is dragged and as a number that is typed.

    Args:
        run: The run.
        at: Where it stands, one of the edges.
        key: A key of `SCORES`.
        split: What is looked at.
        bins: The counts on either side of it.
        own: Values of the visitor's own images.
        heights: A key of `HEIGHTS`.
        field: Where the number is typed.
    """

    def typed() -> None:
        place.move_to(run, bins.snap(float(st.session_state[state.THRESHOLD])), key, split)

    st.session_state[state.THRESHOLD] = at
    field.number_input(
        "Threshold",
        step=float(10.0**-bins.decimals),
        format=f"%.{bins.decimals}f",
        key=state.THRESHOLD,
        help="Drag the line, or type it here.",
        on_change=typed,
    )
    threshold_line(
        bins,
        at,
        key=f"line_{key}_{split}",
        on_release=lambda value: place.move_to(run, value, key, split),
        own=own,
        heights="shares" if heights == "shares" else "counts",
        veils=(state.THRESHOLD, AT_THE_LINE),
    )


page_title("What does a threshold cost, and whom?")
chosen = current_run()
draw(chosen)
how_to_read(
    "To reject an image is to say: I don't know, a person should look at it. Drag the line: everything in the frame "
    "moves with it.",
    "OOD images, out of distribution, are those that the model was not made for: animals, X-rays, photographs without "
    "a dermatoscope, diagnoses that it has no name for.",
    "A network is often sure of what it has never seen, so confidence finds mistakes and hardly finds OOD images. "
    "Distance finds OOD images and hardly finds mistakes, and it also rejects real dermoscopy of "
    f"another kind: unusual is not the same as wrong. The score *{SCORES[default_score(chosen)].name}* uses both.",
    *([PHOTOGRAPHS] if chosen.knows_photographs else []),
    "The last layer keeps only what separates the diagnoses, so a cat no longer looks like a cat to it. The layer "
    "before it still sees the difference: where few may be rejected, the residual of layer 3 finds more OOD "
    "images.",
    "Counts: each bar is as high as the number of images in it, so where the outline of the wrong answers is half as "
    "high as the bar of the right ones, a third of the answers there are wrong. Shares: each group adds up to 100 %, "
    "which compares shapes and says nothing about how many are wrong. The two charts have axes of their own.",
    "A threshold chosen on the test set looks better there than it is: choose on the calibration set, look at the test "
    "set after.",
    "The intervals speak of these images and these kinds of OOD images only.",
)
