"""Rooms, in memory and in a file, by the same tests."""

from __future__ import annotations

import csv
import io
import json
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lesion_core.errors import ConfigError, LesionError
from lesion_core.teaching import room as one_room
from lesion_core.teaching import rooms as keepers
from lesion_core.teaching.limits import Bucket, Limiter
from lesion_core.teaching.questions import ChoiceQuestion, Item, NumberQuestion, Option, SeriesQuestion
from lesion_core.teaching.room import NoRoomError, NotTheTeacherError, RoomError, UnknownPersonError
from lesion_core.teaching.rooms import CODE, FileRooms, MemoryRooms, Opened, Rooms
from lesion_core.teaching.tallies import FEWEST

POINTS = NumberQuestion(key="points", text="=How many points?", unit="points", least=0, most=50, right=8)
TEAMS = ChoiceQuestion(
    key="teams", text="Whose is better?", options=tuple(Option(key=k, text=k.upper()) for k in "abc"), right="b"
)
ITEMS = SeriesQuestion(key="items", text="Right?", items=tuple(Item(text=t, right=True) for t in ("One", "Two")))


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "file", "files"])
def rooms(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Rooms]:
    """In memory; in a file; and in one whose calls go to two processes' keepers in turn."""
    if request.param == "memory":
        yield MemoryRooms(clock)
        return
    both = [FileRooms(tmp_path / "rooms.db", clock) for _ in range(2 if request.param == "files" else 1)]
    yield InTurn(both) if len(both) > 1 else both[0]  # type: ignore[misc]
    for each in both:
        each.end()


class InTurn:
    def __init__(self, both: list[FileRooms]) -> None:
        self._both, self._turn = both, 0

    def __getattr__(self, name: str) -> Callable[..., object]:
        self._turn += 1
        return getattr(self._both[self._turn % len(self._both)], name)  # type: ignore[no-any-return]


def ballot(rooms: Rooms, code: str, person: str) -> str:
    return str(rooms.phone(code, person)["ballot"])


def vote(rooms: Rooms, code: str, person: str, value: object) -> None:
    rooms.answer(code, person, ballot(rooms, code, person), value)


def test_a_vote_a_talk_and_another_vote(rooms: Rooms) -> None:
    code, teacher = rooms.open()
    assert CODE.fullmatch(code) and rooms.view(code, teacher).question is None
    people = [rooms.join(code) for _ in range(6)]
    assert rooms.phone(code, people[0])["stage"] == "waiting"
    rooms.ask(code, teacher, TEAMS)
    for person, value in zip(people, "aabbc", strict=False):
        vote(rooms, code, person, value)
    view = rooms.view(code, teacher)
    assert (view.answered, view.people, view.first, view.changed) == (5, 6, None, None)
    peeked = rooms.view(code, teacher, peek=True).first
    assert peeked is not None and peeked.counts == {"a": 2, "b": 2, "c": 1} and peeked.right == 2
    late = ballot(rooms, code, people[0])
    rooms.talk(code, teacher)
    with pytest.raises(RoomError, match="over"):
        rooms.answer(code, people[0], late, "c")
    rooms.revote(code, teacher)
    with pytest.raises(RoomError, match="over"):
        rooms.answer(code, people[0], late, "c")
    assert rooms.phone(code, people[0])["mine"] == ["a", None], "one's first answer stays, and nothing is chosen"
    for person, value in zip(people, "bbbbbb", strict=True):
        vote(rooms, code, person, value)
    assert rooms.view(code, teacher).first is None and "right" not in json.dumps(rooms.phone(code, people[0]))
    rooms.reveal(code, teacher)
    view = rooms.view(code, teacher)
    assert view.first and view.first.counts == {"a": 2, "b": 2, "c": 1}
    assert view.second and view.second.counts == {"a": 0, "b": 6, "c": 0} and view.changed == (3, 5)
    told = rooms.phone(code, people[0])
    assert told["mine"] == ["a", "b"] and '"right": "b"' in json.dumps(told)
    with pytest.raises(RoomError, match="over"):
        vote(rooms, code, people[0], "a")
    rooms.hide(code, teacher)
    assert rooms.view(code, teacher).first is None and rooms.phone(code, people[0])["stage"] == "hidden"
    with pytest.raises(RoomError):
        rooms.revote(code, teacher)  # what was seen cannot be voted on again
    rooms.reveal(code, teacher)
    assert rooms.view(code, teacher) == view.__class__(**{**vars(view), "version": view.version + 2})


