"""Flip rates: how often the answer changes from frame to frame of a sequence in which the image hardly does.

Source: Hendrycks and Dietterich 2019 (ICLR), flip probability and mean flip rate of ImageNet-P; Maron et al. 2021
(Eur J Cancer 155:191-199), SAM-P. That SAM-P compares noise with the first frame follows ImageNet-P; its own
repository does not say.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lesion_core.analysis.intervals import Statistic, bootstrap_all
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import ratio, sums
from lesion_core.analysis.robustness.references import Reference
from lesion_core.errors import DataError

NOISE = frozenset({"gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"})
"""Sequences whose frames are drawn anew, each compared with the first: no frame follows from the one before."""


def flips(answers: ArrayLike, sequence: str) -> Floats:
    """The share of an image's comparisons in which the answer is another.

    Each frame is compared with the previous one; of `NOISE` with the first.

    Args:
        answers: (N, F) answer to each of F frames of N images, F over 1.
        sequence: Its key.

    Returns:
        (N,), in [0, 1]; the mean over images is the flip probability FP.

    Raises:
        DataError: There are no images, or fewer than two frames.

    Examples:
        >>> frames = [list("NNNMMMN"), list("MMMMMMN")]
        >>> float(flips(frames, "rotate").mean()), round(float(flips(frames, "shot_noise").mean()), 6)
        (0.25, 0.333333)
    """
    said = np.asarray(answers)
    if said.ndim != 2 or not len(said) or said.shape[1] < 2:
        raise DataError(
            f"Answers of shape {said.shape} are not two or more frames of images.",
            "Give one row per image and a column for each frame.",
        )
    before = said[:, :1] if sequence in NOISE else said[:, :-1]
    return np.asarray((said[:, 1:] != before).mean(axis=1), dtype=np.float64)


def flip_summary(
    shares: Mapping[str, ArrayLike], groups: ArrayLike, reference: Reference, n: int = 1000, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flip rates with 95 % intervals over lesions, all in the same resamples.

    Args:
        shares: By sequence, what `flips` gives of the same N images.
        groups: (N,) lesion ids.
        reference: AlexNet's flip rates.
        n: Resamples.
        seed: The same seed draws the same lesions.

    Returns:
        A row per sequence: sequence, metric (flip_probability, or flip_rate, that over AlexNet's), value, low, high.
        And the means over the sequences that AlexNet has: metric (mean_flip_probability, mfr), value, low, high,
        changes (how many sequences).

    Raises:
        DataError: There are no sequences, or they are not of N images.
    """
    if not shares:
        raise DataError("There are no sequences.", "Give the answers to one or more.")
    rates = np.stack([np.asarray(values, dtype=np.float64) for values in shares.values()])  # (Q, N)
    if rates.shape[1] != len(np.asarray(groups)):
        raise DataError(f"Flips of {rates.shape[1]} images do not fit the lesions.", "Give the lesion of each image.")
    alexnet = np.array([reference.error(key) for key in shares])
    compared = np.isfinite(alexnet)

    statistics: dict[tuple[str, str], Statistic] = {}
    for key, row, rate in zip(shares, rates, alexnet, strict=True):
        statistics[key, "flip_probability"] = _mean_of(row)
        if np.isfinite(rate):
            statistics[key, "flip_rate"] = _mean_of(row / rate)
    if compared.any():
        statistics["", "mean_flip_probability"] = _mean_of(rates[compared].mean(axis=0))
        statistics["", "mfr"] = _mean_of((rates[compared] / alexnet[compared, None]).mean(axis=0))
    named = {f"{key}/{metric}": statistic for (key, metric), statistic in statistics.items()}
    found = bootstrap_all(named, groups, n, seed)
    rows = [
        (key, metric, own.value, own.low, own.high)
        for (key, metric), own in zip(statistics, found.values(), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["sequence", "metric", "value", "low", "high"])
    whole_rows = table[table["sequence"] == ""].drop(columns="sequence").assign(changes=int(compared.sum()))
    return table[table["sequence"] != ""].reset_index(drop=True), whole_rows.reset_index(drop=True)


def _mean_of(values: Floats) -> Statistic:
    return lambda weights: ratio(sums(values, weights), weights.sum(axis=0))
