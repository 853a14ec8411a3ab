"""The robustness evaluation of a run on disk: a table beside the run's files, which may be replaced."""

from __future__ import annotations

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

FILE = "robustness.parquet"
REMEDY = "Make it again with `robustness`."
CLEAN = ""
"""What the column change holds of an image as it is, whose severity is 0."""
SEVERITIES = (1, 2, 3, 4, 5)
"""Those of a change; published figures are means over all five."""
AGREEMENT = 0.995
"""Share of unchanged images to which another way to compute the network has to give the answers of float32."""
EXACT = "eager"
"""The way to compute that runs store logits of (`models.backends`)."""
HALF = 0.01
"""How far a confidence may be from that of the logits, which are rounded to half precision."""

COLUMNS: dict[str, Kind] = {
    "image_id": "texts",
    "lesion_id": "texts",
    "dataset": "texts",
    "label": "texts",
    "change": "texts",
    "severity": "whole numbers",
    "answer": "texts",
    "confidence": "numbers",
    "temperature": "numbers",
    "backend": "texts",
    "run": "texts",
}
"""Columns of every table. `confidence` is the highest probability at the run's temperature; `temperature` that which
the policy's scores were computed at; `backend` how the network was computed; `run` is the run's fingerprint. Then
``logit_<class>``, half precision, **minus the row's highest**: the answer's is 0, and what is near it is rounded the
least; and ``score_<key>`` of each part of the run's policy, float32."""
TEXTS = ("image_id", "lesion_id", "dataset", "label", "change", "answer", "backend", "run")
KEY = ["image_id", "change", "severity"]


def relative(logits: NDArray[np.floating]) -> NDArray[np.float16]:
    """Logits (N, K) as the table holds them: minus the row's highest, at half precision.

    Examples:
        >>> relative(np.array([[2.0, -1.0]])).tolist()
        [[0.0, -3.0]]
    """
    least = float(np.finfo(np.float16).min)
    return np.asarray(np.maximum(logits - logits.max(axis=1, keepdims=True), least), np.float16)


def write_robustness(run: Run, found: pd.DataFrame) -> Path:
    """Put answers into the run's table, in place of older ones of the same images, changes and severities.

    Older rows of another way to compute, or of other scores, are dropped: figures are of one kind of rows.

    Args:
        run: The run that was evaluated.
        found: `COLUMNS`, logits and scores, as `inference.robustness` gives them.

    Returns:
        The file's path.

    Raises:
        BusyError: Another process is writing the run.
        RunError: Its folder holds another run by now.
    """
    return put_beside(run, FILE, found, KEY, read_robustness, alike=_alike, write=write_stored)


def _alike(earlier: pd.DataFrame, found: pd.DataFrame) -> bool:
    same = set(earlier.columns) == set(found.columns)
    return same and all(set(earlier[name].unique()) == set(found[name].unique()) for name in ("backend", "temperature"))


def write_stored(table: pd.DataFrame, path: Path) -> None:
    """Write answers in the order and types in which the file is small: sorted, texts as categories."""
    measured = [name for name in map(str, table.columns) if name.startswith(("logit_", "score_"))]
    kinds: dict[str, Any] = {**dict.fromkeys(TEXTS, "category"), "severity": np.int8, "confidence": np.float16}
    kinds |= {name: np.float16 if name.startswith("logit_") else np.float32 for name in measured}
    ordered = table.sort_values(["change", "severity", "image_id"], ignore_index=True)
    write_parquet(ordered.astype(kinds), path, [*measured, "confidence"])


def read_robustness(run: Run) -> pd.DataFrame | None:
    """What `write_robustness` wrote; None where nothing was written, or it is of other weights or results.

    Raises:
        RunError: The file is there and cannot be read, is damaged, or holds what cannot be of this run.
    """
    named = f"{FILE} of {run.name}"
    if (table := read_beside(run, FILE, REMEDY)) is None:
        return None
    check_robustness(run, table, named)
    return table if (table["run"] == run.fingerprint).all() else None


def check_robustness(run: Run, table: pd.DataFrame, named: str) -> None:
    """Refuse a table that cannot be one of this run; one of another run is not looked into.

    Args:
        run: The run.
        table: As it was read.
        named: The table in an error.

    Raises:
        RunError: A column is missing or holds what it cannot hold, or answers are not those of the run.
    """
    logits = [f"logit_{code}" for code in run.classes]
    check_table(table, COLUMNS, named, REMEDY, tuple(COLUMNS))
    if not (table["run"] == run.fingerprint).all():
        return
    scores = [name for name in map(str, table.columns) if name.startswith("score_")]
    kinds: dict[str, Kind] = dict.fromkeys([*logits, *scores], "numbers")
    check_table(table, kinds, named, REMEDY, tuple(kinds))
    check_rows(table, KEY, named, REMEDY)
    check_values(
        table,
        {
            "severity": (0, SEVERITIES[-1]),
            "confidence": (0, 1 + 1e-6),
            "temperature": (1e-6, np.inf),
            **dict.fromkeys(logits, (-np.inf, 0)),
            **dict.fromkeys(scores, (-np.inf, np.inf)),
        },
        named,
        REMEDY,
    )
    check_among(table["label"], LABELS, named)
    check_among(table["answer"], run.classes, named)
    if ((table["change"] == CLEAN) != (table["severity"] == 0)).any():
        raise RunError(f"{named} has changed images of severity 0, or unchanged ones of another.", REMEDY)
    _check_facts(run, table, named)
    _check_answers(run, table, named)


def _check_facts(run: Run, table: pd.DataFrame, named: str) -> None:
    """Refuse an image with two lesions, labels or data sets, other facts than the run's, and lesions of other roles."""
    facts = ["lesion_id", "dataset", "label"]
    images = table[["image_id", *facts]].astype(str).drop_duplicates()
    twice = images["image_id"].duplicated()
    if twice.any():
        raise RunError(f"{named} tells of one image different things: {some(images['image_id'][twice])}.", REMEDY)
    check_tested(run, images["lesion_id"], named, REMEDY)
    both = images.merge(run.predictions[["image_id", *facts]].astype(str), on="image_id", suffixes=("", "_own"))
    for fact in facts:
        other = both["image_id"][both[fact] != both[f"{fact}_own"]]
        if len(other):
            raise RunError(f"{named} has another {fact} than predictions.parquet: {some(other)}.", REMEDY)


def _check_answers(run: Run, table: pd.DataFrame, named: str) -> None:
    """Refuse answers and confidences that are not those of the row's logits, and other answers to unchanged images than
    the run's own."""
    logits = run.logits(table)
    said = pd.Index(run.classes).get_indexer(pd.Index(table["answer"].astype(str)))
    if not (logits.max(axis=1, initial=-np.inf) == 0).all() or (logits[np.arange(len(said)), said] < 0).any():
        raise RunError(f"{named} has answers that are not those of their logits.", REMEDY)
    temperature = run.calibration.temperature
    confidence = 1 / np.exp(logits / temperature).sum(axis=1)
    if (np.abs(confidence - table["confidence"].to_numpy(np.float64)) > HALF).any():
        raise RunError(f"{named} has confidences that are not those of their logits.", REMEDY)
    clean = table[table["change"] == CLEAN]
    here, wrong = other_answers(run, clean)
    most = 0 if (table["backend"] == EXACT).all() else (1 - AGREEMENT) * len(here)
    if wrong.sum() > most:
        raise RunError(
            f"{named} has other answers than predictions.parquet: {some(clean['image_id'].iloc[here[wrong]])}.", REMEDY
        )
