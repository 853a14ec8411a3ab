"""The teacher's sheet: all of a lesson is on it, each reveal with its numbers, and no text becomes markup."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from app.lessons.figures import ARGUMENTS
from lesion_core.reports.lesson_sheet import RevealText, plain, sheet_html
from lesion_core.teaching.lessons import END_MINUTES, Lesson, Objection, list_lessons

LESSONS, _ = list_lessons(Path(__file__).parents[2] / "lessons", ARGUMENTS)


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=LESSONS.keys())
def test_all_of_a_lesson_is_on_its_sheet(lesson: Lesson) -> None:
    reveals = tuple(None if step.reveal is None else RevealText("**7 of 9** are.") for step in lesson.steps)
    page = html.unescape(sheet_html(lesson, "a run", reveals))
    said = [lesson.title, lesson.headline, lesson.aim, lesson.take_away, lesson.limits, lesson.exit.text]
    said += [text for step in lesson.steps for text in (step.title, step.ask.text)]
    said += [text for one in lesson.students for text in (one.say, one.answer)]
    said += [text for option in lesson.exit.options for text in (option.text, option.after)]
    assert not [text for text in said if plain(text) not in page]
    assert page.count("7 of 9 are.") == len(lesson.steps) - reveals.count(None) and "(right)" in page


def test_the_lessons_take_an_afternoon_and_each_step_says_how_long() -> None:
    asked = {"calibration": 20, "rejection": 25, "leakage": 20, "shortcuts": 30, "people": 35}
    assert {name: lesson.minutes for name, lesson in LESSONS.items()} == asked
    for lesson in LESSONS.values():
        assert sum(step.minutes or 0 for step in lesson.steps) + END_MINUTES == lesson.minutes
        page = sheet_html(lesson, "a run", (None,) * len(lesson.steps))
        assert all(
            f"{step.title}</strong> <span class=small>{step.minutes} minutes" in html.unescape(page)
            for step in lesson.steps
        )


def test_no_text_becomes_markup() -> None:
    lesson = next(iter(LESSONS.values()))
    told = Objection(say="<script>alert(1)</script>", answer="a & b < c")
    mine = lesson.model_copy(update={"students": (told,), "title": "</title><b>"})
    reveals = (RevealText("<i>x</i>", (("<u>", "1 < 2", "&amp;"),)), *[None] * (len(lesson.steps) - 1))
    page = sheet_html(mine, "<run>", reveals)
    assert not any(tag in page for tag in ("<script", "<b>", "<i>", "<u>", "<run>"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "&amp;amp;" in page
