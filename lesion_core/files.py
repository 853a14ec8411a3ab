"""Files that are whole or not there: written under a name of their own, renamed when complete.

Tables are opened here and not by Arrow, which takes a path that is not UTF-8 for a damaged file.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd


def aside(path: Path) -> Path:
    """A name beside a path that no other process has, on this machine or another: for what is renamed when complete."""
    return path.with_name(f"{path.stem}.{uuid.uuid4().hex}{path.suffix}")


@contextmanager
def kept_if_complete(*paths: Path) -> Iterator[None]:
    """Delete what was written to `aside` paths where the work on them fails."""
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet table, at any path; raises what `pandas.read_parquet` raises."""
    with path.open("rb") as file:
        return pd.read_parquet(file)


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet without its index, at any path."""
    with path.open("wb") as file:
        table.to_parquet(file, index=False, compression="zstd")
