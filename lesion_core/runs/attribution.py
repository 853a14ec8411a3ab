"""The attribution evaluation of a run on disk: a table beside the run's files, which may be replaced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lesion_core.data.csv_tables import some
from lesion_core.errors import RunError
from lesion_core.files import write_parquet
from lesion_core.labels import LABELS
from lesion_core.runs.beside import read_beside, rewriting
from lesion_core.runs.classifier import Run
from lesion_core.runs.schema import Kind, check_among, check_rows, check_table, check_values

FILE = "explanations.parquet"
REMEDY = "Make it again with `explain`."
SHARES = ("inside", "area", "hair", "dark")
NEAR = 0.1
"""Difference of two logits that the size of a batch explains: either class may be the answer then."""
COLUMNS: dict[str, Kind] = {
    "image_id": "texts",
    "lesion_id": "texts",
    "label": "texts",
    "answer": "texts",
    "method": "texts",
    "inside": "numbers",
    "area": "numbers",
    "peak": "truth values",
    "hair": "numbers",
    "dark": "numbers",
    "maximum": "numbers",
    "run": "texts",
}
"""One row per image and method. `inside`, `hair` and `dark` are shares of the map's positive sum; `area` is the share
of what the model saw that is lesion: what `inside` would be for a map that points nowhere in particular; `peak` says
whether the map's maximum lies inside; `maximum` is in the method's own unit; `run` is the run's fingerprint."""


def write_attribution(run: Run, found: pd.DataFrame) -> Path:
    """Put methods into the run's table, in place of older rows of the same methods.

    Args:
        run: The run that was evaluated.
        found: The columns `COLUMNS`.

    Returns:
        The file's path.

    Raises:
        BusyError: Another process is writing the run.
        RunError: Its folder holds another run by now.
    """
    with rewriting(run) as new:
        try:
            earlier = read_attribution(run)
        except RunError:  # damaged: what was measured now takes its place
            earlier = None
        if earlier is not None:
            found = pd.concat([earlier[~earlier["method"].isin(found["method"])], found], ignore_index=True)
        write_parquet(found, new / FILE)
    return run.folder / FILE


def read_attribution(run: Run) -> pd.DataFrame | None:
    """What `write_attribution` wrote; None where nothing was written, or it is of other weights or results.

    Raises:
        RunError: The file is there and cannot be read, is damaged, or holds what cannot be of this run.
    """
    named = f"{FILE} of {run.name}"
    if (table := read_beside(run, FILE, REMEDY)) is None:
        return None
    check_table(table, COLUMNS, named, REMEDY, ("image_id", "lesion_id", "label", "answer", "method", "run"))
    if not (table["run"] == run.fingerprint).all():
        return None
    check_rows(table, ("image_id", "method"), named, REMEDY)
    check_values(table, {**dict.fromkeys(SHARES, (0, 1)), "maximum": (-np.inf, np.inf)}, named, REMEDY)
    check_among(table["label"], LABELS, named)
    check_among(table["answer"], run.classes, named)
    _check_answers(run, table, named)
    return table


def _check_answers(run: Run, table: pd.DataFrame, named: str) -> None:
    """Refuse answers that are not those of the run's own table, where it has the image, and lesions of other roles."""
    own = run.predictions
    test = own[own["split"] == "test"]
    if not table["lesion_id"].isin(test["lesion_id"]).all():
        raise RunError(f"{named} has lesions that the run was not tested on.", REMEDY)
    places = pd.Index(own["image_id"]).get_indexer(pd.Index(table["image_id"]))
    here = table[places >= 0]
    logits = run.logits(own.iloc[places[places >= 0]])
    told = np.take_along_axis(logits, pd.Index(run.classes).get_indexer(pd.Index(here["answer"]))[:, None], axis=1)[
        :, 0
    ]
    wrong = here["image_id"][told < logits.max(axis=1, initial=-np.inf) - NEAR]
    if len(wrong):
        raise RunError(f"{named} has other answers than predictions.parquet: {some(wrong)}.", REMEDY)
