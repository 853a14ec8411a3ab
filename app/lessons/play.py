"""A lesson, screen by screen: a question, an answer that is locked, and only then the figure."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import state, visit
from app.cache import images as cached_images
from app.cache import rejection as rejections
from app.cache.encoded import encoded
from app.components import badges, problem
from app.figures import lessons as charts
from app.figures.style import name_of
from app.foreign_text import literal
from app.lessons import answers, deals, figures, in_room
from app.lessons.given import Card, Committed, Dealing, Given
from app.lessons.shown import Shown
from app.room import wall
from app.room.images import with_map
from app.room.shared import rooms, taught
from lesion_core.errors import ConfigError, LesionError
from lesion_core.runs.classifier import Run
from lesion_core.teaching.lessons import Dealt, Lesson, Reveal, Step
from lesion_core.teaching.questions import (
    ChoiceQuestion,
    DiagnosisQuestion,
    LineQuestion,
    NumberQuestion,
    check_answer,
)
from lesion_core.teaching.reading import ReadingQuestion
from lesion_core.teaching.room import View
from lesion_core.teaching.rooms import Opened

STUDY = "reader_study"
"""The figure that a class has its own of."""
PLAIN = {"displayModeBar": False}


def screens(lesson: Lesson) -> int:
    """Its steps, what to take away, and the question at the end."""
    return len(lesson.steps) + 2


def at(lesson: Lesson) -> int:
    """The screen that the link names, from 1."""
    named = st.query_params.get(state.STEP, "1")
    return int(named) if named.isdecimal() and 1 <= int(named) <= screens(lesson) else 1


def draw(name: str, lesson: Lesson, run: Run) -> None:
    """The screen that the link names.

    Args:
        name: The lesson's name in links.
        lesson: The lesson.
        run: The run that the figures are of.
    """
    step = at(lesson)
    if refused := wall.refused():
        problem(refused)
    with st.container(key="lesson-step"):  # in one piece, which presenter size does not take apart
        try:
            if step <= len(lesson.steps):
                draw_step(name, lesson, run, step)
            elif step == len(lesson.steps) + 1:
                draw_take_away(lesson)
            else:
                draw_exit(name, lesson, run, step)
        except LesionError as error:  # the other steps are still worth going to
            problem(error)
        draw_ways(name, lesson, step)


def draw_ways(name: str, lesson: Lesson, step: int) -> None:
    """Back and on, also by the keys that a presenter's remote control sends."""
    last = screens(lesson)
    with st.container(horizontal=True, vertical_alignment="center", key="lesson-ways"):
        st.button(
            "Back",
            icon=":material/arrow_back:",
            shortcut="PageUp",
            disabled=step == 1,
            on_click=go,
            args=(name, step - 1),
        )
        st.button(
            "Next",
            icon=":material/arrow_forward:",
            shortcut="PageDown",
            disabled=step == last,
            on_click=go,
            args=(name, step + 1),
        )
        st.caption(f"{step} of {last}", width="content")
        st.space("stretch")
        st.button("Begin again", type="tertiary", on_click=begin_again, args=(name,))
        st.button("All lessons", type="tertiary", on_click=go, args=(None, 1))


def go(name: str | None, step: int) -> None:
    """Another screen; None leads to the list."""
    visit.change_link({state.LESSON: name, state.STEP: str(step) if name else None})


def begin_again(name: str) -> None:
    """Forget the answers to a lesson and go to its first screen."""
    answers.forget(name)
    go(name, 1)


def draw_step(name: str, lesson: Lesson, run: Run, step: int) -> None:
    """A question and, once it is answered, its figure."""
    own = lesson.steps[step - 1]
    st.subheader(own.title, anchor=False)
    here = answers.place(name, run, step)
    committed = answers.committed(here)
    if own.text and committed is None:
        st.markdown(own.text)
    room = taught()
    view = rooms().view(*room) if room else None
    if room and view and in_room.is_on(view, name, own.ask):
        draw_in_room(name, run, own, room, view)
        return
    if isinstance(own.ask, Dealt):
        if committed is None:
            draw_dealt(here, run, own.ask)
            committed = answers.committed(here)
        elif own.reveal is None:
            st.markdown("All are answered. What you did shows in a later step.")
    else:
        st.markdown(f"#### {literal(own.ask.text)}")
        if isinstance(own.ask, DiagnosisQuestion):
            wall.draw_image(own.ask.image, 420)
        if committed is None:
            ask(here, run, own.ask)
            committed = answers.committed(here)
        else:
            st.markdown(f"Your answer: **{literal(told(own.ask, committed))}**")
            if isinstance(own.ask, DiagnosisQuestion) and own.ask.right is not None:
                st.markdown(f"Right: **{name_of(own.ask.right)}**. {own.ask.after}")
    if room and committed is None:
        in_room.offer(room, run, name, own.ask)
    if committed is not None and own.reveal is not None:
        draw_reveal(run, own.reveal, answers.given(name, run, lesson, step))


