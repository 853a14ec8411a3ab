"""What the pages of results show of a run: its answers, its confidences, who is rejected. `app.cache` keeps them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.analysis.calibration import expected_calibration_error, reliability
from lesion_core.analysis.evaluation_sets import EvaluationData, view_data
from lesion_core.analysis.intervals import share_intervals, wilson
from lesion_core.analysis.metrics import softmax, two_sided
from lesion_core.analysis.predictions import predict
from lesion_core.labels import BINARY, convert_probabilities
from lesion_core.runs.classifier import Run


@dataclass(frozen=True)
class Answers:
    """The images of a view and what the run says of them.

    Attributes:
        data: Truth, probabilities and lesions.
        predicted: (N,) class index; -1 where it is undecided.
    """

    data: EvaluationData
    predicted: NDArray[np.int64]


def read_answers(run: Run, view: str) -> Answers | None:
    """A view's images and what the run says of them, None where it has no such images.

    Raises:
        ConfigError: The view is unknown.
    """
    data = view_data(run, view)
    if data is None:
        return None
    if data.classes == BINARY:  # on the threshold counts as malignant, as in the view's figures
        return Answers(data, two_sided(data.truth == 1, data.probabilities[:, 1]).predicted)
    return Answers(data, predict(data.probabilities))


@dataclass(frozen=True)
class Reliability:
    """Rows of a reliability diagram and the expected calibration error, at one temperature."""

    table: pd.DataFrame
    error: float


def read_reliability(run: Run, data: EvaluationData) -> tuple[Reliability, Reliability]:
    """A view's reliability before and after the run's temperature."""
    plain = convert_probabilities(softmax(run.logits(data.table)), run.classes, data.classes)
    found = []
    for probabilities in (plain, data.probabilities):
        confidence, correct = probabilities.max(axis=1), predict(probabilities) == data.truth
        found.append(Reliability(reliability(confidence, correct), expected_calibration_error(confidence, correct)))
    return found[0], found[1]


RESAMPLED = 50_000
"""Cases that are resampled while somebody waits."""


def shares_by(groups: pd.Series[str], yes: NDArray[np.bool_], lesions: NDArray[np.str_] | None = None) -> pd.DataFrame:
    """The share of `yes` in each group with its 95 % interval, the largest group first.

    Args:
        groups: (N,) name of each case's group.
        yes: (N,) bool.
        lesions: (N,) lesion ids: the interval is then over lesions, else Wilson's over cases. All shares
            among more than `RESAMPLED` cases have Wilson's with as
            many cases as there are lesions.

    Returns:
        group, n, share, low, high.
    """
    names = groups.to_numpy(str)
    asked = {str(group): (yes, names == group) for group in np.unique(names)}
    if lesions is not None and len(yes) <= RESAMPLED:
        shares = share_intervals(asked, lesions)
    else:
        shares = {}
        for group, (_, among) in asked.items():
            k, n = int(yes[among].sum()), int(among.sum())
            of = n if lesions is None else len(np.unique(lesions[among]))
            shares[group] = replace(wilson(round(of * k / n), of), value=k / n, n_images=n)
    table = pd.DataFrame(
        [(group, share.n_images, share.value, share.low, share.high) for group, share in shares.items()],
        columns=["group", "n", "share", "low", "high"],
    )
    return table.sort_values(["n", "group"], ascending=[False, True], ignore_index=True)
