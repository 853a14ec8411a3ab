"""A step's question in the room that this visitor teaches: the class votes on its phones before the figure is shown."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.cache import rejection as rejections
from app.foreign_text import literal
from app.lessons.given import Given
from app.room import controls, wall
from app.room.shared import rooms
from lesion_core.runs.classifier import Run
from lesion_core.teaching.questions import ChoiceQuestion, LineQuestion, NumberQuestion
from lesion_core.teaching.room import View
from lesion_core.teaching.rooms import Opened

Votable = NumberQuestion | LineQuestion | ChoiceQuestion
BARS = 40
"""Bars behind the axis of a line on phones."""


def is_on(view: View, question: Votable) -> bool:
    """Whether the room has this question before it."""
    return view.question is not None and view.question.key == question.key


def offer(room: Opened, run: Run, question: Votable) -> None:
    """A button that puts the question to the room."""
    st.button(
        f"Ask room {room.code}",
        icon=":material/groups:",
        on_click=_ask,
        args=(room, run, question),
        help="Puts this question on the phones of the room that you teach.",
    )


def _ask(room: Opened, run: Run, question: Votable) -> None:
    wall.attempt(lambda: rooms().ask(*room, on_phones(run, question)))


def on_phones(run: Run, question: Votable) -> Votable:
    """The question as phones get it: a line has the confidences of the calibration set behind its axis."""
    if not isinstance(question, LineQuestion):
        return question
    values = rejections.judged(run, "confidence").split("calibrate")["shown"].to_numpy(float)
    counts, _ = np.histogram(values, BARS, (question.least, question.most))
    return question.model_copy(update={"bars": tuple(map(float, counts))})


def draw(room: Opened, view: View, question: Votable) -> Given | None:
    """Who has answered and what can follow.

    Returns:
        What the figure may draw of the class, once the votes are revealed; None before.
    """
    if isinstance(question, ChoiceQuestion) and view.stage != "revealed":
        for option in question.options:
            st.markdown(f"- {literal(option.text)}")
    wall.follow(room, view)
    controls.draw_stage_buttons(room, view)
    if view.stage != "revealed" or view.first is None:
        return None
    vote = view.second or view.first
    if vote.counts is not None and isinstance(question, ChoiceQuestion):
        said = [f"{literal(option.text)}: **{vote.counts[option.key]}**" for option in question.options]
        st.markdown(f"The class ({vote.n}): {'; '.join(said)}.")
    return Given(others=vote.values or ())
