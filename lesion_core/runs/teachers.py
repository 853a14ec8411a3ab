"""What trained classifiers answer for images: a network that is trained anew may learn from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lesion_core.data.csv_tables import some
from lesion_core.errors import ConfigError, DataError
from lesion_core.runs.classifier import Run, open_run

PREDICTIONS = ("predictions.parquet",)
LEARNED_FROM = ("train", "select")
"""Roles of the images that weights, or the choice of an epoch, come from."""


def open_teachers(names: Sequence[str], folder: Path | None) -> list[Run]:
    """The runs of these names in a folder.

    Raises:
        ConfigError: Teachers are named, and no folder.
        RunError: A run is missing or damaged.
    """
    if not names:
        return []
    if folder is None:
        raise ConfigError("The settings name teachers.", "Say with --weights-folder where their run folders are.")
    return [open_run(folder / name, needed=PREDICTIONS) for name in names]


def teachers_answers(
    teachers: Sequence[Run], table: pd.DataFrame, classes: tuple[str, ...], softness: float
) -> pd.DataFrame:
    """The mean over teachers of ``softmax(z / softness)`` for each training image (Hinton et al. 2015,
    arXiv:1503.02531).

    An image that some teachers never scored has the mean of the others, one that none scored the mean of what they
    answer for its diagnosis.

    Args:
        teachers: Runs, in the classes of the network that is to learn from them.
        table: Rows of the collection: image_id, group, role, diagnosis.
        classes: K codes, in the network's order.
        softness: The temperature, over 0.

    Returns:
        A row per training image, by image_id, and a column per class, float32.

    Raises:
        ConfigError: A teacher has other classes, or learned from a lesion that the table keeps for something else.
        DataError: No training image of a diagnosis was scored by any of them.
    """
    learned = table[table["role"] == "train"]
    train = learned["image_id"]
    kept = set(table.loc[~table["role"].isin(LEARNED_FROM), "group"])
    total, count = np.zeros((len(train), len(classes))), np.zeros(len(train))
    for run in teachers:
        if set(run.classes) != set(classes):
            raise ConfigError(f"The teacher {run.name} has other classes.", f"Take runs of {', '.join(classes)}.")
        own = run.predictions
        seen = own.loc[own["split"].isin(LEARNED_FROM) & own["lesion_id"].isin(kept), "lesion_id"]
        if len(seen):
            raise ConfigError(
                f"The teacher {run.name} learned from lesions that are kept for calibration or test: {some(seen)}.",
                "Give the split of the teachers with --split-of.",
            )
        place = pd.Index(own["image_id"]).get_indexer(pd.Index(train))
        scored = place >= 0
        logits = run.logits(own.iloc[place[scored]])[:, [run.classes.index(code) for code in classes]] / softness
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        total[scored] += p / p.sum(axis=1, keepdims=True)
        count += scored
    found = pd.DataFrame(total, index=pd.Index(train, name="image_id"), columns=list(classes))
    found[count == 0] = np.nan
    found = found.div(found.sum(axis=1), axis=0)
    diagnosis = learned["diagnosis"].to_numpy()
    typical = found.groupby(diagnosis).transform("mean")
    if typical.isna().to_numpy().any():
        unknown = sorted(set(diagnosis[typical.isna().any(axis=1)]))
        raise DataError(
            f"No teacher scored a training image of {some(pd.Series(unknown))}.",
            "Score them with `evaluate TEACHER --data`, or name a teacher that has them.",
        )
    return found.fillna(typical).astype(np.float32)
