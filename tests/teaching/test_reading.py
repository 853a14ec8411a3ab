"""A reader study: dealt evenly, to each person otherwise and always the same, and no phone knows more than its arm."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any

import pytest

from lesion_core.errors import ConfigError
from lesion_core.teaching.questions import read_question
from lesion_core.teaching.reading import ARMS, ReadingImage, ReadingQuestion
from lesion_core.teaching.room import NoRoomError
from lesion_core.teaching.rooms import MemoryRooms
from lesion_core.teaching.tallies import tally


def study(wrong: int = 9, right: int = 21) -> ReadingQuestion:
    reads = [("MEL", "NV")] * wrong + [("NV", "NV")] * right
    return ReadingQuestion(
        key="study",
        text="What is it?",
        reads=tuple(
            ReadingImage(image=f"image-{i}", map=f"map-{i}", truth=truth, answer=answer, confidence=0.75)
            for i, (truth, answer) in enumerate(reads)
        ),
    )


def test_each_arm_has_as_many_images_and_as_many_mistakes_and_nobody_reads_one_twice() -> None:
    question = study()
    for person in map(str, range(20)):
        dealt = question.deal(person)
        assert Counter(arm for _, arm in dealt) == dict.fromkeys(ARMS, 10)
        assert Counter(arm for one, arm in dealt if one.answer != one.truth) == dict.fromkeys(ARMS, 3)
        assert {one.image for one, _ in dealt} == {one.image for one in question.reads}
        assert dealt == question.deal(person) == read_question(question.to_json()).deal(person)  # type: ignore[union-attr]


def test_people_get_other_orders_and_other_arms() -> None:
    deals = [study().deal(str(person)) for person in range(300)]
    assert len({tuple(one.image for one, _ in dealt) for dealt in deals}) == 300
    assert {dealt[0].arm for dealt in deals} == set(ARMS)
    arms = Counter((one.image, arm) for dealt in deals for one, arm in dealt)
    assert len(arms) == 90 and min(arms.values()) > 60, "each image is read in every arm, by about a third"


@pytest.mark.parametrize(("wrong", "right"), [(0, 6), (1, 5), (3, 4), (2, 4), (63, 0)])
def test_what_cannot_be_dealt_evenly_is_refused(wrong: int, right: int) -> None:
    with pytest.raises(ValueError, match=r"image|reads|wrong"):
        study(wrong, right)


def test_an_image_that_is_there_twice_is_refused() -> None:
    data = json.loads(study(3, 3).to_json())
    data["reads"][0]["image"] = data["reads"][1]["image"]
    with pytest.raises(ConfigError, match="twice"):
        read_question(json.dumps(data))


def test_a_phone_sees_what_its_arm_shows_and_no_more() -> None:
    question = study()
    for person in ("a", "b"):
        items: Any = question.public(person=person)["items"]
        for place, (item, (one, arm)) in enumerate(zip(items, question.deal(person), strict=True)):
            assert item["image"] == place and item["arm"] == ARMS[arm]
            assert (item["model"] is None) == (arm == "alone") and (item["map"] is None) == (arm != "map")
            assert question.images(person)[place] == one.image
            assert question.images(person)[30 + place] == (one.map if arm == "map" else "")
        before = json.dumps(question.public(person=person))
        assert "image-" not in before and "map-" not in before and "planted" not in before and "right" not in before
        revealed: Any = question.public(revealed=True, person=person)["items"]
        assert sum(item["planted"] for item in revealed) == 9 and all(item["model"] for item in revealed)


def vote(rooms: MemoryRooms, code: str, person: str, answers: list[str]) -> None:
    rooms.answer(code, person, str(rooms.phone(code, person)["ballot"]), answers)


def follower(question: Any) -> list[str]:
    """Says what the model says where it is shown, else melanoma."""
    names = {option["text"]: option["key"] for option in question["options"]}
    return [names[item["model"]["text"]] if item["model"] else "MEL" for item in question["items"]]


def test_a_room_counts_each_person_once_and_the_file_has_every_reading() -> None:
    rooms = MemoryRooms()
    code, teacher = rooms.open()
    question = study()
    rooms.ask(code, teacher, question)
    people = [rooms.join(code) for _ in range(6)]
    for number, person in enumerate(people):
        answers = follower(rooms.phone(code, person)["question"])
        for end in (1, 5, 30 if number else 12):  # on and on; a later answer holds the earlier ones
            vote(rooms, code, person, answers[:end])
        assert rooms.phone(code, person)["mine"] == [tuple(answers[: 30 if number else 12]), None]
    view = rooms.view(code, teacher)
    assert (view.answered, view.finished, view.people, view.first) == (6, 5, 6, None)
    with pytest.raises(ConfigError, match="31 answers to 30 images"):
        vote(rooms, code, people[0], ["MEL"] * 31)
    with pytest.raises(NoRoomError):
        rooms.image(code, people[0], str(rooms.phone(code, people[0])["ballot"]), 60)
    rooms.reveal(code, teacher)
    first = rooms.view(code, teacher).first
    assert first is not None and first.readings is not None and sorted(map(len, first.readings)) == [12, *[30] * 5]
    assert rooms.readings(code, teacher, "study") == first.readings and rooms.readings(code, teacher, "other") is None
    helped = [one for own in first.readings for one in own if one.arm != "alone"]
    assert all(one.said == one.answer for one in helped)
    table = list(csv.DictReader(io.StringIO(rooms.answers_csv(code, teacher))))
    assert len(table) == 12 + 5 * 30 and {row["kind"] for row in table} == {"reading"}
    assert Counter(row["reader"] for row in table).most_common()[-1][1] == 12
    for row in table:
        assert (row["planted"] == "yes") == (row["model"] != row["right"]) and row["arm"] in ARMS
        assert row["first"] == (row["model"] if row["arm"] != "alone" else "MEL")


def test_under_five_readers_nothing_is_told() -> None:
    rooms = MemoryRooms()
    code, teacher = rooms.open()
    rooms.ask(code, teacher, study())
    for _ in range(4):
        vote(rooms, code, rooms.join(code), ["MEL"])
    rooms.reveal(code, teacher)
    first = rooms.view(code, teacher).first
    assert first is not None and (first.n, first.finished, first.readings) == (4, 0, None)
    table = list(csv.DictReader(io.StringIO(rooms.answers_csv(code, teacher))))
    assert len(table) == 1 and table[0]["first"] == "under 5 answers"


def test_readings_are_in_no_order_of_coming() -> None:
    question = study(3, 3)
    answers = {0: ("NV",) * 6, 1: ("MEL",) * 6, 2: ("BCC",) * 6, 3: ("DF",) * 6, 4: ("SCC",) * 6}
    found = tally(question, answers, dict(zip(range(5), "edcba", strict=True))).readings
    assert found is not None and [own[0].said for own in found] == ["SCC", "DF", "BCC", "MEL", "NV"]
