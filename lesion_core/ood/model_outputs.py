"""What a model gave for images, as a run stores it: logits and reduced penultimate features.

A run does not store the D penultimate features f of an image but their P principal components
``r = C (f - mean)`` and the length ``e = |f - mean - C' r|`` of what lies outside of them, at half precision.
Lengths are kept by this, ``|f - mean|^2 = |r|^2 + e^2``; the direction of what lies outside is lost.
Of the features of layer3, a stage earlier, only such an e is stored, and the evidence for a clinical photograph
(`ood.photographs`) where the run had some to learn from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.predictions import Floats, check_logits, most_probable, probabilities_of
from lesion_core.errors import DataError, RunError
from lesion_core.runs.classifier import PHOTOGRAPH, STORED_FEATURES, Run

Half = NDArray[np.float16]


def project(
    features: NDArray[np.float32], mean: NDArray[np.floating], components: NDArray[np.floating]
) -> tuple[Half, Half]:
    """The principal components (N, P) of penultimate features and the length (N,) of what lies outside of them.

    Both are rounded to the half precision that a run stores, so that an image scores the same live as stored.

    Args:
        features: (N, D) float32.
        mean: (D,) of the training set, as stored.
        components: (P, D), rows of length 1, as stored.
    """
    centred = features - mean
    reduced = centred @ components.T
    residual = np.linalg.norm(centred - reduced @ components, axis=1)
    return reduced.astype(np.float16), residual.astype(np.float16)


def reduce(
    way: Mapping[str, NDArray[np.floating]], penultimate: NDArray[np.float32], layer3: NDArray[np.float32]
) -> tuple[Half, ...]:
    """What a run stores of features, in the order of `STORED_FEATURES`: `project` of the penultimate ones, and the
    length that it gives of layer3's. Where the run has learned what photographs look like, the evidence for one is
    the fourth.

    Args:
        way: ``mean``, ``components``, ``layer3_mean`` and ``layer3_components``, as stored; and, or not,
            ``photograph_weights`` and ``photograph_bias``.
        penultimate: (N, D) float32.
        layer3: (N, C) float32.
    """
    reduced, residual = project(penultimate, way["mean"], way["components"])
    found = reduced, residual, project(layer3, way["layer3_mean"], way["layer3_components"])[1]
    if f"{PHOTOGRAPH}_weights" not in way:
        return found
    evidence = layer3 @ way[f"{PHOTOGRAPH}_weights"] + way[f"{PHOTOGRAPH}_bias"]
    return *found, evidence.astype(np.float16)


@dataclass(frozen=True)
class Outputs:
    """The model's outputs for N images; `of` checks them.

    Attributes:
        logits: (N, K) float64.
        reduced: (N, P) float64, principal components of the features; P is 0 where only logits are known.
        residual: (N,) float64, the length of what lies outside of the components; NaN where only logits are known.
        layer3: (N,) float64, the same of the features of layer3.
        photograph: (N,) float64, the evidence for a clinical photograph; NaN where the run has learned of none.
    """

    logits: Floats
    reduced: Floats
    residual: Floats
    layer3: Floats
    photograph: Floats

    @classmethod
    def of(
        cls,
        logits: ArrayLike,
        reduced: ArrayLike | None = None,
        residual: ArrayLike | None = None,
        layer3: ArrayLike | None = None,
        photograph: ArrayLike | None = None,
    ) -> Outputs:
        """Check outputs; N may be 0. Without features only the scores of logits can be computed.

        Raises:
            DataError: The arrays do not fit each other, or a value is NaN or infinite.
        """
        z = check_logits(logits)
        unknown = np.full(len(z), np.nan)
        if reduced is None or residual is None or layer3 is None:
            return cls(z, np.zeros((len(z), 0)), unknown, unknown, unknown)
        given = (reduced, residual, layer3, *([] if photograph is None else [photograph]))
        r, *lengths = (np.asarray(part, dtype=np.float64) for part in given)
        if r.ndim != 2 or any(e.ndim != 1 for e in lengths) or {len(r), *map(len, lengths)} != {len(z)}:
            raise DataError(
                f"Features of shape {r.shape} and residuals of shapes {lengths[0].shape} and {lengths[1].shape} do "
                f"not fit {len(z):,} images.",
                "Give a row of features and two residuals per image.",
            )
        bad = int((~(np.isfinite(r).all(axis=1) & np.isfinite(lengths).all(axis=0))).sum())
        if bad:
            raise DataError(
                f"{bad:,} of {len(z):,} images have features that are NaN or infinite.",
                "Find those images: the model or its input went wrong there.",
            )
        return cls(z, r, lengths[0], lengths[1], unknown if photograph is None else lengths[2])

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) index of the most probable class, -1 where several share the highest probability."""
        return most_probable(probabilities_of(self.logits))

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Outputs:
        """Those of some of the images, by mask or by index."""
        return Outputs(*(getattr(self, field.name)[chosen] for field in fields(self)))


