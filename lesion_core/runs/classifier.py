"""A run on disk: the hinge between training, which writes it once, and everything else, which reads it.

A run folder holds, each validated when it is opened:

- ``config.json``: settings, class order, split fingerprint, versions, and the SHA-256 of the other files;
- ``model.safetensors``: the weights; ``golden.safetensors``: an image and its logits, a known answer;
- ``predictions.parquet``: a row per image with its facts and **logits**; ``ood.parquet``: the same for OOD images;
- ``features.safetensors``: reduced penultimate features, rows aligned with the two tables;
- ``calibration.json``, ``policy.json`` (what is rejected), ``known_answer.json`` (all that an answer hangs on),
  ``history.csv``, ``card.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator
from safetensors.numpy import save

from lesion_core.config import RunSettings, Settings
from lesion_core.data.tables import CORRUPTED, OFFICIAL_TEST, ROLES, TO_CHOOSE_WITH
from lesion_core.errors import ConfigError, RunError
from lesion_core.files import write_parquet
from lesion_core.labels import LABELS, class_indices
from lesion_core.runs.folder import DAMAGED, GOLDEN, INCOMPLETE, RunKind, StoredConfig, StoredRun
from lesion_core.runs.schema import FACT_KINDS, Kind, check_counts, check_facts, check_rows, check_tensors
from lesion_core.runs.small_files import read_small

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
STORED_FEATURES = ("reduced", "residual", "layer3_residual")
"""What is kept of each image's features, as `Run.features` describes it, in the order of `ood.model_outputs.reduce`."""
PHOTOGRAPH = "photograph"
"""What is kept besides by runs that had clinical photographs to learn from, in an order of its own after those."""


class Calibration(Settings):
    """The temperature that divides the logits, fitted on the calibration set (Guo et al., ICML 2017).

    The likelihood and error before and after are on that same split.
    """

    temperature: float = Field(gt=0)
    n: int = Field(ge=1)
    log_loss_before: float = Field(ge=0)
    log_loss_after: float = Field(ge=0)
    ece_before: float = Field(ge=0, le=1)
    ece_after: float = Field(ge=0, le=1)


class RunConfig(StoredConfig[RunSettings]):
    """`config.json`: what the run was made with."""

    kind: Literal["classifier"] = "classifier"
    detail_added: bool = Field(
        default=False,
        description="equal detail was switched on after the training: the images it learned from were "
        "as their files are",
    )
    scored_later: tuple[str, ...] = Field(
        default=(),
        description="data sets that came after the training: no weight was learned from them, whatever the role of "
        "their lesions",
    )

    @field_validator("settings")
    @classmethod
    def _answers_are_diagnoses(cls, settings: RunSettings) -> RunSettings:
        for code in settings.model.classes:
            if code not in LABELS:
                raise ValueError(f"'{code}' is not a known diagnosis")
        return settings