def test_going_back_keeps_and_reset_forgets(rooms: Rooms) -> None:
    code, teacher = rooms.open()
    person = rooms.join(code)
    rooms.ask(code, teacher, TEAMS)
    vote(rooms, code, person, "a")
    old = ballot(rooms, code, person)
    rooms.ask(code, teacher, POINTS)
    with pytest.raises(RoomError, match="over"):
        rooms.answer(code, person, old, "b")
    vote(rooms, code, person, 8)
    rooms.back(code, teacher)
    assert rooms.phone(code, person)["mine"] == ["a", None]
    with pytest.raises(RoomError):
        rooms.back(code, teacher)
    rooms.back(code, teacher, 1)
    assert rooms.phone(code, person)["mine"] == [8.0, None]
    rooms.ask(code, teacher, TEAMS)
    assert rooms.phone(code, person)["mine"] == ["a", None] and rooms.view(code, teacher).asked == 2
    rooms.reset(code, teacher)
    assert rooms.phone(code, person)["mine"] == [None, None] and ballot(rooms, code, person) != old
    with pytest.raises(RoomError, match="over"):
        rooms.answer(code, person, old, "b")  # sent before the reset, arrives after it


def test_tokens_and_codes_are_checked(rooms: Rooms) -> None:
    (code, teacher), (other, others_teacher) = rooms.open(), rooms.open()
    person = rooms.join(code)
    calls: list[Callable[[str, str], object]] = [
        lambda c, t: rooms.ask(c, t, TEAMS),
        *(getattr(rooms, name) for name in ("talk", "revote", "reveal", "hide", "reset", "back", "view", "close")),
        rooms.answers_csv,
    ]
    for call in calls:
        for token in (others_teacher, person, "", "\ud800", teacher[:-1], "x" * 10_000):
            with pytest.raises(NotTheTeacherError):
                call(code, token)
        for wrong in ("", "AAAA", "../x", code + "B", code.lower()):
            with pytest.raises(NoRoomError):
                call(wrong, teacher)
    for token in (teacher, "", rooms.join(other)):
        with pytest.raises(UnknownPersonError):
            rooms.phone(code, token)
        with pytest.raises(UnknownPersonError):
            rooms.answer(code, token, "0.0.1", "a")
        with pytest.raises(UnknownPersonError):
            rooms.image(code, token, "0.0.1", 0)
    for name in ("talk", "revote", "reveal", "hide", "reset"):
        with pytest.raises(RoomError, match="Nothing is asked"):
            getattr(rooms, name)(code, teacher)
    rooms.close(code, teacher)
    with pytest.raises(NoRoomError):
        rooms.phone(code, person)


def test_a_room_is_gone_after_hours_without_use(rooms: Rooms, clock: Clock) -> None:
    code, teacher = rooms.open()
    person = rooms.join(code)
    clock.now += keepers.UNUSED_S - 1
    rooms.ask(code, teacher, TEAMS)
    clock.now += keepers.UNUSED_S - 1
    rooms.phone(code, person)  # a phone that lies in a bag and asks is not use
    clock.now += 2
    with pytest.raises(NoRoomError):
        rooms.view(code, teacher)
    rooms.sweep()
    clock.now -= 2
    with pytest.raises(NoRoomError):
        rooms.view(code, teacher)


def test_rooms_people_and_questions_are_bounded(rooms: Rooms, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepers, "MOST_ROOMS", 3)
    monkeypatch.setattr(one_room, "MOST_PEOPLE", 4)
    monkeypatch.setattr(one_room, "MOST_QUESTIONS", 2)
    opened = [rooms.open() for _ in range(3)]
    with pytest.raises(RoomError, match="3 rooms are open"):
        rooms.open()
    code, teacher = opened[0]
    people = [rooms.join(code) for _ in range(4)]
    assert len(set(people)) == 4
    with pytest.raises(RoomError, match="full"):
        rooms.join(code)
    for question in (TEAMS, POINTS, TEAMS):
        rooms.ask(code, teacher, question)
    with pytest.raises(RoomError, match="2 questions"):
        rooms.ask(code, teacher, ITEMS)
    clock.now += keepers.ABANDONED_S + 1
    rooms.open()  # in the place of one that nobody is in
    assert rooms.view(code, teacher).people == 4
    with pytest.raises(NoRoomError):
        rooms.view(*opened[1])


