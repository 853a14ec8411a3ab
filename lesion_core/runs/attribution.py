"""The attribution evaluation of a run on disk: a table beside the run's files, which may be replaced."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from lesion_core.errors import RunError
from lesion_core.files import aside, kept_if_complete, read_parquet, write_parquet
from lesion_core.runs.classifier import Run

FILE = "explanations.parquet"
COLUMNS = (
    "image_id",
    "lesion_id",
    "label",
    "answer",
    "method",
    "inside",
    "area",
    "peak",
    "hair",
    "dark",
    "maximum",
    "run",
)
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
    """
    path = run.folder / FILE
    try:
        earlier = read_attribution(run)
    except RunError:  # damaged: what was measured now takes its place
        earlier = None
    if earlier is not None:
        found = pd.concat([earlier[~earlier["method"].isin(found["method"])], found], ignore_index=True)
    new = aside(path)
    with kept_if_complete(new):
        write_parquet(found, new)
        new.replace(path)
    return path


def read_attribution(run: Run) -> pd.DataFrame | None:
    """What `write_attribution` wrote; None where nothing was written, or it is of other weights or results.

    Raises:
        RunError: The file is damaged or lacks a column.
    """
    path = run.folder / FILE
    if not path.is_file():
        return None
    try:
        table = read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(f"{FILE} of {run.name} is damaged ({error}).", "Make it again with `explain`.") from None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise RunError(f"{FILE} of {run.name} lacks the column {missing[0]}.", "Make it again with `explain`.")
    return table if (table["run"] == run.fingerprint).all() else None
