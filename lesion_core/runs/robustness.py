"""What a run answers to changed images, on disk: tables beside the run's files, which may be replaced.

One is of changes in five severities, the other of series, whose members are poses of one image or frames of a sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.data.csv_tables import some
from lesion_core.errors import RunError
from lesion_core.files import write_parquet
from lesion_core.labels import LABELS
from lesion_core.runs.beside import put_beside, read_beside
from lesion_core.runs.classifier import Run
from lesion_core.runs.own_answers import check_tested, other_answers
from lesion_core.runs.schema import Kind, check_among, check_rows, check_table, check_values

CLEAN = ""
"""What stands in the place of a change or a series of an image as it is, whose severity or place is 0."""
SEVERITIES = (1, 2, 3, 4, 5)
"""Those of a change; published figures are means over all five."""
FRAMES = 31
"""Members of the longest series."""
AGREEMENT = 0.995
"""Share of unchanged images to which another way to compute the network has to give the answers of float32."""
EXACT = "eager"
"""The way to compute that runs store logits of (`models.backends`)."""
HALF = 0.01
"""How far a confidence may be from that of the logits, which are rounded to half precision."""


@dataclass(frozen=True)
class AnswerTable:
    """A kind of table of answers.

    Attributes:
        file: Its name.
        kind: The column that says what was done to the image.
        step: The column that says how much, or which one of several it is.
        steps: Least and highest step.
        command: What makes it.
    """

    file: str
    kind: str
    step: str
    steps: tuple[int, int]
    command: str

    @cached_property
    def columns(self) -> dict[str, Kind]:
        """Columns of every table. `confidence` is the highest probability at the run's temperature; `temperature` that
        which the policy's scores were computed at; `backend` how the network was computed; `run` is the run's
        fingerprint. Then ``logit_<class>``, half precision, **minus the row's highest**: the answer's is 0, and what is
        near it is rounded the least; and ``score_<key>`` of each part of the run's policy, float32."""
        return {
            "image_id": "texts",
            "lesion_id": "texts",
            "dataset": "texts",
            "label": "texts",
            self.kind: "texts",
            self.step: "whole numbers",
            "answer": "texts",
            "confidence": "numbers",
            "temperature": "numbers",
            "backend": "texts",
            "run": "texts",
        }

    @property
    def texts(self) -> tuple[str, ...]:
        """Columns of texts."""
        return tuple(name for name, kind in self.columns.items() if kind == "texts")

    @property
    def key(self) -> list[str]:
        """Columns that tell rows apart."""
        return ["image_id", self.kind, self.step]

    @property
    def remedy(self) -> str:
        """What to do where one is damaged."""
        return f"Make it again with `{self.command}`."


CHANGED = AnswerTable("robustness.parquet", "change", "severity", (SEVERITIES[0], SEVERITIES[-1]), "robustness")
SERIES = AnswerTable("series.parquet", "series", "place", (0, FRAMES - 1), "consistency")
FILE, COLUMNS, KEY = CHANGED.file, CHANGED.columns, CHANGED.key


def relative(logits: NDArray[np.floating]) -> NDArray[np.float16]:
    """Logits (N, K) as the table holds them: minus the row's highest, at half precision.

    Examples:
        >>> relative(np.array([[2.0, -1.0]])).tolist()
        [[0.0, -3.0]]
    """
    least = float(np.finfo(np.float16).min)
    return np.asarray(np.maximum(logits - logits.max(axis=1, keepdims=True), least), np.float16)


def write_robustness(run: Run, found: pd.DataFrame, of: AnswerTable = CHANGED) -> Path:
    """Put answers into the run's table, in place of older ones of the same images, changes and severities.

    Older rows of another way to compute, or of other scores, are dropped: figures are of one kind of rows.

    Args:
        run: The run that was evaluated.
        found: `AnswerTable.columns`, logits and scores, as `inference.robustness` gives them.
        of: Which kind of table.

    Returns:
        The file's path.

    Raises:
        BusyError: Another process is writing the run.
        RunError: Its folder holds another run by now.
    """
    return put_beside(
        run,
        of.file,
        found,
        of.key,
        lambda run: read_robustness(run, of),
        alike=_alike,
        write=lambda table, path: write_stored(table, path, of),
    )


def _alike(earlier: pd.DataFrame, found: pd.DataFrame) -> bool:
    same = set(earlier.columns) == set(found.columns)
    return same and all(set(earlier[name].unique()) == set(found[name].unique()) for name in ("backend", "temperature"))


