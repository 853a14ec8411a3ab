"""A segmenter's run on disk, beside those of the classifiers: written once, read by everything else.

A folder holds ``config.json`` (its field `kind` is segmenter), ``model.safetensors``, ``golden.safetensors`` (an image
and its probabilities), ``known_answer.json`` (all that a mask hangs on), ``masks.parquet`` (what was found on each
image), ``history.csv`` and ``card.md``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from lesion_core.config import SegmenterRunSettings
from lesion_core.data.csv_tables import some
from lesion_core.errors import RunError
from lesion_core.runs.folder import DAMAGED, RunKind, StoredConfig, StoredRun
from lesion_core.runs.schema import FACT_KINDS, check_counts, check_facts

INCOMPLETE = "Copy the folder again, or train the segmenter again."
HASHED = ("model.safetensors", "golden.safetensors", "masks.parquet", "history.csv")
COUNTS = ("tp", "fp", "fn", "tn")
"""Counts of pixels in each variant's columns, in this order."""
VARIANTS = {"clean": "largest part, holes filled", "raw": "as found"}
"""Masks that were measured, by the prefix of their counts in `masks.parquet`."""
MEASURED = ("select", "calibrate", "test")
"""Splits that are measured: on train a segmenter has seen the answer."""
ROUNDING = 1e-6
MEASURED_AT = 0.5
"""A pixel of the masks that were measured is lesion from this probability."""


class SegmenterConfig(StoredConfig[SegmenterRunSettings]):
    """`config.json`: what the segmenter was made with; `counts` are of the images with a mask."""

    kind: Literal["segmenter"] = "segmenter"
    data_sets: tuple[str, ...] = Field(default=(), description="where the images with a mask are from, train too")


@dataclass(frozen=True)
class SegmenterRun(StoredRun[SegmenterConfig]):
    """An opened segmenter, as `StoredRun` describes it."""

    ANSWER = "probabilities"

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """(S, S): a probability for each pixel of the network's square."""
        size = self.config.settings.preprocessing.resize.size
        return size, size

    @cached_property
    def masks(self) -> pd.DataFrame:
        """A row per image with a true mask: `runs.FACTS` and, for each variant, ``<variant>_tp`` ... ``_tn``: pixels at
        the true mask's own size.

        The table lists no image of the training set, so the fingerprint of the split cannot be made again: an image
        that changed places with one of another role is noticed where its lesion has others, or where the mean Jaccard
        index of the test set is another.

        Raises:
            RunError: The table is damaged, lacks a column, or one holds something else, or it contradicts itself.
        """
        counts = [f"{variant}_{name}" for variant in VARIANTS for name in COUNTS]
        table = self.read_table("masks.parquet", {**FACT_KINDS, **dict.fromkeys(counts, "whole numbers")})
        named = f"masks.parquet of {self.name}"
        if table[counts].isna().any(axis=None) or (table[counts] < 0).any(axis=None):
            raise RunError(f"{named} has counts that are missing or under 0.", DAMAGED)
        check_facts(table, MEASURED, named, DAMAGED)
        own = table["split"].value_counts()
        check_counts({split: int(own.get(split, 0)) for split in MEASURED}, self.config.counts, named, DAMAGED)
        roles = table.groupby("lesion_id")["split"].nunique()
        if (roles > 1).any():
            raise RunError(f"{named} has lesions in two roles: {some(roles.index[roles > 1])}.", DAMAGED)
        pixels = np.stack([table[[f"{v}_{c}" for c in COUNTS]].to_numpy(np.int64) for v in VARIANTS])  # (V, N, 4)
        lesion, all_pixels = pixels[..., [0, 2]].sum(axis=2), pixels.sum(axis=2)
        if (lesion != lesion[0]).any() or (all_pixels != all_pixels[0]).any() or (all_pixels == 0).any():
            raise RunError(f"{named} has counts of one image that are not of one true mask.", DAMAGED)
        tp, fp, fn, _ = pixels[0, (table["split"] == "test").to_numpy()].T
        union = tp + fp + fn
        jaccard = float(np.where(union > 0, tp / np.maximum(union, 1), 1).mean()) if len(tp) else 0.0
        if abs(self.config.quantization.get("jaccard_8bit", jaccard) - jaccard) > ROUNDING:
            raise RunError(f"{named} has another mean Jaccard index than config.json says.", DAMAGED)
        return table

    def counts(self, split: str, variant: str = "clean") -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """The images of a split and their counts (N, 4), TP, FP, FN, TN.

        Raises:
            RunError: There is no such variant of the masks.
        """
        if variant not in VARIANTS:
            raise RunError(f"There are no masks '{variant}'.", f"Choose one of {', '.join(VARIANTS)}.")
        table = self.masks[self.masks["split"] == split].reset_index(drop=True)
        return table, table[[f"{variant}_{name}" for name in COUNTS]].to_numpy(np.int64)

    def counts_of(self, image_id: str, split: str = "test", variant: str = "clean") -> NDArray[np.int64] | None:
        """The counts (4,) of one image of a split, None where it is not of that split; errors as in `counts`."""
        table, counts = self.counts(split, variant)
        places = np.flatnonzero(table["image_id"] == image_id)
        return np.asarray(counts[places[0]]) if len(places) else None


SEGMENTER = RunKind(
    key="segmenter",
    config=SegmenterConfig,
    hashed=HASHED,
    make=SegmenterRun,
    incomplete=INCOMPLETE,
    other_kind=("holds no segmenter.", "Name a folder that `segment train` has written."),
)
"""The kind of run that this module holds."""


def open_segmenter(folder: Path, *, verify: bool = True, needed: Collection[str] = HASHED) -> SegmenterRun:
    """Open a segmenter's run folder; arguments and errors as in `RunKind.open`.

    Examples:
        >>> run = open_segmenter(Path("checkpoints/unet-ham10000"))
        >>> table, counts = run.counts("test")
        >>> counts.shape == (len(table), 4)
        True
    """
    return SEGMENTER.open(folder, verify=verify, needed=needed)


def list_segmenters(root: Path, *, verify: bool = True) -> tuple[list[SegmenterRun], dict[str, RunError]]:
    """All segmenters below a folder, by name, and those that cannot be opened, with the reason."""
    return SEGMENTER.list(root, verify=verify)


def write_segmenter_config(folder: Path, config: SegmenterConfig) -> SegmenterRun:
    """Close a segmenter with its `config.json`; errors as in `RunKind.close`."""
    return SEGMENTER.close(folder, config)
