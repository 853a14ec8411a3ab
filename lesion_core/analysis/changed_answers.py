"""What becomes of a run's answers when code draws something over its test images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesion_core.analysis.intervals import Interval, Statistic, bootstrap, clopper_pearson
from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.predictions import Floats, most_probable
from lesion_core.analysis.ranking import sums
from lesion_core.errors import ConfigError, RunError
from lesion_core.runs.classifier import Run


def _mean_of(values: Floats) -> Statistic:
    return lambda weights: sums(values, weights) / weights.sum(axis=0)


@dataclass(frozen=True)
class ChangedAnswers:
    """The answers to some test images after one change.

    Attributes:
        same: The share with the same answer as before, exact 95 % interval.
        shift: How much higher the probability of one diagnosis is on average, 95 % interval over lesions.
        before: Its mean before the change.
    """

    same: Interval
    shift: Interval
    before: float


def changed_answers(run: Run, code: str = "MEL", n: int = 1000) -> dict[str, ChangedAnswers]:
    """Answers before and after each change that the run was asked about, by the change's name.

    Args:
        run: The run, with changed test images in its `ood.parquet`.
        code: The diagnosis whose probability is compared, after the temperature.
        n: Resamples.

    Raises:
        ConfigError: The run does not know the diagnosis.
        RunError: The run has no changed test images.
    """
    if code not in run.classes:
        raise ConfigError(f"{code} is not one of the run's diagnoses.", f"Choose one of {', '.join(run.classes)}.")
    if run.corrupted.empty:
        raise RunError(
            f"Run {run.name} has no answers to changed test images.", "Score it again with `evaluate --data`."
        )
    test, k, t = run.part("test"), run.classes.index(code), run.calibration.temperature
    of = run.corrupted["image_id"].str.split("/", n=1).str[1]
    found = {}
    for kind, rows in run.corrupted.groupby("kind", sort=False):
        before_rows = test.iloc[pd.Index(test["image_id"]).get_indexer(pd.Index(of[rows.index]))]
        before, after = (softmax(run.logits(table), t) for table in (before_rows, rows))
        shift = after[:, k] - before[:, k]
        same = most_probable(before) == most_probable(after)
        found[str(kind)] = ChangedAnswers(
            clopper_pearson(int(same.sum()), len(same)),
            bootstrap(_mean_of(shift), before_rows["lesion_id"].to_numpy(str), n),
            float(np.mean(before[:, k])),
        )
    return found
