"""Sets of diagnoses that hold the truth with a chosen probability (split conformal prediction)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.intervals import check_level, share_intervals
from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.predictions import Floats, check_probabilities, check_truth
from lesion_core.analysis.resampling import one_per_group
from lesion_core.errors import DataError
from lesion_core.runs.classifier import Run

Sets = NDArray[np.bool_]
"""(N, K): the diagnoses in each image's set."""

_HAIR = 1e-9
"""Rounding in ``(n + 1) level``: 100 * 0.55 is 55.00000000000001, and not to be rounded up to 56."""


@dataclass(frozen=True)
class Conformal:
    """Sets of diagnoses that hold the true one with a chosen chance.

    Attributes:
        thresholds: (K,) the probability that each class must reach to be in a set.
        rare: Classes with too few calibration images for a threshold of their own: they have that of all images
            together, and no level holds for them. Empty where all classes share one threshold.
        level: The chance that the true diagnosis is in the set.
    """

    thresholds: Floats
    rare: tuple[int, ...]
    level: float

    def predict(self, probabilities: ArrayLike) -> Sets:
        """The set of each image, (N, K) bool from probabilities (N, K); it can be empty: no diagnosis fits.

        Raises:
            DataError: They are not probabilities.
        """
        return check_probabilities(probabilities) >= self.thresholds


def fewest(level: float) -> int:
    """The fewest calibration images that sets are learned from: the smallest n with ``1 / n <= min(level, 1 - level)``.

    10 for level 0.9. ``ceil((n + 1) level) <= n`` holds from 9, where the threshold is the lowest of all n; MAPIE,
    which the tests compare with, asks for this one more too.
    """
    return int(np.ceil(1 / min(level, 1 - level) - _HAIR))


def fewest_of_class(level: float) -> int:
    """The fewest calibration images that give a class a threshold of its own: twice as many as `fewest`.

    20 for level 0.9. With `fewest` the threshold is the probability of the one image that fits worst: it holds, but a
    single odd image puts the class into nearly every set. With twice as many the worst image lies beyond it.
    """
    return 2 * fewest(level)


def conformal(probabilities: ArrayLike, truth: ArrayLike, level: float = 0.9, *, by_class: bool = False) -> Conformal:
    """Learn sets of diagnoses from calibration images, one per lesion.

    A class is in the set iff ``1 - p_k`` is at most the ``ceil((n + 1) level)``-th smallest ``1 - p_truth`` of the n
    calibration images (split conformal prediction with *least ambiguous sets*). That holds on average over all images:
    rare diagnoses may be left out far more often. By class (*Mondrian*), the order is among the images of class k, and
    the chance holds within each diagnosis; the sets are larger. A class with fewer than `fewest_of_class` images is
    *rare*: it gets the threshold of all images together, as the *null cluster* of clustered conformal prediction does,
    so that it is in no set by default; no chance is promised for it.

    Args:
        probabilities: (N, K) of the calibration set.
        truth: (N,) class indices.
        level: Probability that the true diagnosis is in a set, in (0, 1).
        by_class: Hold the level within each diagnosis.

    Raises:
        DataError: The arrays do not fit, or there are too few images for the level.
        ConfigError: The level is out of range.

    Papers: Sadinle et al. 2019 (arXiv:1609.00451); Vovk 2012 (arXiv:1209.2673) on class-conditional validity; Ding et
    al. 2023 (arXiv:2306.09335) on classes with few images.
    """
    p = check_probabilities(probabilities)
    n, k = p.shape
    y = check_truth(truth, n, k)
    check_level(level)
    if n < fewest(level):
        raise DataError(
            f"{n:,} images are too few for sets that hold in {100 * level:g} % of cases.",
            f"It takes {fewest(level)}; lower the level.",
        )
    thresholds = np.full(k, _threshold(p, y, level))
    if not by_class:
        return Conformal(thresholds, (), level)
    rare = tuple(j for j in range(k) if (y == j).sum() < fewest_of_class(level))
    for j in set(range(k)) - set(rare):
        thresholds[j] = _threshold(p[y == j], y[y == j], level)
    return Conformal(thresholds, rare, level)


def _threshold(p: Floats, y: NDArray[np.int64], level: float) -> float:
    """The probability that a class must reach to be in a set: the k-th highest that a true class got,
    ``k = ceil((n + 1) level)``."""
    rank = max(int(np.ceil((len(y) + 1) * level - _HAIR)), 1)
    return float(np.sort(p[np.arange(len(y)), y])[len(y) - rank])


def _one_per_lesion(run: Run, split: str) -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.int64]]:
    """Rows, probabilities and class indices of a split, one image per lesion."""
    table = run.part(split)
    table = table.iloc[one_per_group(table["lesion_id"].to_numpy(str))]
    truth = run.truth(table)
    return table, softmax(run.logits(table), run.calibration.temperature), truth


def calibrate_sets(run: Run, level: float, by_class: bool) -> Conformal:
    """Conformal sets of a run, learned on the calibration set.

    Raises:
        DataError: The calibration set has too few images for the level.
    """
    _, probabilities, truth = _one_per_lesion(run, "calibrate")
    return conformal(probabilities, truth, level, by_class=by_class)


def evaluate_sets(run: Run, level: float, by_class: bool) -> pd.DataFrame:
    """What conformal sets do on the test set: a row for each diagnosis, and one for all.

    Learned on the calibration set and shown on the test set, both with one image per lesion, as the guarantee is
    for these.

    Returns:
        diagnosis, n, calibration (images of it that the sets were learned from), covered (share whose set holds the
        truth), low, high, size (mean), one (share of sets of one diagnosis), none (share of empty sets), promised
        (bool: the level holds for this row by itself).

    Raises:
        DataError: The calibration set has too few images for the level.
    """
    _, p, known = _one_per_lesion(run, "calibrate")
    learned = conformal(p, known, level, by_class=by_class)
    test, q, truth = _one_per_lesion(run, "test")
    found = learned.predict(q)
    holds = found[np.arange(len(truth)), truth]
    lesions, size = test["lesion_id"].to_numpy(str), found.sum(axis=1)
    # By class, all images together are held only if no class is rare; on average, no class is held by itself.
    promised = {"all": not learned.rare} | {c: by_class and i not in learned.rare for i, c in enumerate(run.classes)}
    rows = []
    asked = {"all": np.ones(len(truth), bool), **{c: truth == i for i, c in enumerate(run.classes)}}
    shares = share_intervals({name: (holds, among) for name, among in asked.items()}, lesions)
    for name, among in asked.items():
        covered = shares[name]
        rows.append(
            {
                "diagnosis": name,
                "n": int(among.sum()),
                "calibration": len(known) if name == "all" else int((known == run.classes.index(name)).sum()),
                "covered": covered.value,
                "low": covered.low,
                "high": covered.high,
                "size": float(size[among].mean()) if among.any() else float("nan"),
                "one": float((size[among] == 1).mean()) if among.any() else float("nan"),
                "none": float((size[among] == 0).mean()) if among.any() else float("nan"),
                "promised": promised[name],
            }
        )
    return pd.DataFrame(rows)