@dataclass(frozen=True)
class Run(StoredRun[RunConfig]):
    """An opened classifier, as `StoredRun` describes it."""

    ANSWER = "logits"

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """(K,): a logit for each class."""
        return (len(self.classes),)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class codes in the order of the logits."""
        return self.config.settings.model.classes

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row per image: the columns `FACTS` and ``logit_<class>`` (float32).

        Raises:
            RunError: The table is missing, damaged, lacks a column, or holds logits that are NaN or infinite.
        """
        table, named = self._table("predictions.parquet", FACTS), f"predictions.parquet of {self.name}"
        check_facts(table, ROLES, named, INCOMPLETE)
        own = table["split"][table["dataset"] != OFFICIAL_TEST].value_counts()
        found = {role: int(own.get(role, 0)) for role in ROLES} | {OFFICIAL_TEST: len(table) - int(own.sum())}
        check_counts(found, self.config.counts, named, INCOMPLETE)
        return table

    def with_predictions(self, table: pd.DataFrame) -> Run:
        """The same run with other predictions, in memory."""
        other = replace(self)
        other.__dict__["predictions"] = table
        return other

    @cached_property
    def ood(self) -> pd.DataFrame:
        """A row an out-of-distribution image, `ood_images` and `corrupted`: `OOD_FACTS` and ``logit_<class>``."""
        table, named = self._table("ood.parquet", OOD_FACTS), f"ood.parquet of {self.name}"
        check_rows(table, OOD_FACTS, named, INCOMPLETE)
        check_counts({"ood": len(table)}, self.config.counts, named, INCOMPLETE)
        return table

    @cached_property
    def calibration(self) -> Calibration:
        """The temperature and what it did."""
        try:
            text = self.read("calibration.json", read_small)
            return Calibration.from_json(text, "calibration.json")
        except OSError as error:
            raise RunError(f"calibration.json of {self.name} cannot be read ({error.strerror}).", DAMAGED) from None
        except ConfigError as error:
            raise RunError(f"Run {self.name}: {error.problem}", "Score the run again with `evaluate`.") from None

    @cached_property
    def features(self) -> dict[str, NDArray[np.floating]]:
        """What is kept of the images' features, float16 as stored, and the way to it, float32.

        ``reduced`` (N, P), principal components of the penultimate features; ``residual`` (N,), the length of what
        lies outside of them; ``layer3_residual`` (N,), that of the features of layer3; the same for the rows of `ood`
        under ``ood_``; ``mean`` (D,), ``components`` (P, D), ``layer3_mean`` (C,) and ``layer3_components`` (Q, C).
        Runs that had clinical photographs to learn from also have ``photograph`` (N,), the evidence that an image is
        one, and the way to it, ``photograph_weights`` (C,) and ``photograph_bias`` (1,).
        """
        counts = {"": len(self.predictions), "ood_": len(self.ood)}
        rows = {prefix + name: count for prefix, count in counts.items() for name in STORED_FEATURES}
        names = (*rows, *(prefix + name for prefix in ("", "layer3_") for name in ("mean", "components")))
        stored = self.read_tensors("features.safetensors", names)
        learned: dict[str, tuple[int | str, ...]] = {}
        if any(PHOTOGRAPH in name for name in stored):
            rows |= {prefix + PHOTOGRAPH: count for prefix, count in counts.items()}
            learned = {f"{PHOTOGRAPH}_weights": ("C",), f"{PHOTOGRAPH}_bias": (1,)}
            stored = self.read_tensors("features.safetensors", (*names, *rows, *learned))
        named, remedy = f"features.safetensors of {self.name}", "Score the run again with `evaluate`."
        if any(stored[name].shape[:1] != (count,) for name, count in rows.items()):
            raise RunError(f"{named} does not have one row per image.", remedy)
        shapes: dict[str, tuple[int | str, ...]] = {
            name: (count, "P") if name.endswith("reduced") else (count,) for name, count in rows.items()
        }
        check_tensors(
            stored,
            {
                **shapes,
                **learned,
                "mean": ("D",),
                "components": ("P", "D"),
                "layer3_mean": ("C",),
                "layer3_components": ("Q", "C"),
            },
            named,
            remedy,
        )
        if any(float(stored[name].astype(np.float64).min(initial=0)) < 0 for name in rows if name.endswith("residual")):
            raise RunError(f"{named} has lengths under 0.", remedy)
        # The rows stay as they are: of a million images only the training set's are ever needed wider.
        tensors: dict[str, NDArray[np.floating]] = {
            name: t.astype(np.float16, copy=False) if name in rows else t.astype(np.float32)
            for name, t in stored.items()
        }
        return tensors

    @property
    def knows_photographs(self) -> bool:
        """Whether it had clinical photographs to learn from, so that it tells how much an image looks like one."""
        return PHOTOGRAPH in self.features

    def logits(self, table: pd.DataFrame) -> NDArray[np.float64]:
        """(N, K) of rows of `predictions` or `ood`."""
        return table[[f"logit_{code}" for code in self.classes]].to_numpy(np.float64)

    def truth(self, table: pd.DataFrame) -> NDArray[np.int64]:
        """(N,) class index of rows of `predictions`, `UNKNOWN_LABEL` where the label is not a class of the model."""
        return class_indices(table["label"], self.classes)

    def part(self, split: str, dataset: str | None = None) -> pd.DataFrame:
        """The images of a role, of one data set if named; the official test set is only had by its name."""
        table = self.predictions
        chosen = table["split"] == split
        chosen &= table["dataset"] == dataset if dataset else table["dataset"] != OFFICIAL_TEST
        return table[chosen]

    @property
    def learned(self) -> pd.DataFrame:
        """The images that the weights were learned from: those of the training set, but for what came later."""
        train = self.part("train")
        return train[~train["dataset"].isin(self.config.scored_later)]

    @property
    def ood_images(self) -> pd.DataFrame:
        """The rows of `ood` that a classifier of dermoscopy should not answer, and that nothing was chosen with."""
        return self.ood[~self.ood["source"].isin([CORRUPTED, TO_CHOOSE_WITH])]

    @property
    def ood_to_choose_with(self) -> pd.DataFrame:
        """The rows of `ood` that scores and limits may be chosen with."""
        return self.ood[self.ood["source"] == TO_CHOOSE_WITH]

    @property
    def corrupted(self) -> pd.DataFrame:
        """The rows of `ood` that are changed test images; ``image_id`` is ``kind/image``."""
        return self.ood[self.ood["source"] == CORRUPTED]

    def _table(self, name: str, facts: tuple[str, ...]) -> pd.DataFrame:
        logits: dict[str, Kind] = {f"logit_{code}": "numbers" for code in self.classes}
        table = self.read_table(name, {**{fact: FACT_KINDS.get(fact, "texts") for fact in facts}, **logits})
        bad = int((~np.isfinite(self.logits(table))).any(axis=1).sum())
        if bad:
            raise RunError(
                f"{name} of {self.name}: {bad:,} rows have logits that are NaN or infinite.",
                "The training diverged or the file was altered.",
            )
        return table


