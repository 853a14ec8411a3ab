"""What a visitor answered in a lesson, and the images, maps or answers that were dealt for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lesion_core.teaching.questions import Answer

Help = Literal["nothing", "answer", "map"]


@dataclass(frozen=True)
class Card:
    """One item that was dealt.

    Attributes:
        text: What is said of it, markdown; empty for an image alone.
        right: Whether the model's answer is right.
        image: The id of the sample, or empty.
        truth: The code of the diagnosis, where that is asked; else empty.
        answer: The code that the model says.
        confidence: How sure it is, in [0, 1].
        planted: The model's answer is shown, and was chosen because it is wrong.
        share: Of a map, how much of it lies inside the lesion, in [0, 1].
    """

    text: str
    right: bool
    image: str = ""
    truth: str = ""
    answer: str = ""
    confidence: float = 0.0
    planted: bool = False
    share: float = 0.0


@dataclass(frozen=True)
class Dealing:
    """What was dealt for one question.

    Attributes:
        cards: In their order.
        help: What is shown beside an image.
        real: Whether the images are real; of synthetic ones nothing is compared with publications.
    """

    cards: tuple[Card, ...]
    help: Help = "nothing"
    real: bool = False


@dataclass(frozen=True)
class Committed:
    """An answer that is locked.

    Attributes:
        answer: As `check_answer` gives it; for dealt images the codes, for dealt answers and maps whether each was
            called right.
        dealing: What it was given to, where that was dealt.
    """

    answer: Answer | tuple[str, ...]
    dealing: Dealing | None = None


@dataclass(frozen=True)
class Given:
    """All that a figure may draw of answers.

    Attributes:
        own: The visitor's own answer to the step.
        steps: The visitor's answers by step of the lesson, from 1.
        others: The numbers that a class answered.
    """

    own: Committed | None = None
    steps: Mapping[int, Committed] = field(default_factory=dict)
    others: tuple[float, ...] = ()

    @property
    def number(self) -> float | None:
        """The own answer, if it is a number."""
        answer = self.own.answer if self.own else None
        return answer if isinstance(answer, float) else None

    @property
    def choice(self) -> str | None:
        """The own answer, if it is the key of an option."""
        answer = self.own.answer if self.own else None
        return answer if isinstance(answer, str) else None


NOTHING = Given()
"""Nobody has answered: what the teacher's sheet shows."""
