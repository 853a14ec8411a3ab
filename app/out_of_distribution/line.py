"""The threshold of the page Out of distribution, and what lies on either side of it. `app.cache` keeps its bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.widgets.threshold import Mark, ThresholdBins, threshold_bins
from lesion_core.ood.evaluation import EvaluatedScore
from lesion_core.ood.policy import Policy
from lesion_core.ood.scores import PUBLISHED_CONFIDENCE, Score

KEPT, PUBLISHED, OWN = "95 % of calibration kept", f"{PUBLISHED_CONFIDENCE:g}, as published", "the run's own"
"""The labels of the marks beside the line."""


@dataclass(frozen=True, eq=False)
class Line:
    """A threshold on a score.

    Attributes:
        judged: The run's images under the score.
        split: The role of the dermoscopic images that are looked at.
        at: The threshold, as a person reads it.
        moved_on: The role that was looked at when the threshold was moved.
        mark: The label of the mark that it stands on; None where it was set by hand.
        own_policy: The run's own policy, where it has one that can be read.
    """

    judged: EvaluatedScore
    split: str
    at: float
    moved_on: str
    mark: str | None
    own_policy: Policy | None

    @property
    def measure(self) -> Score:
        """The score."""
        return self.judged.measure

    @property
    def table(self) -> pd.DataFrame:
        """The dermoscopic images that are looked at, as in `EvaluatedScore.dermoscopy`."""
        return self.judged.split(self.split)

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """(N,) whether each of `table` is rejected."""
        return self.judged.rejected(self.table["shown"], self.at)

    @property
    def strange(self) -> NDArray[np.bool_]:
        """(M,) whether each image without a lesion is rejected."""
        return self.judged.rejected(self.judged.ood_images["shown"], self.at)

    @property
    def honest(self) -> bool:
        """Whether it was chosen without looking at the test set."""
        return self.mark is not None or self.moved_on == "calibrate"


def line_bins(judged: EvaluatedScore, split: str, marks: Sequence[Mark]) -> ThresholdBins:
    """What the widget needs: the split's dermoscopic images and the non-lesion images, counted."""
    table, ood_images = judged.split(split), judged.ood_images
    return threshold_bins(
        table["shown"].to_numpy(),
        table["correct"].to_numpy(bool),
        (table["diagnosis"] == "MEL").to_numpy(),
        ood_images["shown"].to_numpy(),
        ood_images["kind"].astype(str).to_numpy(object),
        reject=judged.measure.rejected_side,
        quantity=judged.measure.quantity.rstrip(","),
        marks=marks,
        span=judged.measure.span,
    )
