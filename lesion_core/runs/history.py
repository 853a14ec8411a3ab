"""The history of a training, a figure per epoch: read as strictly as it is written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from lesion_core.amounts import MOST
from lesion_core.data.csv_tables import read_csv
from lesion_core.errors import DataError, RunError
from lesion_core.foreign_text import shown
from lesion_core.runs.schema import check_among, check_rows, check_values
from lesion_core.runs.small_files import MOST_BYTES

COLUMNS = ("epoch", "phase", "metric", "value")
PHASES = ("train", "select")
UNBOUNDED = ("loss", "learning_rate")
"""Metrics that may be over 1; the others are shares."""
LEAST = -1e-6
"""Of any metric: rounding takes a loss of 0 no further."""

_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_REMEDY = "Copy the folder again, or train the run again."


def read_history(path: Path, named: str) -> pd.DataFrame:
    """Read a history, or refuse it for what is wrong with it.

    Args:
        path: A CSV file of at most `MOST_BYTES`.
        named: The file in an error.

    Returns:
        epoch (int64, from 0), phase (`PHASES`), metric, value (float64; NaN where nothing stands, as of a training that
        diverged); a row at least.

    Raises:
        RunError: It is not a table of these columns alone, holds something else in one, has a figure out of range, or
            one twice.
    """
    try:
        text = read_csv(path, COLUMNS, MOST_BYTES)
    except DataError as error:
        raise RunError(f"{named} is damaged: {error.problem}", _REMEDY) from None
    if len(text.columns) != len(COLUMNS):
        raise RunError(f"{named} has other columns than {', '.join(COLUMNS)}.", _REMEDY)
    for column, kind, form in (("epoch", "a whole number", _COUNT), ("value", "a number", _NUMBER)):
        cells = text[column][text[column] != ""] if column == "value" else text[column]
        wrong = cells[~cells.map(lambda cell, form=form: form.fullmatch(cell) is not None).astype(bool)]
        if len(wrong):
            raise RunError(f"{named}: {shown(wrong.iloc[0])} is not {kind}, as the column {column} holds.", _REMEDY)
    if (text["metric"] == "").any():
        raise RunError(f"{named} has a figure without a name.", _REMEDY)
    check_among(text["phase"], PHASES, named)
    table = pd.DataFrame(
        {
            "epoch": text["epoch"].map(int).astype("int64"),
            "phase": text["phase"],
            "metric": text["metric"],
            "value": text["value"].map(lambda cell: float(cell or "nan")).astype("float64"),
        }
    )
    check_values(table, {"epoch": (0, MOST["epochs"]), "value": (LEAST, np.inf)}, named, _REMEDY)
    shares = table[~table["metric"].isin(UNBOUNDED)]
    check_values(shares, {"value": (LEAST, 1)}, named, _REMEDY)
    check_rows(table, ("epoch", "phase", "metric"), named, _REMEDY)
    return table
