"""What a run says of labelled images that it never saw: a folder of its own for each such set, beside the run's files.

Each holds ``predictions.parquet`` (of a segmenter ``masks.parquet``), a row per image; ``left_out.csv``, the images
that were not scored and why; and ``evaluation.json``, the figures. They change together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from lesion_core.config import RunName
from lesion_core.data.tables import OFFICIAL_TEST, ROLES
from lesion_core.errors import ConfigError, RunError
from lesion_core.files import current, read_parquet, rewritten, write_parquet
from lesion_core.foreign_text import shown
from lesion_core.runs.beside import OpenedRun
from lesion_core.runs.folder import fingerprint_of, replaced
from lesion_core.runs.schema import check_rows
from lesion_core.runs.small_files import read_small

FOLDER = "evaluations"
FIGURES, LEFT_OUT = "evaluation.json", "left_out.csv"
TABLES = {"classifier": "predictions.parquet", "segmenter": "masks.parquet"}
"""The table by the kind of run."""
SPLIT = "unseen"
"""What stands in the column `split`: none of the four roles."""
REMEDY = "Make it again with `evaluate --as`."


@dataclass(frozen=True)
class Evaluation:
    """A set of images that a run never saw, scored.

    Attributes:
        figures: What ``evaluation.json`` holds: run, fingerprint, as, metrics and sentences.
        table: A row per image.
        left_out: image_id and why.
    """

    figures: dict[str, Any]
    table: pd.DataFrame
    left_out: pd.DataFrame


def evaluation_folder(run: OpenedRun, name: str, parent: Path | None = None) -> Path:
    """Where an evaluation of that name is.

    Args:
        run: The run.
        name: Of the set of images.
        parent: Folder of evaluations, in place of the run's own.

    Raises:
        ConfigError: The name is that of a role, or holds what a folder's name should not.
    """
    if name in (*ROLES, OFFICIAL_TEST, SPLIT):
        raise ConfigError(f"'{name}' is what a part of the run's own images is called.", "Choose another name.")
    try:
        TypeAdapter(RunName).validate_python(name)
    except ValidationError:
        raise ConfigError(
            f"'{shown(name)}' cannot be the name of an evaluation.",
            "Use letters, digits, points, hyphens and underscores, beginning with a letter or a digit.",
        ) from None
    return (parent or run.folder / FOLDER) / name


def write_evaluation(run: OpenedRun, kind: str, folder: Path, found: Evaluation) -> Path:
    """Write an evaluation, in place of what is in its folder.

    Args:
        run: The run.
        kind: A key of `TABLES`.
        folder: As `evaluation_folder` gives it.
        found: What is written.

    Returns:
        The path of the table.

    Raises:
        BusyError: Another process is writing it.
        RunError: The run's folder holds another run by now.
    """
    with rewritten(folder) as new:
        if fingerprint_of(run.folder) != run.fingerprint:
            raise replaced(run)
        write_parquet(found.table, new / TABLES[kind])
        found.left_out.to_csv(new / LEFT_OUT, index=False)
        text = json.dumps(found.figures, indent=2, allow_nan=False, default=str) + "\n"
        (new / FIGURES).write_text(text, encoding="utf-8")
    return folder / TABLES[kind]


def read_evaluation(run: OpenedRun, kind: str, folder: Path) -> Evaluation:
    """What `write_evaluation` wrote.

    Raises:
        RunError: A file is missing or damaged, or it is another run's.
    """
    named = f"The evaluation {shown(folder.name)} of {run.name}"
    try:
        text = b""
        while (now := read_small(current(folder, FIGURES))) != text:  # until nothing was written meanwhile
            text, figures = now, json.loads(now)
            table = read_parquet(current(folder, TABLES[kind]))
            left_out = pd.read_csv(current(folder, LEFT_OUT), dtype="str", keep_default_na=False)
    except (OSError, ValueError, pa.ArrowException, RecursionError) as error:
        raise RunError(f"{named} cannot be read ({shown(str(error), 200)}).", REMEDY) from None
    if not isinstance(figures, dict) or figures.get("fingerprint") != run.fingerprint:
        raise RunError(f"{named} was made for another run.", REMEDY)
    if figures.get("images") != len(table) or not {"image_id", "label"} <= set(table.columns):
        raise RunError(f"{named} does not have the rows that it tells of.", REMEDY)
    check_rows(table, ("image_id",), named, REMEDY)
    return Evaluation(figures, table, left_out)
