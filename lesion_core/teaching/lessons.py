"""Lessons as data: one YAML file each, so that a teacher writes one without Python, and errors name their line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, ValidationError, field_validator, model_validator

from lesion_core.config import Settings
from lesion_core.errors import ConfigError
from lesion_core.foreign_text import shown
from lesion_core.teaching.asked import Label, Sentence
from lesion_core.teaching.lines import Lines, read_lines
from lesion_core.teaching.questions import ChoiceQuestion, DiagnosisQuestion, LineQuestion, NumberQuestion

MOST_BYTES = 2**17
"""Of a lesson's file: more than twenty times what the five lessons have."""
SUFFIX = ".yaml"
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}"
"""Of a file without its suffix: it is the lesson's name in links, and the keys of its questions begin with it."""
END_MINUTES = 3
"""For what to take away and the question at the end."""
REMEDY = "Correct that line; CONTRIBUTING.md says how a lesson is written."

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1200)]


class Dealt(Settings):
    """A question whose items are dealt from the chosen run: an answer, a map or an image after the other. In a room all
    get the same answers or maps; images are dealt to each person, as a reader study."""

    kind: Literal["dealt"] = "dealt"
    key: str = Field(max_length=60)
    deal: Literal["answers", "maps", "images"] = Field(description="what is dealt")
    text: Label
    n: int = Field(default=10, ge=3, le=20)
    pictures: bool = Field(default=False, description="show the image, where the data folder has it")
    help: Literal["nothing", "answer", "map"] = Field(
        default="nothing", description="what is shown beside an image: nothing, the model's answer, or also its map"
    )

    @model_validator(mode="after")
    def _help_beside_images(self) -> Self:
        if self.help != "nothing" and self.deal != "images":
            raise ValueError("help is shown beside images alone")
        return self


Asked = Annotated[
    NumberQuestion | LineQuestion | ChoiceQuestion | DiagnosisQuestion | Dealt, Field(discriminator="kind")
]


class Reveal(Settings):
    """What is shown once everybody has answered: a figure of the chosen run."""

    figure: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    note: Sentence = Field(default="", description="what to see in it, without numbers: these are the run's")


class Step(Settings):
    """One screen: one question, one figure."""

    title: Label
    text: Text | None = None
    minutes: int | None = Field(default=None, ge=1, le=60, description="for the votes, the talk and the reveal")
    ask: Asked
    reveal: Reveal | None = None


class Published(Settings):
    """What a paper found, beside the run's own figures."""

    finding: Text
    source: Text
    confirmed: bool = Field(description="read in the paper or its abstract; what was not is not shown")


class Objection(Settings):
    """What students say, and what to answer."""

    say: Text
    answer: Text


class Lesson(Settings):
    """A lesson: steps of one idea each, what to take away, one published figure, and a question at the end."""

    title: Label
    headline: Label = Field(description="the question of the lesson, which ends with a question mark")
    order: int = Field(ge=1, le=99, description="its place in the list")
    minutes: int = Field(ge=1, le=180)
    aim: Text
    needs: Text = Field(description="what it needs beyond the run's tables, or that it needs nothing")
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=12)]
    take_away: Text
    published: Published
    exit: ChoiceQuestion = Field(description="a new case; each option has its sentence")
    students: Annotated[tuple[Objection, ...], Field(min_length=1, max_length=12)]
    limits: Text = Field(description="what the figures of this lesson cannot say")

    @field_validator("headline")
    @classmethod
    def _asks(cls, headline: str) -> str:
        if not headline.endswith("?"):
            raise ValueError("the headline is a question and ends with a question mark")
        return headline

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        """Minutes of steps are all named or none, and with the end they are the lesson's."""
        told = [step.minutes for step in self.steps if step.minutes is not None]
        if told and len(told) < len(self.steps):
            raise ValueError("some steps name their minutes and some do not: name all or none")
        if told and sum(told) + END_MINUTES != self.minutes:
            raise ValueError(
                f"the steps take {sum(told)} minutes and the end {END_MINUTES}, the lesson says {self.minutes}"
            )
        return self

    @field_validator("exit")
    @classmethod
    def _explains(cls, question: ChoiceQuestion) -> ChoiceQuestion:
        if question.right is None:
            raise ValueError("right is missing: the key of the right option")
        if unexplained := [option.key for option in question.options if not option.after]:
            raise ValueError(f"option {unexplained[0]} has no sentence `after`: say why it is right or wrong")
        return question


