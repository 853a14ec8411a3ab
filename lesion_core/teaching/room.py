"""One room: who is in it, what was asked, the answers, and what phone, projector and teacher may see of them."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
import random
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, Self, get_args

from lesion_core.errors import ConfigError, LesionError
from lesion_core.foreign_text import spreadsheet_cell
from lesion_core.teaching.questions import Answer, Question, check_answer, read_question, right_answer
from lesion_core.teaching.reading import Reading, ReadingQuestion
from lesion_core.teaching.tallies import FEWEST, Tally, changed, finished, readings, tally

Stage = Literal["first", "talk", "second", "revealed", "hidden"]
"""The first vote, the talk after it, the second vote, the reveal, and the reveal taken off the wall again."""
STAGES: tuple[Stage, ...] = get_args(Stage)
ROUND: dict[Stage, int] = {"first": 0, "second": 1}
"""Which vote is open; in the other stages answers are locked."""
MOST_PEOPLE = 300
MOST_QUESTIONS = 60
_FROM: dict[str, tuple[Stage, ...]] = {
    "talk": ("first",),
    "second": ("first", "talk"),
    "revealed": ("first", "talk", "second", "hidden"),
    "hidden": ("revealed",),
}
_read = lru_cache(256)(read_question)


class RoomError(LesionError):
    """Something that a room refuses.

    Attributes:
        status: The status of the answer to a request (RFC 9110).
    """

    status = 409


class NoRoomError(RoomError):
    """There is no room of this code, or it is closed."""

    status = 404


class UnknownPersonError(RoomError):
    """The token is not one of somebody in the room."""

    status = 401


class NotTheTeacherError(RoomError):
    """The token is not the teacher's."""

    status = 403


