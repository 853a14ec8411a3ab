"""Scores joined by rank, so that one threshold is a limit on each that is equally rare among dermoscopic images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lesion_core.analysis.predictions import Floats
from lesion_core.errors import DataError
from lesion_core.ood.distances import Function
from lesion_core.ood.model_outputs import Outputs


class CombinedScore:
    """Scores on one scale: an image is rejected if it is too far out in one.

    Each score becomes its *rank* among the validation set: 0.95 where 95 % of those images score lower, linear
    between them, and past the highest it goes on at the distance from the median to the highest. The joint score is
    the highest rank, so one threshold on it is a threshold on each score that is equally rare among dermoscopy.

    Args:
        parts: Key and fitted function of each score.
        select: The images to rank among.

    Raises:
        DataError: There are no images to rank among.
    """

    def __init__(self, parts: Mapping[str, Function], select: Outputs) -> None:
        if not len(select):
            raise DataError(
                "There are no images to rank scores among.", "A run needs a validation set for joined scores."
            )
        self.parts = parts
        self._ranks: dict[str, tuple[Floats, Floats, float]] = {}
        for key, function in parts.items():
            scores, counts = np.unique(function(select), return_counts=True)
            spread = float(scores[-1] - np.quantile(scores, 0.5))
            self._ranks[key] = scores, np.cumsum(counts) / counts.sum(), spread if spread > 0 else 1.0

    def __call__(self, outputs: Outputs) -> Floats:
        """The highest rank, (N,) float64."""
        return np.asarray(np.max([self._rank(key, f(outputs)) for key, f in self.parts.items()], axis=0))

    def _rank(self, key: str, scores: Floats) -> Floats:
        known, shares, spread = self._ranks[key]
        below = shares[0] + (scores - known[0]) / spread
        above = 1 + (scores - known[-1]) / spread
        between = np.interp(scores, known, shares)
        return np.where(scores < known[0], below, np.where(scores > known[-1], above, between))

    def limits(self, threshold: float) -> dict[str, float]:
        """The threshold on each score that a threshold on the joint score is."""
        limits = {}
        for key, (known, shares, spread) in self._ranks.items():
            if threshold < shares[0]:
                limit = known[0] + (threshold - shares[0]) * spread
            elif threshold > 1:
                limit = known[-1] + (threshold - 1) * spread
            else:
                limit = np.interp(threshold, shares, known)
            # Rounding must not reject the image that the threshold was taken from.
            limits[key] = float(limit + 1e-12 * (1 + abs(limit)))
        return limits

    def threshold(self, limits: Mapping[str, float]) -> float | None:
        """The threshold on the joint score that these limits are; None where they are not equally rare."""
        ranks = [float(self._rank(key, np.array([limit]))[0]) for key, limit in limits.items()]
        return ranks[0] if max(ranks) - min(ranks) < 1e-6 else None
