"""Whether a map is true to the model: take away what it points at, and watch the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from lesion_core.amounts import check_amount
from lesion_core.errors import DataError

Answer = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""From squares (N, S, S, 3) uint8 to the probability of the class that is explained, (N,)."""


@dataclass(frozen=True)
class Curve:
    """The answer while pixels are taken away or put back, the most important ones first.

    Attributes:
        share: (T,) of the pixels that were changed, from 0 up.
        answer: (T,) probability of the class.
    """

    share: NDArray[np.float64]
    answer: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Under the curve by trapezoids, over the shares so far, in [0, 1]. Deletion: lower is better; insertion:
        higher."""
        width = self.share[-1] - self.share[0]
        return float(np.trapezoid(self.answer, self.share) / width) if width else float(self.answer[0])


def pixel_order(heatmap: NDArray[np.floating]) -> NDArray[np.intp]:
    """Pixels by importance, the highest first; of equal ones the earlier row and column. (S, S) to (S * S,)."""
    return np.argsort(-heatmap.ravel(), kind="stable")


def perturbed_curve(
    answer: Answer,
    square: NDArray[np.uint8],
    heatmap: NDArray[np.floating],
    baseline: NDArray[np.uint8],
    kind: Literal["deletion", "insertion"],
    steps: int = 20,
    batch: int = 5,
) -> Iterator[Curve]:
    """Deletion or insertion (Petsiuk, Das and Saenko, RISE, BMVC 2018), as it grows.

    Deletion goes from the image to the baseline, insertion from the baseline to the image.

    Args:
        answer: The model.
        square: (S, S, 3) uint8.
        heatmap: (S, S), signed or not; higher is more important.
        baseline: (S, S, 3) uint8: the colour of skin for deletion, the blurred image for insertion, as in the paper.
        kind: Which.
        steps: Equal parts of the pixels.
        batch: Images per call of the model; a curve is given after each.

    Yields:
        The curve so far; the last one is whole.

    Raises:
        DataError: The shapes differ.
        ConfigError: `steps` or `batch` is out of range.
    """
    check_amount(steps, "steps")
    check_amount(batch, "images at a time")
    if heatmap.shape != square.shape[:2] or square.shape != baseline.shape:
        raise DataError(
            f"A map of {heatmap.shape}, an image of {square.shape} and a baseline of {baseline.shape} do not fit.",
            "Give all three at the model's size.",
        )
    order, pixels = pixel_order(heatmap), heatmap.size
    ends = np.round(np.linspace(0, pixels, steps + 1)).astype(int)
    before, after = (square, baseline) if kind == "deletion" else (baseline, square)
    answers: list[float] = []
    for start in range(0, steps + 1, batch):
        pictures = []
        for end in ends[start : start + batch]:
            changed = np.zeros(pixels, bool)
            changed[order[:end]] = True
            pictures.append(np.where(changed.reshape(heatmap.shape)[..., None], after, before))
        answers += answer(np.stack(pictures)).tolist()
        yield Curve(ends[: len(answers)] / pixels, np.asarray(answers))


def rank_agreement(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation of two maps of one frame, in [-1, 1]; NaN where one of them is constant.

    Raises:
        DataError: The shapes differ.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape:
        raise DataError(f"Maps of {a.shape} and {b.shape} do not show the same frame.", "Bring both to one size.")
    return float(spearmanr(a.ravel(), b.ravel()).statistic) if np.ptp(a) and np.ptp(b) else float("nan")


SAME = 0.5**0.5
"""The rank correlation over which two maps share more than half of the variance of their ranks."""


@dataclass(frozen=True)
class SanityVerdict:
    """Whether a map depends on what the model has learned.

    Attributes:
        outcome: "failed" where the map of a model that has learned nothing is still the same one, by `SAME`.
        low: Lower end of the 95 % confidence interval of their rank correlation; NaN where there is none.
        high: Its upper end.
    """

    outcome: Literal["passed", "failed", "cannot be told"]
    low: float = float("nan")
    high: float = float("nan")


def sanity_verdict(agreement: float, cells: int) -> SanityVerdict:
    """The outcome of the randomisation test (Adebayo et al., NeurIPS 2018), with room for chance: a map of few cells
    can be like another one by accident.

    The interval is Fisher's, with the variance for ranks of Fieller, Hartley and Pearson (Biometrika 44, 1957): 1.06 /
    (n - 3). Neighbouring pixels are alike, so that of a fine map is too narrow.

    Args:
        agreement: Rank correlation of the true map and that of a model without what it has learned, in [-1, 1]; NaN
            where one of them has no order.
        cells: Of each map.

    Example:
        >>> sanity_verdict(0.1, 16).outcome, sanity_verdict(0.9, 225).outcome, sanity_verdict(0.6, 16).outcome
        ('passed', 'failed', 'cannot be told')
    """
    if cells < 4 or not np.isfinite(agreement):
        return SanityVerdict("cannot be told")
    half = 1.96 * np.sqrt(1.06 / (cells - 3))
    with np.errstate(divide="ignore"):
        middle = np.arctanh(agreement)
    low, high = float(np.tanh(middle - half)), float(np.tanh(middle + half))
    return SanityVerdict("passed" if high < SAME else "failed" if low > SAME else "cannot be told", low, high)