def read_lesson(path: Path, figures: Mapping[str, type[Settings]]) -> Lesson:
    """Read a lesson.

    Args:
        path: A YAML file; its stem is the lesson's name in links.
        figures: The figures that a step may name, each with the settings that its arguments are.

    Raises:
        ConfigError: It cannot be read or is not a lesson; the sentence names the file and the line.
    """
    named = shown(path.name, 80)
    if not re.fullmatch(NAME, path.stem):
        raise ConfigError(
            f"{named} cannot be a link.", "Name the file with letters, digits, - and _ alone, 30 at most."
        )
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{named} cannot be read ({error.strerror}).", "Make it readable, or remove it.") from None
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{named} has {len(raw):,} bytes, and a lesson may have {MOST_BYTES:,}.", "Shorten it.")
    lines = read_lines(raw, named, REMEDY)
    _name_questions(path.stem, lines.data)
    try:
        lesson = Lesson.model_validate_json(json.dumps(lines.data))
    except ValidationError as error:
        raise _told(error, lines, ()) from None
    for i, step in enumerate(lesson.steps):
        if step.reveal is not None:
            _check_figure(step.reveal, figures, lines, ("steps", i, "reveal"))
    return lesson


def _name_questions(stem: str, data: object) -> None:
    """A question's key is its lesson's name and its place: no teacher must think of one."""
    if not isinstance(data, dict):
        return
    steps = data.get("steps")
    asked = [one.get("ask") if isinstance(one, dict) else None for one in steps] if isinstance(steps, list) else []
    for place, question in [*enumerate(asked, start=1), ("exit", data.get("exit"))]:
        if isinstance(question, dict):
            question.setdefault("key", f"{stem}-{place}")
    if isinstance(data.get("exit"), dict):
        data["exit"].setdefault("kind", "choice")


def _check_figure(
    reveal: Reveal, figures: Mapping[str, type[Settings]], lines: Lines, place: tuple[str | int, ...]
) -> None:
    if reveal.figure not in figures:
        known = ", ".join(figures)
        raise lines.error((*place, "figure"), f"there is no figure '{shown(reveal.figure)}'; choose one of {known}")
    try:
        figures[reveal.figure].model_validate_json(json.dumps(reveal.arguments))
    except ValidationError as error:
        raise _told(error, lines, (*place, "arguments")) from None


_PLAINLY = {
    "Input should be a valid integer": "this should be a whole number",
    "Input should be a valid": "this should be a",
    "Input should be an object": "this should have keys and values",
    "Input should be": "this should be",
    "Tuple should have": "a list should have",
    " after validation": "",
    "Input tag": "the kind",
    " found using 'kind'": "",
    "expected tags": "kinds",
}
"""Pydantic's words, and ours for who writes no Python."""


def _told(error: ValidationError, lines: Lines, before: tuple[str | int, ...]) -> ConfigError:
    """What is wrong, with its line: a key that is misspelt before the one that is missing for it."""
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    place, kind = (*before, *first["loc"]), first["type"]
    if kind == "missing":
        return lines.error(place, f"{shown(str(place[-1]))} is missing")
    if kind == "extra_forbidden":
        return lines.error(place, f"{shown(str(place[-1]))} is not a key here")
    if kind == "union_tag_not_found":
        return lines.error(place, "kind is missing: number, line, choice, diagnosis or dealt")
    message = str(first["msg"]).removeprefix("Value error, ")
    for ours, plain in _PLAINLY.items():
        message = message.replace(ours, plain)
    where = next((str(part) for part in reversed(place) if isinstance(part, str) and lines.has(part)), "the lesson")
    return lines.error(place, f"{shown(where)}: {message[:1].lower()}{message[1:]}")


def list_lessons(
    folder: Path, figures: Mapping[str, type[Settings]]
) -> tuple[dict[str, Lesson], dict[str, ConfigError]]:
    """The lessons of a folder by name, in their order; and what is wrong with the other files, by file name."""
    found: dict[str, Lesson] = {}
    broken: dict[str, ConfigError] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            found[path.stem] = read_lesson(path, figures)
        except ConfigError as error:
            broken[path.name] = error
    return dict(sorted(found.items(), key=lambda pair: (pair[1].order, pair[0]))), broken
