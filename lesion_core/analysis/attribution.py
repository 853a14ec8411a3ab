"""Figures of an attribution evaluation: how much of the evidence lies inside the lesion, in groups of images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_core.analysis.intervals import Statistic, bootstrap
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import ratio, sums


def _mean_of(values: Floats) -> Statistic:
    return lambda weights: ratio(sums(values, weights), weights.sum(axis=0))


def attribution_summary(table: pd.DataFrame, by: str, n: int = 1000, seed: int = 0) -> pd.DataFrame:
    """The mean share of evidence inside the lesion in groups of images, with 95 % confidence intervals by lesion.

    Args:
        table: Rows of `runs.attribution.COLUMNS`, of one method, or of several if `by` is method.
        by: label, answer, result (right or wrong), or method.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.

    Returns:
        group, n, share, low, high, area (the mean share of the image that is lesion), peak (the share of maps whose
        maximum lies inside).
    """
    result = np.where(table["label"] == table["answer"], "right", "wrong")
    groups = pd.Series(result if by == "result" else table[by].to_numpy(str), index=table.index)
    rows = []
    for group, own in table.groupby(groups):
        found = bootstrap(_mean_of(own["inside"].to_numpy(np.float64)), own["lesion_id"].to_numpy(str), n, seed)
        rows.append((str(group), len(own), found.value, found.low, found.high, own["area"].mean(), own["peak"].mean()))
    return pd.DataFrame(rows, columns=["group", "n", "share", "low", "high", "area", "peak"])


def looked_elsewhere(table: pd.DataFrame) -> pd.DataFrame:
    """The maps that point away from the lesion: their strongest point is outside of it, and so is more than half of
    their evidence.

    Args:
        table: Rows of `runs.attribution.COLUMNS`, of one method.

    Returns:
        Those rows, the one with the least evidence inside for its lesion's size first: a map that points nowhere in
        particular has inside what the lesion covers.
    """
    away = table[~table["peak"].astype(bool) & (table["inside"] < 0.5)]
    order = (away["inside"] / away["area"]).to_numpy(np.float64).argsort(kind="stable")
    return away.iloc[order]
