"""The page *Room*: a class is asked, votes twice, and sees both; what phones send goes past the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.context import StreamlitCookies
from streamlit.testing.v1 import AppTest

from app import state
from app.figures.votes import share_told, votes
from app.lessons import deals
from app.lessons.given import Card
from app.room import controls, shared, study
from app.room.addresses import own_addresses, reach
from app.room.images import PHONE_SIDE, class_image
from app.room.shared import TAUGHT
from lesion_core.errors import ConfigError
from lesion_core.labels import ISIC2019
from lesion_core.teaching.questions import DiagnosisQuestion, Item, SeriesQuestion
from lesion_core.teaching.reading import ARMS, Reading
from lesion_core.teaching.rooms import MemoryRooms, Opened, Rooms
from lesion_core.teaching.tallies import tally
from tests.literal import open_page, text


@pytest.fixture(autouse=True)
def without_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LESION_RUNS", str(tmp_path))
    monkeypatch.delenv("LESION_DATA", raising=False)


@pytest.fixture
def rooms() -> Iterator[Rooms]:
    shared.rooms.cache_clear()
    yield shared.rooms()
    shared.rooms.cache_clear()


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    """All that stands on the page, its headings too."""
    return "\n".join([text(app), *(heading.value for heading in (*app.title, *app.header, *app.subheader))])


def fill(app: AppTest, label: str, value: Any) -> None:
    widgets: list[Any] = [*app.text_input, *app.text_area, *app.number_input, *app.selectbox]
    next(widget for widget in widgets if widget.label == label).set_value(value)


def vote(rooms: Rooms, room: Opened, people: list[str], values: str) -> None:
    for person, value in zip(people, values, strict=True):
        rooms.answer(room.code, person, str(rooms.phone(room.code, person)["ballot"]), value)


def test_a_class_votes_talks_votes_again_and_sees_both(rooms: Rooms) -> None:
    app = press(open_page("room"), "Open a room")
    room = Opened(*app.session_state[TAUGHT])
    assert room.code in words(app) and "0 people in the room" in words(app)
    people = [rooms.join(room.code) for _ in range(6)]
    press(app, "Ask")
    assert "cannot be asked yet" in words(app), "an empty question is a sentence"
    fill(app, "Question", "Whose model is better?")
    fill(app, "Options, one per line", "Team A\n* Team B\nBoth alike")
    press(app, "Ask")
    assert app.title[0].value == "Whose model is better?" and "0 of 6 answered" in words(app)
    vote(rooms, room, people, "aaabbc")
    press(app, "Talk, then vote again")
    assert "Talk to a neighbour" in words(app) and not app.get("plotly_chart")
    press(app, "Vote again")
    vote(rooms, room, people, "bbbbbc")
    press(app, "Reveal")
    assert len(app.get("plotly_chart")) == 1
    for sentence in ("First vote: 2 of 6", "Second vote: 5 of 6", "3 of 6 changed their answer"):
        assert sentence in words(app)
    press(app, "Hide")
    assert not app.get("plotly_chart")
    press(app, "Vote anew")
    assert "0 of 6 answered" in words(app)
    press(app, "Close the room and forget all answers")
    assert any(button.label == "Open a room" for button in app.button)


@pytest.mark.parametrize(
    ("kind", "fields", "answer", "told"),
    [
        (
            "number",
            {"Question": "How many?", "Unit": "points", "Right, where it is known": 8.0},
            7,
            "dashed line is the measured value",
        ),
        ("line", {"Question": "Where?"}, 0.8, "Where?"),
        ("diagnosis", {"Question": "Which?"}, "MEL", "synthetic"),
        ("series", {"Question": "Right?", "Items, one per line": "* One\nTwo"}, [True, False], "Right?"),
    ],
)
def test_a_question_of_each_kind_is_asked_and_revealed(
    rooms: Rooms, kind: str, fields: dict[str, Any], answer: object, told: str
) -> None:
    app = press(open_page("room"), "Open a room")
    room = Opened(*app.session_state[TAUGHT])
    next(group for group in app.get("button_group") if group.label == "Kind").set_value(kind).run()
    for label, value in fields.items():
        fill(app, label, value)
    press(app, "Ask")
    for person in [rooms.join(room.code) for _ in range(5)]:
        rooms.answer(room.code, person, "0.0.1", answer)
    press(app, "Reveal")
    assert told in words(app) and len(app.get("plotly_chart")) == 1


IMAGES = "synthetic-MEL-1", "synthetic-NV-1", "synthetic-BCC-1"


def cards(wrong: int, right: int) -> list[Card]:
    """Synthetic images, and what a model says of them."""
    return [
        Card("", i >= wrong, f"synthetic-{ISIC2019[i % 8]}-{i // 8 + 1}", "MEL", "MEL" if i >= wrong else "NV", 0.9)
        for i in range(wrong + right)
    ]


def choose(app: AppTest, label: str, value: str) -> None:
    next(group for group in app.get("button_group") if group.label == label).set_value(value).run()


def asked_in(app: AppTest, rooms: Rooms) -> tuple[Opened, Any]:
    room = Opened(*app.session_state[TAUGHT])
    return room, rooms.view(*room).question


def answer_all(rooms: Rooms, room: Opened, people: list[str], value: Any) -> None:
    for person in people:
        told = rooms.phone(room.code, person)
        rooms.answer(room.code, person, str(told["ballot"]), value(told["question"]) if callable(value) else value)


def test_right_or_wrong_of_a_series_of_pictures(rooms: Rooms) -> None:
    app = press(open_page("room"), "Open a room")
    choose(app, "Kind", "series")
    fill(app, "Question", "True?")
    fill(app, "Items, one per line", "This is malignant.")
    app.multiselect[0].set_value(list(IMAGES))
    press(app, "Ask")
    room, question = asked_in(app, rooms)
    assert [item.text for item in question.items] == ["This is malignant."] * 3
    assert tuple(item.image for item in question.items) == IMAGES
    assert len(app.get("image")) >= 3 and "3." in words(app)
    people = [rooms.join(room.code) for _ in range(5)]
    answer_all(rooms, room, people, [True, False, True])
    app.run()
    assert "5 of 5 answered, 5 to the end" in words(app)
    press(app, "Reveal")
    assert len(app.get("plotly_chart")) == 1
    choose(app, "Kind", "series")
    fill(app, "Question", "And these?")
    fill(app, "Items, one per line", "One\nTwo")
    app.multiselect[0].set_value(list(IMAGES))
    press(app, "Ask")
    assert "3 images for 2 items" in words(app)


@pytest.mark.slow
def test_images_are_dealt_from_the_run_for_a_class(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the model's answers are right, or as many as it gets; a reader study has as many mistakes in each arm."""
    monkeypatch.delenv("LESION_RUNS")
    monkeypatch.setattr(deals, "candidates", lambda _: (cards(wrong=5, right=8), False))
    app = press(open_page("room"), "Open a room")
    people: list[str] = []
    choose(app, "Kind", "series")
    choose(app, "Items", controls.ITEMS[1])
    fill(app, "Images", 6)
    press(app, "Ask")
    room, series = asked_in(app, rooms)
    people += [rooms.join(room.code) for _ in range(6)]
    assert len(series.items) == 6 and sum(item.right for item in series.items) == 3
    assert all(item.image.startswith("synthetic-") and item.text.startswith("The model says") for item in series.items)
    choose(app, "Kind", "reading")
    fill(app, "Images in each arm", 3)
    fill(app, "Question", "What is it?")
    press(app, "Ask")
    _, study = asked_in(app, rooms)
    each = len(study.reads) // 3
    assert each == 3 and "3 images alone" in words(app)
    assert sum(one.answer != one.truth for one in study.reads) == 3, "one mistake in each arm"
    assert not any(button.label.startswith("Talk") for button in app.button), "help cannot be unseen"
    answer_all(
        rooms, room, people, lambda asked: [option["key"] for option in asked["options"][:1]] * len(asked["items"])
    )
    person = people[0]
    told: Any = rooms.phone(room.code, person)
    for item in told["question"]["items"]:
        for place in (item["image"], item["map"]):
            if place is not None:
                shown = class_image(rooms.image(room.code, person, str(told["ballot"]), place), PHONE_SIDE)
                assert shown.kind == "synthetic" and len(shown.jpeg) < 60_000
    press(app, "Reveal")
    assert len(app.get("plotly_chart")) == 1
    for sentence in ("Right alone in", "Where the model was wrong", "Published", "Tschandl", "over people"):
        assert sentence in words(app)


