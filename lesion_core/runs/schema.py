"""What a run's tables and tensors hold: kinds of values and shapes, checked before their first use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.errors import RunError
from lesion_core.foreign_text import shown

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
