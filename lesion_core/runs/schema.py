"""What a run's tables and tensors hold: kinds of values and shapes, checked before their first use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.data.csv_tables import some
from lesion_core.data.tables import OLDEST
from lesion_core.errors import RunError
from lesion_core.foreign_text import shown
from lesion_core.labels import LABELS

Kind = Literal["texts", "numbers", "whole numbers", "truth values"]

FACT_KINDS: dict[str, Kind] = {
    "image_id": "texts",
    "lesion_id": "texts",
    "dataset": "texts",
    "split": "texts",
    "label": "texts",
    "age": "numbers",
    "sex": "texts",
    "site": "texts",
    "dx_type": "texts",
}
"""Columns of every table with a row per image: what each holds."""
NEVER_MISSING = ("image_id", "dataset", "split")


def check_table(
    table: pd.DataFrame, kinds: Mapping[str, Kind], named: str, remedy: str, never_missing: Collection[str] = ()
) -> None:
    """Refuse a table whose columns are missing or hold something else.

    Args:
        table: The table.
        kinds: What the columns that are wanted hold; a value may be missing.
        named: The table in an error.
        remedy: What to do, one sentence.
        never_missing: Columns without missing values.

    Raises:
        RunError: A column is missing, is there twice, or holds other values.
    """
    for column, kind in kinds.items():
        if column not in table.columns:
            raise RunError(f"{named} lacks the column {shown(column)}.", remedy)
        values = table[column]
        if isinstance(values, pd.DataFrame):
            raise RunError(f"{named} has the column {shown(column)} twice.", remedy)
        if not _holds(values, kind):
            raise RunError(f"{named}: column {shown(column)} does not hold {kind}.", remedy)
        if column in never_missing and values.isna().any():
            raise RunError(f"{named}: column {column} has {int(values.isna().sum())} missing values.", remedy)


def _holds(values: pd.Series, kind: Kind) -> bool:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.categories.to_series()
    found = pd.api.types.infer_dtype(values, skipna=True)
    allowed = {
        "texts": ("string", "empty"),
        "numbers": ("floating", "integer", "mixed-integer-float", "empty"),
        "whole numbers": ("integer", "empty"),
        "truth values": ("boolean", "empty"),
    }[kind]
    return found in allowed or len(values) == 0


def check_values(table: pd.DataFrame, ranges: Mapping[str, tuple[float, float]], named: str, remedy: str) -> None:
    """Refuse a table with numbers out of range; a value may be missing.

    Args:
        table: The table.
        ranges: The smallest and largest value of each column that is looked at; infinite ones are never allowed.
        named: The table in an error.
        remedy: What to do, one sentence.

    Raises:
        RunError: A value is out of range.
    """
    for column, (low, high) in ranges.items():
        values = table[column].dropna().to_numpy(np.float64)
        bad = values[~(np.isfinite(values) & (values >= low) & (values <= high))]
        if len(bad):
            raise RunError(f"{named}: column {shown(column)} holds {bad[0]:g}, which it cannot hold.", remedy)


def check_rows(table: pd.DataFrame, key: Sequence[str], named: str, remedy: str) -> None:
    """Refuse a table that has a row twice.

    Args:
        table: The table.
        key: Columns that tell rows apart together.
        named: The table in an error.
        remedy: What to do, one sentence.

    Raises:
        RunError: Two rows have the same values there.
    """
    twice = table.duplicated(list(key))
    if twice.any():
        first = " ".join(str(table[column][twice].iloc[0]) for column in key)
        raise RunError(f"{named} has {int(twice.sum()):,} rows twice: {shown(first)}.", remedy)


def check_among(values: pd.Series, allowed: Collection[str], named: str) -> None:
    """Refuse a column with a text that it cannot hold; a value may be missing.

    Args:
        values: The column.
        allowed: What it may hold.
        named: The table in an error.

    Raises:
        RunError: It holds another text.
    """
    strange = sorted(set(values.dropna().unique()) - set(allowed))
    if strange:
        raise RunError(
            f"{named}: column {shown(str(values.name))} holds {some(strange)}.", f"Allowed are {', '.join(allowed)}."
        )


def check_facts(table: pd.DataFrame, splits: Collection[str], named: str, remedy: str) -> None:
    """Refuse a table with a row per image whose facts cannot be: an image twice, an unknown split or diagnosis, an age.

    Args:
        table: Columns of `FACT_KINDS`.
        splits: What the column split may hold.
        named: The table in an error.
        remedy: What to do, one sentence.

    Raises:
        RunError: A fact cannot be.
    """
    check_rows(table, ["image_id"], named, remedy)
    check_among(table["split"], splits, named)
    check_among(table["label"], LABELS, named)
    check_values(table, {"age": (0, OLDEST)}, named, remedy)


def check_counts(found: Mapping[str, int], counts: Mapping[str, int], named: str, remedy: str) -> None:
    """Refuse a table with other numbers of images than `config.json` says.

    Args:
        found: Images of the table by split.
        counts: The field `counts`; splits that it does not name are not compared.
        named: The table in an error.
        remedy: What to do, one sentence.

    Raises:
        RunError: A number is another.
    """
    for split, n in found.items():
        if counts.get(split, n) != n:
            raise RunError(f"{named} has {n:,} images of {split}, and config.json says {counts[split]:,}.", remedy)


def check_tensors(
    tensors: Mapping[str, NDArray[np.generic]], shapes: Mapping[str, Sequence[int | str]], named: str, remedy: str
) -> None:
    """Refuse tensors that are missing, hold no finite floating-point numbers or have another shape.

    Args:
        tensors: By name.
        shapes: Of each that is wanted: a length, or a letter that stands for the same length wherever it stands.
        named: The file in an error.
        remedy: What to do, one sentence.

    Raises:
        RunError: A tensor is not as it has to be.
    """
    letters: dict[str, int] = {}
    for name, shape in shapes.items():
        if name not in tensors:
            raise RunError(f"{named} lacks the tensor {name}.", remedy)
        tensor = tensors[name]
        if not np.issubdtype(tensor.dtype, np.floating):
            raise RunError(f"{named}: the tensor {name} holds {tensor.dtype}, not floating-point numbers.", remedy)
        if tensor.ndim == len(shape):
            for length, side in zip(tensor.shape, shape, strict=True):
                if isinstance(side, str):
                    letters.setdefault(side, length)
        wanted = tuple(letters.get(side, -1) if isinstance(side, str) else side for side in shape)
        if tensor.shape != wanted:
            raise RunError(
                f"{named}: the tensor {name} has the shape {tensor.shape}, not {', '.join(map(str, shape))}"
                f"{_meaning(shape, letters)}.",
                remedy,
            )
        if not np.isfinite(tensor).all():
            raise RunError(f"{named}: the tensor {name} holds values that are not finite.", remedy)


def _meaning(shape: Sequence[int | str], letters: Mapping[str, int]) -> str:
    told = [f"{side} = {letters[side]}" for side in dict.fromkeys(shape) if isinstance(side, str) and side in letters]
    return f" with {', '.join(told)}" if told else ""