def draw_in_room(name: str, run: Run, step: Step, room: Opened, view: View) -> None:
    """A step whose question a class has before it, and its figure once the votes are revealed."""
    st.markdown(f"#### {literal(step.ask.text)}")
    given = in_room.draw(room, view, step.ask)
    if given is None or step.reveal is None or isinstance(view.question, ReadingQuestion):
        return  # a reader study is its own figure
    if step.reveal.figure == STUDY and in_room.draw_study(room, name, given):
        return
    draw_reveal(run, step.reveal, given)


Single = NumberQuestion | LineQuestion | ChoiceQuestion | DiagnosisQuestion
"""Questions that are answered at once."""


def ask(here: answers.Place, run: Run, question: Single) -> None:
    """The field of a question, empty, and the button that locks what stands in it."""
    key = f"field of {here[0]} {here[2]}"
    raw: object = None
    if isinstance(question, ChoiceQuestion | DiagnosisQuestion):
        texts = texts_of(question)
        raw = st.radio(
            question.text,
            list(texts),
            index=None,
            format_func=lambda one: literal(texts[one]),
            key=key,
            label_visibility="collapsed",
        )
    elif isinstance(question, LineQuestion):
        raw = draw_line(run, question, key)
    else:
        raw = st.number_input(
            f"{question.text} ({question.unit})",
            min_value=question.least,
            max_value=question.most,
            value=None,
            step=question.step,
            format="%g",
            key=key,
            placeholder=f"{question.least:g} to {question.most:g} {question.unit}".strip(),
            label_visibility="collapsed",
            width=320,
        )
    if raw is not None:
        try:
            check_answer(question, raw)
        except ConfigError as error:  # a number between two steps
            problem(error)
            raw = None
    st.button(
        "Lock my answer",
        type="primary",
        disabled=raw is None,
        key=f"lock {here[0]} {here[2]}",
        on_click=lock,
        args=(here, question, raw),
    )
    if raw is None:
        st.caption("The figure comes once your answer is locked.")


def texts_of(question: ChoiceQuestion | DiagnosisQuestion) -> dict[str, str]:
    """What can be chosen, by key or code."""
    if isinstance(question, DiagnosisQuestion):
        return {code: name_of(code).capitalize() for code in question.codes}
    return {option.key: option.text for option in question.options}


def lock(here: answers.Place, question: Single, raw: object) -> None:
    """Keep an answer."""
    answers.commit(here, check_answer(question, raw))


def draw_line(run: Run, question: LineQuestion, key: str) -> float | None:
    """The axis with a line on it, which is not there at first."""
    width = question.most - question.least
    places: list[float | None] = [None, *(round(question.least + i / 100 * width, 6) for i in range(101))]
    placed = st.select_slider(
        question.text,
        places,
        format_func=lambda place: "no line yet" if place is None else f"{place:.2f}",
        key=key,
        label_visibility="collapsed",
    )
    evaluated = rejections.judged(run, "confidence").split("calibrate")
    values, correct = evaluated["shown"].to_numpy(float), evaluated["correct"].to_numpy(bool)
    st.plotly_chart(
        charts.confidences(
            values[correct],
            values[~correct],
            [] if placed is None else [charts.Guess(placed, f"your line: {placed:.2f}")],
            "confidence on the calibration set",
            split=False,
        ),
        config=PLAIN,
        key=f"axis {key}",
        alt="Confidences of the calibration set, and the line",
    )
    if placed is None:
        st.caption(
            f"Move the slider: the line is not placed yet. Left of it: {question.below}; right: {question.above}."
        )
    return placed


def told(question: Single, committed: Committed) -> str:
    """An answer in words."""
    if isinstance(question, ChoiceQuestion | DiagnosisQuestion):
        return texts_of(question).get(str(committed.answer), "")
    return f"{committed.answer:g} {question.unit}".strip()


