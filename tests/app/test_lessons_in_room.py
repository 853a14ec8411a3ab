"""A step of a lesson in a room: the class votes before the figure is shown, and its guesses are drawn on it."""

from __future__ import annotations

import json

import pytest

from app.room.shared import TAUGHT, rooms
from tests.app.test_lessons_page import charts, press
from tests.literal import open_page, text


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
