"""Whether the tables of a run are those of its weights: hashes that were made to fit do not help where they are not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.data.splits import Manifest, roles_fingerprint
from lesion_core.errors import DataError, RunError
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.schema import check_tensors

FROM_ONE_SOURCE = "Take the whole folder from one source again."
REMEDY = "Take the whole folder from one source again, or score the run again with `evaluate --data`."
AT_ONCE = 65_536
"""Rows that are compared together."""
MOST_LOSS = -np.log(np.finfo(np.float64).eps)
"""Of one image, as `analysis.metrics` counts it."""
HALF, ROUNDING = 2.0**-10, 0.02
"""What rounding to 16 bits may change, as a share, and what the order of summing changes in a logit."""


def open_consistent(folder: Path) -> Run:
    """`open_run`, and `check_tables` before anything is measured or chosen on the tables.

    Raises:
        RunError: As both.
    """
    run = open_run(folder)
    check_tables(run)
    return run


def check_tables(run: Run, last: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None) -> None:
    """Refuse a run whose logits are not those of its features and weights, whose calibration is of other images, or
    whose images have other roles than it was trained with (`check_roles`).

    A logit is linear in the penultimate features f = m + C'r + e. Of each image the run stores r and the length of e,
    so its logit lies within |w| |e| of what m + C'r gives (Cauchy and Schwarz).

    Args:
        run: The run, with its own tables.
        last: Weights (K, D) and bias (K,) of its last layer, where they are in memory.

    Raises:
        RunError: They do not belong together, or one is damaged.
    """
    check_roles(run)
    if last is None:
        stored = run.read_tensors("model.safetensors", ("fc.weight", "fc.bias"))
        check_tensors(stored, {"fc.weight": ("K", "D"), "fc.bias": ("K",)}, f"model.safetensors of {run.name}", REMEDY)
        weight, bias = (stored[name].astype(np.float64) for name in ("fc.weight", "fc.bias"))  # (K, D), (K,)
    else:
        weight, bias = (tensor.astype(np.float64) for tensor in last)
    features = run.features
    mean, components = features["mean"].astype(np.float64), features["components"].astype(np.float64)
    if weight.shape != (len(run.classes), len(mean)):
        raise _apart(run, f"{len(mean)} features and {len(run.classes)} classes")
    way, shift, norms = components @ weight.T, weight @ mean + bias, np.linalg.norm(weight, axis=1)
    for name, prefix, table in (("predictions.parquet", "", run.predictions), ("ood.parquet", "ood_", run.ood)):
        logits = run.logits(table)
        for start in range(0, len(table), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            reduced = features[f"{prefix}reduced"][rows].astype(np.float64)  # (n, P)
            length = features[f"{prefix}residual"][rows].astype(np.float64)
            slack = (1 + HALF) * length + HALF * np.linalg.norm(reduced, axis=1)  # (n,)
            apart = np.abs(logits[rows] - (reduced @ way + shift)) > slack[:, None] * norms + ROUNDING
            if apart.any():
                first = table["image_id"].iloc[start + int(apart.any(axis=1).argmax())]
                raise _apart(run, f"logits of {int(apart.any(axis=1).sum()):,} rows of {name}, {first} among them")
    calibration, own = run.calibration, run.part("calibrate")
    if calibration.n != len(own):
        raise _apart(run, f"calibration.json, of {calibration.n:,} images and not of {len(own):,},")
    for told, temperature in (
        (calibration.log_loss_before, 1.0),
        (calibration.log_loss_after, calibration.temperature),
    ):
        found = _log_loss(run, own, temperature)
        if not abs(found - told) <= ROUNDING:
            raise _apart(run, f"calibration.json, with a log loss of {told:.4g} where it is {found:.4g},")


def check_roles(run: Run) -> None:
    """Refuse a run whose table is not of the split that `config.json` names: an image in another role or lesion.

    Numbers of images stay as they are where two change their places, and so do logits and features. The table lists
    every image of the split, so its fingerprint can be made again (of an experiment's training, `roles_fingerprint`).
    A segmenter's table lists no image that it was trained on: nothing can make its split's fingerprint again.

    Raises:
        RunError: It is another split.
    """
    table = run.predictions
    found = {roles_fingerprint(table.rename(columns={"split": "role"}))}
    with suppress(DataError):  # dealt image by image: a lesion is in two roles
        found.add(Manifest.of_run(table).fingerprint)
    if run.config.split_fingerprint not in found:
        raise RunError(
            f"Run {run.name} contradicts itself: predictions.parquet has other images, roles or lesions than the split "
            f"{run.config.split_fingerprint} that config.json names.",
            FROM_ONE_SOURCE,
        )


def _log_loss(run: Run, table: pd.DataFrame, temperature: float) -> float:
    logits: NDArray[Any] = run.logits(table) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    own = np.take_along_axis(logits, run.truth(table)[:, None], axis=1)[:, 0]
    loss = np.log(np.exp(logits).sum(axis=1)) - own
    return float(np.minimum(loss, MOST_LOSS).mean())


def _apart(run: Run, what: str) -> RunError:
    return RunError(f"Run {run.name} contradicts itself: {what} do not belong to its weights and features.", REMEDY)