def draw_dealt(here: answers.Place, run: Run, question: Dealt) -> None:
    """The next item of a series, with a button per answer."""
    dealing, so_far = answers.dealt(here, run, question)
    place = len(so_far)
    card = dealing.cards[place]
    st.progress(place / len(dealing.cards), f"{place + 1} of {len(dealing.cards)}")
    if question.deal == "images":
        draw_image(run, card, dealing)
        options: Mapping[bool | str, str] = {code: name_of(code).capitalize() for code in run.classes}
    else:
        if card.image:
            draw_beside(run, card, maps=question.deal == "maps")
        st.markdown(f"#### {card.text}")
        options = {True: "Right", False: "Wrong"}
    st.markdown(f"**{literal(question.text)}**")
    with st.container(horizontal=True, key="lesson-options"):
        for option, title in options.items():
            st.button(
                title,
                key=f"item {here[0]} {here[2]} {place} {option}",
                on_click=answers.answer_item,
                args=(here, option),
            )


def draw_beside(run: Run, card: Card, *, maps: bool) -> None:
    """The image of an answer, or of a map with the map over it."""
    picture = cached_images.picture(deals.sample_of(run, card.image))
    key = ("beside", run.fingerprint, card.image, card.answer, maps)
    st.image(encoded(key, lambda: with_map(run, picture.image, card.answer) if maps else picture.image), width=320)
    badges(("real dermoscopy", "blue"))


def draw_image(run: Run, card: Card, dealing: Dealing) -> None:
    """An image to read, and the help beside it."""
    picture = cached_images.picture(deals.sample_of(run, card.image))
    left, middle, right = st.columns([3, 3, 2], gap="medium")
    with left:
        st.image(encoded(("lesson", card.image), lambda: picture.image), width="stretch")
        badges(("real dermoscopy", "blue") if dealing.real else ("synthetic image: a rehearsal", "violet"))
    if dealing.help == "map":
        with middle:
            key = ("map of a lesson", run.fingerprint, card.image, card.answer)
            st.image(encoded(key, lambda: with_map(run, picture.image, card.answer)), width="stretch")
            st.caption("The Grad-CAM map of the model's answer: bright is where its evidence lies.")
    with right if dealing.help == "map" else middle:
        if dealing.help != "nothing":
            st.markdown(f"The model says **{name_of(card.answer)}**, with a confidence of **{card.confidence:.2f}**.")


def draw_reveal(run: Run, reveal: Reveal, given: Given) -> None:
    """The figure: its sentence and numbers, the chart, and how to read it."""
    try:
        found = figures.shown(run, reveal.figure, dict(reveal.arguments), given)
    except LesionError as error:
        problem(error)
        return
    draw_shown(found, reveal.note, f"{reveal.figure} {run.name}")


def draw_shown(found: Shown, note: str, key: str) -> None:
    """A figure on the screen."""
    st.markdown(f"#### {found.sentence}")
    left, right = st.columns([5, 2], gap="large") if found.chart is not None else (None, st.container())
    if left is not None:
        with left:
            st.plotly_chart(found.chart, config=PLAIN, key=f"chart {key}", alt=found.alt)
    with right:
        for number in found.numbers:
            with st.container(gap="xxsmall"):  # a metric would cut off what does not fit its line
                st.caption(literal(number.label))
                st.markdown(f"## {literal(number.value)}")
                st.caption(literal(number.beside))
    if note:
        st.markdown(f"**{note}**")
    st.caption(" ".join(part for part in (found.read, *found.notes) if part))


def draw_take_away(lesson: Lesson) -> None:
    """The sentence to take away, beside what a paper found."""
    st.subheader("To take away", anchor=False)
    st.markdown(f"## {lesson.take_away}")
    if lesson.published.confirmed:
        st.markdown(f"**Published.** {lesson.published.finding}")
        st.caption(lesson.published.source)
    st.caption(f"What this lesson cannot say: {lesson.limits}")


def draw_exit(name: str, lesson: Lesson, run: Run, step: int) -> None:
    """The question at the end: each option has its sentence, and being wrong is free."""
    st.subheader("A new case", anchor=False)
    here = answers.place(name, run, step)
    question, committed = lesson.exit, answers.committed(here)
    st.markdown(f"#### {literal(question.text)}")
    if committed is None:
        ask(here, run, question)
        return
    for option in question.options:
        own, right = option.key == committed.answer, option.key == question.right
        mark = ":material/check_circle:" if right else ":material/cancel:"
        with st.container(border=own):
            yours = " (your answer)" if own else ""
            st.markdown(f"{mark} **{literal(option.text)}**{yours}. {option.after}")
    st.caption("Nobody sees your answers, and they are forgotten when you leave.")
