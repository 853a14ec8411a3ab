"""The threshold of the page Out of distribution, and what lies on either side of it. `app.cache` keeps its bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.widgets.threshold import Mark, ThresholdBins, threshold_bins
from lesion_core.ood.evaluation import EvaluatedScore
from lesion_core.ood.policy import Policy
from lesion_core.ood.score import Score
from lesion_core.ood.scores import PUBLISHED_CONFIDENCE, SCORES
from lesion_core.ood.sentences import kind_name
from lesion_core.ood.thresholds import keep_share_threshold
from lesion_core.runs.classifier import Run

KEPT, PUBLISHED, OWN = "95 % of calibration kept", f"{PUBLISHED_CONFIDENCE:g}, as published", "the run's own"
"""The labels of the marks beside the line."""
MOST_LINES = 512
"""States that are kept of a part that moves with the line: about what a class drags it over, 20 kB each."""


@dataclass(frozen=True, eq=False)
class Line:
    """A threshold on a score.

    Attributes:
        run: Whose images are judged.
        key: The score, a key of `SCORES`.
        split: The role of the dermoscopic images that are looked at.
        at: The threshold, as a person reads it.
        moved_on: The role that was looked at when the threshold was moved.
        mark: The label of the mark that it stands on; None where it was set by hand.
        own_policy: The run's own policy, where it has one that can be read.
    """

    run: Run
    key: str
    split: str
    at: float
    moved_on: str
    mark: str | None
    own_policy: Policy | None

    @property
    def measure(self) -> Score:
        """The score."""
        return SCORES[self.key]

    @property
    def honest(self) -> bool:
        """Whether it was chosen without looking at the test set."""
        return self.mark is not None or self.moved_on == "calibrate"


def marks_of(judged: EvaluatedScore, own: float | None) -> tuple[Mark, ...]:
    """Thresholds to compare with, as a person reads them: keeping 95 %, as published, the run's own.

    Args:
        judged: The run's images under a score.
        own: The threshold of the run's own policy, as a score; None where it has none on this one.
    """
    measure, calibrate = judged.measure, judged.split("calibrate")
    marks = []
    if len(calibrate):
        marks.append(Mark(measure.to_display(keep_share_threshold(calibrate["score"])), KEPT))
    if measure.published is not None:
        marks.append(Mark(measure.published, PUBLISHED))
    if own is not None and not (len(calibrate) and np.isclose(measure.to_display(own), marks[0].value)):
        marks.append(Mark(measure.to_display(own), OWN))
    return tuple(marks)


def line_bins(judged: EvaluatedScore, split: str, marks: Sequence[Mark]) -> ThresholdBins:
    """What the widget needs: the split's dermoscopic images and the OOD images, counted."""
    table, ood_images = judged.split(split), judged.ood_images
    return threshold_bins(
        table["shown"].to_numpy(),
        table["correct"].to_numpy(bool),
        (table["diagnosis"] == "MEL").to_numpy(),
        ood_images["shown"].to_numpy(),
        ood_images["kind"].astype(str).map(kind_name).to_numpy(object),
        reject=judged.measure.rejected_side,
        quantity=judged.measure.axis or judged.measure.quantity.rstrip(","),
        marks=marks,
        span=judged.measure.span,
    )