def write_stored(table: pd.DataFrame, path: Path, of: AnswerTable = CHANGED) -> None:
    """Write answers in the order and types in which the file is small: sorted, texts as categories."""
    measured = [name for name in map(str, table.columns) if name.startswith(("logit_", "score_"))]
    kinds: dict[str, Any] = {**dict.fromkeys(of.texts, "category"), of.step: np.int8, "confidence": np.float16}
    kinds |= {name: np.float16 if name.startswith("logit_") else np.float32 for name in measured}
    ordered = table.sort_values([of.kind, of.step, "image_id"], ignore_index=True)
    write_parquet(ordered.astype(kinds), path, [*measured, "confidence"])


def read_robustness(run: Run, of: AnswerTable = CHANGED) -> pd.DataFrame | None:
    """What `write_robustness` wrote; None where nothing was written, or it is of other weights or results.

    Raises:
        RunError: The file is there and cannot be read, is damaged, or holds what cannot be of this run.
    """
    named = f"{of.file} of {run.name}"
    if (table := read_beside(run, of.file, of.remedy)) is None:
        return None
    check_robustness(run, table, named, of)
    return table if (table["run"] == run.fingerprint).all() else None


def check_robustness(run: Run, table: pd.DataFrame, named: str, of: AnswerTable = CHANGED) -> None:
    """Refuse a table that cannot be one of this run; one of another run is not looked into.

    Args:
        run: The run.
        table: As it was read.
        named: The table in an error.
        of: Which kind of table it is.

    Raises:
        RunError: A column is missing or holds what it cannot hold, or answers are not those of the run.
    """
    logits = [f"logit_{code}" for code in run.classes]
    check_table(table, of.columns, named, of.remedy, tuple(of.columns))
    if not (table["run"] == run.fingerprint).all():
        return
    scores = [name for name in map(str, table.columns) if name.startswith("score_")]
    kinds: dict[str, Kind] = dict.fromkeys([*logits, *scores], "numbers")
    check_table(table, kinds, named, of.remedy, tuple(kinds))
    check_rows(table, of.key, named, of.remedy)
    check_values(
        table,
        {
            of.step: (0, of.steps[1]),
            "confidence": (0, 1 + 1e-6),
            "temperature": (1e-6, np.inf),
            **dict.fromkeys(logits, (-np.inf, 0)),
            **dict.fromkeys(scores, (-np.inf, np.inf)),
        },
        named,
        of.remedy,
    )
    check_among(table["label"], LABELS, named)
    check_among(table["answer"], run.classes, named)
    clean, step = table[of.kind] == CLEAN, table[of.step]
    if (clean & (step != 0)).any() or (~clean & (step < of.steps[0])).any():
        raise RunError(f"{named} has changed images of {of.step} 0, or unchanged ones of another.", of.remedy)
    _check_facts(run, table, named, of.remedy)
    _check_answers(run, table, named, of)


def _check_facts(run: Run, table: pd.DataFrame, named: str, remedy: str) -> None:
    """Refuse an image with two lesions, labels or data sets, other facts than the run's, and lesions of other roles."""
    facts = ["lesion_id", "dataset", "label"]
    images = table[["image_id", *facts]].astype(str).drop_duplicates()
    twice = images["image_id"].duplicated()
    if twice.any():
        raise RunError(f"{named} tells of one image different things: {some(images['image_id'][twice])}.", remedy)
    check_tested(run, images["lesion_id"], named, remedy)
    both = images.merge(run.predictions[["image_id", *facts]].astype(str), on="image_id", suffixes=("", "_own"))
    for fact in facts:
        other = both["image_id"][both[fact] != both[f"{fact}_own"]]
        if len(other):
            raise RunError(f"{named} has another {fact} than predictions.parquet: {some(other)}.", remedy)


def _check_answers(run: Run, table: pd.DataFrame, named: str, of: AnswerTable) -> None:
    """Refuse answers and confidences that are not those of the row's logits, and other answers to unchanged images than
    the run's own."""
    logits = run.logits(table)
    said = pd.Index(run.classes).get_indexer(pd.Index(table["answer"].astype(str)))
    if not (logits.max(axis=1, initial=-np.inf) == 0).all() or (logits[np.arange(len(said)), said] < 0).any():
        raise RunError(f"{named} has answers that are not those of their logits.", of.remedy)
    temperature = run.calibration.temperature
    confidence = 1 / np.exp(logits / temperature).sum(axis=1)
    if (np.abs(confidence - table["confidence"].to_numpy(np.float64)) > HALF).any():
        raise RunError(f"{named} has confidences that are not those of their logits.", of.remedy)
    clean = table[table[of.kind] == CLEAN]
    here, wrong = other_answers(run, clean)
    most = 0 if (table["backend"] == EXACT).all() else (1 - AGREEMENT) * len(here)
    if wrong.sum() > most:
        raise RunError(
            f"{named} has other answers than predictions.parquet: {some(clean['image_id'].iloc[here[wrong]])}.",
            of.remedy,
        )