def outputs_of(run: Run, table: pd.DataFrame, *, reduced: bool = True) -> Outputs:
    """The outputs of rows of the run's `predictions`; a `Run.part` is such rows.

    Args:
        run: The run.
        table: The rows.
        reduced: False leaves the principal components out, nine tenths of the memory: only distances need them.

    Raises:
        RunError: A file of the run is missing or damaged.
    """
    return _stored(run, table, "", reduced=reduced)


def ood_outputs(run: Run, table: pd.DataFrame | None = None) -> Outputs:
    """The outputs of rows of the run's `ood`, by default of its `ood_images`.

    Raises:
        RunError: A file of the run is missing or damaged.
    """
    table = run.ood_images if table is None else table
    return _stored(run, table, "ood_")


def _stored(run: Run, table: pd.DataFrame, prefix: str, *, reduced: bool = True) -> Outputs:
    rows, stored = table.index.to_numpy(), run.features
    none = np.zeros((len(rows), 0), np.float16)
    names = (*STORED_FEATURES, *([PHOTOGRAPH] if run.knows_photographs else []))
    features = [none if name == "reduced" and not reduced else stored[prefix + name][rows] for name in names]
    try:
        return Outputs.of(run.logits(table), *features)
    except DataError as error:
        raise RunError(f"Run {run.name}: {error.problem}", "Score the run again with `evaluate --data`.") from None


@dataclass(frozen=True)
class FitData:
    """What scores are fitted on.

    Attributes:
        train: Outputs of the training set, which distances are measured from.
        labels: (N,) class index of each of those.
        select: Outputs of the validation set: images that no weight was trained on, which joined scores are brought
            to one scale by. Calibrate, where thresholds are chosen, stays untouched.
        temperature: The temperature of the run's calibration, over 0.
        mean_inside: (P,) principal components of the mean of the features itself.
        mean_outside: Length of what of that mean lies outside of the components.
    """

    train: Outputs
    labels: NDArray[np.int64]
    select: Outputs
    temperature: float
    mean_inside: Floats
    mean_outside: float

    @classmethod
    def of(cls, run: Run, temperature: float | None = None) -> FitData:
        """What a run knows; `temperature` takes the place of its own.

        Raises:
            RunError: The run has no train or validation images, one of an unknown class, or a damaged file.
        """
        train, select = run.part("train"), run.part("select")
        labels = run.truth(train)
        if train.empty or select.empty or (labels < 0).any():
            raise RunError(
                f"Run {run.name} has no training or no validation images, or some that are in none of its classes.",
                "Distances are fitted on the training set; score the run again with `evaluate --data`.",
            )
        mean, components = (run.features[name].astype(np.float64) for name in ("mean", "components"))
        inside = components @ mean
        return cls(
            outputs_of(run, train),
            labels,
            outputs_of(run, select),
            run.calibration.temperature if temperature is None else temperature,
            inside,
            float(np.linalg.norm(mean - inside @ components)),
        )
