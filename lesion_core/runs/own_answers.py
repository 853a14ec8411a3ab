"""Whether a table beside a classifier's run is of its own test lesions, and tells its own answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.errors import RunError
from lesion_core.runs.classifier import Run

NEAR = 0.1
"""Difference of two logits that the size of a batch explains: either class may be the answer then."""


def check_tested(run: Run, lesions: pd.Series, named: str, remedy: str) -> None:
    """Refuse lesions that the run was not tested on.

    Args:
        run: The run.
        lesions: Their ids.
        named: The table in an error.
        remedy: What to do, one sentence.

    Raises:
        RunError: One of them is of another role, or unknown.
    """
    own = run.predictions
    if not lesions.isin(own["lesion_id"][own["split"] == "test"]).all():
        raise RunError(f"{named} has lesions that the run was not tested on.", remedy)


def other_answers(run: Run, table: pd.DataFrame) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Which answers are not those of the run's own predictions.

    Args:
        run: The run.
        table: Columns image_id and answer, one of the run's classes.

    Returns:
        Places (N,) of the rows whose image is in `predictions.parquet`, and for each whether its answer is another than
        there by more than `NEAR`.
    """
    own = run.predictions
    places = pd.Index(own["image_id"]).get_indexer(pd.Index(table["image_id"].astype(str)))
    here = np.flatnonzero(places >= 0)
    logits = run.logits(own.iloc[places[here]])
    said = pd.Index(run.classes).get_indexer(pd.Index(table["answer"].iloc[here].astype(str)))
    told = logits[np.arange(len(here)), said]
    return here, np.asarray(told < logits.max(axis=1, initial=-np.inf) - NEAR)
