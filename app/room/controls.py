"""What the teacher presses: the stages of a question, a question of one's own, and the room itself."""

from __future__ import annotations

import random
from collections.abc import Callable

import streamlit as st
from pydantic import ValidationError

from app import state, visit
from app.components import current_run, problem
from app.figures.votes import share_told
from app.room import dealt, wall
from app.room.images import class_image
from app.room.shared import rooms, teach
from lesion_core.config import first_problem
from lesion_core.data.samples import ood_samples, synthetic_samples
from lesion_core.errors import ConfigError, LesionError
from lesion_core.labels import ISIC2019, diagnosis
from lesion_core.teaching.questions import (
    KINDS,
    MOST_ITEMS,
    MOST_NUMBER,
    ChoiceQuestion,
    DiagnosisQuestion,
    Item,
    LineQuestion,
    NumberQuestion,
    Option,
    Question,
    SeriesQuestion,
)
from lesion_core.teaching.reading import ARMS, MOST_IMAGES, ReadingQuestion
from lesion_core.teaching.room import Stage, View
from lesion_core.teaching.rooms import Opened

STAGE_BUTTONS: dict[str, tuple[tuple[Stage, str, str], ...]] = {
    "first": (("talk", "Talk, then vote again", ":material/forum:"), ("revealed", "Reveal", ":material/visibility:")),
    "talk": (("second", "Vote again", ":material/how_to_vote:"), ("revealed", "Reveal", ":material/visibility:")),
    "second": (("revealed", "Reveal", ":material/visibility:"),),
    "revealed": (("hidden", "Hide", ":material/visibility_off:"),),
    "hidden": (("revealed", "Show again", ":material/visibility:"),),
}
"""Stage to what can follow: the stage, the words, the icon; the first is the usual one."""


def draw_stage_buttons(room: Opened, view: View) -> None:
    """Go on with the question, vote anew, or turn to another one."""
    if view.stage is None:
        return
    following = STAGE_BUTTONS[view.stage]
    if isinstance(view.question, ReadingQuestion):  # what was seen with help cannot be read alone again
        following = tuple(one for one in following if one[0] not in ("talk", "second"))
    with st.container(horizontal=True, gap="small"):
        for number, (to, label, icon) in enumerate(following):
            st.button(
                label,
                icon=icon,
                type="primary" if number == 0 else "secondary",
                key=f"to-{to}",
                on_click=_go,
                args=(room, to),
            )
        if view.stage in ("first", "talk", "second") and st.button(
            "Peek", icon=":material/search:", help="The votes so far, over what this screen shows: not on the wall."
        ):
            _peek(room)
        st.button(
            "Vote anew",
            icon=":material/restart_alt:",
            help="Forgets all answers to this question.",
            on_click=lambda: wall.attempt(lambda: rooms().reset(*room)),
        )
        for by, label, icon, there in (
            (-1, "Question before", ":material/arrow_back:", view.place > 0),
            (1, "Next question", ":material/arrow_forward:", view.place < view.asked - 1),
        ):
            if there:
                st.button(label, icon=icon, on_click=_turn, args=(room, by))


def _go(room: Opened, to: Stage) -> None:
    wall.attempt(lambda: rooms().move(*room, to))


def _turn(room: Opened, by: int) -> None:
    wall.attempt(lambda: rooms().back(*room, by))


@st.dialog("For the teacher's eyes", width="large")
def _peek(room: Opened) -> None:
    view = rooms().view(*room, peek=True)
    if view.question is None or view.first is None:
        return
    vote = view.second or view.first
    if vote.right is not None:
        st.markdown(f"Right so far: {share_told(vote.right, vote.n)}.")
    st.caption(
        "Where few are right (under a third), explain first; where most are (over four in five), skip the talk. "
        "The class should not see this before its second vote: a majority on the wall draws everybody."
    )
    wall.draw_votes(view.question, view)


