"""Rooms of a server: opened, found by a code, gone after hours without use; in memory, or in a file for several
processes."""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from lesion_core.errors import BusyError, ConfigError
from lesion_core.teaching.questions import Question
from lesion_core.teaching.reading import Reading
from lesion_core.teaching.room import NoRoomError, Room, RoomError, Stage, View, digest

ALPHABET = "23456789BCDFGHJKMNPQRSTVWXZ"
"""Letters of codes: none that is read as another, no vowel that makes a word."""
LETTERS = 4
CODE = re.compile(f"[{ALPHABET}]{{{LETTERS}}}")
MOST_ROOMS = 40
UNUSED_S = 3 * 3600
"""A room that nobody joined, answered or taught in for so long is gone with its answers."""
ABANDONED_S = 600
"""One that nobody joined may go after so long, where another is to be opened and there are too many."""


class Opened(NamedTuple):
    """A room that was opened: its code for all, and what makes its owner the teacher."""

    code: str
    teacher: str


class Rooms(ABC):
    """The rooms of a server. Every method may be called from any thread at any time.

    Codes are `LETTERS` of `ALPHABET`. Teachers and people are known by random tokens, of which only digests are kept;
    neither names, times of answers nor addresses are.

    Args:
        clock: Gives seconds since the epoch.
    """

    in_file = False
    """Whether a call may wait for a disk."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    # The teacher's.

    def open(self) -> Opened:
        """Open a room.

        Raises:
            RoomError: There are `MOST_ROOMS`, all in use.
        """
        teacher, now = secrets.token_urlsafe(32), self._clock()
        with self._all() as found:
            free = MOST_ROOMS - len(found)
            if free < 1:
                alone = [code for code, (used, people) in found.items() if not people and now - used > ABANDONED_S]
                if not alone:
                    raise RoomError(
                        f"{MOST_ROOMS} rooms are open on this server.",
                        "Close one, or wait until one is not used any more.",
                    )
                self._drop(min(alone, key=lambda code: found[code][0]))
            code = _new_code()
            while code in found:
                code = _new_code()
            self._add(code, Room(digest(teacher), now))
        return Opened(code, teacher)

    def close(self, code: str, teacher: str) -> None:
        """Forget a room with all answers.

        Raises:
            NoRoomError: There is none.
            NotTheTeacherError: The token is another one.
        """
        with self._room(code) as room:
            room.check_teacher(teacher)
        with self._all():
            self._drop(code)

    def ask(self, code: str, teacher: str, question: Question) -> None:
        """Put a question to the room; `Room.ask`. One that was asked already comes back with its answers."""
        with self._taught(code, teacher) as room:
            room.ask(question)

    def move(self, code: str, teacher: str, to: Stage) -> None:
        """Go on with the question: ``talk``, ``second``, ``revealed`` or ``hidden``; `Room.move`."""
        with self._taught(code, teacher) as room:
            room.move(to)

    def talk(self, code: str, teacher: str) -> None:
        """End the first vote; people talk to each other."""
        self.move(code, teacher, "talk")

    def revote(self, code: str, teacher: str) -> None:
        """Open the second vote."""
        self.move(code, teacher, "second")

    def reveal(self, code: str, teacher: str) -> None:
        """Lock the answers and show them all."""
        self.move(code, teacher, "revealed")

    def hide(self, code: str, teacher: str) -> None:
        """Take the reveal off the wall; answers stay locked."""
        self.move(code, teacher, "hidden")

    def reset(self, code: str, teacher: str) -> None:
        """Forget the answers to the question that is on, and vote anew."""
        with self._taught(code, teacher) as room:
            room.empty()

    def back(self, code: str, teacher: str, by: int = -1) -> None:
        """Go to the question before, or with 1 to the one after; `Room.turn`."""
        with self._taught(code, teacher) as room:
            room.turn(by)

    def view(self, code: str, teacher: str, *, peek: bool = False) -> View:
        """What stands on the wall; `Room.view`.

        Raises:
            NoRoomError: There is no such room.
            NotTheTeacherError: The token is another one.
        """
        with self._room(code, write=False) as room:
            room.check_teacher(teacher)
            return room.view(peek=peek)

    def readings(self, code: str, teacher: str, key: str) -> tuple[tuple[Reading, ...], ...] | None:
        """What a class read in the reader study of this key; `Room.readings`."""
        with self._room(code, write=False) as room:
            room.check_teacher(teacher)
            return room.readings(key)

    def answers_csv(self, code: str, teacher: str) -> str:
        """All answers as CSV; `Room.answers_csv`."""
        with self._room(code, write=False) as room:
            room.check_teacher(teacher)
            return room.answers_csv()

    # Of one phone.

    def join(self, code: str) -> str:
        """The token of a new person.

        Raises:
            NoRoomError: There is no such room.
            RoomError: It is full.
        """
        with self._used(code) as room:
            return room.join()

    def answer(self, code: str, person: str, ballot: str, raw: object) -> None:
        """Take an answer; `Room.answer`."""
        with self._used(code) as room:
            room.answer(person, ballot, raw)

    def phone(self, code: str, person: str) -> dict[str, object]:
        """What a phone shows; `Room.phone`."""
        with self._room(code, write=False) as room:
            return room.phone(person)

    def image(self, code: str, person: str, ballot: str, place: int) -> str:
        """The id of an image of the question that is on; `Room.image`."""
        with self._room(code, write=False) as room:
            return room.image(person, ballot, place)

    def sweep(self) -> None:
        """Forget what was not used for `UNUSED_S`. Such a room is not found even before."""
        with self._all() as found:
            for code, (used, _) in found.items():
                if self._clock() - used > UNUSED_S:
                    self._drop(code)

    @contextmanager
    def _used(self, code: str) -> Iterator[Room]:
        with self._room(code) as room:
            yield room
            room.used = self._clock()

    @contextmanager
    def _taught(self, code: str, teacher: str) -> Iterator[Room]:
        with self._used(code) as room:
            room.check_teacher(teacher)
            yield room

    def _fresh(self, room: Room | None, code: str) -> Room:
        if room is None or self._clock() - room.used > UNUSED_S:
            told = f"There is no room {code}." if CODE.fullmatch(code) else "A code has four letters or digits."
            raise NoRoomError(told, "Look at the code on the wall again.")
        return room

    # What a keeper of rooms does.

    @abstractmethod
    def _room(self, code: str, *, write: bool = True) -> AbstractContextManager[Room]:
        """A room that nobody else changes meanwhile; what was done with it is kept if nothing was raised."""

    @abstractmethod
    def _all(self) -> AbstractContextManager[dict[str, tuple[float, int]]]:
        """Codes of all rooms, when each was used, and its people; none is opened or dropped meanwhile."""

    @abstractmethod
    def _add(self, code: str, room: Room) -> None:
        """Keep a new room; within `_all`."""

    @abstractmethod
    def _drop(self, code: str) -> None:
        """Forget a room; within `_all`."""


class MemoryRooms(Rooms):
    """Rooms in the memory of this process. Nothing is on disk."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._rooms: dict[str, Room] = {}
        self._lock = threading.RLock()

    @contextmanager
    def _room(self, code: str, *, write: bool = True) -> Iterator[Room]:  # noqa: ARG002
        with self._lock:
            yield self._fresh(self._rooms.get(code), code)

    @contextmanager
    def _all(self) -> Iterator[dict[str, tuple[float, int]]]:
        with self._lock:
            yield {code: (room.used, len(room.people)) for code, room in self._rooms.items()}

    def _add(self, code: str, room: Room) -> None:
        self._rooms[code] = room

    def _drop(self, code: str) -> None:
        self._rooms.pop(code, None)


