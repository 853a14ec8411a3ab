"""Where the threshold stands: the link says it, and nothing else remembers it.

So Back, Forward, a reload and a link in another window show what they showed: score, number and line alike. What a
visitor does changes the link once, with all that it changes, so that no entry of the browser's history mixes two
states.
"""

from __future__ import annotations

import math

import streamlit as st

from app import state, visit
from app.widgets.threshold import ThresholdBins
from lesion_core.ood.scores import PUBLISHED_CONFIDENCE, default_score, offered
from lesion_core.runs.classifier import Run

DRAWN = "threshold_drawn"
"""In the session: the run and the link's threshold when the line was last drawn."""


def move_to(run: Run, value: float, key: str, split: str) -> None:
    """Put a threshold into the link.

    Args:
        run: The run, whose default score a link does not name.
        value: The threshold, one of the edges.
        key: Its score, a key of `SCORES`.
        split: What was looked at: a reload must not turn a threshold that was chosen on test into an honest one.
    """
    visit.change_link(
        {state.SCORE: None if key == default_score(run) else key, state.THRESHOLD: repr(value), state.MOVED_ON: split}
    )


def forget(run: Run, score: str | None = None) -> None:
    """Take the threshold out of the link, for another score, and another run, have other numbers.

    Args:
        run: The run.
        score: The key of the score that is looked at from now on; None leaves the link's.
    """
    changes: dict[str, str | None] = {state.THRESHOLD: None, state.MOVED_ON: None}
    if score is not None:
        changes[state.SCORE] = None if score == default_score(run) else score
    visit.change_link(changes)


def chosen_on() -> str:
    """The role of the images that were looked at when the threshold was moved; `test` where nobody says."""
    return st.query_params.get(state.MOVED_ON, "test")


def stands(run: Run, bins: ThresholdBins) -> float:
    """The edge on which the line stands: the link's threshold, else the first mark."""
    drawn, text = st.session_state.get(DRAWN), st.query_params.get(state.THRESHOLD)
    if text is not None and drawn and drawn[0] != run.fingerprint and drawn[1] == text and not visit.went_back():
        forget(run)
        text = None
    st.session_state[DRAWN] = run.fingerprint, text
    try:
        value = float(text or "nan")
    except ValueError:
        value = math.nan
    if st.query_params.get(state.SCORE) not in (None, *offered(run)) or not math.isfinite(value):
        value = bins.marks[0].value if bins.marks else PUBLISHED_CONFIDENCE
    return bins.snap(value)
