"""A room: a class answers on its phones, talks, answers again, and sees both."""

from __future__ import annotations

import streamlit as st

from app.components import how_to_read, page_title, problem
from app.foreign_text import literal
from app.room import controls, wall
from app.room.shared import TAUGHT, base, rooms, taught, teach
from app.widgets.teacher_cookie import keep_token
from lesion_core.teaching.room import View
from lesion_core.teaching.rooms import Opened

QUESTION = "What does your class think?"


def draw() -> None:
    """The page."""
    room = taught()
    if room is None:
        draw_door()
        return
    view = rooms().view(*room)
    if st.context.cookies.get(TAUGHT) != f"{room.code}.{room.teacher}":
        keep_token(f"{base()}/r/{room.code}/teacher", room.teacher)
    page_title(literal(view.question.text) if view.question else QUESTION)
    if found := wall.refused():
        problem(found)
    draw_wall(room, view)
    with st.expander("Ask a question of your own", expanded=view.question is None, icon=":material/add:"):
        controls.draw_form(room, view)


def draw_door() -> None:
    """What a room is, and the button that opens one."""
    page_title(QUESTION, "Open a room, let the class scan its code, and ask: everyone answers before anyone sees.")
    if found := wall.refused():
        problem(found)
    st.button("Open a room", type="primary", icon=":material/meeting_room:", on_click=open_room)
    how_to_read(
        "**Vote, talk, vote again, reveal.** Answers stay hidden until the reveal: a distribution on the wall draws "
        "everybody to the majority. People who disagree explain themselves to each other, and vote once more.",
        "**A phone needs nothing**: no account, no name, no app. One person has one vote, which survives a reload, a "
        "locked screen and a lost network.",
        "**Nobody is watched.** You see how many have answered, never who. Under five answers nothing is broken down. "
        "Answers are gone three hours after the room was last used, or when you close it.",
        "Whoever knows the code can answer. It is teaching, not research: to publish what a class answered, you need "
        "its consent and an ethics vote.",
    )


def open_room() -> None:
    """Open a room, which this visitor teaches from now on."""
    wall.attempt(lambda: teach(rooms().open()))


def draw_wall(room: Opened, view: View) -> None:
    """The question, the code, and how many have answered."""
    if view.question is None:
        code, side = st.columns([3, 2], gap="large", vertical_alignment="center")
    else:
        main, side = st.columns([3, 1], gap="large")
        with main:
            wall.draw_question(view)
            controls.draw_stage_buttons(room, view)
        code = side.container()
    with side:
        if view.question is None:
            st.subheader("Point your camera at the code, or type the address.", anchor=False)
        wall.follow(room, view)
        link = wall.choose_link(room.code)
        controls.draw_room_menu(room)
    with code:
        wall.draw_code(room.code, link, large=view.question is None)


draw()