class FileRooms(Rooms):
    """Rooms in a SQLite file, which several processes share.

    A process keeps the rooms that it read, and reads one again when another process has changed it.

    Args:
        path: The file; made if it is not there, for its owner alone.
        clock: As of `Rooms`.

    Raises:
        ConfigError: The file cannot be opened, or is another one.
    """

    in_file = True

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._path, self._lock = path, threading.RLock()
        self._read: dict[str, tuple[int, Room]] = {}
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._file = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            for setting in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
                self._file.execute(f"PRAGMA {setting}")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS lesion_lab_rooms (code TEXT PRIMARY KEY, change INTEGER NOT NULL,"
                " used REAL NOT NULL, people INTEGER NOT NULL, state TEXT NOT NULL)"
            )
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"{path.name} cannot keep rooms: {error}.",
                "Give a file of its own after --rooms, in a folder that exists.",
            ) from None

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        with self._lock:
            try:
                self._file.execute(f"BEGIN {kind}")
            except sqlite3.OperationalError:
                raise BusyError("The file of rooms is busy.", "Try again in a moment.") from None
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    @contextmanager
    def _room(self, code: str, *, write: bool = True) -> Iterator[Room]:
        with self._transaction("IMMEDIATE" if write else "DEFERRED"):
            row = self._file.execute("SELECT change FROM lesion_lab_rooms WHERE code = ?", (code,)).fetchone()
            change, room = self._read.get(code, (-1, None))
            if row is None:
                room = None
            elif row[0] != change:
                [state] = self._file.execute("SELECT state FROM lesion_lab_rooms WHERE code = ?", (code,)).fetchone()
                change, room = row[0], Room.from_json(state)
                self._read[code] = change, room
            room = self._fresh(room, code)
            if not write:
                yield room
                return
            del self._read[code]  # what an error leaves half changed is read again
            yield room
            self._file.execute(
                "UPDATE lesion_lab_rooms SET change = ?, used = ?, people = ?, state = ? WHERE code = ?",
                (change + 1, room.used, len(room.people), room.to_json(), code),
            )
            self._read[code] = change + 1, room

    @contextmanager
    def _all(self) -> Iterator[dict[str, tuple[float, int]]]:
        with self._transaction("IMMEDIATE"):
            rows = self._file.execute("SELECT code, used, people FROM lesion_lab_rooms").fetchall()
            self._read = {code: self._read[code] for code, *_ in rows if code in self._read}
            yield {code: (used, people) for code, used, people in rows}

    def _add(self, code: str, room: Room) -> None:
        # Never the number of a room that had this code before, which another process may remember.
        change = secrets.randbits(62)
        self._file.execute(
            "INSERT INTO lesion_lab_rooms VALUES (?, ?, ?, ?, ?)",
            (code, change, room.used, len(room.people), room.to_json()),
        )

    def _drop(self, code: str) -> None:
        self._file.execute("DELETE FROM lesion_lab_rooms WHERE code = ?", (code,))
        self._read.pop(code, None)

    def end(self) -> None:
        """Let go of the file."""
        with self._lock, closing(self._file):
            self._read.clear()


def _new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LETTERS))
