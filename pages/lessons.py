"""Lessons for a class or for oneself: a question, a guess that is locked, and what the chosen run really does."""

from __future__ import annotations

import streamlit as st

from app import state
from app.components import current_run, how_to_read, link_to, page_title, problem, run_if_any
from app.lessons import play, sheet
from app.lessons.library import lessons
from lesion_core.errors import DataError
from lesion_core.foreign_text import shown
from lesion_core.teaching.lessons import Lesson


def draw_list() -> None:
    """All lessons, and what is wrong with files that are not."""
    found, broken = lessons()
    page_title(
        "What can a class find out about a model?",
        "Guess first, then look: every figure is measured on the run that is chosen in the sidebar.",
    )
    run = run_if_any()
    for name, lesson in found.items():
        with st.container(border=True):
            left, right = st.columns([5, 2], vertical_alignment="center", gap="large")
            with left:
                link_to("lessons", lesson.headline, ":material/play_circle:", lesson=name, step="1")
                st.caption(f"**{lesson.title}**, {lesson.minutes} minutes. {lesson.aim}")
            with right:
                if run is not None:
                    sheet.offer(name, lesson, run)
    for error in broken.values():
        problem(error)
    how_to_read(
        "A guess is locked before the figure is shown, and stays drawn on it: people remember what surprised them.",
        "Each lesson stands alone. In one afternoon they go well in this order.",
        "Answers stay in this visit. Nobody sees them, and nothing is kept.",
        "A sixth lesson is one file in `lessons/`, without Python: see CONTRIBUTING.",
    )


def draw_lesson(name: str, lesson: Lesson) -> None:
    """A screen of a lesson."""
    with st.container():  # in one piece, which presenter size does not take apart
        page_title(lesson.headline)
        play.draw(name, lesson, current_run())


def draw() -> None:
    """The lesson that the link names, or all of them."""
    wanted = st.query_params.get(state.LESSON)
    if wanted is None:
        draw_list()
        return
    found, broken = lessons()
    if wanted in found:
        draw_lesson(wanted, found[wanted])
        return
    page_title("Which lesson?")
    if error := broken.get(f"{wanted}.yaml"):
        problem(error)
    else:
        problem(DataError(f"There is no lesson {shown(wanted)}.", "Choose one in the list."))
    link_to("lessons", "All lessons", ":material/school:")


draw()