CLASSIFIER = RunKind(
    key="classifier",
    config=RunConfig,
    hashed=HASHED,
    make=Run,
    incomplete=INCOMPLETE,
    other_kind=("holds a segmenter, no classifier.", "Name a classifier's run folder."),
)
"""The kind of run that this module holds."""


def open_run(folder: Path, *, verify: bool = True, needed: Collection[str] = HASHED) -> Run:
    """Open a classifier's run folder; arguments and errors as in `RunKind.open`.

    Examples:
        >>> run = open_run(Path("checkpoints/resnet50-isic2019"))
        >>> run.classes[:3], len(run.part("test"))
        (('MEL', 'NV', 'BCC'), 1782)
    """
    return CLASSIFIER.open(folder, verify=verify, needed=needed)


def list_runs(root: Path, *, verify: bool = True) -> tuple[list[Run], dict[str, RunError]]:
    """All classifiers' runs below a folder, by name, and the folders that cannot be opened, with the reason."""
    return CLASSIFIER.list(root, verify=verify)


def write_tables(
    folder: Path,
    predictions: pd.DataFrame,
    ood: pd.DataFrame,
    features: Mapping[str, NDArray[np.float16]],
    calibration: Calibration,
    history: pd.DataFrame | None,
    golden: tuple[NDArray[np.uint8], NDArray[np.float32]],
) -> None:
    """Write everything but weights, config, policy and card; without a history the one that is there stays.

    The folder is one that `files.rewritten` yields: what is in it counts at once, or never.
    """
    write_parquet(predictions, folder / "predictions.parquet")
    write_parquet(ood, folder / "ood.parquet")
    stored = save({n: np.ascontiguousarray(t) for n, t in features.items()})
    (folder / "features.safetensors").write_bytes(stored)
    (folder / "calibration.json").write_text(calibration.to_json(), encoding="utf-8")
    if history is not None:
        history.to_csv(folder / "history.csv", index=False, float_format="%.6g")
    image, logits = golden
    (folder / GOLDEN).write_bytes(save({"image": np.ascontiguousarray(image), "logits": logits}))


def write_config(folder: Path, config: RunConfig) -> Run:
    """Close a run with its `config.json`; errors as in `RunKind.close`."""
    return CLASSIFIER.close(folder, config)