def test_a_hundred_threads_and_every_vote_counts_once(rooms: Rooms) -> None:
    """Each joins, votes at every question twice, and looks; meanwhile the teacher looks, too."""
    code, teacher = rooms.open()
    rooms.ask(code, teacher, TEAMS)
    done = threading.Event()

    def attend(number: int) -> str:
        person = rooms.join(code)
        for value in ("a", "abc"[number % 3]):
            vote(rooms, code, person, value)
            assert rooms.phone(code, person)["mine"] == [value, None]
        return person

    def teach() -> None:
        while not done.is_set():
            view = rooms.view(code, teacher, peek=True)
            assert view.first is not None and view.first.n == view.answered <= view.people
            if view.first.counts:
                assert sum(view.first.counts.values()) == view.first.n

    with ThreadPoolExecutor(101) as pool:
        taught = pool.submit(teach)
        people = list(pool.map(attend, range(100)))
        done.set()
        taught.result()
    assert len(set(people)) == 100
    rooms.reveal(code, teacher)
    first = rooms.view(code, teacher).first
    assert first is not None and first.counts == {"a": 34, "b": 33, "c": 33} and first.right == 33


def test_a_hundred_threads_and_every_series_counts_once(rooms: Rooms) -> None:
    """Each answers item after item, some of it twice, as a phone does that was reloaded."""
    question = SeriesQuestion(
        key="s", text="Right?", items=tuple(Item(text=t, image="synthetic-NV-1", right=t == "b") for t in "abc")
    )
    code, teacher = rooms.open()
    rooms.ask(code, teacher, question)

    def attend(number: int) -> None:
        person = rooms.join(code)
        answers = [bool(number % 2), True, bool(number % 4 == 0)]
        for end in (1, 2, 1, 2, 3, 3) if number % 10 else (1, 2):
            vote(rooms, code, person, answers[:end])
            assert rooms.phone(code, person)["mine"] == [tuple(answers[:end]), None]

    with ThreadPoolExecutor(100) as pool:
        list(pool.map(attend, range(100)))
    view = rooms.view(code, teacher)
    assert (view.people, view.answered, view.finished) == (100, 100, 90)
    rooms.reveal(code, teacher)
    first = rooms.view(code, teacher).first
    assert first is not None and first.items == ((50, 100), (100, 100), (20, 90)) and first.finished == 90
    # Numbers 2 modulo 4 say no, yes, no; of those 25 the tens among them never came to the third.
    assert first.right == 25 - 5


@pytest.mark.parametrize("n", range(FEWEST + 2))
def test_under_five_nothing_is_broken_down(rooms: Rooms, n: int) -> None:
    code, teacher = rooms.open()
    people = [rooms.join(code) for _ in range(n)]
    for question, value in ((TEAMS, "b"), (POINTS, 8), (ITEMS, [True, True])):
        rooms.ask(code, teacher, question)
        for person in people:
            vote(rooms, code, person, value)
        rooms.reveal(code, teacher)
        first = rooms.view(code, teacher).first
        assert first is not None and first.n == n
        if n < FEWEST:
            assert first.counts is None and first.values is None and first.right is None
            assert {yes for yes, _ in first.items or ()} <= {None}
        elif question is TEAMS:
            assert first.counts == {"a": 0, "b": n, "c": 0} and first.right == n
        elif question is POINTS:
            assert first.values == (8.0,) * n and first.right is None, "near counts too, so nobody is right or wrong"
        else:
            assert first.items == ((n, n), (n, n)) and first.right == n
    written = list(csv.DictReader(io.StringIO(rooms.answers_csv(code, teacher))))
    assert len(written) == (3 if n < FEWEST else 3 * n)
    assert all(row["first"].startswith("under") for row in written) == (n < FEWEST)


