"""Small trainings side by side, with one seed and one budget: what one choice changes, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lesion_core.analysis.intervals import per_class_summary
from lesion_core.analysis.views import view_data, view_summary
from lesion_core.config import RunSettings
from lesion_core.data.collection import collect
from lesion_core.data.splits import assign_roles
from lesion_core.data.tables import read_csv
from lesion_core.errors import ConfigError
from lesion_core.runs import OFFICIAL_TEST

COLUMNS = ("variant", "view", "class", "metric", "value", "low", "high", "n_images", "n_groups")


@dataclass(frozen=True)
class Variant:
    """One way of several.

    Attributes:
        name: What a person reads.
        training: Fields of `config.Training` that it changes.
        by_image: Deal pictures to the roles one by one, as if no two showed one lesion.
    """

    name: str
    training: dict[str, Any] = field(default_factory=dict)
    by_image: bool = False


@dataclass(frozen=True)
class Study:
    """A question and its variants.

    Attributes:
        question: What it answers.
        says: How to read it, one sentence.
        variants: By key; the first is what the others are compared with.
    """

    question: str
    says: str
    variants: dict[str, Variant]


_PLAIN = {"class_weights": "none", "oversampling": "none", "loss": "cross_entropy"}

STUDIES: dict[str, Study] = {
    "imbalance": Study(
        "What helps the rare diagnoses?",
        "Each row is one training with the same seed and budget; only the way with rare classes differs.",
        {
            "none": Variant("nothing", _PLAIN),
            "class_weights": Variant("class weights, 1/n", {**_PLAIN, "class_weights": "inverse"}),
            "oversampling": Variant("oversampling, 1/n", {**_PLAIN, "oversampling": "inverse"}),
            "focal": Variant("focal loss", {**_PLAIN, "loss": "focal"}),
            "logit_adjusted": Variant("logit-adjusted loss", {**_PLAIN, "loss": "logit_adjusted"}),
        },
    ),
    "leakage": Study(
        "What does it buy to test on lesions that were trained on?",
        "The same training twice. Split by image, other pictures of a test lesion are in train, as in many published "
        "figures; the official test set shows what is left of the difference on new lesions.",
        {"lesion": Variant("split by lesion"), "image": Variant("split by image", by_image=True)},
    ),
}
"""The studies by key."""


def study(key: str) -> Study:
    """The study of a key.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in STUDIES:
        raise ConfigError(f"There is no study '{key}'.", f"Known are {', '.join(STUDIES)}.")
    return STUDIES[key]


def run_study(
    key: str, settings: RunSettings, root: Path, work: Path, *, weights_folder: Path | None = None,
    on_variant: Callable[[str], None] | None = None, **trainer_options: Any,
) -> pd.DataFrame:
    """Train and measure every variant.

    A variant that was finished before is read from `work`; a killed one goes on where it was.

    Args:
        key: Of `STUDIES`.
        settings: What all variants share.
        root: The data folder.
        work: For checkpoints and the variants' runs.
        weights_folder: Where a weights file named in the settings is.
        on_variant: Called with each variant's name before it starts.
        trainer_options: Passed to Lightning's Trainer.

    Returns:
        `COLUMNS`, long form: all metrics of the test split and of the official test set (class is empty), and each
        class's sensitivity.

    Raises:
        ConfigError: The study is unknown, or `work` holds a variant that was trained otherwise.
        LesionError: As `collect`, `fit` and `write_run` raise it.
    """
    from lesion_core.runs import open_run
    from lesion_core.scoring import write_run
    from lesion_core.training.fit import fit

    chosen = study(key)
    collection = collect(root, settings.split)
    rows: list[pd.DataFrame] = []
    for name, variant in chosen.variants.items():
        if on_variant:
            on_variant(variant.name)
        own = settings.model_copy(update={
            "name": f"{key}-{name}", "training": settings.training.model_copy(update=variant.training),
        })
        table = _by_image(collection.table, settings) if variant.by_image else collection.table
        folder = work / own.name
        roles = sorted(zip(table["image_id"], table["role"], strict=True))
        split = hashlib.sha256(repr(roles).encode()).hexdigest()[:16]
        if not (folder / "run" / "config.json").is_file():
            fitted = fit(own, table, folder, weights_folder=weights_folder, bars=False, **trainer_options)
            write_run(
                folder / "run", own, fitted.model, table, collection.ood.iloc[:0], bits=32, history=fitted.history,
                split_fingerprint=split, initial_weights=fitted.initialised.sentence,
            )
        run = open_run(folder / "run")
        if run.config.settings != own or run.config.split_fingerprint != split:
            raise ConfigError(
                f"{folder} holds a finished training with other settings or another split.",
                "Give another --work folder: all variants must share one budget.",
            )
        for view in ("test", "isic2018"):
            summary = view_summary(run, view)
            data = view_data(run, view)
            if summary is None or data is None:
                continue
            classes = per_class_summary(data.truth, data.probabilities, data.groups, data.classes)
            recalls = classes[classes["metric"] == "sensitivity"]
            both = pd.concat([summary.table.assign(**{"class": ""}), recalls], ignore_index=True)
            rows.append(both.assign(variant=name, view=view)[list(COLUMNS)])
    return pd.concat(rows, ignore_index=True)


def _by_image(table: pd.DataFrame, settings: RunSettings) -> pd.DataFrame:
    """The table with its roles dealt picture by picture; the official test set stays what it is."""
    own = table["dataset"] != OFFICIAL_TEST
    alone = table[own].assign(group=table.loc[own, "image_id"])
    return table.assign(role=assign_roles(alone, settings.split).reindex(table.index).fillna(table["role"]))


def read_study(key: str, folder: Path) -> pd.DataFrame | None:
    """What `run_study` found, None where it is not in the folder.

    Raises:
        ConfigError: The study is unknown.
        DataError: The table lacks a column.
    """
    study(key)
    path = folder / f"{key}.csv"
    if not path.is_file():
        return None
    table = read_csv(path, COLUMNS)
    numbers = ["value", "low", "high", "n_images", "n_groups"]
    return table.assign(**{name: pd.to_numeric(table[name], errors="coerce") for name in numbers})


