"""One verdict on every page that shows an image: whether the model may answer, and whether it is right."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app.cache import runs as cached_runs
from app.components import problem
from app.foreign_text import literal
from lesion_core.data.samples import Picture
from lesion_core.errors import LesionError
from lesion_core.labels import diagnosis
from lesion_core.ood.policy import NO_POLICY
from lesion_core.runs.classifier import Run
from lesion_core.serving.results import Prediction

NOT_ALLOWED = "The model was not allowed to answer this image."
CAVEAT = "An outline is meaningful only on a dermoscopic image of a lesion, and this image was rejected."
UNUSABLE_POLICY = (
    "The run's rejection policy cannot be read, so nothing was rejected: no answer here was checked for images that "
    "the model does not know."
)
SIGNS = {
    ("UNKNOWN",): ("help", "gray"),
    ("ANSWERED",): ("chat_bubble", "primary"),
    ("ANSWERED", "RIGHT"): ("check_circle", "blue"),
    ("ANSWERED", "WRONG"): ("cancel", "orange"),
}
"""Icon and colour of a verdict's words; blue and orange are told apart by everybody."""


@dataclass(frozen=True)
class Verdict:
    """What holds for one image.

    Attributes:
        prediction: What the model says, with the decision of the policy that holds for this visitor.
        rejected: The model should not answer.
        right: Whether the answer is the true diagnosis; None where nobody answers, or nobody knows or tells the truth.
        says: The answer, or the best guess that was rejected, and the truth, in one sentence.
        plain: One plain reason.
        figures: The figures behind it.
        problem: Why the run's policy cannot be used.
    """

    prediction: Prediction
    rejected: bool
    right: bool | None
    says: str
    plain: str
    figures: str
    problem: LesionError | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """ANSWERED or UNKNOWN, and RIGHT or WRONG where that is known."""
        if self.rejected:
            return ("UNKNOWN",)
        return ("ANSWERED",) if self.right is None else ("ANSWERED", "RIGHT" if self.right else "WRONG")


def verdict_of(run: Run, picture: Picture, truth_is_told: bool = True) -> Verdict:
    """What a run says of an image, by the policy that holds for this visitor.

    Args:
        run: The run.
        picture: The image.
        truth_is_told: The visitor has not hidden what is known of the image.
    """
    prediction = cached_runs.predict(run, picture.image)
    plain, figures = NO_POLICY, ""
    problem: LesionError | None = None
    try:
        prediction = cached_runs.decided(run, prediction)
    except LesionError as error:
        plain, problem = UNUSABLE_POLICY, error
    if decision := prediction.decision:
        plain, figures = decision.plain, decision.reason
    rejected = decision is not None and decision.rejected
    known = truth_is_told and (picture.truth is not None or picture.origin == "ood")
    correct = picture.truth == prediction.code
    return Verdict(
        prediction,
        rejected,
        correct if known and not rejected else None,
        _says(prediction, rejected, _truth(picture, correct) if known else ""),
        plain,
        figures,
        problem,
    )


def _truth(picture: Picture, correct: bool) -> str:
    if picture.origin == "ood":
        return "it was not made for such images"
    return "which it is" if correct else f"it is {_with_article(diagnosis(str(picture.truth)).name)}"


def _with_article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _says(prediction: Prediction, rejected: bool, truth: str) -> str:
    top = diagnosis(prediction.code)
    sure = f"{100 * prediction.confidence:.0f} %"
    known = f"; {truth}" if truth and not truth.startswith("which") else f", {truth}" if truth else ""
    if rejected:
        return f"The model should not answer. Its best guess would be {top.name} ({sure}){known}."
    return f"The model says {top.name} ({top.code}), {top.malignancy}, {sure} sure{known}."


def draw(found: Verdict) -> None:
    """The strip: large, with a sign, a word and a colour; the figures behind a question mark."""
    if found.problem:
        problem(found.problem)
    sign, colour = SIGNS[found.words]
    with st.container(border=True):
        words, sentence = st.columns([4, 8], vertical_alignment="center")
        words.markdown(f"## :{colour}[:material/{sign}: {' · '.join(found.words)}]")
        sentence.markdown(f"{literal(found.says)} {literal(found.plain)}", help=literal(found.figures) or None)


def muted(text: str, rejected: bool) -> str:
    """Markdown that speaks of a diagnosis: grey where the model was not allowed to answer."""
    return f":gray[{NOT_ALLOWED} {text}]" if rejected else text
