"""What a visitor analysed: kept in memory for the visit, to compare and to download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.foreign_text import people_csv
from lesion_core.imaging.decode import content_hash
from lesion_core.labels import diagnosis
from lesion_core.serving.results import UNASKED, Prediction

LONGEST = 30
"""Analysed images that are kept; the oldest goes first."""
THUMBNAIL = 160


@dataclass(frozen=True)
class Analysed:
    """One analysed image.

    Attributes:
        key: Changes with the image and with the run.
        title: The image's, as it was given.
        run: The run's name.
        answer: Code of the diagnosis, or UNKNOWN.
        guess: Code of the most probable diagnosis.
        confidence: Its probability.
        malignant: Probability of what is not benign.
        reason: Why it is rejected, or why not.
        thumbnail: JPEG.
    """

    key: str
    title: str
    run: str
    answer: str
    guess: str
    confidence: float
    malignant: float
    reason: str
    thumbnail: bytes


def malignant_share(prediction: Prediction) -> float:
    """The probability that the lesion is malignant or premalignant."""
    pairs = zip(prediction.classes, prediction.probabilities, strict=True)
    return float(sum(p for code, p in pairs if diagnosis(code).malignancy != "benign"))


def analysed(
    title: str, image: NDArray[np.uint8], run: str, fingerprint: str, prediction: Prediction, unchecked: str = UNASKED
) -> Analysed:
    """The record of a prediction; `unchecked` is why no policy decided on it, where none did."""
    decision = prediction.decision
    scale = THUMBNAIL / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    return Analysed(
        key=f"{content_hash(image)}-{fingerprint}",
        title=title,
        run=run,
        answer="UNKNOWN" if decision and decision.rejected else prediction.code,
        guess=prediction.code,
        confidence=prediction.confidence,
        malignant=malignant_share(prediction),
        reason=decision.reason if decision else unchecked,
        thumbnail=bytes(cv2.imencode(".jpg", small)[1]),
    )


def remember(history: Sequence[Analysed], record: Analysed) -> list[Analysed]:
    """The history with a record: the newest first, each image and run once."""
    return [record, *(old for old in history if old.key != record.key)][:LONGEST]


def as_table(history: Sequence[Analysed]) -> pd.DataFrame:
    """The history as the page shows it, the newest first."""
    return pd.DataFrame(
        [(r.title, r.run, r.answer, r.guess, round(r.confidence, 3), round(r.malignant, 3)) for r in history],
        columns=["image", "run", "answer", "most probable", "confidence", "malignant or premalignant"],
    )


def as_csv(history: Sequence[Analysed]) -> bytes:
    """The history as a table for a spreadsheet, the newest first; what a person typed cannot become a formula."""
    return people_csv(
        pd.DataFrame(
            [
                (r.title, r.run, r.answer, r.guess, f"{r.confidence:.4f}", f"{r.malignant:.4f}", r.reason)
                for r in history
            ],
            columns=[
                "image",
                "run",
                "answer",
                "most_probable",
                "confidence",
                "malignant_or_premalignant",
                "reason",
            ],
        )
    )
