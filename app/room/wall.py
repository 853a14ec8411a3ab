"""What stands on the wall: the door with the code, the question, who has answered, and from the reveal on the votes."""

from __future__ import annotations

import io
from collections.abc import Callable

import segno
import streamlit as st

from app import state
from app.components import badges, problem
from app.figures.votes import LONGEST, share_told, votes
from app.foreign_text import literal
from app.room import study
from app.room.addresses import HOW_TO_FIND, own_addresses, reach
from app.room.images import PHONE_SIDE, class_image
from app.room.shared import base, rooms
from lesion_core.data.samples import SYNTHETIC
from lesion_core.errors import LesionError
from lesion_core.teaching.questions import (
    ChoiceQuestion,
    DiagnosisQuestion,
    LineQuestion,
    NumberQuestion,
    Question,
    SeriesQuestion,
)
from lesion_core.teaching.reading import ARMS, ReadingQuestion
from lesion_core.teaching.room import RoomError, View
from lesion_core.teaching.rooms import Opened
from lesion_core.teaching.tallies import FEWEST

EVERY_S = 2
THUMBNAIL = 150
"""Pixels of an image among others."""
ADDRESS = "room_address"
STEPS = {
    "first": "Vote on your phone.",
    "talk": "Talk to a neighbour who answered otherwise.",
    "second": "Vote again.",
    "revealed": "",
    "hidden": "",
}
"""What the class does, by stage."""


@st.cache_data(max_entries=32, show_spinner=False)
def qr_code(link: str) -> str:
    """An SVG of a link, black on white with its quiet zone in both themes."""
    drawn = io.BytesIO()
    code = segno.make_qr(link, error="m")
    code.save(drawn, kind="svg", scale=10, border=3, light="white", xmldecl=False, nl=False)
    return drawn.getvalue().decode()


def choose_link(code: str) -> str:
    """The link of the room; where several addresses may be the right one, the teacher chooses."""
    listens = str(st.get_option("server.address") or "")
    public = state.public_url()
    found = reach(st.context.url or "", base(), public, listens, [] if public else own_addresses())
    origins = list(found.origins)
    if not origins:
        with st.expander("Phones cannot come in yet", expanded=True, icon=":material/wifi_off:"):
            st.markdown(f"{literal(found.doubt)} {HOW_TO_FIND}")
        origins = [f"{(st.context.url or 'http://localhost:8501/room').rpartition('/')[0]}"]
    chosen = origins[0]
    if len(origins) > 1 or (found.doubt and found.origins):
        with st.popover("Address", icon=":material/wifi:", width="stretch"):
            if len(origins) > 1:
                chosen = str(st.radio("The address that phones open", origins, key=ADDRESS, persist_state="session"))
            st.markdown(f"{literal(found.doubt)} {HOW_TO_FIND}")
    return f"{chosen}/r/{code}"


def draw_code(code: str, link: str, *, large: bool) -> None:
    """Code, link and QR code; the link alone can be read out and typed."""
    with st.container(key="room-code-large" if large else "room-code"):
        st.image(qr_code(link), width="stretch", alt=f"QR code of {link}")
        st.header(code, anchor=False)
        st.markdown(f"`{link.partition('://')[2]}`")


def follow(room: Opened, drawn: View) -> None:
    """How many are here and have answered, every two seconds; the page is drawn anew where another window has gone
    on."""

    @st.fragment(run_every=EVERY_S, key="who answered")
    def count() -> None:
        try:
            view = rooms().view(*room)
        except RoomError:
            st.rerun()
        if view.version != drawn.version:
            st.rerun()
        people = "1 person" if view.people == 1 else f"{view.people} people"
        if view.stage is None:
            st.subheader(f"{people} in the room", anchor=False)
        else:
            end = "" if view.finished is None else f", {view.finished} to the end"
            st.subheader(f"{view.answered} of {view.people} answered{end}", anchor=False)
            if view.people:
                st.progress(min(1.0, view.answered / view.people))

    count()


