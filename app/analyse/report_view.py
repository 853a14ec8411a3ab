"""What the page Analyse says of one image, and its report."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.analyse.history import malignant_share
from app.components import outline
from app.explain import explanation
from app.verdict import CAVEAT
from lesion_core.analysis.evaluation_sets import EvaluationSummary
from lesion_core.data.catalog import TITLES
from lesion_core.explain.maps import Attribution
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.labels import diagnosis
from lesion_core.reports.picture import Report
from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun
from lesion_core.serving.results import UNASKED, Prediction

FOUND = (230, 159, 0)
"""The contour's orange, as on the page Segment."""
TRAINED_ON_ISIC_2019 = {"ham10000", "isic2017", "bcn20000", "msk"}
"""The parts of ISIC 2019 by the name in a run's table."""


@dataclass(frozen=True)
class Words:
    """A prediction in words.

    Attributes:
        answer: The diagnosis, or UNKNOWN.
        verdict: What follows the answer in its sentence.
        reason: Why it is rejected, or why not.
        term: What the plain words are about: the diagnosis, or the best guess that was rejected.
        plain: What that is, in plain words.
        rejected: The model should not answer.
    """

    answer: str
    verdict: str
    reason: str
    term: str
    plain: str
    rejected: bool


def words(prediction: Prediction, unchecked: str = UNASKED) -> Words:
    """What is said of a prediction, on the page and in the report.

    Args:
        prediction: The prediction.
        unchecked: Why no policy decided on it, where none did.
    """
    top, decision = diagnosis(prediction.code), prediction.decision
    reason = decision.reason if decision else unchecked
    if decision and decision.rejected:
        return Words(
            "UNKNOWN.",
            f" The model should not answer. Its best guess would be {top.name}.",
            reason,
            f"The rejected best guess, {top.name}",
            top.plain,
            True,
        )
    verdict = f", {top.malignancy}, with a confidence of {100 * prediction.confidence:.0f} %."
    return Words(f"{top.name.capitalize()} ({top.code})", verdict, reason, top.name.capitalize(), top.plain, False)


def black_and_white(mask: Mask) -> Pixels:
    """A mask as an image: the lesion white, the skin black."""
    return np.repeat(np.where(mask, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)


@dataclass(frozen=True)
class Analysis:
    """One analysed image.

    Attributes:
        title: The image's, as it was given.
        image: (H, W, 3) uint8 RGB.
        run: Who answered.
        prediction: The answer.
        rejection: By which policy it may be rejected.
        attribution: The map of the most probable diagnosis.
        summary: The run's figures on its test set, None where it has none.
        segmenter: Who found the mask, None where there is none.
        mask: (H, W) bool, None where nothing was found.
    """

    title: str
    image: Pixels
    run: Run
    prediction: Prediction
    rejection: str
    attribution: Attribution
    summary: EvaluationSummary | None = None
    segmenter: SegmenterRun | None = None
    mask: Mask | None = None


def report_of(found: Analysis) -> Report:
    """All of the page as a report."""
    run, prediction, said = found.run, found.prediction, words(found.prediction, found.rejection)
    settings = run.config.settings
    malignancy = diagnosis(prediction.code).malignancy
    pictures = [("The image", found.image)]
    facts = [
        (
            "Run",
            f"{run.name} ({run.fingerprint}), {settings.model.architecture}, {settings.preprocessing.resize.size} px",
        ),
        ("Rejection", found.rejection),
        ("Malignant or premalignant", f"{100 * malignant_share(prediction):.1f} %"),
    ]
    if found.mask is not None and found.segmenter is not None:
        caveat = f". {CAVEAT}" if said.rejected else ""
        pictures += [
            (f"The contour that the U-Net found{caveat}", outline(found.image, found.mask, FOUND)),
            (f"Its mask, the lesion in white{caveat}", black_and_white(found.mask)),
        ]
        facts.append(
            (
                "Mask",
                f"{100 * found.mask.mean():.0f} % of the image, segmenter {found.segmenter.name} "
                f"({found.segmenter.fingerprint}), trained on "
                f"{found.segmenter.config.counts.get('train', 0):,} masks",
            )
        )
    guess = ", the rejected best guess" if said.rejected else ""
    pictures.append(
        (
            f"Grad-CAM for {prediction.code}{guess}: where the evidence lies",
            explanation.over(run, found.image, found.attribution, 0.6),
        )
    )
    ordered = np.argsort(-prediction.probabilities, kind="stable")
    return Report(
        title=found.title,
        made=f"{datetime.datetime.now(datetime.UTC):%d %B %Y, %H:%M} UTC",
        answer=said.answer + said.verdict,
        reason=said.reason,
        plain=f"{said.term} ({malignancy}): {said.plain}",
        pictures=tuple(pictures),
        facts=tuple(facts),
        probabilities=tuple((prediction.classes[i], float(prediction.probabilities[i])) for i in ordered),
        limits=limits(run, found.summary, rejects=prediction.decision is not None),
    )


def limits(run: Run, summary: EvaluationSummary | None, *, rejects: bool) -> tuple[str, ...]:
    """What a run's answers are worth, in sentences.

    Args:
        run: The run.
        summary: Its figures on its test set.
        rejects: A policy may reject what it is shown.
    """
    sets = run.learned["dataset"].value_counts()
    known = [f"{TITLES.get(str(name), name)} ({n:,})" for name, n in sets.items()]
    learned = f"{int(sets.sum()):,} images"
    return (
        f"The model knows {len(run.classes)} diagnoses only: whatever else is shown is answered with one of them"
        + (" unless it is rejected." if rejects else "; nothing is rejected."),
        f"It was trained on {learned}" + (f" of {', '.join(known)}." if known else "."),
        _measured(summary),
        "HAM10000 and ISIC 2019 are licensed CC BY-NC 4.0, so the weights are for research and teaching only."
        if known and set(sets.index) <= TRAINED_ON_ISIC_2019
        else "The licences of these data sets hold for the weights too: they are for research and teaching only.",
        "The probabilities are the model's own, after temperature scaling. They are not a second opinion.",
        "The map shows where the evidence lies, not why, and it is not a proof. The contour and the mask come from a "
        "model too.",
    )


def _measured(summary: EvaluationSummary | None) -> str:
    if summary is None:
        return "It was not measured on a test set."
    figures = {str(row.metric): row for row in summary.table.itertuples()}
    return (
        f"On its test set it has a balanced accuracy of {_figure(figures['balanced_accuracy'])} and an accuracy "
        f"of {_figure(figures['accuracy'])}: {summary.n_images:,} images of {summary.n_groups:,} lesions that no "
        "step of the training has seen."
    )


def _figure(row: Any) -> str:
    if math.isnan(row.low):
        return f"{row.value:.3f} (too few lesions for an interval)"
    return f"{row.value:.3f} (95 % confidence interval {row.low:.3f} to {row.high:.3f})"
