"""The teacher's sheet of a lesson, made when it is asked for."""

from __future__ import annotations

import streamlit as st

from app.foreign_text import file_stem
from app.lessons import figures
from app.lessons.given import NOTHING
from lesion_core.errors import LesionError
from lesion_core.reports.lesson_sheet import RevealText, sheet_html
from lesion_core.runs.classifier import Run
from lesion_core.teaching.lessons import Lesson, Step


def offer(name: str, lesson: Lesson, run: Run) -> None:
    """A button that saves the sheet of a run."""
    st.download_button(
        "Teacher's sheet",
        lambda: made(lesson, run),
        f"lesson-{file_stem(name)}-{file_stem(run.name)}.html",
        "text/html",
        key=f"sheet {name}",
        on_click="ignore",
        icon=":material/print:",
        help="Aim, questions, what each reveal shows of this run, and what to answer; one HTML file to print.",
    )


def made(lesson: Lesson, run: Run) -> str:
    """The sheet as HTML."""
    return sheet_html(lesson, run.name, tuple(_text(run, step) for step in lesson.steps))


def _text(run: Run, step: Step) -> RevealText | None:
    if step.reveal is None:
        return None
    try:
        found = figures.shown(run, step.reveal.figure, dict(step.reveal.arguments), NOTHING)
    except LesionError as error:
        return RevealText(str(error))
    return RevealText(found.sentence, tuple((one.label, one.value, one.beside) for one in found.numbers))
