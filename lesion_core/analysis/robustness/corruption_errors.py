"""Corruption errors: a model's balanced error under changes, as it is and over AlexNet's.

With E(c, s) the error under change c at severity s, E(0) that on images as they are, and A the same of AlexNet:

- ``BE(c) = sum_s E(c, s) / sum_s A(c, s)``, and mBE is its mean over the changes;
- ``rBE(c) = sum_s (E(c, s) - E(0)) / sum_s (A(c, s) - A(0))``.

A ratio of sums, and then a mean of ratios. Of A only the mean over the severities is published, which is enough for
both. Where AlexNet hardly loses, rBE explodes: there is none where it loses nothing, those under `references.WEAK` are
marked, the median stands beside the mean, and no run is better than another by its mean rBE alone.

Source: Hendrycks and Dietterich 2019 (ICLR), CE and relative CE; Maron et al. 2021 (Eur J Cancer 155:191-199), mBCE and
relative mBCE; Di Salvo, Doerrich and Ledig 2024 (arXiv:2406.17536), whose names BE, rBE and mBE these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.metrics import mean_defined
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import Weights, ratio, sums
from lesion_core.analysis.robustness.references import Reference
from lesion_core.errors import DataError


def balanced_errors(right: NDArray[np.bool_], truth: NDArray[np.int64], weights: Weights) -> Floats:
    """One minus balanced accuracy of many sets of answers to the same images: ``1 - mean_k recall_k`` over the classes
    present.

    Args:
        right: (R, N) bool, which answers are right.
        truth: (N,) class index.
        weights: (N, B), one column a resample.

    Returns:
        (R, B); NaN where a resample has no image.

    Examples:
        >>> right, truth = np.array([[True, False, True]]), np.array([0, 0, 1])
        >>> balanced_errors(right, truth, np.ones((3, 1))).tolist()
        [[0.25]]
    """
    recalls = []
    for k in np.unique(truth):
        own = truth == k
        recalls.append(ratio(sums(right[:, own].astype(np.float64), weights[own]), weights[own].sum(axis=0)))
    return 1 - mean_defined(np.stack(recalls))


@dataclass(frozen=True)
class CorruptionErrors:
    """A model's errors under C changes beside AlexNet's; the arrays may have further axes, such as one of resamples.

    Attributes:
        changes: C names.
        error: (C, ...) mean over the severities.
        more: (C, ...) how much higher that is than on images as they are.
        be: (C, ...) BE; NaN of a change that AlexNet's error was not published of.
        rbe: (C, ...) rBE; NaN there too, and where AlexNet loses nothing.
        loss: (C,) AlexNet's loss, rBE's denominator.
    """

    changes: tuple[str, ...]
    error: Floats
    more: Floats
    be: Floats
    rbe: Floats
    loss: Floats

    @property
    def compared(self) -> NDArray[np.bool_]:
        """(C,): the changes that have a BE; every mean and median is over these."""
        return np.isfinite(self.loss)

    def summary(self) -> dict[str, Floats]:
        """mbe and mean_rbe, their medians, and both without AlexNet: each (...); NaN where no change is compared."""
        own = self.compared
        return {
            "mbe": _mean(self.be[own]),
            "median_be": _median(self.be[own]),
            "mean_rbe": _mean(self.rbe[own]),
            "median_rbe": _median(self.rbe[own]),
            "mean_error": _mean(self.error[own]),
            "mean_more": _mean(self.more[own]),
        }


def corruption_errors(
    errors: ArrayLike, clean: ArrayLike, changes: Sequence[str], reference: Reference
) -> CorruptionErrors:
    """Put a model's errors beside AlexNet's.

    Args:
        errors: (C, S, ...) error under each change at each of the severities that AlexNet's mean is over.
        clean: (...) error on the images as they are.
        changes: C names.
        reference: AlexNet's errors.

    Raises:
        DataError: The shapes do not fit.

    Examples:
        >>> from lesion_core.analysis.robustness.references import REFERENCES
        >>> found = corruption_errors([[0.4, 0.5], [0.3, 0.3]], 0.2, ["gaussian_noise", "hair"], REFERENCES["sam_c"])
        >>> found.be.round(3).tolist(), found.rbe.round(3).tolist()
        ([1.116, nan], [1.267, nan])
    """
    e, e0 = np.asarray(errors, dtype=np.float64), np.asarray(clean, dtype=np.float64)
    if e.ndim < 2 or e.shape[0] != len(changes) or not e.shape[1] or e.shape[2:] != e0.shape:
        raise DataError(
            f"Errors of shape {e.shape} and {e0.shape} do not fit {len(changes)} changes.",
            "Give a row of severities per change.",
        )
    mean = e.mean(axis=1)
    more = mean - e0
    column = (slice(None), *(np.newaxis,) * e0.ndim)
    alexnet = np.array([reference.error(change) for change in changes], dtype=np.float64)
    loss = np.array([reference.loss(change) for change in changes], dtype=np.float64)
    positive = np.where(loss > 0, loss, np.nan)
    return CorruptionErrors(tuple(changes), mean, more, mean / alexnet[column], more / positive[column], loss)


def _mean(values: Floats) -> Floats:
    return mean_defined(values) if len(values) else np.full(values.shape[1:], np.nan)


def _median(values: Floats) -> Floats:
    """Over the changes that have a value, which are the same in every resample of lesions."""
    defined = values[~np.isnan(values).reshape(len(values), -1).all(axis=1)] if len(values) else values
    return np.asarray(np.median(defined, axis=0)) if len(defined) else np.full(values.shape[1:], np.nan)
