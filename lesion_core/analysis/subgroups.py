"""For whom the model is good: the same figures by sex, age and site."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.analysis.evaluation_sets import EvaluationData
from lesion_core.analysis.intervals import share_intervals
from lesion_core.analysis.predictions import most_probable

AGES = (-np.inf, 20, 40, 60, 80, np.inf)
AGE_NAMES = ("under 20", "20 to 39", "40 to 59", "60 to 79", "80 and over")
NOT_RECORDED = "not recorded"

GROUPED_BY = {"sex": "Sex", "age": "Age", "site": "Site"}
"""Facts that people are grouped by."""


def age_bands(ages: pd.Series[float]) -> pd.Series[str]:
    """Each age in years as one of `AGE_NAMES`; `NOT_RECORDED` where there is none."""
    bands = pd.cut(ages, AGES, labels=AGE_NAMES, right=False).astype(object)
    return bands.where(bands.notna(), NOT_RECORDED)


def group_names(table: pd.DataFrame, by: str) -> NDArray[np.object_]:
    """The group of each row, (N,) strings, from the column `by` (key of `GROUPED_BY`), `NOT_RECORDED` without."""
    names = age_bands(table[by]) if by == "age" else table[by].astype(object)
    return names.where(names.notna(), NOT_RECORDED).astype(str).to_numpy(object)


def subgroups(data: EvaluationData) -> pd.DataFrame:
    """Accuracy, and the share of melanomas that are found, in each group of people.

    Args:
        data: A view's images, with `sex`, `age` and `site` in its table.

    Returns:
        by (key of `GROUPED_BY`), group, metric (accuracy or melanoma_recall), value, low, high, n_images, n_groups;
        the largest group first. A group without a melanoma has no such figure: NaN.
    """
    correct = most_probable(data.probabilities) == data.truth
    melanoma = data.truth == data.classes.index("MEL") if "MEL" in data.classes else np.zeros(len(correct), bool)
    lesions = np.asarray(data.groups)
    rows = []
    for by in GROUPED_BY:
        groups = group_names(data.table, by)
        asked: dict[tuple[str, str], tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {}
        for group in pd.Series(groups).value_counts().index:
            own = groups == group
            asked |= {(group, "accuracy"): (correct, own), (group, "melanoma_recall"): (correct, own & melanoma)}
        for (group, metric), i in share_intervals(asked, lesions).items():
            rows.append((by, group, metric, i.value, i.low, i.high, i.n_images, i.n_groups))
    return pd.DataFrame(rows, columns=["by", "group", "metric", "value", "low", "high", "n_images", "n_groups"])
