"""The attribution evaluation of a run on disk: a table beside the run's files, which may be replaced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lesion_core.data.csv_tables import some
from lesion_core.errors import RunError
from lesion_core.labels import LABELS
from lesion_core.runs.beside import put_beside, read_beside
from lesion_core.runs.classifier import Run
from lesion_core.runs.own_answers import check_tested, other_answers
from lesion_core.runs.schema import Kind, check_among, check_rows, check_table, check_values

FILE = "explanations.parquet"
REMEDY = "Make it again with `explain`."
SHARES = ("inside", "area", "hair", "dark")
KEY = ("image_id", "method")
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
    "deletion": "numbers",
    "maximum": "numbers",
    "run": "texts",
}
"""One row per image and method. `inside`, `hair` and `dark` are shares of the map's positive sum; `area` is the share
of what the model saw that is lesion: what `inside` would be for a map that points nowhere in particular; `peak` says
whether the map's maximum lies inside; `deletion` is the area under the deletion curve (`explain.faithfulness`), in
[0, 1], missing where it was not asked for; `maximum` is in the method's own unit; `run` is the run's
fingerprint."""


def write_attribution(run: Run, found: pd.DataFrame) -> Path:
    """Put rows into the run's table, in place of older ones of the same images and methods.

    Args:
        run: The run that was evaluated.
        found: The columns `COLUMNS`.

    Returns:
        The file's path.

    Raises:
        BusyError: Another process is writing the run.
        RunError: Its folder holds another run by now.
    """
    return put_beside(run, FILE, found, KEY, read_attribution)


def keep_attribution(earlier: Run, found: pd.DataFrame | None, run: Run) -> bool:
    """Keep the rows of a run that was scored again, where its model is the same and sees the same.

    The area under the deletion curve is of probabilities: it is left out where the temperature is another.

    Args:
        earlier: The run before.
        found: Its rows, as `read_attribution` gave them.
        run: The run now, in the same folder.

    Returns:
        Whether rows were kept.

    Raises:
        BusyError: As in `write_attribution`.
        RunError: As there.
    """
    same = earlier.config.files["model.safetensors"] == run.config.files["model.safetensors"]
    if found is None or not same or earlier.config.settings != run.config.settings:
        return False
    if earlier.calibration.temperature != run.calibration.temperature:
        found = found.assign(deletion=np.nan)
    write_attribution(run, found.assign(run=run.fingerprint))
    return True


def read_attribution(run: Run) -> pd.DataFrame | None:
    """What `write_attribution` wrote; None where nothing was written, or it is of other weights or results.

    Raises:
        RunError: The file is there and cannot be read, is damaged, or holds what cannot be of this run.
    """
    named = f"{FILE} of {run.name}"
    if (table := read_beside(run, FILE, REMEDY)) is None:
        return None
    if "deletion" not in table.columns:  # of version 0.2
        table["deletion"] = np.nan
    check_table(table, COLUMNS, named, REMEDY, ("image_id", "lesion_id", "label", "answer", "method", "run"))
    if not (table["run"] == run.fingerprint).all():
        return None
    check_rows(table, KEY, named, REMEDY)
    check_values(table, {**dict.fromkeys((*SHARES, "deletion"), (0, 1)), "maximum": (-np.inf, np.inf)}, named, REMEDY)
    check_among(table["label"], LABELS, named)
    check_among(table["answer"], run.classes, named)
    check_tested(run, table["lesion_id"], named, REMEDY)
    here, wrong = other_answers(run, table)
    if wrong.any():
        raise RunError(
            f"{named} has other answers than predictions.parquet: {some(table['image_id'].iloc[here[wrong]])}.", REMEDY
        )
    return table
