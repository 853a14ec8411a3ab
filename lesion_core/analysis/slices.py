"""Slices: the same figures where something is in the image and where it is not, and what may be said of the difference.

A slice is a question until its n answers. Ten slices drawn at random from a test set differ too: so every difference
has an interval, a p value that is corrected for all that were looked at, and a mark where there is too little to see.
A difference is an association: images with a ruler may come from another clinic than those without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.evaluation_sets import EvaluationData
from lesion_core.analysis.intervals import Interval, share_intervals
from lesion_core.analysis.resampling import group_codes
from lesion_core.errors import DataError

Mask = NDArray[np.bool_]

FIGURES = {
    "recall": "of the images of this diagnosis, the share that is called it",
    "false_alarms": "of the images of other diagnoses, the share that is called this one",
    "nevi_called_melanoma": "of the images of nevi, the share that is called melanoma",
    "rejected": "the share that the policy rejects",
}
"""What is compared, by key."""

FEWEST = 20
"""Lesions that a slice needs on either side: the interval of a share near one half then has 22 points on each side."""

COLUMNS = (
    *("artefact", "figure", "diagnosis"),
    *(f"{side}_{what}" for side in ("with", "without") for what in ("n", "lesions", "value", "low", "high")),
    *("difference", "low", "high", "p", "p_corrected", "enough"),
)

_STEPS = 24
"""Halvings in the search for a p value: it is found to seven digits."""


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """P values corrected for having looked at all of them, by steps down (Holm, Scand. J. Statist. 6, 1979).

    The i-th smallest of m is multiplied by m - i + 1, none falls below one before it or exceeds 1. Rejecting where the
    result is under 0.05 makes one false claim or more in at most 5 % of all tables, however the figures depend on each
    other.

    Args:
        p: (N,) in [0, 1]; NaN where there was nothing to look at, which stays and counts for nothing.

    Returns:
        (N,), in the order given.

    Raises:
        DataError: A value is not a probability.

    Examples:
        >>> holm([0.01, 0.04, np.nan, 0.03]).round(2).tolist()
        [0.03, 0.06, nan, 0.06]
    """
    values = np.asarray(p, np.float64)
    known = np.flatnonzero(~np.isnan(values))
    if values.ndim != 1 or ((values[known] < 0) | (values[known] > 1)).any():
        raise DataError("P values are numbers from 0 to 1 in one list.", "Give one per figure.")
    corrected = np.full(len(values), np.nan)
    order = known[np.argsort(values[known], kind="stable")]
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1)
    return corrected


def difference(yes: Interval, no: Interval) -> tuple[float, float, float]:
    """How much higher a share is in one slice than in the other, with an interval made of the two shares' own.

    ``d - sqrt((p1 - l1)^2 + (u2 - p2)^2)`` to ``d + sqrt((u1 - p1)^2 + (p2 - l2)^2)`` (Newcombe, Stat. Med. 17, 1998,
    method 10, with the shares' intervals by lesion; Zou and Donner, Stat. Med. 27, 2008). It takes the two slices as
    independent: where a lesion has images in both, it is too wide rather than too narrow.

    Args:
        yes: The share in the slice.
        no: The share outside it.

    Returns:
        Difference, lower and upper end, in [-1, 1]; NaN where a side has no cases.

    Examples:
        >>> [round(end, 2) for end in difference(Interval(0.5, 0.3, 0.7, 20, 20), Interval(0.2, 0.1, 0.3, 80, 80))]
        [0.3, 0.08, 0.52]
    """
    d = yes.value - no.value
    below = np.hypot(yes.value - yes.low, no.high - no.value)
    above = np.hypot(yes.high - yes.value, no.value - no.low)
    return float(d), float(d - below), float(d + above)


def compare(
    part: Mask, present: Mask, lesions: NDArray[np.intp], level: float = 0.95
) -> tuple[Interval, Interval, tuple[float, float, float], float]:
    """A share where something is present and where it is not.

    Args:
        part: (N,) bool, the cases that count.
        present: (N,) bool, the cases in the slice.
        lesions: (N,) lesion of each case.
        level: Coverage of the intervals, in (0, 1).

    Returns:
        The two shares, their `difference`, and p: the smallest 1 - level whose interval of the difference leaves 0
        out. So p is under 0.05 exactly if the 95 % interval does not hold 0. NaN where a side has no cases.
    """

    def at(some: float) -> tuple[Interval, Interval]:
        found = share_intervals({True: (part, present), False: (part, ~present)}, lesions, some)
        return found[True], found[False]

    yes, no = at(level)
    whole = difference(yes, no)
    if not min(yes.n_images, no.n_images):
        return yes, no, whole, float("nan")
    low, high = 0.0, 1.0  # 0 is inside the interval at p = low, taken as outside at p = high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        _, a, b = difference(*at(1 - middle))
        low, high = (middle, high) if a <= 0 <= b else (low, middle)
    return yes, no, whole, high


Asked = Iterator[tuple[str, str, Mask, Mask]]
"""Figure, diagnosis, the images that count and those that are asked about."""


def every_diagnosis(data: EvaluationData) -> Asked:
    """Recall and false alarms of each diagnosis."""
    for k, code in enumerate(data.classes):
        is_it, says_it = data.truth == k, data.predicted == k
        yield "recall", code, says_it, is_it
        yield "false_alarms", code, says_it, ~is_it


def of_melanoma(data: EvaluationData) -> Asked:
    """Recall of melanoma, and the false alarm that costs most people an operation: a nevus that is called melanoma.
    Fewer figures are looked at, so that each is corrected for less."""
    if {"MEL", "NV"} <= set(data.classes):
        melanoma, nevus = (data.classes.index(code) for code in ("MEL", "NV"))
        says_it = data.predicted == melanoma
        yield "recall", "MEL", says_it, data.truth == melanoma
        yield "nevi_called_melanoma", "MEL", says_it, data.truth == nevus


def slices(
    data: EvaluationData,
    present: Mapping[str, Mask],
    rejected: Mask | None = None,
    level: float = 0.95,
    asked: Callable[[EvaluationData], Asked] = every_diagnosis,
) -> pd.DataFrame:
    """Recall and false alarms by diagnosis, and rejection, with each artefact and without it.

    Args:
        data: Images with their truth and their answers.
        present: By artefact, (N,) bool: whether it is in the image.
        rejected: (N,) bool: whether the policy rejects the image; None leaves the figure out.
        level: Coverage of each interval by itself, in (0, 1).
        asked: Which figures: `every_diagnosis` or `of_melanoma`; rejection comes last.

    Returns:
        `COLUMNS`, a row per artefact and figure: the share on either side with n (images), lesions and interval; the
        difference (with minus without) with its interval, p of `compare`, p_corrected by `holm` over all rows, and
        enough: whether both sides have `FEWEST` lesions. Shares of no images are NaN.

    Raises:
        DataError: A list does not have a boolean per image, or a lesion id is missing.
        ConfigError: `level` is out of range.
    """
    n = len(data.truth)
    for name, values in {**present, **({} if rejected is None else {"rejected": rejected})}.items():
        if np.shape(values) != (n,) or np.asarray(values).dtype != np.bool_:
            raise DataError(f"'{name}' does not fit the {n:,} images.", "Give one boolean per image.")
    lesions = group_codes(data.groups, n)
    figures = list(asked(data))
    if rejected is not None:
        figures.append(("rejected", "", rejected, np.ones(n, bool)))
    rows: list[tuple[object, ...]] = []
    for artefact, has in present.items():
        for figure, diagnosis, part, among in figures:
            if not among.any():
                continue
            yes, no, ends, p = compare(part[among], has[among], lesions[among], level)
            sides = [(i.n_images, i.n_groups, i.value, i.low, i.high) for i in (yes, no)]
            enough = min(yes.n_groups, no.n_groups) >= FEWEST
            rows.append((artefact, figure, diagnosis, *sides[0], *sides[1], *ends, p, np.nan, enough))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["p_corrected"] = holm(table["p"].to_numpy(np.float64))
    return table


def random_slices(part: Mask, size: int, slices: int = 10, draws: int = 2000, seed: int = 0) -> NDArray[np.float64]:
    """Shares in slices that are drawn at random and mean nothing, to compare a found difference with.

    Args:
        part: (N,) bool, the cases that count.
        size: Cases of a slice, drawn without replacement, 1 to N; the slices of a draw are independent.
        slices: Slices of a draw.
        draws: How often that many are drawn.
        seed: The same seed draws the same cases.

    Returns:
        (draws, slices), each in [0, 1].

    Raises:
        DataError: There are fewer cases than a slice has, or a slice has none.

    Examples:
        >>> found = random_slices(np.arange(100) < 50, size=20, draws=200)
        >>> bool(np.ptp(found, axis=1).mean() > 0.2)  # best minus worst of ten, though all are the same
        True
    """
    if not 1 <= size <= len(part):
        raise DataError(f"Slices of {size:,} cannot be drawn from {len(part):,} cases.", "Draw smaller ones.")
    # A slice without replacement has a hypergeometric number of the cases that count.
    hits = np.random.default_rng(seed).hypergeometric(int(part.sum()), int((~part).sum()), size, (draws, slices))
    return hits / size