def digest(token: str) -> str:
    """What is kept of a token: who reads the memory or the file cannot become its owner."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


@dataclass
class Ballot:
    """One question that was asked, and its two votes."""

    question: Question
    stage: Stage = "first"
    emptied: int = 0
    votes: tuple[dict[int, Answer], dict[int, Answer]] = field(default_factory=lambda: ({}, {}))


@dataclass(frozen=True)
class View:
    """What the teacher's page knows of a room.

    Attributes:
        version: Grows with whatever the teacher does.
        people: Who joined.
        asked: Questions so far.
        place: Which of them is on, from 0; -1 where none is.
        question: The one that is on.
        stage: Of the question.
        answered: People who answered in the vote that is open, else in the last one.
        finished: How many of them answered all items of a series or reader study; None for other kinds.
        first: The first vote, None before the reveal (but for a teacher who peeks).
        second: The second one, None where there was none.
        changed: How many changed their answer and of how many; None where these are too few, or before the reveal.
    """

    version: int
    people: int
    asked: int = 0
    place: int = -1
    question: Question | None = None
    stage: Stage | None = None
    answered: int = 0
    finished: int | None = None
    first: Tally | None = None
    second: Tally | None = None
    changed: tuple[int, int] | None = None


@dataclass
class Room:
    """The state of a room; whoever changes it sees to it that one does so at a time.

    Attributes:
        teacher: Digest of the teacher's token.
        used: When somebody joined, answered or taught, seconds since the epoch.
        version: Grows with whatever the teacher does.
        people: Digest of a token to a number that means nothing.
        ballots: The questions that were asked, in their order.
        place: Which of them is on; -1 where none is.
    """

    teacher: str
    used: float
    version: int = 0
    people: dict[str, int] = field(default_factory=dict)
    ballots: list[Ballot] = field(default_factory=list)
    place: int = -1

    # What the teacher does.

    def check_teacher(self, token: str) -> None:
        """Raise a NotTheTeacherError for any other token, in a time that tells nothing of the right one."""
        if not hmac.compare_digest(self.teacher, digest(token)):
            raise NotTheTeacherError("Only the teacher who opened this room can do that.", "Open a room of your own.")

    def ask(self, question: Question) -> None:
        """Put a question; one that was asked before comes back with its answers.

        Raises:
            RoomError: The room has had its questions.
        """
        known = [ballot.question for ballot in self.ballots]
        if question not in known:
            if len(known) >= MOST_QUESTIONS:
                raise RoomError(f"{MOST_QUESTIONS} questions were asked in this room.", "Open a new room.")
            self.ballots.append(Ballot(question))
            known.append(question)
        self.place = known.index(question)
        self.version += 1

    def move(self, to: Stage) -> None:
        """Go on with the question that is on: to the talk, the second vote, the reveal, or off the wall again.

        Raises:
            RoomError: Nothing is asked, or this cannot follow: an answer that was locked by the reveal stays locked.
        """
        ballot = self._on()
        if ballot.stage not in _FROM.get(to, ()):
            raise RoomError("The question has gone on meanwhile.", "Look at the page again; another window may teach.")
        ballot.stage = to
        self.version += 1

    def empty(self) -> None:
        """Forget all answers to the question that is on, which begins with its first vote again."""
        ballot = self._on()
        self.ballots[self.place] = Ballot(ballot.question, emptied=ballot.emptied + 1)
        self.version += 1

    def turn(self, by: int) -> None:
        """Go back (-1) or on (1) among the questions that were asked, which stay as they were.

        Raises:
            RoomError: There is none.
        """
        if not 0 <= self.place + by < len(self.ballots):
            raise RoomError("There is no further question.", "Ask a new one.")
        self.place += by
        self.version += 1

    def view(self, *, peek: bool = False) -> View:
        """What stands on the wall. Votes are counted there from the reveal on: a distribution that is seen before the
        talk draws people to the majority.

        Args:
            peek: Count what is there, for the teacher's eyes.
        """
        if self.place < 0:
            return View(self.version, len(self.people), len(self.ballots))
        ballot = self.ballots[self.place]
        first, second = ballot.votes
        told = peek or ballot.stage == "revealed"
        last, names = second if second or ballot.stage == "second" else first, self._names()
        return View(
            version=self.version,
            people=len(self.people),
            asked=len(self.ballots),
            place=self.place,
            question=ballot.question,
            stage=ballot.stage,
            answered=len(last),
            finished=finished(ballot.question, last),
            first=tally(ballot.question, first, names) if told else None,
            second=tally(ballot.question, second, names) if told and second else None,
            changed=changed(first, second) if told else None,
        )

    def readings(self, key: str) -> tuple[tuple[Reading, ...], ...] | None:
        """What each person read in the reader study of this key; None where none was asked, and under `FEWEST`."""
        for ballot in self.ballots:
            if ballot.question.key == key and isinstance(ballot.question, ReadingQuestion):
                return tally(ballot.question, ballot.votes[1] or ballot.votes[0], self._names()).readings
        return None

    def answers_csv(self) -> str:
        """All answers, one row per person and question in a random order: rows cannot be joined to a person.

        A reader study has one row per image that was read: `right` is its diagnosis, `reader` a number that only this
        question has, `arm` what was shown beside it, `model` what the model says, `planted` whether that is wrong. A
        question that under `FEWEST` people answered has one row without an answer.
        """
        written = io.StringIO()
        table = csv.writer(written, lineterminator="\r\n")
        table.writerow(["question", "kind", "text", "right", "first", "second", "reader", "arm", "model", "planted"])
        for ballot in self.ballots:
            first, second = ballot.votes
            people = list(first.keys() | second.keys())
            random.SystemRandom().shuffle(people)
            begin = [ballot.question.key, ballot.question.kind, spreadsheet_cell(ballot.question.text)]
            known, none = _cell(right_answer(ballot.question)), [""] * 4
            if len(people) < FEWEST:
                table.writerow([*begin, known, f"under {FEWEST} answers", "", *none])
            elif isinstance(ballot.question, ReadingQuestion):
                for row in self._reading_rows(ballot.question, second or first):
                    table.writerow([*begin, *row])
            else:
                table.writerows(
                    [*begin, known, _cell(first.get(person)), _cell(second.get(person)), *none] for person in people
                )
        return written.getvalue()

    def _reading_rows(self, question: ReadingQuestion, vote: dict[int, Answer]) -> list[list[str]]:
        read = list(readings(question, vote, self._names()))
        random.SystemRandom().shuffle(read)
        return [
            [one.truth, one.said, "", str(number), one.arm, one.answer, "yes" if one.answer != one.truth else "no"]
            for number, own in enumerate(read, 1)
            for one in own
        ]

    def _names(self) -> dict[int, str]:
        """Person to the digest of the token: the text by which a reader study deals."""
        return {person: name for name, person in self.people.items()}

    # What a phone does.

    def join(self) -> str:
        """A new person's token.

        Raises:
            RoomError: The room is full.
        """
        if len(self.people) >= MOST_PEOPLE:
            raise RoomError(f"This room is full: {MOST_PEOPLE} people are in it.", "Ask your teacher for a new room.")
        token = secrets.token_urlsafe(18)
        self.people[digest(token)] = len(self.people)
        return token

    def answer(self, token: str, ballot: str, raw: object) -> None:
        """Take somebody's answer to the vote that is open; a second one replaces the first.

        Args:
            token: The person's.
            ballot: Of the vote, as `phone` names it: what was sent late does not count for another question.
            raw: The answer, as `check_answer` takes it.

        Raises:
            UnknownPersonError: Nobody in the room has this token.
            RoomError: The vote is over, or another one is on.
            ConfigError: It is not an answer to this question.
        """
        person = self._person(token)
        if self.place < 0 or ballot != self._ballot_name() or self.ballots[self.place].stage not in ROUND:
            raise RoomError("This vote is over.", "Your answer before it counts.")
        here = self.ballots[self.place]
        here.votes[ROUND[here.stage]][person] = check_answer(here.question, raw)

    def phone(self, token: str) -> dict[str, object]:
        """What one phone shows: stage, question, and this person's own answers.

        Raises:
            UnknownPersonError: Nobody in the room has this token.
        """
        person = self._person(token)
        if self.place < 0:
            return {"version": self.version, "stage": "waiting"}
        ballot = self.ballots[self.place]
        revealed = ballot.stage == "revealed"
        return {
            "version": self.version,
            "stage": ballot.stage,
            "ballot": self._ballot_name(),
            "question": ballot.question.public(revealed=revealed, person=digest(token)),
            "mine": [votes.get(person) for votes in ballot.votes],
        }

    def image(self, token: str, ballot: str, place: int) -> str:
        """The id of an image of the question that is on.

        Raises:
            UnknownPersonError: Nobody in the room has this token.
            NoRoomError: There is no such image.
        """
        self._person(token)
        images = self.ballots[self.place].question.images(digest(token)) if self.place >= 0 else ()
        if ballot != self._ballot_name() or not 0 <= place < len(images) or not images[place]:
            raise NoRoomError("This image is not shown now.", "Reload the page.")
        return images[place]

    def _person(self, token: str) -> int:
        # Looked up by its digest, whose letters nobody can choose: time tells nothing of a token.
        found = self.people.get(digest(token))
        if found is None:
            raise UnknownPersonError("You are not in this room yet.", "Reload the page.")
        return found

    def _on(self) -> Ballot:
        if self.place < 0:
            raise RoomError("Nothing is asked.", "Ask a question first.")
        return self.ballots[self.place]

    def _ballot_name(self) -> str:
        if self.place < 0:
            return ""
        ballot = self.ballots[self.place]
        return f"{self.place}.{ballot.emptied}.{2 if ballot.stage == 'second' else 1}"

    # As text, for several processes.

    def to_json(self) -> str:
        """The whole room."""
        ballots = [[b.question.model_dump_json(), b.stage, b.emptied, b.votes] for b in self.ballots]
        return json.dumps([self.teacher, self.used, self.version, self.people, ballots, self.place])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The room that `to_json` wrote."""
        teacher, used, version, people, ballots, place = json.loads(text)
        return cls(teacher, used, version, people, [_ballot(*one) for one in ballots], place)


def _ballot(question: str, stage: Stage, emptied: int, votes: list[dict[str, object]]) -> Ballot:
    first, second = ({int(who): _answer(raw) for who, raw in vote.items()} for vote in votes)
    return Ballot(_read(question), stage, emptied, (first, second))


def _answer(raw: object) -> Answer:
    if isinstance(raw, list):
        return tuple(raw)
    if isinstance(raw, float | str):
        return raw
    raise ConfigError("The file of rooms is damaged.", "Delete it, and start again.")


def _cell(answer: Answer | None) -> str:
    if answer is None:
        return ""
    if isinstance(answer, tuple):
        return " ".join("yes" if one else "no" for one in answer)
    return f"{answer:.9g}" if isinstance(answer, float) else answer
