"""A segmenter's run on disk, beside those of the classifiers: written once, read by everything else.

A folder holds ``config.json`` (its field `kind` is segmenter), ``model.safetensors``, ``golden.safetensors`` (a picture
and its probabilities), ``masks.parquet`` (what was found on each picture), ``history.csv`` and ``card.md``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file

from lesion_core.config import SegmenterRunSettings, Settings
from lesion_core.errors import RunError
from lesion_core.runs.classifier import FACTS
from lesion_core.runs.folder import SCHEMA_VERSION, check_name, is_segmenter, read_config, run_folders, sha256

INCOMPLETE = "Copy the folder again, or train the segmenter again."
HASHED = ("model.safetensors", "golden.safetensors", "masks.parquet", "history.csv")
COUNTS = ("tp", "fp", "fn", "tn")
"""Counts of pixels in each variant's columns, in this order."""
VARIANTS = {"clean": "largest part, holes filled", "raw": "as found"}
"""Masks that were measured, by the prefix of their counts in `masks.parquet`."""
MEASURED_AT = 0.5
"""A pixel of the masks that were measured is lesion from this probability."""


class SegmenterConfig(Settings):
    """`config.json`: what the segmenter was made with."""

    kind: Literal["segmenter"] = "segmenter"
    schema_version: int = SCHEMA_VERSION
    settings: SegmenterRunSettings
    split_fingerprint: str
    initial_weights: str = Field(description="one sentence: what the weights started from")
    created: str = Field(description="date, ISO 8601")
    versions: dict[str, str]
    counts: dict[str, int] = Field(description="pictures with a mask in each split")
    data_sets: tuple[str, ...] = Field(default=(), description="where the pictures with a mask are from, train too")
    quantization: dict[str, float] = Field(default={}, description="what 8 bits a weight cost on the test split")
    files: dict[str, str] = Field(description="SHA-256 of the other files")


@dataclass(frozen=True)
class SegmenterRun:
    """An opened segmenter. Tables are read when first asked for.

    Attributes:
        folder: Where it is.
        config: What it was made with.
        fingerprint: 16 hex digits of `config.json`.
    """

    folder: Path
    config: SegmenterConfig
    fingerprint: str

    @property
    def name(self) -> str:
        """The run's name in links and lists."""
        return self.config.settings.name

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self.folder / "model.safetensors"

    @cached_property
    def masks(self) -> pd.DataFrame:
        """A row a picture with a true mask: `runs.FACTS` and, for each variant, ``<variant>_tp`` ... ``_tn``: pixels at
        the true mask's own size.

        Raises:
            RunError: The table is damaged, or lacks a column.
        """
        try:
            table = pd.read_parquet(self.folder / "masks.parquet")
        except (OSError, ValueError, pa.ArrowException) as error:
            raise RunError(f"masks.parquet of {self.name} is damaged ({error}).", "Copy the folder again.") from None
        wanted = [*FACTS, *(f"{variant}_{name}" for variant in VARIANTS for name in COUNTS)]
        missing = [column for column in wanted if column not in table.columns]
        if missing:
            raise RunError(f"masks.parquet of {self.name} lacks the column {missing[0]}.", "Copy the folder again.")
        return table

    def counts(self, split: str, variant: str = "clean") -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """The pictures of a split and their counts (N, 4), TP, FP, FN, TN.

        Raises:
            RunError: There is no such variant of the masks.
        """
        if variant not in VARIANTS:
            raise RunError(f"There are no masks '{variant}'.", f"Known are {', '.join(VARIANTS)}.")
        table = self.masks[self.masks["split"] == split].reset_index(drop=True)
        return table, table[[f"{variant}_{name}" for name in COUNTS]].to_numpy(np.int64)

    def counts_of(self, image_id: str, split: str = "test", variant: str = "clean") -> NDArray[np.int64] | None:
        """The counts (4,) of one picture of a split, None where it is not of that split; errors as in `counts`."""
        table, counts = self.counts(split, variant)
        places = np.flatnonzero(table["image_id"] == image_id)
        return np.asarray(counts[places[0]]) if len(places) else None

    @cached_property
    def history(self) -> pd.DataFrame:
        """Long form: epoch, phase, metric, value."""
        try:
            return pd.read_csv(self.folder / "history.csv")
        except (OSError, ValueError) as error:
            raise RunError(f"history.csv of {self.name} is damaged ({error}).", "Copy the folder again.") from None

    @cached_property
    def golden(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """A picture (H, W, 3) and the probability of each pixel of its square (S, S)."""
        try:
            tensors = load_file(self.folder / "golden.safetensors")
            return tensors["image"].astype(np.uint8), tensors["probabilities"].astype(np.float32)
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise RunError(
                f"golden.safetensors of {self.name} is damaged ({error}).", "Copy the folder again."
            ) from None


def open_segmenter(folder: Path, *, verify: bool = True, needed: Collection[str] = HASHED) -> SegmenterRun:
    """Open a segmenter's run folder; arguments and errors as in `runs.open_run`."""
    if (folder / "config.json").is_file() and not is_segmenter(folder):
        raise RunError(f"{folder.name} holds no segmenter.", "Name a folder that `segment train` has written.")
    config, fingerprint = read_config(folder, SegmenterConfig, verify=verify, needed=needed, remedy=INCOMPLETE)
    return SegmenterRun(folder, config, fingerprint)


def list_segmenters(root: Path, *, verify: bool = True) -> tuple[list[SegmenterRun], dict[str, RunError]]:
    """All segmenters below a folder, by name, and those that cannot be opened, with the reason."""
    found: list[SegmenterRun] = []
    broken: dict[str, RunError] = {}
    for folder in run_folders(root):
        if is_segmenter(folder):
            try:
                run = open_segmenter(folder, verify=verify)
                check_name(run.name, folder, found)
                found.append(run)
            except RunError as error:
                broken[folder.name] = error
    return found, broken


def write_segmenter_config(folder: Path, config: SegmenterConfig) -> SegmenterRun:
    """Write `config.json` last, with the hashes of the files that are there, and open the run.

    Raises:
        RunError: A file that belongs to a run is missing.
    """
    missing = [name for name in HASHED if not (folder / name).is_file()]
    if missing:
        raise RunError(f"The run {folder.name} cannot be closed: {missing[0]} was not written.", INCOMPLETE)
    files = {name: sha256(folder / name) for name in HASHED}
    (folder / "config.json").write_text(config.model_copy(update={"files": files}).to_json())
    return open_segmenter(folder)
