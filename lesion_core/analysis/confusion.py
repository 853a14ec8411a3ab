"""What a run mistakes for what on an evaluation set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesion_core.analysis.evaluation_sets import EvaluationData
from lesion_core.analysis.metrics import confusion


@dataclass(frozen=True, eq=False)
class Confusion:
    """A confusion matrix with its classes.

    Attributes:
        classes: K codes.
        counts: (K, K) images, true class by row, predicted class by column; undecided ones are in no column.
        totals: (K,) images of each true class, undecided ones too.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    totals: NDArray[np.int64]

    @property
    def undecided(self) -> int:
        """Images without an answer."""
        return int(self.totals.sum() - self.counts.sum())

    @property
    def recall(self) -> NDArray[np.float64]:
        """(K,) share of each true class that is found, NaN where a class has no images."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.diag(self.counts) / self.totals, np.float64)

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have images."""
        return float(np.nanmean(self.recall))

    def taken_for(self, code: str) -> tuple[str, int] | None:
        """The class that most images of a class are mistaken for, and how many; None where there is no mistake.

        Args:
            code: One of `classes`.
        """
        at = self.classes.index(code)
        row = self.counts[at].copy()
        row[at] = 0
        most = int(row.argmax())
        return (self.classes[most], int(row[most])) if row[most] else None


def confusion_of(data: EvaluationData) -> Confusion:
    """The confusion matrix of an evaluation set.

    Args:
        data: From `view_data`.
    """
    k = len(data.classes)
    return Confusion(
        data.classes, confusion(data.truth, data.predicted, k), np.bincount(data.truth, minlength=k).astype(np.int64)
    )
