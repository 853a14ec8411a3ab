"""The visitor's answers: kept for the visit, locked once given, forgotten when the lesson begins again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import streamlit as st

from app.lessons import deals
from app.lessons.given import Card, Committed, Dealing, Given
from lesion_core.runs.classifier import Run
from lesion_core.teaching.lessons import Dealt, Lesson
from lesion_core.teaching.questions import Answer

KEPT = "answers to lessons"
"""Key of the session: (lesson, run, step) to `Committed`; the step after the last is the exit question."""
BEGUN = "series of lessons"
"""Key of the session: (lesson, run, step) to the dealing and the answers so far."""
SEED = "seed of lessons"

Place = tuple[str, str, int]


def place(name: str, run: Run, step: int) -> Place:
    """Where an answer is kept: what was dealt is of one run, and the reveal is too."""
    return name, run.fingerprint, step


def committed(at: Place) -> Committed | None:
    """The locked answer to a step."""
    found: Committed | None = st.session_state.get(KEPT, {}).get(at)
    return found


def commit(at: Place, answer: Answer | tuple[str, ...], dealing: Dealing | None = None) -> None:
    """Lock an answer; the first one counts."""
    st.session_state.setdefault(KEPT, {}).setdefault(at, Committed(answer, dealing))


def given(name: str, run: Run, lesson: Lesson, step: int) -> Given:
    """All answers that the reveal of a step may draw."""
    steps = {i: own for i in range(1, len(lesson.steps) + 1) if (own := committed(place(name, run, i)))}
    return Given(steps.get(step), steps)


def dealt(at: Place, run: Run, question: Dealt) -> tuple[Dealing, list[bool | str]]:
    """What was dealt for a step, and the answers so far; for writing through `answer_item` alone.

    Raises:
        LesionError: The run lacks what is to be dealt.
    """
    begun: dict[Place, tuple[Dealing, list[bool | str]]] = st.session_state.setdefault(BEGUN, {})
    if at not in begun:
        seed = st.session_state.setdefault(SEED, secrets.randbits(32))
        seen = {card.image for card in _seen(at)}
        begun[at] = deals.deal(run, question, seed + at[2], seen), []
    return begun[at]


def _seen(at: Place) -> Iterator[Card]:
    for where, (dealing, _) in st.session_state.get(BEGUN, {}).items():
        if where[:2] == at[:2]:
            yield from dealing.cards


def answer_item(at: Place, answer: bool | str) -> None:
    """Answer the next item; the last one locks the series."""
    dealing, answers = st.session_state[BEGUN][at]
    if len(answers) < len(dealing.cards):
        answers.append(answer)
    if len(answers) == len(dealing.cards):
        commit(at, tuple(answers), dealing)


def forget(name: str) -> None:
    """Begin a lesson again: other items are dealt."""
    for kept in (KEPT, BEGUN):
        st.session_state[kept] = {at: own for at, own in st.session_state.get(kept, {}).items() if at[0] != name}
    st.session_state[SEED] = secrets.randbits(32)
