"""Does a map know whether the answer is right? Numbers of a map, asked as if they were a confidence.

A number that knows gives right answers more than wrong ones. How often it does, for a right answer and a wrong one
drawn at random, is the AUROC: 1 always, 0.5 as often as a coin. Each is resampled by lesion, all in the same resamples,
beside the confidence that is shown with the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.analysis.intervals import Interval, bootstrap_all
from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import Weights, auroc, rank, ratio
from lesion_core.runs.classifier import Run

FOLDS = 10
FEWEST = 20
"""Lesions with right answers, and with wrong ones, under which nothing is fitted."""
CONFIDENCE = "confidence"
"""The key of the confidence that is shown beside the answer."""


@dataclass(frozen=True, kw_only=True)
class MapNumber:
    """A number of a map that could be taken for a sign that the answer is right.

    Attributes:
        name: What a person reads.
        description: What it is, one sentence.
        value: From rows of `runs.attribution.COLUMNS` and the confidence of each, both (N,), to the number, (N,); it is
            higher where the map is better by whoever proposed the number. NaN where it was not measured.
    """

    name: str
    description: str
    value: Callable[[pd.DataFrame, Floats], Floats]


def _column(name: str, sign: int = 1) -> Callable[[pd.DataFrame, Floats], Floats]:
    return lambda table, _: sign * table[name].to_numpy(np.float64)


MAP_NUMBERS: dict[str, MapNumber] = {
    "inside": MapNumber(
        name="Energy inside the lesion",
        description="The share of the map's positive sum that lies inside the lesion's mask.",
        value=_column("inside"),
    ),
    "peak": MapNumber(
        name="Pointing game",
        description="Whether the map's maximum lies inside the lesion's mask.",
        value=_column("peak"),
    ),
    "inside_by_area": MapNumber(
        name="Energy divided by area",
        description="The same share, divided by the share of what the model saw that is lesion: 1 is a map that points "
        "nowhere in particular.",
        value=lambda table, _: ratio(table["inside"].to_numpy(np.float64), table["area"].to_numpy(np.float64)),
    ),
    "deletion": MapNumber(
        name="Deletion area",
        description="The mean probability of the answer while the pixels that the map calls important are covered, the "
        "most important first. It is called better the smaller it is, so it is counted downwards; but it begins at the "
        "confidence, so it knows what the confidence knows, the other way round.",
        value=_column("deletion", -1),
    ),
    "deletion_by_confidence": MapNumber(
        name="Deletion divided by confidence",
        description="The deletion area as a share of the confidence that it begins at, counted downwards: what is left "
        "of it without the confidence.",
        value=lambda table, confidence: -ratio(table["deletion"].to_numpy(np.float64), confidence),
    ),
    "maximum": MapNumber(
        name="Largest value of the map",
        description="In the method's own unit, before the map is stretched to its own maximum, which throws it away.",
        value=_column("maximum"),
    ),
}
"""By key, in the order in which they are shown."""


def confidence_of(run: Run, image_ids: pd.Series) -> Floats:
    """The confidence that the run shows with its answer to each image, (N,); NaN where the run's table has no such
    image."""
    own = run.predictions
    places = pd.Index(own["image_id"]).get_indexer(pd.Index(image_ids.astype(str)))
    found = np.full(len(places), np.nan)
    here = places >= 0
    found[here] = softmax(run.logits(own.iloc[places[here]]), run.calibration.temperature).max(axis=1, initial=0)
    return found


def tells_right(table: pd.DataFrame, confidence: Floats, n: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How well each number of one method's maps, and the confidence, tells right answers from wrong ones.

    Args:
        table: Rows of `runs.attribution.COLUMNS`, of one method.
        confidence: (N,) of each row; rows where it is NaN are left out, so that all are of the same images.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.

    Returns:
        number (`CONFIDENCE` first, then keys of `MAP_NUMBERS` that were measured), n, lesions, right (right answers
        among them), value, low, high: the AUROC with its 95 % interval; NaN where all answers are right, or none.

    Raises:
        ConfigError: `n` is out of range.
    """
    known = np.isfinite(confidence)
    table, confidence = table[known], confidence[known]
    right = (table["label"] == table["answer"]).to_numpy(bool)
    values = {CONFIDENCE: confidence, **{key: entry.value(table, confidence) for key, entry in MAP_NUMBERS.items()}}
    groups = table["lesion_id"].to_numpy(str)
    measured = {key: np.flatnonzero(np.isfinite(own)) for key, own in values.items()}
    whole = {key: own for key, own in measured.items() if len(own)}
    if not whole:
        return pd.DataFrame(columns=["number", "n", "lesions", "right", "value", "low", "high"])
    areas = bootstrap_all({key: _area(right, values[key], own) for key, own in whole.items()}, groups, n, seed)
    rows = [
        (key, len(own), len(set(groups[own])), int(right[own].sum()), areas[key].value, areas[key].low, areas[key].high)
        for key, own in whole.items()
    ]
    return pd.DataFrame(rows, columns=["number", "n", "lesions", "right", "value", "low", "high"])