def test_the_file_of_answers_has_all_of_them_and_nobody(rooms: Rooms) -> None:
    code, teacher = rooms.open()
    people = [rooms.join(code) for _ in range(20)]
    orders = set()
    for question, values in ((POINTS, range(20)), (TEAMS, "abcab" * 4)):
        rooms.ask(code, teacher, question)
        for person, value in zip(people, values, strict=True):
            vote(rooms, code, person, value)
    for _ in range(5):
        text = rooms.answers_csv(code, teacher)
        table = list(csv.DictReader(io.StringIO(text)))
        assert Counter(row["first"] for row in table if row["question"] == "points") == Counter(map(str, range(20)))
        assert Counter(row["first"] for row in table if row["question"] == "teams") == Counter("abcab" * 4)
        assert {row["text"] for row in table} == {"'=How many points?", "Whose is better?"}, "no formula"
        assert list(table[0]) == [
            *("question", "kind", "text", "right", "first", "second"),
            *("reader", "arm", "model", "planted"),
        ]
        assert not any(person in text for person in (*people, teacher))
        orders.add(tuple(row["first"] for row in table))
    assert len(orders) > 1, "in no order that tells who joined first"


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["join", "talk", "revote", "reveal", "hide", "reset", "back", "on", "teams", "points"]),
        st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", "z", 3, 99, None, [True]])),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_done_both_keepers_agree_and_a_locked_answer_stays(tmp_path: Path, steps: list[object]) -> None:
    """Any order of steps: memory and file refuse the same, show the same, and no locked answer ever changes."""
    file = FileRooms(tmp_path / "rooms.db")
    both: list[Rooms] = [MemoryRooms(), file]
    opened = [each.open() for each in both]
    people: list[list[str]] = [[], []]
    locked: dict[tuple[str, int], object] = {}

    def do(which: int, step: object) -> object:
        rooms, (code, teacher) = both[which], opened[which]
        try:
            match step:
                case "join":
                    people[which].append(rooms.join(code))
                case "teams" | "points":
                    rooms.ask(code, teacher, TEAMS if step == "teams" else POINTS)
                case "on":
                    rooms.back(code, teacher, 1)
                case str():
                    getattr(rooms, step)(code, teacher)
                case (int(who), value) if who < len(people[which]):
                    vote(rooms, code, people[which][who], value)
        except KeyError:
            return "waiting"
        except LesionError as error:
            return type(error), str(error)
        return None

    for step in steps:
        assert do(0, step) == do(1, step), step
        views = [each.view(*where, peek=True) for each, where in zip(both, opened, strict=True)]
        assert views[0] == views[1]
        phones = [[each.phone(o.code, p) for p in who] for each, o, who in zip(both, opened, people, strict=True)]
        assert phones[0] == phones[1]
        for number, told in enumerate(phones[0]):
            name = f"{views[0].place}", number
            if step == "reset":
                locked.pop(name, None)
            if told["stage"] in ("revealed", "hidden"):
                assert locked.setdefault(name, told["mine"]) == told["mine"]
    for each, where in zip(both, opened, strict=True):
        each.close(*where)
    file.end()


def test_the_file_is_for_its_owner_and_holds_no_token(tmp_path: Path) -> None:
    path = tmp_path / "rooms.db"
    rooms = FileRooms(path)
    opened: Opened = rooms.open()
    person = rooms.join(opened.code)
    rooms.ask(*opened, TEAMS)
    vote(rooms, opened.code, person, "a")
    written = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert opened.code.encode() in written
    assert opened.teacher.encode() not in written and person.encode() not in written
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    rooms.end()


@pytest.mark.parametrize("content", [b"not a database " * 100, None])
def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "gone" / "x" if content is None else tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="--rooms"):
        FileRooms(path)


@given(st.lists(st.floats(0, 5), max_size=80))
def test_a_bucket_gives_no_more_than_it_holds_and_what_came_back(pauses: list[float]) -> None:
    bucket, now, given_out, began = Bucket(5, 0.5), 100.0, 0, 100.0
    for pause in pauses:
        now += pause
        given_out += bucket.take(now)
        assert given_out <= 5 + 0.5 * (now - began) + 1e-6
    assert bucket.take(now + 2.1)


def test_a_limiter_forgets_who_was_quiet() -> None:
    clock = Clock()
    limiter = Limiter(1, 0.1, keep=3, clock=clock)
    assert limiter.take("a") and not limiter.take("a") and limiter.empty("a") and limiter.take("b")
    for other in "cde":
        limiter.take(other)
    assert not limiter.empty("a") and limiter.empty("e")
