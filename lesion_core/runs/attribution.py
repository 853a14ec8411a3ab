"""The attribution evaluation of a run on disk: a table beside the run's files, which may be replaced."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from lesion_core.errors import RunError
from lesion_core.files import current, read_parquet, write_parquet
from lesion_core.foreign_text import shown
from lesion_core.runs.classifier import Run
from lesion_core.runs.folder import rewriting
from lesion_core.runs.schema import Kind, check_table

FILE = "explanations.parquet"
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
        RunError: The file is damaged or lacks a column.
    """
    path = current(run.folder, FILE)
    if not path.is_file():
        return None
    try:
        table = read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(
            f"{FILE} of {run.name} is damaged ({shown(str(error), 200)}).", "Make it again with `explain`."
        ) from None
    check_table(table, COLUMNS, f"{FILE} of {run.name}", "Make it again with `explain`.", ("image_id", "method", "run"))
    return table if (table["run"] == run.fingerprint).all() else None
