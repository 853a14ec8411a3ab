"""What all questions to a class share: a key, a text, and what a phone may know of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from lesion_core.config import Settings
from lesion_core.errors import ConfigError
from lesion_core.foreign_text import shown
from lesion_core.labels import DIAGNOSES, LABELS, diagnosis

Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, max_length=400)]
Asked = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Unit = Annotated[str, StringConstraints(strip_whitespace=True, max_length=24)]
ImageId = Annotated[str, StringConstraints(max_length=200)]
"""The id of a sample, such as synthetic-MEL-1; phones never see it."""


class AskedQuestion(Settings):
    key: Key = Field(description="names the question in its lesson and in the file of answers")
    text: Asked = Field(description="what is asked, plain text")
    after: Sentence = Field(default="", description="said after the reveal")

    def public(self, *, revealed: bool = False, person: str = "") -> dict[str, object]:  # noqa: ARG002
        """What a phone may know of the question: nothing that tells the answer before the reveal.

        Args:
            revealed: Whether the answers are on the wall.
            person: Whose phone it is, by a text that is always the same; what is dealt per person depends on it.
        """
        hidden = set() if revealed else {"right", "after"}
        told = self.model_dump(mode="json", exclude=hidden)
        for part in () if revealed else (*told.get("options", ()), *told.get("items", ())):
            for name in hidden & set(part):
                del part[name]
        return told

    def images(self, person: str = "") -> tuple[str, ...]:  # noqa: ARG002
        """The ids of its images by their places on a person's phone, empty where an item has none."""
        return ()


def one_of(raw: object, known: tuple[str, ...] | list[str]) -> str:
    """The key or code that somebody chose.

    Raises:
        ConfigError: It is not one of those known.
    """
    if not isinstance(raw, str) or raw not in known:
        names = ", ".join(DIAGNOSES[one].name if one in DIAGNOSES else one for one in known)
        raise ConfigError(f"{shown(str(raw), 40)} is not one of the options.", f"Choose one of {shown(names, 160)}.")
    return raw


def check_codes(codes: tuple[str, ...]) -> None:
    """Refuse diagnoses to choose from that are none, or there twice.

    Raises:
        ValueError: As Pydantic tells it.
    """
    if unknown := set(codes) - set(LABELS):
        raise ValueError(f"{shown(min(unknown))} is not one of {', '.join(LABELS)}")
    if len(set(codes)) < len(codes):
        raise ValueError("a diagnosis is there twice")


def options_of(codes: tuple[str, ...]) -> list[dict[str, str]]:
    """Diagnoses as a phone offers them."""
    return [{"key": code, "text": diagnosis(code).name} for code in codes]
