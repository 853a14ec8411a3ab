"""A run on disk: the hinge between training, which writes it once, and everything else, which reads it.

A run folder holds, each validated when it is opened:

- ``config.json``: settings, class order, split fingerprint, versions, and the SHA-256 of the other files;
- ``model.safetensors``: the weights; ``golden.safetensors``: a picture and its logits, a known answer;
- ``predictions.parquet``: a row an image with its facts and **logits**; ``ood.parquet``: the same for strangers;
- ``features.safetensors``: reduced penultimate features, rows aligned with the two tables;
- ``calibration.json``, ``policy.json`` (what is rejected), ``history.csv``, ``card.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lesion_core.config import RunSettings, Settings
from lesion_core.data.tables import NEAR, OFFICIAL_TEST, ROLES
from lesion_core.errors import ConfigError, RunError
from lesion_core.labels import class_indices
from lesion_core.runs.folder import (
    INCOMPLETE,
    SCHEMA_VERSION,
    check_name,
    is_segmenter,
    read_config,
    run_folders,
    sha256,
)

HASHED = (
    "model.safetensors",
    "golden.safetensors",
    "predictions.parquet",
    "ood.parquet",
    "features.safetensors",
    "calibration.json",
    "history.csv",
)
"""Files that never change after they are written. `policy.json` may be replaced; it names its run itself."""

FACTS = ("image_id", "lesion_id", "dataset", "split", "label", "age", "sex", "site", "dx_type")
OOD_FACTS = ("image_id", "kind", "source")


class Calibration(Settings):
    """The temperature that divides the logits, fitted on the calibrate split (Guo et al., ICML 2017).

    The likelihood and error before and after are on that same split.
    """

    temperature: float = Field(gt=0)
    n: int = Field(ge=1)
    log_loss_before: float
    log_loss_after: float
    ece_before: float
    ece_after: float


class RunConfig(Settings):
    """`config.json`: what the run was made with."""

    kind: Literal["classifier"] = "classifier"
    schema_version: int = SCHEMA_VERSION
    settings: RunSettings
    split_fingerprint: str
    initial_weights: str = Field(description="one sentence: what the weights started from")
    detail_added: bool = Field(
        default=False,
        description="equal detail was switched on after the training: the pictures it learned from were "
        "as their files are",
    )
    created: str = Field(description="date, ISO 8601")
    versions: dict[str, str]
    counts: dict[str, int] = Field(description="images a split")
    quantization: dict[str, float] = Field(default={}, description="largest differences of the 8-bit weights from fp32")
    files: dict[str, str] = Field(description="SHA-256 of the other files")


@dataclass(frozen=True)
class Run:
    """An opened run. Its settings are in memory; tables are read when first asked for.

    Attributes:
        folder: Where it is.
        config: What it was made with.
        fingerprint: 16 hex digits of `config.json`; they change with any file that it lists.
    """

    folder: Path
    config: RunConfig
    fingerprint: str

    @property
    def name(self) -> str:
        """The run's name in links and lists."""
        return self.config.settings.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class codes in the order of the logits."""
        return self.config.settings.model.classes

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self._file("model.safetensors")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row an image: the columns `FACTS` and ``logit_<class>`` (float32).

        Raises:
            RunError: The table is missing, damaged, lacks a column, or holds logits that are no numbers.
        """
        table = self._table("predictions.parquet", FACTS)
        strange = sorted(set(table["split"].unique()) - set(ROLES))
        if strange:
            raise RunError(
                f"predictions.parquet of {self.name}: column split holds {', '.join(map(str, strange))}.",
                f"Allowed are {', '.join(ROLES)}.",
            )
        return table

    def with_predictions(self, table: pd.DataFrame) -> Run:
        """The same run with other predictions, in memory."""
        other = replace(self)
        other.__dict__["predictions"] = table
        return other

    @cached_property
    def ood(self) -> pd.DataFrame:
        """A row an out-of-distribution picture, `strangers` and `near`: `OOD_FACTS` and ``logit_<class>``."""
        return self._table("ood.parquet", OOD_FACTS)

    @cached_property
    def calibration(self) -> Calibration:
        """The temperature and what it did."""
        try:
            return Calibration.read(self._file("calibration.json"))
        except ConfigError as error:
            raise RunError(f"Run {self.name}: {error.problem}", "Score the run again with `evaluate`.") from None

    @cached_property
    def history(self) -> pd.DataFrame:
        """Long form: epoch, phase, metric, value."""
        try:
            table = pd.read_csv(self._file("history.csv"))
        except (OSError, ValueError) as error:
            raise RunError(f"history.csv of {self.name} is damaged ({error}).", "Copy the folder again.") from None
        missing = {"epoch", "phase", "metric", "value"} - set(table.columns)
        if missing:
            raise RunError(f"history.csv of {self.name} lacks {', '.join(sorted(missing))}.", "Train the run again.")
        return table

    @cached_property
    def golden(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """A picture (H, W, 3) and its logits (K,)."""
        tensors = self._tensors("golden.safetensors", ("image", "logits"))
        image, logits = tensors["image"], tensors["logits"]
        if image.dtype != np.uint8 or image.ndim != 3 or logits.shape != (len(self.classes),):
            raise RunError(
                f"golden.safetensors of {self.name} is no picture with its logits.", "Copy the folder again."
            )
        return image.astype(np.uint8), logits.astype(np.float32)

    @cached_property
    def features(self) -> dict[str, NDArray[np.floating]]:
        """What is kept of the pictures' features, float16 as stored, and the way to it, float32.

        ``reduced`` (N, P), principal components of the penultimate features; ``residual`` (N,), the length of what
        lies outside of them; ``layer3_residual`` (N,), that of the features of layer3; the same for the rows of `ood`
        under ``ood_``; ``mean`` (D,), ``components`` (P, D), ``layer3_mean`` (C,) and ``layer3_components`` (Q, C).
        """
        rows = {
            prefix + name: len(table)
            for prefix, table in (("", self.predictions), ("ood_", self.ood))
            for name in ("reduced", "residual", "layer3_residual")
        }
        names = (*rows, *(prefix + name for prefix in ("", "layer3_") for name in ("mean", "components")))
        stored = self._tensors("features.safetensors", names)
        # The rows stay as they are: of a million pictures only the train split's are ever needed wider.
        tensors: dict[str, NDArray[np.floating]] = {
            name: t.astype(np.float16, copy=False) if name in rows else t.astype(np.float32)
            for name, t in stored.items()
        }
        if any(len(tensors[name]) != count for name, count in rows.items()):
            raise RunError(
                f"features.safetensors of {self.name} has not one row an image.", "Score the run again with `evaluate`."
            )
        return tensors

    @property
    def card(self) -> str:
        """The run's card in Markdown."""
        try:
            return self._file("card.md").read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise RunError(f"card.md of {self.name} is no text.", "Copy the folder again.") from None

    def logits(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """(N, K) of rows of `predictions` or `ood`."""
        return table[[f"logit_{code}" for code in self.classes]].to_numpy(np.float64)

    def truth(self, table: pd.DataFrame) -> NDArray[np.int64]:
        """(N,) class index of rows of `predictions`, `UNKNOWN_LABEL` where the label is no class of the model."""
        return class_indices(table["label"], self.classes)

    def part(self, split: str, dataset: str | None = None) -> pd.DataFrame:
        """The images of a role, of one data set if named; the official test set is only had by its name."""
        table = self.predictions
        chosen = table["split"] == split
        chosen &= table["dataset"] == dataset if dataset else table["dataset"] != OFFICIAL_TEST
        return table[chosen]

    @property
    def strangers(self) -> pd.DataFrame:
        """The rows of `ood` that show no dermoscopic lesion."""
        return self.ood[self.ood["source"] != NEAR]

    @property
    def near(self) -> pd.DataFrame:
        """The rows of `ood` that are changed test pictures; ``image_id`` is ``kind/image``."""
        return self.ood[self.ood["source"] == NEAR]

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise RunError(f"Run {self.folder.name} lacks {name}.", INCOMPLETE)
        return path

    def _table(self, name: str, facts: tuple[str, ...]) -> pd.DataFrame:
        path = self._file(name)
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise RunError(f"{name} of {self.name} is damaged ({error}).", "Copy the folder again.") from None
        wanted = [*facts, *(f"logit_{code}" for code in self.classes)]
        missing = [column for column in wanted if column not in table.columns]
        if missing:
            raise RunError(
                f"{name} of {self.name} lacks the column {missing[0]}.", "Score the run again with `evaluate`."
            )
        texts = [column for column in wanted[len(facts) :] if not pd.api.types.is_numeric_dtype(table[column])]
        if texts:
            raise RunError(f"{name} of {self.name}: column {texts[0]} holds no numbers.", "Copy the folder again.")
        bad = int((~np.isfinite(self.logits(table))).any(axis=1).sum())
        if bad:
            raise RunError(
                f"{name} of {self.name}: {bad} rows have logits that are no numbers.",
                "The training diverged or the file was altered.",
            )
        return table

    def _tensors(self, name: str, wanted: tuple[str, ...]) -> dict[str, NDArray[np.generic]]:
        path = self._file(name)
        try:
            tensors: dict[str, NDArray[np.generic]] = load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise RunError(f"{name} of {self.name} is damaged ({error}).", "Copy the folder again.") from None
        missing = [n for n in wanted if n not in tensors]
        if missing:
            raise RunError(
                f"{name} of {self.name} lacks the tensor {missing[0]}.", "Score the run again with `evaluate`."
            )
        return tensors


def open_run(folder: Path, *, verify: bool = True, needed: Collection[str] = HASHED) -> Run:
    """Open a classifier's run folder.

    Args:
        folder: The run folder.
        verify: Compare every needed file's SHA-256 with the one in `config.json`.
        needed: Files that must be there; fewer than all for who will write the others anew.

    Raises:
        RunError: The folder or a file is missing, `config.json` is not valid, a file was altered, or it is a segmenter.
    """
    if is_segmenter(folder):
        raise RunError(f"{folder.name} holds a segmenter, no classifier.", "Name a classifier's run folder.")
    config, fingerprint = read_config(folder, RunConfig, verify=verify, needed=needed)
    return Run(folder, config, fingerprint)


def list_runs(root: Path, *, verify: bool = True) -> tuple[list[Run], dict[str, RunError]]:
    """All classifiers' runs below a folder, by name, and the folders that cannot be opened, with the reason."""
    runs: list[Run] = []
    broken: dict[str, RunError] = {}
    for folder in run_folders(root):
        if is_segmenter(folder):
            continue
        try:
            run = open_run(folder, verify=verify)
            check_name(run.name, folder, runs)
            runs.append(run)
        except RunError as error:
            broken[folder.name] = error
    return runs, broken


def write_tables(
    folder: Path,
    predictions: pd.DataFrame,
    ood: pd.DataFrame,
    features: Mapping[str, NDArray[np.float16]],
    calibration: Calibration,
    history: pd.DataFrame | None,
    golden: tuple[NDArray[np.uint8], NDArray[np.float32]],
) -> None:
    """Write everything but weights, config, policy and card; without a history the one that is there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    predictions.to_parquet(folder / "predictions.parquet", index=False, compression="zstd")
    ood.to_parquet(folder / "ood.parquet", index=False, compression="zstd")
    save_file({n: np.ascontiguousarray(t) for n, t in features.items()}, folder / "features.safetensors")
    (folder / "calibration.json").write_text(calibration.to_json())
    if history is not None:
        history.to_csv(folder / "history.csv", index=False, float_format="%.6g")
    image, logits = golden
    save_file({"image": np.ascontiguousarray(image), "logits": logits}, folder / "golden.safetensors")


def write_config(folder: Path, config: RunConfig) -> Run:
    """Write `config.json` last, with the hashes of the files that are there, and open the run.

    Raises:
        RunError: A file that belongs to a run is missing.
    """
    missing = [name for name in HASHED if not (folder / name).is_file()]
    if missing:
        raise RunError(f"The run {folder.name} cannot be closed: {missing[0]} was not written.", "Score it again.")
    files = {name: sha256(folder / name) for name in HASHED}
    (folder / "config.json").write_text(config.model_copy(update={"files": files}).to_json())
    return open_run(folder)
