"""Questions to a class: kinds, each as data, and which answers are answers."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from lesion_core.config import Settings, first_problem, refuse_named_twice
from lesion_core.errors import ConfigError
from lesion_core.foreign_text import shown
from lesion_core.labels import ISIC2019
from lesion_core.teaching.asked import (
    AskedQuestion,
    ImageId,
    Key,
    Label,
    Sentence,
    Unit,
    check_codes,
    one_of,
    options_of,
)
from lesion_core.teaching.reading import ReadingQuestion

Answer = float | str | tuple[bool, ...] | tuple[str, ...]
"""A number or a place on an axis; the key of an option or the code of a diagnosis; whether each item is right; the code
of each image that was read."""

MOST_STEPS = 10_000
MOST_ITEMS = 30
MOST_NUMBER = 1e9

Number = Annotated[float, Field(ge=-MOST_NUMBER, le=MOST_NUMBER)]


class _OnAxis(AskedQuestion):
    """What a number and a line share: a range, and maybe the right value."""

    unit: Unit = Field(default="", description="what the value counts, such as % or points")
    least: Number
    most: Number
    right: Number | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.least < self.most:
            raise ValueError("least must be below most")
        if self.right is not None and not self.least <= self.right <= self.most:
            raise ValueError("right must lie between least and most")
        return self

    def _checked(self, raw: object) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
            raise ConfigError("The answer is not a number.", f"Give one from {self.least:g} to {self.most:g}.")
        if not self.least <= raw <= self.most:
            raise ConfigError(f"{raw:.6g} is out of range.", f"Give a number from {self.least:g} to {self.most:g}.")
        return float(raw)


class NumberQuestion(_OnAxis):
    """A number with a unit and a range."""

    kind: Literal["number"] = "number"
    step: float = Field(default=1.0, gt=0, le=MOST_NUMBER, description="answers are `least` and whole steps above it")

    @model_validator(mode="after")
    def _few_steps(self) -> Self:
        if not 1 <= round((self.most - self.least) / self.step, 6) <= MOST_STEPS:
            raise ValueError(f"least to most must be between 1 and {MOST_STEPS:,} steps")
        return self

    def check(self, raw: object) -> float:
        """The answer; see `check_answer`."""
        value = self._checked(raw)
        steps = (value - self.least) / self.step
        if abs(steps - round(steps)) > 1e-6:
            raise ConfigError(f"{value:.6g} lies between two steps.", f"Answers go in steps of {self.step:g}.")
        # Written in decimals, so that 0.1 + 0.2 and 0.3 are one answer.
        return min(self.most, float(f"{self.least + round(steps) * self.step:.9g}"))


class LineQuestion(_OnAxis):
    """A place on an axis, such as a threshold."""

    kind: Literal["line"] = "line"
    below: Unit = Field(default="", description="what lies left of the line")
    above: Unit = Field(default="", description="what lies right of the line")
    bars: Annotated[tuple[Annotated[float, Field(ge=0, le=MOST_NUMBER)], ...], Field(max_length=60)] = Field(
        default=(), description="a histogram behind the axis: heights of bars of one width from least to most"
    )

    def check(self, raw: object) -> float:
        """The answer, in decimals of which the axis has a thousand or more; see `check_answer`."""
        decimals = 3 - math.floor(math.log10(self.most - self.least))
        return min(self.most, max(self.least, round(self._checked(raw), decimals)))


class Option(Settings):
    """One of several choices."""

    key: Key
    text: Label
    after: Sentence = Field(default="", description="said after the reveal to those who chose it, and to all")


class ChoiceQuestion(AskedQuestion):
    """One of two to five options."""

    kind: Literal["choice"] = "choice"
    options: Annotated[tuple[Option, ...], Field(min_length=2, max_length=5)]
    right: Key | None = Field(default=None, description="the key of the right option, where there is one")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        keys = [option.key for option in self.options]
        if len(set(keys)) < len(keys):
            raise ValueError("two options have one key")
        if self.right is not None and self.right not in keys:
            raise ValueError("right is not the key of an option")
        return self

    def check(self, raw: object) -> str:
        """The answer; see `check_answer`."""
        return one_of(raw, [option.key for option in self.options])


class DiagnosisQuestion(AskedQuestion):
    """The diagnosis of an image."""

    kind: Literal["diagnosis"] = "diagnosis"
    image: ImageId = Field(min_length=1)
    codes: Annotated[tuple[str, ...], Field(min_length=2, max_length=9)] = Field(
        default=ISIC2019, description="the diagnoses to choose from"
    )
    right: str | None = None

    @model_validator(mode="after")
    def _diagnoses(self) -> Self:
        check_codes(self.codes)
        if self.right is not None and self.right not in self.codes:
            raise ValueError("right is not one of the codes")
        return self

    def public(self, *, revealed: bool = False, person: str = "") -> dict[str, object]:
        """As for all questions; the image is asked for by its place, for its id may name the diagnosis."""
        return super().public(revealed=revealed, person=person) | {"options": options_of(self.codes), "image": 0}

    def images(self, person: str = "") -> tuple[str, ...]:  # noqa: ARG002
        """Its image."""
        return (self.image,)

    def check(self, raw: object) -> str:
        """The answer; see `check_answer`."""
        return one_of(raw, self.codes)


class Item(Settings):
    """One of a series."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=240)]
    image: ImageId = ""
    right: bool | None = Field(default=None, description="whether `yes` is the right answer")