def test_of_an_arm_that_few_have_read_nothing_is_told() -> None:
    """Five have begun, four have come to the third arm."""
    one = {arm: Reading(arm, "MEL", "NV", "NV") for arm in ARMS}
    read = [[one["alone"], one["answer"], *([one["map"]] if person else [])] for person in range(5)]
    found = study.measure(read)
    assert [study.few(found.accuracy[arm]) for arm in ARMS] == [False, False, True]
    told = " ".join(study.sentences(found))
    assert "with the answer, and" in told and "map" not in told and "nan" not in told


def test_another_window_is_told_that_the_question_has_gone_on(rooms: Rooms) -> None:
    app = press(open_page("room"), "Open a room")
    room = Opened(*app.session_state[TAUGHT])
    fill(app, "Question", "Whose?")
    fill(app, "Options, one per line", "A\nB")
    press(app, "Ask")
    rooms.reveal(*room)
    press(app, "Talk, then vote again")
    assert "has gone on meanwhile" in words(app)
    rooms.close(*room)
    app.run()
    assert any(button.label == "Open a room" for button in app.button) and not app.exception


def test_the_teachers_cookie_opens_the_room_again(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    room, other = rooms.open(), rooms.open()
    for value, mine in (
        (f"{room.code}.{room.teacher}", True),
        (f"{room.code}.{other.teacher}", False),
        (room.code, False),
        ("....", False),
        ("", False),
    ):
        monkeypatch.setattr(
            type(st.context), "cookies", property(lambda _, value=value: StreamlitCookies({TAUGHT: value}))
        )
        app = open_page("room")
        assert not app.exception and (room.code in words(app)) == mine


HERE = ["192.168.1.20", "10.8.0.2"]


@pytest.mark.parametrize(
    ("opened_at", "public", "listens", "own", "origins", "doubt"),
    [
        ("http://localhost:8501/room", "https://lab.example.org/x", "", HERE, ["https://lab.example.org/x"], ""),
        ("http://localhost:8501/room", None, "", HERE, [f"http://{a}:8501" for a in HERE], "guest networks"),
        ("http://127.0.0.1:8501/room", None, "0.0.0.0", HERE[:1], ["http://192.168.1.20:8501"], "guest networks"),
        ("http://[::1]:8501/room", None, "127.0.0.1", HERE, [], "this computer alone"),
        ("http://localhost:8501/room", None, "10.8.0.2", HERE, ["http://10.8.0.2:8501"], ""),
        ("http://localhost/room", None, "", [], [], "not known"),
        ("https://lab.example.org/room", None, "127.0.0.1", HERE, ["https://lab.example.org"], None),
        ("http://10.8.0.2:8501/room", None, "10.8.0.2", HERE, ["http://10.8.0.2:8501"], ""),
    ],
)
def test_phones_are_sent_where_they_can_come(
    opened_at: str, public: str | None, listens: str, own: list[str], origins: list[str], doubt: str | None
) -> None:
    found = reach(opened_at, "", public, listens, own)
    assert list(found.origins)[: len(origins)] == origins and bool(found.origins) == bool(origins)
    assert doubt is None or (doubt in found.doubt and bool(doubt) == bool(found.doubt))
    assert not any("localhost" in origin or "127.0.0.1" in origin for origin in found.origins)


def test_own_addresses_are_never_this_computers_alone() -> None:
    assert not [address for address in own_addresses() if address.startswith("127.")]


@pytest.mark.parametrize(
    "url", ["lab.example.org", "ftp://x", "http://", "http://a:99999", "http://a?b", "javascript:1"]
)
def test_a_public_url_that_is_none_is_a_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["Home.py", f"--public-url={url}"])
    state._arguments.cache_clear()
    with pytest.raises(ConfigError, match="--public-url"):
        state.public_url()
    state._arguments.cache_clear()


