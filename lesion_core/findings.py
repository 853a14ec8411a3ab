"""What experiments found, on disk: a table, the settings that repeat it, and the hashes of both."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lesion_core import files
from lesion_core.config import RunSettings
from lesion_core.data.csv_tables import read_csv
from lesion_core.errors import ConfigError, DataError
from lesion_core.experiments.registry import AT_HOME, DIFFERENCE, Experiment, known_experiment
from lesion_core.foreign_text import shown
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import FileState, file_state, known_sha256
from lesion_core.runs.small_files import read_small


@dataclass(frozen=True)
class Finding:
    """An experiment that was made.

    Attributes:
        table: The experiment's columns.
        settings: What all variants shared.
    """

    table: pd.DataFrame
    settings: RunSettings


def write_experiment(key: str, found: Finding, folder: Path) -> Path:
    """Write ``<key>.csv``, the settings that repeat it, ``<key>.json``, and ``<key>.sha256``, which covers both
    (``sha256sum --check``).

    Returns:
        The table's path.
    """
    with files.rewritten(folder) as new:
        (new / f"{key}.json").write_text(found.settings.to_json(), encoding="utf-8")
        found.table.to_csv(new / f"{key}.csv", index=False, float_format="%.6g")
        hashes = "".join(_hash_line(new / name) for name in hashed(key))
        (new / f"{key}.sha256").write_text(hashes, encoding="utf-8")
    return folder / f"{key}.csv"


def keep_run(key: str, variant: str, run: Run, folder: Path) -> Path:
    """Copy a variant's run beside the experiment's table, to ``<key>/<variant>``.

    Returns:
        The run's new folder.

    Raises:
        RunError: A file of the run is missing or altered.
        BusyError: Another process is writing the folder.
    """
    kept = folder / key / variant
    with files.rewritten(kept) as new:
        for path in run.folder.iterdir():
            if path.is_file() and not path.name.startswith("."):
                shutil.copyfile(run.file(path.name), new / path.name)
    return kept


def hashed(key: str) -> tuple[str, str]:
    """Files of an experiment that its hashes cover: the table first, then the settings."""
    return f"{key}.csv", f"{key}.json"


def _hash_line(path: Path) -> str:
    return f"{known_sha256(path)}  {path.name}\n"


def experiment_state(key: str, folder: Path) -> tuple[FileState, ...] | None:
    """What changes with any file of an experiment, None where there is no table: what has its name is one, even if it
    cannot be read."""
    names = (*hashed(key), f"{key}.sha256")
    states = tuple(file_state(files.current(folder, name)) for name in names)
    return states if any(states[0]) else None


def read_experiment(key: str, folder: Path) -> Finding | None:
    """What `write_experiment` wrote, None where the experiment was not made.

    Hashes can be made to fit, so figures are checked for what they can be, too.

    Raises:
        ConfigError: The experiment is unknown, or its settings are missing or not valid.
        DataError: The table cannot be read, it or its settings are not those of the hashes, or it lacks a column or a
            number of images, tells a figure twice, or one that cannot be.
    """
    chosen = known_experiment(key)
    files.finish(folder)
    while (state := experiment_state(key, folder)) is not None:
        try:
            found = _read(key, chosen, folder)
        except (ConfigError, DataError):
            if state == experiment_state(key, folder):
                raise
        else:
            if state == experiment_state(key, folder):  # else it was written again meanwhile
                return found
    return None


def _check_hashes(key: str, folder: Path, remedy: str) -> None:
    stated = files.current(folder, f"{key}.sha256")
    try:
        lines = read_small(stated).decode("ascii").splitlines(keepends=True)
    except FileNotFoundError:
        own = f"sha256sum {' '.join(hashed(key))} > {stated.name}"
        raise DataError(
            f"{key}.csv has no {stated.name} beside it, which tells whether it was altered.",
            f"{remedy} If you trust the files: {own}.",
        ) from None
    except (OSError, UnicodeDecodeError):
        raise DataError(f"{stated.name} cannot be read.", remedy) from None
    for name in hashed(key):
        path = files.current(folder, name)
        if path.is_file() and _hash_line(path) not in lines:  # what is no file has a sentence of its own
            raise DataError(f"{name} was altered: its SHA-256 is not the one in {stated.name}.", remedy)


def _read(key: str, chosen: Experiment, folder: Path) -> Finding:
    """As `read_experiment`, of an experiment whose table is there."""
    path, settings = (files.current(folder, name) for name in hashed(key))
    remedy = f"Make it again: python -m lesion_core experiment {key}."
    _check_hashes(key, folder, remedy)
    text = read_csv(path, chosen.columns)
    numbers: list[str] = [
        name for name in ("value", "low", "high", "n_images", "n_groups", "n") if name in chosen.columns
    ]
    table = text.assign(**{name: pd.to_numeric(text[name], errors="coerce") for name in numbers})
    if problem := _problem(text, table, numbers):
        raise DataError(f"{path.name} is damaged: {problem}.", remedy)
    if "variant" in table.columns:
        table = table[table["variant"].isin(chosen.variants)].reset_index(drop=True)
    counts = [name for name in numbers if name.startswith("n")]
    twice = table.duplicated([name for name in table.columns if name not in numbers]).any()
    if twice or table[counts].isna().any(axis=None):
        raise DataError(f"{path.name} is damaged: a figure is there twice or lacks its number of images.", remedy)
    return Finding(table, RunSettings.read(settings))


LARGEST = {"log_loss": np.inf, "brier": 2.0}
"""Figures that can be over 1."""


def _problem(text: pd.DataFrame, table: pd.DataFrame, numbers: list[str]) -> str | None:
    """What cannot be in an experiment's table, as `text` and with its columns of `numbers` read; None if all can."""
    values = table[numbers].to_numpy(np.float64)
    unread = ~np.isfinite(values) & (text[numbers] != "").to_numpy()
    if unread.any():
        return f"{shown(str(text[numbers].to_numpy()[unread][0]))} is not a number"
    metric = table["metric" if "metric" in table.columns else "measure"]
    most = metric.map(LARGEST).fillna(1.0).to_numpy(np.float64)
    differs = table.get("view", pd.Series("", table.index)).str.endswith((DIFFERENCE, AT_HOME)).to_numpy(np.bool_)
    for name in ("value", "low", "high"):
        found = table[name].to_numpy(np.float64)
        if ((found > most) | (found < np.where(differs, -most, 0))).any():
            return f"a {name} is out of its range"
    if (table["low"] > table["high"]).any():
        return "an interval ends before it begins"
    counts = table[[name for name in numbers if name.startswith("n")]]
    least = table["value"].notna().to_numpy(np.int64)[:, None]  # a class without test images has no figures
    if ((counts < least) | (counts % 1 != 0) & counts.notna()).any(axis=None):
        return "a number of images is not a whole number from 1"
    return None