def _area(right: NDArray[np.bool_], values: Floats, own: NDArray[np.intp]) -> Callable[[Weights], Floats]:
    """The AUROC over some of the rows, which `values` are known of."""
    ranking = rank(right[own], values[own])
    return lambda weights: auroc(ranking, weights[own])


@dataclass(frozen=True)
class Called:
    """What tells right from wrong among images that get one answer.

    Attributes:
        answer: The class code.
        n_images: Images that get it.
        n_groups: Lesions that they show.
        right: Images of which it is right.
        areas: AUROC with its interval: `inside` (energy inside the lesion), `size` (the lesion's share of what the
            model saw, without any map); and out of fold `size_fitted` and `both_fitted` (a logistic regression on the
            size, and on size and map), which are missing where there are too few lesions.
        gain: `both_fitted` minus `size_fitted`, on the same images in the same resamples; None where they are not.
    """

    answer: str
    n_images: int
    n_groups: int
    right: int
    areas: Mapping[str, Interval]
    gain: Interval | None


def among_called(table: pd.DataFrame, answer: str, n: int = 1000, seed: int = 0) -> Called | None:
    """Whether the evidence inside the lesion says more than the lesion's size, among images that get one answer.

    Over all answers the two hide each other: for some diagnoses a large lesion speaks for the answer, for others
    against it. The regressions are fitted on nine tenths of the lesions and asked about the tenth, ten times; the
    resamples draw lesions of what they answer, and do not fit again.

    Args:
        table: Rows of `runs.attribution.COLUMNS`, of one method.
        answer: A class code.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.

    Returns:
        None where no image gets that answer, or all answers are right, or none.

    Raises:
        ConfigError: `n` is out of range.
    """
    own = table[table["answer"] == answer]
    right = (own["label"] == own["answer"]).to_numpy(bool)
    if right.all() or not right.any():
        return None
    groups, every = own["lesion_id"].to_numpy(str), np.arange(len(own))
    size, inside = own["area"].to_numpy(np.float64), own["inside"].to_numpy(np.float64)
    values = {"inside": inside, "size": size}
    if min(len(set(groups[right])), len(set(groups[~right]))) >= FEWEST:
        values["size_fitted"] = out_of_fold(size[:, None], right, groups)
        values["both_fitted"] = out_of_fold(np.stack([size, inside], axis=1), right, groups)
    areas = {key: _area(right, own_values, every) for key, own_values in values.items()}
    asked = dict(areas)
    if "both_fitted" in areas:
        asked["gain"] = lambda w: areas["both_fitted"](w) - areas["size_fitted"](w)
    found = bootstrap_all(asked, groups, n, seed)
    gain = found.pop("gain", None)
    return Called(answer, len(own), len(set(groups)), int(right.sum()), found, gain)


def out_of_fold(features: Floats, right: NDArray[np.bool_], groups: NDArray[np.str_]) -> Floats:
    """The probability of a right answer by a logistic regression that saw no image of the same lesion.

    Args:
        features: (N, F).
        right: (N,).
        groups: (N,) lesion ids, `FOLDS` different ones or more.

    Returns:
        (N,) in [0, 1], each from the one of `FOLDS` fits that left its lesion out.
    """
    # Half a second that other figures do not wait for.
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression())
    found = cross_val_predict(model, features, right, groups=groups, cv=GroupKFold(FOLDS), method="predict_proba")
    return np.asarray(found[:, 1], np.float64)
