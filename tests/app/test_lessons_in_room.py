"""A step of a lesson in a room: the class votes before the figure is shown, and its guesses are drawn on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.lessons import deals, library
from app.room import dealt
from app.room.shared import TAUGHT, rooms
from lesion_core.teaching.rooms import Opened
from tests.app.test_lessons_page import charts, press
from tests.app.test_room_page import cards
from tests.literal import ROOT, open_page, text


def opened(room: Opened, lesson: str, step: int) -> AppTest:
    app = open_page("lessons", lesson=lesson, step=str(step))
    app.session_state[TAUGHT] = room
    app = press(app.run(), f"Ask room {room.code}")
    assert not app.exception and not app.warning and not app.error, text(app)
    return app


def answer_all(room: Opened, people: list[str], value: Any) -> None:
    for person in people:
        told: Any = rooms().phone(room.code, person)
        rooms().answer(room.code, person, str(told["ballot"]), value(told["question"]))


@pytest.mark.slow
@pytest.mark.parametrize(("lesson", "step"), [("calibration", 2), ("shortcuts", 1)])
def test_a_series_is_dealt_to_a_class_as_to_one_person(lesson: str, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LESION_DATA", "LESION_RUNS"):
        monkeypatch.delenv(name, raising=False)
    room = rooms().open()
    app = opened(room, lesson, step)
    people = [rooms().join(room.code) for _ in range(5)]
    phones: list[Any] = [rooms().phone(room.code, person)["question"] for person in people]
    assert all(phone == phones[0] for phone in phones) and len(phones[0]["items"]) == 10
    assert not any("*" in item["text"] for item in phones[0]["items"]), "plain words on a phone"
    answer_all(room, people, lambda question: [True] * len(question["items"]))
    app = app.run()
    assert "5 of 5 answered, 5 to the end" in [heading.value for heading in app.subheader] and not charts(app)
    question: Any = rooms().view(*room).question
    assert sum(item.right for item in question.items) == 5
    app = press(app, "Reveal")
    assert len(charts(app)) == 2 and "AUROC" in text(app), "the votes, and the figure of the step"
    rooms().close(*room)


def test_a_reader_study_is_read_in_one_step_and_revealed_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LESION_DATA", "LESION_RUNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(deals, "candidates", lambda _: (cards(wrong=9, right=21), False))
    monkeypatch.setattr(dealt, "prepare", lambda _: None)
    room = rooms().open()
    app = opened(room, "people", 4)
    people = [rooms().join(room.code) for _ in range(6)]

    def follow(question: Any) -> list[str]:
        codes = {option["text"]: option["key"] for option in question["options"]}
        return [codes[item["model"]["text"]] if item["model"] else "DF" for item in question["items"]]

    answer_all(room, people, follow)
    app = press(app.run(), "Reveal")
    (chart,) = charts(app)
    assert "said the model" in chart.proto.spec  # type: ignore[attr-defined]
    assert "**100 %** said the same with answer and map" in text(app) and "Published" in text(app)
    app = opened(room, "people", 7)
    answer_all(room, people, lambda _: 3)
    app = press(app.run(), "Reveal")
    assert "The class had expected 3" in text(app) and len(charts(app)) == 1
    assert "**100 %** said the same with the answer" in text(app)
    rooms().close(*room)


def test_the_diagnosis_of_an_image_is_a_step_of_a_lesson(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("LESION_DATA", "LESION_RUNS"):
        monkeypatch.delenv(name, raising=False)
    written = (ROOT / "lessons" / "leakage.yaml").read_text()
    begin, end = written.index("  - title:"), written.index("take_away:")
    step = (
        "  - title: Look\n    minutes: 17\n    ask:\n      kind: diagnosis\n      text: What is it?\n"
        "      image: synthetic-MEL-1\n      right: MEL\n"
    )
    (tmp_path / "look.yaml").write_text(written[:begin] + step + written[end:])
    monkeypatch.setattr(library, "LESSONS", tmp_path)
    app = open_page("lessons", lesson="look", step="1")
    assert not app.exception and len(app.get("image")) == 1 and "Right:" not in text(app)
    app.radio[0].set_value("NV")
    app = press(app.run(), "Lock my answer")
    assert "Your answer: **Melanocytic nevus**" in text(app) and "Right: **melanoma**" in text(app)
    room = rooms().open()
    app = opened(room, "look", 1)
    people = [rooms().join(room.code) for _ in range(5)]
    answer_all(room, people, lambda question: question["options"][0]["key"])
    app = press(app.run(), "Reveal")
    assert len(charts(app)) == 1 and len(app.get("image")) == 1
    rooms().close(*room)


def test_a_class_votes_on_a_step_and_its_guesses_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LESION_DATA", "LESION_RUNS"):
        monkeypatch.delenv(name, raising=False)
    room = rooms().open()
    app = open_page("lessons", lesson="people", step="2")
    app.session_state[TAUGHT] = room
    app = press(app.run(), f"Ask room {room.code}")
    people = [rooms().join(room.code) for _ in range(6)]
    for guess, person in enumerate(people):
        ballot = str(rooms().phone(room.code, person)["ballot"])
        rooms().answer(room.code, person, ballot, 10.0 * guess)
    app = app.run()
    assert not app.exception and not charts(app), "a figure before the reveal"
    assert "6 of 6 answered" in [heading.value for heading in app.subheader]
    app = press(app, "Reveal")
    (chart,) = charts(app)
    drawn = json.loads(chart.proto.spec)["data"]  # type: ignore[attr-defined]
    assert [0.0, 0.1, 0.2, 0.3, 0.4, 0.5] in [trace["x"] for trace in drawn if isinstance(trace["x"], list)]
    assert "its alarm is right" in text(app)
    rooms().close(*room)