def draw_room_menu(room: Opened) -> None:
    """The file of answers, and the end of the room."""
    with st.popover("Answers, end", icon=":material/more_horiz:", width="stretch"):
        st.download_button(
            "Download answers (CSV)",
            lambda: rooms().answers_csv(*room).encode(),
            f"room-{room.code}.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.caption("One row per person and question in a random order: no names, no times, no addresses.")
        st.button("Close the room and forget all answers", icon=":material/delete:", on_click=_close, args=(room,))


def _close(room: Opened) -> None:
    wall.attempt(lambda: rooms().close(*room))
    teach(None)


def draw_form(room: Opened, view: View) -> None:
    """A question of the teacher's own, of any kind."""
    kind = st.segmented_control("Kind", list(KINDS), default="choice", format_func=KINDS.__getitem__, required=True)
    of = st.segmented_control("Items", list(ITEMS), default=ITEMS[0], required=True) if kind == "series" else None
    with st.form("own question", border=False):
        text = st.text_input("Question", max_chars=400, placeholder="Whose model is better on a new hospital's images?")
        question = _fields(str(of or kind), text, f"own-{view.asked + 1}", room.code)
        if st.form_submit_button("Ask", type="primary", icon=":material/send:"):
            try:
                with st.spinner("Preparing the images …"):
                    asked = question() if callable(question) else question
                    if isinstance(asked, LesionError):
                        raise asked
                    dealt.prepare(asked)
                rooms().ask(*room, asked)
            except LesionError as error:
                problem(error)
                return
            st.rerun()


ITEMS = "Sentences", "Images, with what the model says of each"
"""What a series is of."""
Made = Question | LesionError
"""A question, or what is wrong with it."""


def _fields(kind: str, text: str, key: str, code: str) -> Made | Callable[[], Made]:
    """What the fields of a kind, or of the items of a series, ask; what is dealt is made when it is asked."""
    if kind in ("number", "line"):
        columns = st.columns(4)
        unit = columns[0].text_input("Unit", max_chars=24, placeholder="%")
        end = MOST_NUMBER
        least = columns[1].number_input("Least", min_value=-end, max_value=end, value=0.0)
        most = columns[2].number_input("Most", min_value=-end, max_value=end, value=100.0 if kind == "number" else 1.0)
        right = columns[3].number_input("Right, where it is known", min_value=-end, max_value=end, value=None)
        if kind == "line":
            return _made(lambda: LineQuestion(key=key, text=text, unit=unit, least=least, most=most, right=right))
        step = st.number_input("Step", value=1.0, min_value=0.0001, max_value=MOST_NUMBER)
        return _made(
            lambda: NumberQuestion(key=key, text=text, unit=unit, least=least, most=most, right=right, step=step)
        )
    if kind == "diagnosis":
        images = class_images()
        name = st.selectbox("Image", list(images), format_func=images.__getitem__)
        codes = st.multiselect("Diagnoses to choose from", list(ISIC2019), list(ISIC2019), format_func=_named)
        truth = name.split("-")[1] if name.startswith("synthetic-") else None
        known = truth if truth in codes else None
        return _made(lambda: DiagnosisQuestion(key=key, text=text, image=name, codes=tuple(codes), right=known))
    if kind == "reading":
        per_arm = int(st.number_input("Images in each arm", 3, MOST_IMAGES // len(ARMS), dealt.PER_ARM))
        st.caption(
            "Each person reads as many images alone, with the model's answer, and with its answer and map. Some "
            "answers are the model's own mistakes."
        )
        return lambda: dealt.reader_study(current_run(), key, dealt.seed_of(code, key), per_arm, text or dealt.TEXT)
    if kind == ITEMS[1]:
        n = int(st.number_input("Images", 3, MOST_ITEMS, 10))
        st.caption("Half of the answers are wrong, where the model makes so many mistakes.")
        asked = text or "Is the model's answer right?"
        return lambda: dealt.image_series(current_run(), key, asked, dealt.seed_of(code, key), n)
    told = "A * before a line: it is right." if kind == "choice" else "A * before a line: the right answer is “Right”."
    written = st.text_area("Options, one per line" if kind == "choice" else "Items, one per line", height=150)
    st.caption(told)
    lines = [line.strip() for line in written.splitlines() if line.strip()]
    if kind == "choice":
        right_one = [chr(97 + i) for i, line in enumerate(lines) if line.startswith("*")]
        options = [(chr(97 + i % 26), line.lstrip("* ")) for i, line in enumerate(lines[:6])]
        if len(right_one) > 1:
            return ConfigError("Several options are marked as right.", "Mark one, or none.")
        return _made(
            lambda: ChoiceQuestion(
                key=key,
                text=text,
                options=tuple(Option(key=letter, text=words) for letter, words in options),
                right=right_one[0] if right_one else None,
            )
        )
    images = class_images()
    chosen = st.multiselect(
        "Images, one per item in their order, or none", list(images), format_func=images.__getitem__
    )
    if chosen and len(lines) == 1:
        lines = [lines[0].lstrip("* ")] * len(chosen)  # one sentence, said of each image
    if chosen and len(chosen) != len(lines):
        return ConfigError(f"{len(chosen)} images for {len(lines)} items.", "Choose one per item, or none.")
    marked = any(line.startswith("*") for line in lines)
    return _made(
        lambda: SeriesQuestion(
            key=key,
            text=text,
            items=tuple(
                Item(text=line.lstrip("* "), image=image, right=line.startswith("*") if marked else None)
                for line, image in zip(lines, chosen or [""] * len(lines), strict=True)
            ),
        )
    )


def _made(make: Callable[[], Question]) -> Question | LesionError:
    """The question, or what is wrong with it, for whoever presses the button."""
    try:
        return make()
    except ValidationError as error:
        return ConfigError(f"This cannot be asked yet: {first_problem(error)}", "Correct it, and ask again.")


def _named(code: str) -> str:
    return diagnosis(code).name


def class_images() -> dict[str, str]:
    """Ids of images that a class may see, to names that do not tell what they show: the one of the visit first."""
    shuffled = [sample.id for sample in synthetic_samples()]
    random.Random(0).shuffle(shuffled)
    found = {name: f"Synthetic image {number}" for number, name in enumerate(shuffled, 1)}
    found |= {sample.id: f"Image without a lesion {n}" for n, sample in enumerate(ood_samples(state.OOD_SAMPLES), 1)}
    seen = visit.named(state.IMAGE)
    if seen and seen not in found:
        try:
            class_image(seen)
        except LesionError:  # an upload, or one whose licence is not known
            return found
        return {seen: "The image of this visit", **found}
    return found
