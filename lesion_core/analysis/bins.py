"""Scores of a million pictures as a few hundred counts, so that a page can move a threshold without the pictures.

Bins are (low, high]: a picture on an edge is within it, as one on a threshold is kept. So what is kept at an edge is
exactly the sum of the bins under it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.predictions import Floats, check_results, check_scores
from lesion_core.errors import ConfigError

MOST = 2000
"""Bins over which a screen shows no more."""

Counts = NDArray[np.int64]


def bin_edges(scores: ArrayLike, bins: int = 400, reach: float = 0.995) -> Floats:
    """Inner edges (bins - 1,) at even distances; the first and the last bin are open and hold the rest.

    Args:
        scores: (N,) of all pictures together.
        bins: In 2 ... `MOST`.
        reach: Share of the pictures between the outer edges, half of the rest beyond each: one far picture must not
            squeeze all others into one bin.

    Raises:
        DataError: There is no score, or one is NaN or infinite.
        ConfigError: The number of bins is out of range.
    """
    if not 2 <= bins <= MOST:
        raise ConfigError(f"{bins} bins are not in 2 to {MOST}.", "Take 400.")
    s = check_scores(scores, "binned", some=True)
    low, high = np.quantile(s, [(1 - reach) / 2, (1 + reach) / 2])
    if low == high:  # all alike: the bins surround them
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins - 1)


@dataclass(frozen=True)
class Binned:
    """How many pictures of each group lie in each bin.

    Attributes:
        edges: (B - 1,) rising inner edges.
        counts: (B,) int64 by group; groups may share pictures.
    """

    edges: Floats
    counts: dict[str, Counts]

    @cached_property
    def kept(self) -> dict[str, Counts]:
        """(B,) by group: pictures that a threshold on the upper edge of each bin keeps; the last bin has none and
        keeps all."""
        return {name: np.cumsum(counts) for name, counts in self.counts.items()}

    def kept_at(self, threshold: float) -> dict[str, int]:
        """Pictures of each group that a threshold keeps, exact where it is an edge, else that of the edge under it."""
        at = int(np.searchsorted(self.edges, threshold, side="right")) - 1
        last = len(self.edges)
        return {
            name: 0 if at < 0 else int(kept[last if threshold == np.inf else at]) for name, kept in self.kept.items()
        }


def binned(scores: ArrayLike, groups: Mapping[str, ArrayLike], edges: ArrayLike) -> Binned:
    """Count the pictures of each group in bins; N and the number of groups may be large.

    Args:
        scores: (N,); N may be 0.
        groups: (N,) bool by name, such as right, wrong, melanoma missed, stranger.
        edges: (B - 1,) rising inner edges, B up to `MOST`.

    Raises:
        DataError: A score is NaN or infinite, or a group does not fit.
        ConfigError: The edges do not rise or are too many.
    """
    e = np.asarray(edges, dtype=np.float64)
    if e.ndim != 1 or not 1 <= len(e) < MOST or not (np.diff(e) > 0).all():
        raise ConfigError(f"Edges of shape {e.shape} do not rise or are not 1 to {MOST - 1}.", "Use `bin_edges`.")
    s = check_scores(scores, "binned")
    place = np.searchsorted(e, s, side="left")
    counts = {
        name: np.bincount(place[check_results(mask, len(s))], minlength=len(e) + 1).astype(np.int64)
        for name, mask in groups.items()
    }
    return Binned(e, counts)
