"""One image under one change, by severity: the answers, the decisions, and what they come to in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.cache import changes as cached_changes
from lesion_core.errors import LesionError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.changes.registry import CHANGES
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run
from lesion_core.serving.results import Prediction

Outcome = Literal["same", "other", "rejected"]
OUTCOMES: dict[Outcome, tuple[str, str, str]] = {
    "same": ("the same answer", "#0072B2", "✓"),
    "other": ("another answer", "#D55E00", "✗"),
    "rejected": ("rejected", "#9AA5A6", "?"),
}
"""What becomes of an image: in words, in a colour, in a sign, for those who see no difference of colour."""


@dataclass(frozen=True)
class Series:
    """An image under a change.

    Attributes:
        change: A key of `CHANGES`.
        predictions: By severity, 0 first, each with the decision that holds for this visitor where there is a policy.
    """

    change: str
    predictions: tuple[Prediction, ...]

    @classmethod
    def of(cls, run: Run, image: Pixels, content: str, change: str) -> Series:
        """Ask for it; `content` is the hash of the image."""
        return cls._decided(run, content, change, cached_changes.answers(run, image, content, change))

    @classmethod
    def known(cls, run: Run, content: str, change: str) -> Series | None:
        """It, if anybody has asked before."""
        found = cached_changes.known_answers(run, content, change)
        return None if found is None else cls._decided(run, content, change, found)

    @classmethod
    def _decided(cls, run: Run, content: str, change: str, found: tuple[Prediction, ...]) -> Series:
        try:
            return cls(change, cached_changes.decided(run, found, content, change))
        except LesionError:  # the verdict above the image says why the policy cannot be used
            return cls(change, found)

    @property
    def answer(self) -> str:
        """The code of the image as it is."""
        return self.predictions[0].code

    def rejected(self, severity: int) -> bool:
        """Whether the policy turns the image away."""
        decision = self.predictions[severity].decision
        return decision is not None and decision.rejected

    def outcome(self, severity: int) -> Outcome:
        """What becomes of the image there."""
        if self.rejected(severity):
            return "rejected"
        return "same" if self.predictions[severity].code == self.answer else "other"

    @property
    def first_other(self) -> int | None:
        """The first severity with another answer, whether or not it is rejected."""
        return next((s for s, one in enumerate(self.predictions) if one.code != self.answer), None)

    @property
    def first_rejected(self) -> int | None:
        """The first severity that the policy rejects; 0 is the image as it is."""
        return next((s for s in range(len(self.predictions)) if self.rejected(s)), None)

    @property
    def too_late(self) -> bool:
        """Whether another answer is given before the policy rejects, if it ever does."""
        other, gone = self.first_other, self.first_rejected
        return other is not None and (gone is None or gone > other)

    @property
    def sentence(self) -> str:
        """How much it takes to change the answer, and whether that is noticed."""
        name, most = CHANGES[self.change].name.lower(), len(self.predictions) - 1
        other, gone = self.first_other, self.first_rejected
        as_it_is = diagnosis(self.answer).name
        if other is None:
            kept = f"**No severity of {name} changes the answer**, {as_it_is}."
        else:
            new = diagnosis(self.predictions[other].code).name
            kept = f"**Severity {other} of {most} of {name} changes the answer** from {as_it_is} to {new}."
        if gone is None:
            return kept + (" The policy rejects none of them." if other is None else " **The policy never notices.**")
        if gone == 0:
            return f"{kept} The policy rejects this image as it is."
        if other is None:
            return f"{kept} The policy rejects it from severity {gone} on, for nothing."
        when = "too late" if self.too_late else "in time"
        return f"{kept} The policy rejects from severity {gone} on: {when}."
