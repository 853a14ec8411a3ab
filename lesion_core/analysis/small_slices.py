"""The trap of small n: how far apart slices lie that differ in nothing but chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesion_core.errors import DataError

SLICES = 10
"""Slices that are compared: about as many as artefacts, sites or age bands that one looks at."""
DRAWS = 2000


@dataclass(frozen=True)
class RandomSlices:
    """Shares in slices that were drawn at random, draw by draw.

    Attributes:
        size: Cases of each slice.
        shares: (draws, slices) float64.
    """

    size: int
    shares: NDArray[np.float64]

    @property
    def spreads(self) -> NDArray[np.float64]:
        """(draws,): the best share minus the worst."""
        return np.asarray(self.shares.max(axis=1) - self.shares.min(axis=1))

    def spread(self, quantile: float) -> float:
        """The spread that so large a share of the draws does not exceed."""
        return float(np.quantile(self.spreads, quantile))


def random_slices(
    hits: NDArray[np.bool_], size: int, slices: int = SLICES, draws: int = DRAWS, seed: int = 0
) -> RandomSlices:
    """Draw slices of the same cases at random, each without replacement and on its own, again and again.

    Args:
        hits: (N,) bool, such as whether each melanoma is found.
        size: Cases of a slice, 1 to N.
        slices: Slices of a draw.
        draws: How often so many are drawn.
        seed: The same seed draws the same.

    Raises:
        DataError: `size` is out of range.

    Examples:
        >>> found = random_slices(np.arange(100) < 60, 20, draws=50)
        >>> found.shares.shape, bool(found.spreads.min() > 0)
        ((50, 10), True)
    """
    if not 1 <= size <= len(hits):
        raise DataError(f"A slice of {size:,} cannot be drawn from {len(hits):,} cases.", "Choose a smaller slice.")
    rng = np.random.default_rng(seed)
    shares = np.empty((draws, slices))
    for draw in range(draws):
        for i in range(slices):
            shares[draw, i] = hits[rng.choice(len(hits), size, replace=False)].mean()
    return RandomSlices(size, shares)