def test_the_figure_has_each_option_once_with_its_n() -> None:
    question = DiagnosisQuestion(key="d", text="Which?", image="synthetic-MEL-1", codes=("MEL", "NV"), right="MEL")
    first = tally(question, dict(enumerate(["MEL", "NV", "NV", "NV", "NV"])))
    second = tally(question, dict(enumerate(["MEL"] * 5)))
    figure = votes(question, first, second)
    assert figure is not None
    assert [list(trace.text) for trace in figure.data] == [
        [share_told(1, 5), share_told(4, 5)],
        [share_told(5, 5), share_told(0, 5)],
    ]
    assert list(figure.layout.yaxis.ticktext) == ["✓ melanoma", "melanocytic nevus"]
    few = tally(question, dict(enumerate(["MEL", "NV"])))
    assert votes(question, few, None) is None


def test_an_item_that_few_answered_has_no_bar() -> None:
    question = SeriesQuestion(key="s", text="?", items=(Item(text="One", right=True), Item(text="Two")))
    answers = dict(enumerate([(True, True), (True,), (False,), (True,), (True,)]))
    figure = votes(question, tally(question, answers), None)
    assert figure is not None and list(figure.data[0].text) == [share_told(4, 5), ""]


def test_rooms_are_in_memory_where_no_file_is_named(rooms: Rooms) -> None:
    assert isinstance(rooms, MemoryRooms)