def draw_question(view: View) -> None:
    """The image of a question, what to do, and the votes from the reveal on."""
    question = view.question
    if question is None or view.stage is None:
        return
    if step := STEPS[view.stage]:
        st.subheader(step, anchor=False)
    if isinstance(question, ChoiceQuestion) and view.stage != "revealed":
        with st.container(key="room-options"):
            for option in question.options:
                st.markdown(f"- {literal(option.text)}")
    if isinstance(question, DiagnosisQuestion) and view.stage != "hidden":
        draw_image(question.image, 180 if view.stage == "revealed" else 420)
    if isinstance(question, ReadingQuestion) and view.stage != "revealed":
        st.markdown(told_of_study(question))
    if view.first is not None:
        draw_votes(question, view)
    if isinstance(question, SeriesQuestion) and view.stage != "hidden":
        draw_items(question)


def told_of_study(question: ReadingQuestion) -> str:
    """What a class does in a reader study."""
    each = len(question.reads) // len(ARMS)
    return (
        f"On each phone: {each} images alone, {each} with the model's answer, {each} with its answer and map, in an "
        "order of one's own. The model is sometimes wrong. Being wrong is expected here, and nobody sees who was."
        + (
            " The images are made by code: this is a rehearsal."
            if question.reads[0].image.startswith(SYNTHETIC)
            else ""
        )
    )


def draw_items(question: SeriesQuestion) -> None:
    """The items of a series by their numbers: small images, or the texts that a figure cannot hold."""
    if not any(item.image for item in question.items):
        if any(len(item.text) > LONGEST for item in question.items):
            st.markdown("\n".join(f"{number}. {literal(item.text)}" for number, item in enumerate(question.items, 1)))
        return
    shown: dict[str, str] = {}
    with st.container(horizontal=True, key="room-items"):
        for number, item in enumerate(question.items, 1):
            with st.container(width=THUMBNAIL, gap="xxsmall"):
                try:
                    image = class_image(item.image, PHONE_SIDE) if item.image else None
                except LesionError as error:
                    problem(error)
                    continue
                if image is not None:
                    st.image(image.jpeg, width=THUMBNAIL, alt=f"Image {number}")
                    shown[image.credit] = image.kind
                st.markdown(f"**{number}.** {literal(item.text)}")
    badges(*((kind, _colour(kind)) for kind in dict.fromkeys(shown.values())))
    st.caption(literal("; ".join(shown)))


def draw_image(name: str, width: int) -> None:
    """An image with its badge and credit, `width` pixels wide."""
    try:
        image = class_image(name)
    except LesionError as error:
        problem(error)
        return
    st.image(image.jpeg, width=width, alt="The image in question")
    badges((image.kind, _colour(image.kind)))
    st.caption(literal(image.credit))


def _colour(kind: str) -> str:
    return "violet" if kind == "synthetic" else "gray"


def draw_votes(question: Question, view: View) -> None:
    """Both votes as a figure, and in sentences what it says."""
    first, second = view.first, view.second
    assert first is not None
    if read := (second or first).readings:
        study.draw(read)
        return
    figure = votes(question, first, second)
    if figure is None:
        n = (second or first).n
        st.markdown(f"{n} answered; under {FEWEST} answers nothing is broken down.")
    else:
        st.plotly_chart(
            figure,
            config={"displayModeBar": False},
            key="votes",
            alt="The answers of each vote, by option or value, with the number of people.",
        )
    for sentence in sentences(question, view):
        st.markdown(literal(sentence))


def sentences(question: Question, view: View) -> list[str]:
    """What both votes say, each figure with its n and its interval."""
    told = []
    for name, each in (("First vote", view.first), ("Second vote", view.second)):
        if each is not None and each.right is not None:
            everything = " in every item" if isinstance(question, SeriesQuestion) else ""
            told.append(f"{name}: {share_told(each.right, each.n)} right{everything}.")
    if view.changed is not None and view.second is not None:
        told.append(f"{view.changed[0]} of {view.changed[1]} changed their answer.")
    if isinstance(question, NumberQuestion | LineQuestion) and question.right is not None:
        told.append(f"The dashed line is the measured value, {question.right:.6g} {question.unit}".rstrip() + ".")
    return [*told, question.after] if question.after else told


def attempt(work: Callable[[], object]) -> None:
    """Do what a button says; what is refused is told when the page is drawn."""
    try:
        work()
    except LesionError as error:
        st.session_state["room_problem"] = error


def refused() -> LesionError | None:
    """What the last button was refused, once."""
    found: LesionError | None = st.session_state.pop("room_problem", None)
    return found