class SeriesQuestion(AskedQuestion):
    """Right or wrong, item after item."""

    kind: Literal["series"] = "series"
    items: Annotated[tuple[Item, ...], Field(min_length=1, max_length=MOST_ITEMS)]
    yes: Unit = "Right"
    no: Unit = "Wrong"

    def images(self, person: str = "") -> tuple[str, ...]:  # noqa: ARG002
        """The images of its items."""
        return tuple(item.image for item in self.items)

    def public(self, *, revealed: bool = False, person: str = "") -> dict[str, object]:
        """As for all questions; images are asked for by their place."""
        told = super().public(revealed=revealed, person=person)
        told["items"] = [
            {**item.model_dump(exclude={"image"} if revealed else {"image", "right"})}
            | {"image": place if item.image else None}
            for place, item in enumerate(self.items)
        ]
        return told

    def check(self, raw: object) -> tuple[bool, ...]:
        """The answers so far, from the first item on; see `check_answer`."""
        if not isinstance(raw, list | tuple) or not all(isinstance(one, bool) for one in raw):
            raise ConfigError("The answer is not a series of true and false.", "Reload the page and answer again.")
        if not 1 <= len(raw) <= len(self.items):
            raise ConfigError(f"{len(raw)} answers to {len(self.items)} items.", "Reload the page and answer again.")
        return tuple(raw)


Question = NumberQuestion | LineQuestion | ChoiceQuestion | DiagnosisQuestion | SeriesQuestion | ReadingQuestion
KINDS: dict[str, str] = {
    "number": "A number",
    "line": "A place for a line",
    "choice": "One of several choices",
    "diagnosis": "The diagnosis of an image",
    "series": "Right or wrong, item after item",
    "reading": "Reader study",
}
"""Kinds of questions, and what a person reads for each."""
_ANY: TypeAdapter[Question] = TypeAdapter(Annotated[Question, Field(discriminator="kind")])


def check_answer(question: Question, raw: object) -> Answer:
    """The answer that somebody gave, as it is counted.

    Args:
        question: What was asked.
        raw: What came, as JSON has it: a number (`number`, `line`), the key of an option (`choice`), the code of a
            diagnosis (`diagnosis`), a list of true and false for the first items (`series`), or a list of codes for the
            first images of the person (`reading`).

    Returns:
        A number rounded to the question's steps (to decimals, for a line), the key or code, or a tuple.

    Raises:
        ConfigError: It is not an answer to this question; the sentence says which are.

    Example:
        >>> points = NumberQuestion(key="points", text="How many points?", unit="points", least=0, most=50)
        >>> check_answer(points, 12)
        12.0
        >>> check_answer(points, 51)
        Traceback (most recent call last):
        lesion_core.errors.ConfigError: 51 is out of range. Give a number from 0 to 50.
    """
    return question.check(raw)


def right_answer(question: Question) -> Answer | None:
    """The right answer, None where there is none (for a series: where one item has none; for a reader study always, as
    each person reads other images)."""
    if isinstance(question, SeriesQuestion):
        known = tuple(item.right for item in question.items)
        return None if None in known else tuple(map(bool, known))
    return None if isinstance(question, ReadingQuestion) else question.right


def read_question(text: str | bytes, source: str = "the question") -> Question:
    """A question from JSON; `kind` decides which.

    Raises:
        ConfigError: It is not one; the sentence names the field.
    """
    refuse_named_twice(text, source)
    try:
        return _ANY.validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{shown(source, 100)}: {first_problem(error)}", "Correct that field.") from None
