"""Intervals around figures: a bootstrap over lesions, and beta intervals on an effective n for shares.

Images of one lesion are alike, so they are drawn together: a resample draws as many lesions as there are,
with replacement, and an image weighs as often as its lesion was drawn (Efron and Tibshirani 1993, the
cluster bootstrap of Field and Welsh 2007). These are **percentile** intervals: the middle 95 % of the
resampled figures. A resample can lose a rare class. A mean over classes is then over the classes that it has,
as in the figure itself; the figure of that class alone is undefined there, and the percentiles are over the rest.

**Shares** (accuracy, sensitivity, what is kept or rejected) are not resampled: percentiles undercover at small n (84 %
for 95 at n = 14) and claim certainty where all images agree. They get the interval of Korn and Graubard: Clopper and
Pearson's on the number of independent images that say as much (see `share_intervals`). Balanced accuracy and macro
figures are means of several shares and keep the bootstrap: too narrow where a class has few lesions, whose own
sensitivity shows it.

The calibration error is a mean of absolute values, so resampling noise adds to it as sampling noise did: its
percentile interval lies too high and may miss the figure. It gets the reversed (*basic*) interval
``2 value - percentile``, widened to hold the figure; measured against known truth, that one covers far better.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import Weights, ones
from lesion_core.analysis.resampling import _drawn, group_codes, resamples
from lesion_core.errors import ConfigError

Statistic = Callable[[Weights], Floats]
"""Weights (N, B), one column a resample, to the figure in each: (B,), or (K, B) for K figures."""

Figures = Callable[[Weights], Mapping[str, Floats]]
"""Weights (N, B), one column a resample, to figures by name, each (B,)."""

Mask = NDArray[np.bool_]
Name = TypeVar("Name", bound=Hashable)


_CAUTION = 10
"""Lesions that the belief in the greatest design effect is worth; chosen by simulation (tests/analysis)."""


@dataclass(frozen=True)
class Interval:
    """A figure and the range that its sample leaves open.

    Attributes:
        value: The figure of the images as they are.
        low: Lower end; NaN where the sample says nothing (one lesion, or an undefined figure).
        high: Upper end.
        n_images: Images that the figure is over.
        n_groups: Lesions that they show: the independent cases.
    """

    value: float
    low: float
    high: float
    n_images: int
    n_groups: int


def check_level(level: float, what: str = "level") -> None:
    """Refuse a level, bound or confidence that is not a share.

    Raises:
        ConfigError: It is not in (0, 1).

    Examples:
        >>> check_level(0.95)
    """
    if not 0 < level < 1:
        raise ConfigError(f"A {what} of {level} is not between 0 and 1.", "Give a share, such as 0.95.")


def clopper_pearson(k: int, n: int, level: float = 0.95) -> Interval:
    """The exact interval of the share k / n of independent cases (Clopper and Pearson 1934).

    Every share outside makes so few, or so many, cases less probable than half of ``1 - level``. It covers at least as
    often as `level` says, at every n; Wilson's 95 %, which is narrower, covers down to 84 % of the time where the share
    is near 0 or 1 (Brown, Cai and DasGupta 2001).

    Args:
        k: Cases that count, 0 to n.
        n: Cases in all; 0 gives NaN.
        level: Coverage, in (0, 1).

    Raises:
        ConfigError: k is not in 0 ... n, or the level not in (0, 1).

    Examples:
        >>> share = clopper_pearson(13, 14)
        >>> round(share.low, 3), round(share.high, 3)
        (0.661, 0.998)
    """
    check_level(level)
    if not 0 <= k <= n:
        raise ConfigError(f"{k} of {n} is not a share.", "Count the cases among all of them.")
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0, 0)
    return Interval(k / n, *_beta_ends(k / n, int(n), level), int(n), int(n))


def _beta_ends(p: float, n: float, level: float) -> tuple[float, float]:
    """The interval of Clopper and Pearson (1934) as quantiles of beta distributions, for any n over 0."""
    tail = (1 - level) / 2
    low = float(betaincinv(p * n, n - p * n + 1, tail)) if p > 0 else 0.0
    return low, float(betaincinv(p * n + 1, n - p * n, 1 - tail)) if p < 1 else 1.0


@dataclass(frozen=True)
class Resampled:
    """A figure of the images as they are, and `resampled`: in each resample, (n,), NaN where it has no such figure."""

    value: float
    resampled: Floats

    def interval(
        self,
        level: float,
        n_images: int,
        n_groups: int,
        *,
        noise_adds: bool = False,
        low: float = -np.inf,
    ) -> Interval:
        """The percentile interval of the figure.

        Args:
            level: Coverage, in (0, 1).
            n_images: Images that the figure is over.
            n_groups: Lesions that they show.
            noise_adds: Ask for the reversed interval, see above.
            low: What the figure cannot be under.
        """
        nothing = Interval(self.value, float("nan"), float("nan"), n_images, n_groups)
        if np.isnan(self.value):
            return nothing
        defined = self.resampled[~np.isnan(self.resampled)]
        if n_groups < 2 or len(defined) == 0:
            return nothing
        a, b = (float(q) for q in np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]))
        if noise_adds:
            a, b = min(max(low, 2 * self.value - b), self.value), max(2 * self.value - a, self.value)
        return Interval(self.value, a, b, n_images, n_groups)


def resampled_figures(
    figures: Callable[[Weights], Mapping[str, Floats]], groups: NDArray[np.intp], n: int, seed: int, others: int = 0
) -> dict[str, list[Resampled]]:
    """Every figure in the same resamples.

    Args:
        figures: Weights (N + M, B) to figures by name, each (B,), or (K, B) for K of a kind.
        groups: (N,) lesions as `group_codes` numbers them.
        n: Resamples.
        seed: The same seed draws the same lesions.
        others: M, as in `bootstrap_all`.

    Returns:
        By name, a list of K, of one for a figure that is (B,).

    Examples:
        >>> found = resampled_figures(lambda w: {"n": w.sum(axis=0)}, np.array([0, 0, 1]), 10, 0)["n"]
        >>> found[0].value, found[0].resampled.shape
        (3.0, (10,))
    """
    values = {key: np.atleast_2d(value) for key, value in figures(ones(len(groups) + others)).items()}
    blocks: dict[str, list[Floats]] = {key: [] for key in values}
    rng = np.random.default_rng([seed, others])
    for drawn in resamples(groups, n, seed):
        weights = np.concatenate([drawn, _drawn(rng, others, drawn.shape[1])]) if others else drawn
        for key, found in figures(weights).items():
            blocks[key].append(np.atleast_2d(found))
    return {
        key: [Resampled(float(v[0]), d) for v, d in zip(values[key], np.concatenate(parts, axis=1), strict=True)]
        for key, parts in blocks.items()
    }


def count_lesions(groups: NDArray[np.intp], among: Mask | None = None) -> int:
    """Different lesions among images (N,), or among those of them that `among`, (N,), marks.

    Examples:
        >>> count_lesions(np.array([0, 0, 1]), np.array([True, True, False]))
        1
    """
    return len(np.unique(groups if among is None else groups[among]))


def bootstrap_all(
    statistics: Mapping[str, Statistic],
    groups: ArrayLike,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    others: int = 0,
) -> dict[str, Interval]:
    """The percentile interval of each statistic, all in the same `n` resamples of lesions.

    A second sample, such as images that show no lesion, is drawn by itself, image by image: its size stays.

    Args:
        statistics: By name, each from weights (N, B) to (B,); NaN in a resample leaves that one out.
        groups: (N,) lesion ids, numbers or strings.
        n: Resamples.
        seed: The same seed draws the same lesions.
        level: Share of the resampled figures inside the interval, in (0, 1).
        others: M, images of the second sample; their weights are the last M rows.

    Raises:
        DataError: A lesion id is missing, or there are none.
        ConfigError: `n` or `level` is out of range.

    Examples:
        >>> values = np.array([0.0, 1.0, 1.0, 0.0])
        >>> mean = lambda w: values @ w / w.sum(axis=0)
        >>> bootstrap_all({"mean": mean}, ["a", "b", "c", "d"])["mean"].value
        0.5
    """
    check_level(level)
    codes = group_codes(groups)
    draws = resampled_figures(lambda w: {key: f(w) for key, f in statistics.items()}, codes, n, seed, others)
    counts = len(codes) + others, count_lesions(codes) + others
    return {key: each[0].interval(level, *counts) for key, each in draws.items()}


def bootstrap(statistic: Statistic, groups: ArrayLike, n: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """The percentile interval of one statistic; arguments and errors as in `bootstrap_all`.

    Examples:
        >>> values = np.arange(100.0)
        >>> found = bootstrap(lambda w: values @ w / w.sum(axis=0), np.arange(100))
        >>> found.value, found.low < found.value < found.high
        (49.5, True)
    """
    return bootstrap_all({"it": statistic}, groups, n, seed, level)["it"]


def paired_intervals(
    ours: Figures,
    theirs: Figures,
    groups: ArrayLike,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    noise_adds: Collection[str] = (),
) -> dict[str, Interval]:
    """How much higher each figure is in `theirs` than in `ours`, both of the same images in the same resamples.

    The images that are hard are hard for both, so the interval of a difference is narrower than two intervals that
    overlap suggest.

    Args:
        ours: Weights (N, B) to figures by name, each (B,).
        theirs: The same figures of other predictions of the same N images.
        groups: (N,) lesion ids.
        n: Resamples.
        seed: The same seed draws the same lesions.
        level: Coverage of the intervals, in (0, 1).
        noise_adds: Figures that resampling noise only adds to: of those the reversed interval, for the noise of the
            two does not cancel.

    Raises:
        DataError: A lesion id is missing, or there are none.
        ConfigError: `n` or `level` is out of range.

    Examples:
        >>> ours, theirs = np.array([1.0, 0.0, 1.0]), np.array([1.0, 1.0, 1.0])
        >>> share = lambda right: lambda w: {"accuracy": right @ w / w.sum(axis=0)}
        >>> round(paired_intervals(share(ours), share(theirs), ["a", "b", "c"])["accuracy"].value, 3)
        0.333
    """
    check_level(level)
    codes = group_codes(groups)

    def differences(w: Weights) -> dict[str, Floats]:
        here, there = ours(w), theirs(w)
        return {key: there[key] - here[key] for key in here}

    counts = len(codes), count_lesions(codes)
    return {
        key: each[0].interval(level, *counts, noise_adds=key in noise_adds)
        for key, each in resampled_figures(differences, codes, n, seed).items()
    }


def share_intervals(
    shares: Mapping[Name, tuple[Mask, Mask]], groups: ArrayLike, level: float = 0.95
) -> dict[Name, Interval]:
    """Shares with intervals that hold by lesion and at small n; all NaN for a share of none.

    The share p of n images is as sure as that of ``n / deff`` independent ones, and Clopper and Pearson's interval of
    p on that many is taken (Korn and Graubard 1998; the standard of the NCHS, Parker et al. 2017). The design effect
    is that of the ratio estimate, ``G / (G - 1) sum_g (h_g - p n_g)^2 / (n p (1 - p))`` with h_g of the n_g images
    of lesion g counted. Few lesions that differ say little about it, so it is averaged with its greatest value,
    ``sum n_g^2 / n``, where images of a lesion always agree: weights are the lesions of the rarer outcome, and
    `_CAUTION`. Where a few lesions have most of the images, the others say little about these: lesions count by the
    effective share of them, ``n^2 / (G sum n_g^2)`` (Kish 1965). The design effect is at least 1. Where all images
    agree the greatest value is all there is.

    Args:
        shares: By name: the cases that count (N,) bool, and those that are asked about (N,) bool; the first do not
            count outside the second.
        groups: (N,) lesion ids.
        level: Coverage of the intervals, in (0, 1).

    Raises:
        DataError: A lesion id is missing, or there are not N.
        ConfigError: `level` is out of range.

    Examples:
        >>> right, everything = np.arange(14) > 0, np.ones(14, bool)
        >>> found = share_intervals({"right": (right, everything)}, np.arange(14) // 2)["right"]
        >>> found.n_images, found.n_groups, round(found.value, 3), found.low < 0.66
        (14, 7, 0.929, True)
    """
    check_level(level)
    if not shares:
        return {}
    codes = group_codes(groups, len(next(iter(shares.values()))[1]))
    lesions = int(codes.max()) + 1
    return {
        name: _share(
            np.bincount(codes[part & among], minlength=lesions), np.bincount(codes[among], minlength=lesions), level
        )
        for name, (part, among) in shares.items()
    }


def _share(hits: NDArray[np.intp], asked: NDArray[np.intp], level: float) -> Interval:
    """The interval of ``sum hits / sum asked``, both counted in each lesion (G,)."""
    hits, asked = hits[asked > 0], asked[asked > 0]
    n, g = int(asked.sum()), len(asked)
    if not n:
        return Interval(float("nan"), float("nan"), float("nan"), 0, 0)
    p, most = float(hits.sum() / n), float((asked.astype(np.float64) ** 2).sum() / n)
    effect = most
    if g > 1 and 0 < p < 1:
        found = g / (g - 1) * float(((hits - p * asked) ** 2).sum()) / (n * p * (1 - p))
        rarer = min(int((hits > 0).sum()), int((hits < asked).sum())) * n / (g * most)
        effect = max(1.0, (rarer * found + _CAUTION * most) / (rarer + _CAUTION))
    return Interval(p, *_beta_ends(p, n / effect, level), n, g)


def share_interval(part: Mask, among: Mask, groups: ArrayLike, level: float = 0.95) -> Interval:
    """The share of `part` in `among` with its interval over lesions; arguments and errors as in `share_intervals`.

    Examples:
        >>> everything = np.ones(12, bool)
        >>> found = share_interval(everything, everything, np.arange(12) // 3)
        >>> found.value, round(found.low, 3)  # four lesions that agree
        (1.0, 0.398)
    """
    return share_intervals({"it": (part, among)}, groups, level)["it"]


def shares_by(groups: pd.Series[str], yes: Mask, lesions: ArrayLike | None = None) -> pd.DataFrame:
    """The share of `yes` in each group with its 95 % interval, the largest group first.

    Args:
        groups: (N,) name of each case's group.
        yes: (N,) bool.
        lesions: (N,) lesion ids: the interval is then over lesions (`share_intervals`), else over cases.

    Returns:
        group, n, share, low, high.

    Raises:
        DataError: A lesion id is missing, or there are not N.

    Examples:
        >>> table = shares_by(pd.Series(["back", "back", "face"]), np.array([True, False, True]))
        >>> table[["group", "n", "share"]].values.tolist()
        [['back', 2, 0.5], ['face', 1, 1.0]]
    """
    names = groups.to_numpy(str)
    among = {str(group): names == group for group in np.unique(names)}
    if lesions is None:
        shares = {group: clopper_pearson(int(yes[own].sum()), int(own.sum())) for group, own in among.items()}
    else:
        shares = share_intervals({group: (yes, own) for group, own in among.items()}, lesions)
    table = pd.DataFrame(
        [(group, share.n_images, share.value, share.low, share.high) for group, share in shares.items()],
        columns=["group", "n", "share", "low", "high"],
    )
    return table.sort_values(["n", "group"], ascending=[False, True], ignore_index=True)
