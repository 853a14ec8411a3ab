"""A step's question in the room that this visitor teaches: the class votes on its phones before the figure is shown."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.cache import rejection as rejections
from app.foreign_text import literal
from app.lessons import deals
from app.lessons.given import Card, Given
from app.room import controls, dealt, study, wall
from app.room.images import map_name, may_be_shown
from app.room.shared import rooms
from lesion_core.reports.lesson_sheet import plain
from lesion_core.runs.classifier import Run
from lesion_core.teaching.lessons import Asked, Dealt
from lesion_core.teaching.questions import ChoiceQuestion, Item, LineQuestion, NumberQuestion, Question, SeriesQuestion
from lesion_core.teaching.room import View
from lesion_core.teaching.rooms import Opened

BARS = 40
"""Bars behind the axis of a line on phones."""


def key_of(name: str, question: Asked) -> str:
    """The key of a step's question in a room: all steps of a lesson that deal images are one reader study."""
    return f"{name}-study" if isinstance(question, Dealt) and question.deal == "images" else question.key


def is_on(view: View, name: str, question: Asked) -> bool:
    """Whether the room has this question before it."""
    return view.question is not None and view.question.key == key_of(name, question)


def offer(room: Opened, run: Run, name: str, question: Asked) -> None:
    """A button that puts the question to the room."""
    study_of_all = isinstance(question, Dealt) and question.deal == "images"
    st.button(
        f"Ask room {room.code}",
        icon=":material/groups:",
        on_click=_ask,
        args=(room, run, name, question),
        help="Puts this question on the phones of the room that you teach."
        + (" Each person reads images alone, with the answer, and with answer and map." if study_of_all else ""),
    )


def _ask(room: Opened, run: Run, name: str, question: Asked) -> None:
    def work() -> None:
        asked = on_phones(run, name, question, room.code)
        dealt.prepare(asked)
        rooms().ask(*room, asked)

    with st.spinner("Preparing the question …"):
        wall.attempt(work)


def on_phones(run: Run, name: str, question: Asked, code: str) -> Question:
    """The question as phones get it: a line has the confidences of the calibration set behind its axis, and what is
    dealt is dealt once for the room.

    Args:
        run: The run that answers, maps or images are of.
        name: The lesson's name.
        question: The step's.
        code: The room's.

    Raises:
        LesionError: The run lacks what is to be dealt.
    """
    if isinstance(question, Dealt):
        key = key_of(name, question)
        seed = dealt.seed_of(code, f"{key} {run.fingerprint}")
        if question.deal == "images":
            return dealt.reader_study(run, key, seed, question.n)
        cards = deals.deal(run, question, seed).cards
        return SeriesQuestion(key=key, text=question.text, items=tuple(_item(run, question, card) for card in cards))
    if not isinstance(question, LineQuestion):
        return question
    values = rejections.judged(run, "confidence").split("calibrate")["shown"].to_numpy(float)
    counts, _ = np.histogram(values, BARS, (question.least, question.most))
    return question.model_copy(update={"bars": tuple(map(float, counts))})


def _item(run: Run, question: Dealt, card: Card) -> Item:
    image = card.image if card.image and may_be_shown(card.image) else ""
    if image and question.deal == "maps":
        image = map_name(run, card.answer, image)
    return Item(text=plain(card.text), image=image, right=card.right)


def draw(room: Opened, view: View, question: Asked) -> Given | None:
    """Who has answered and what can follow.

    Returns:
        What the figure may draw of the class, once the votes are revealed; None before.
    """
    told = isinstance(question, NumberQuestion | LineQuestion | ChoiceQuestion)
    if not told:
        wall.draw_question(view)
    elif isinstance(question, ChoiceQuestion) and view.stage != "revealed":
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


def draw_study(room: Opened, name: str, given: Given) -> bool:
    """What the class read in this lesson's reader study, beside what it had expected; False where it read none."""
    read = rooms().readings(*room, f"{name}-study")
    if not read:
        return False
    if given.others:
        st.markdown(f"The class had expected {np.median(given.others):g} (the middle of {len(given.others)} guesses).")
    study.draw(read)
    return True
