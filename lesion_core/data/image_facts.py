"""Facts of images that ship with the dashboard: tables without a pixel, made by ``python -m benchmarks.facts``.

They say what a run's own tables do not: which two images of MILK10k show one lesion, and on which skin, and what the
finders of artefacts say of every test image. So pages that need them open where the images are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lesion_core import files
from lesion_core.data.artefact_labels import LABELLED
from lesion_core.data.csv_tables import numbers, read_csv, some
from lesion_core.errors import DataError
from lesion_core.foreign_text import shown

FORMS = "milk10k.csv"
"""image_id, lesion_id, form (dermoscopy or close-up), skin_tone (0 to 5, or empty)."""
SCORES = "artefact_scores.csv"
"""image_id, and the score of each finder of artefacts."""
FINDERS = "artefact_finders.csv"
"""artefact, n, lesions, positives, value, low, high: the AUROC of each finder against labels made by hand."""

DERMOSCOPY, CLOSE_UP = "dermoscopy", "close-up"
SKIN_TONES = range(6)
"""MILK10k's classes of skin, from 0, very dark, to 5, very light."""


COMMAND = "python -m benchmarks.facts DATA"
"""What makes the tables."""


def lesion_forms(folder: Path) -> pd.DataFrame | None:
    """`FORMS` of a folder: every image once; skin_tone is a float, NaN where it is not recorded. None where there is no
    such table.

    Raises:
        DataError: The table is damaged.
    """
    table = _read(folder / FORMS, ("image_id", "lesion_id", "form", "skin_tone"), ("image_id",), ("skin_tone",))
    if table is None:
        return None
    _check(table["form"].isin((DERMOSCOPY, CLOSE_UP)), table["form"], FORMS)
    tone = table["skin_tone"]
    _check(tone.isna() | tone.isin(SKIN_TONES), tone, FORMS)
    return table


def artefact_scores(folder: Path) -> pd.DataFrame | None:
    """`SCORES` of a folder: image_id and a float in [0, 1] for each of `LABELLED`; None where there is no such table.

    Raises:
        DataError: The table is damaged.
    """
    table = _read(folder / SCORES, ("image_id", *LABELLED), ("image_id",), LABELLED)
    if table is not None:
        for column in LABELLED:
            _check(table[column].between(0, 1), table[column], SCORES)
    return table


def finder_figures(folder: Path) -> pd.DataFrame | None:
    """`FINDERS` of a folder, a row for each artefact; None where there is no such table.

    Raises:
        DataError: The table is damaged.
    """
    shares, counts = ("value", "low", "high"), ("n", "lesions", "positives")
    table = _read(folder / FINDERS, ("artefact", *counts, *shares), ("artefact",), (*counts, *shares))
    if table is not None:
        _check(table["artefact"].isin(LABELLED), table["artefact"], FINDERS)
        for column in shares:
            _check(table[column].between(0, 1), table[column], FINDERS)
        for column in counts:
            _check((table[column] >= 1) & (table[column] % 1 == 0), table[column], FINDERS)
        table = table.astype(dict.fromkeys(counts, "int64"))
    return table


def write_facts(table: pd.DataFrame, folder: Path, name: str) -> Path:
    """Write a table of a folder at once, numbers with three decimals; returns its path."""
    with files.rewritten(folder) as new:
        table.to_csv(new / name, index=False, float_format="%.3f", lineterminator="\n")
    return folder / name


def _read(path: Path, columns: Sequence[str], key: Sequence[str], values: Sequence[str]) -> pd.DataFrame | None:
    if not path.exists():
        return None
    table = read_csv(path, columns)[list(columns)]
    if (twice := table.duplicated(list(key))).any():
        raise DataError(f"{path.name} lists {some(table.loc[twice, key[0]])} twice.", _remedy())
    for column in values:
        found = numbers(table[column])
        _check(found.notna() | (table[column] == ""), table[column], path.name)
        table[column] = found
    return table


def _check(fits: pd.Series[bool], values: pd.Series, name: str) -> None:
    if not fits.all():
        wrong = values[~fits]
        raise DataError(f"{name} is damaged: {shown(str(wrong.name))} is {shown(str(wrong.iloc[0]))}.", _remedy())


def _remedy() -> str:
    return f"Make it again: {COMMAND}."
