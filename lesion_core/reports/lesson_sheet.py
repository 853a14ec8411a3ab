"""The teacher's sheet of a lesson: one self-contained HTML file to print, with what each reveal shows of a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from lesion_core.reports.disclaimer import DISCLAIMER
from lesion_core.teaching.lessons import END_MINUTES, Lesson, Step
from lesion_core.teaching.questions import ChoiceQuestion, DiagnosisQuestion, LineQuestion, NumberQuestion

if TYPE_CHECKING:
    from jinja2 import Template

STEP_MINUTES = (
    "A step is one vote, a talk of two minutes, a second vote, and the reveal; "
    f"what to take away and the new case take {END_MINUTES} minutes."
)


@dataclass(frozen=True)
class RevealText:
    """What a step's figure says of the run.

    Attributes:
        sentence: The sentence under which it stands, or why it cannot be shown and what to do.
        numbers: Label, value, and interval with n.
    """

    sentence: str
    numbers: tuple[tuple[str, str, str], ...] = ()


@cache
def _template() -> Template:
    """The page, which escapes whatever is put into it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lesion_core.reports", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(plain=plain, asked=asked)
    return environment.get_template("lesson_sheet.html")


def plain(text: str) -> str:
    """Markdown's emphasis taken out of a text: `**72 %** of *all*` is `72 % of all`."""
    return text.replace("**", "").replace("*", "").replace("`", "")


def asked(step: Step) -> str:
    """How a step is answered, in words."""
    question = step.ask
    if isinstance(question, ChoiceQuestion):
        return " / ".join(option.text for option in question.options)
    if isinstance(question, LineQuestion):
        return f"A place for a line, {question.least:g} to {question.most:g} {question.unit}".strip()
    if isinstance(question, NumberQuestion):
        return f"A number, {question.least:g} to {question.most:g} {question.unit}".strip()
    if isinstance(question, DiagnosisQuestion):
        return f"The diagnosis of an image, one of {len(question.codes)}"
    helped = {
        "nothing": "",
        "answer": ", each with the model's answer",
        "map": ", each with the model's answer and map",
    }
    return f"{question.n} {question.deal}, one after the other{helped[question.help]}"


def sheet_html(lesson: Lesson, run: str, reveals: tuple[RevealText | None, ...]) -> str:
    """The sheet as one HTML file that needs nothing else: no network, no script.

    Args:
        lesson: The lesson.
        run: The name of the run that the figures are of.
        reveals: One per step; None where a step has no figure.
    """
    return _template().render(
        lesson=lesson,
        run=run,
        steps=tuple(zip(lesson.steps, reveals, strict=True)),
        rhythm=STEP_MINUTES,
        disclaimer=DISCLAIMER,
    )
