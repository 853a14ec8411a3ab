"""Selective classification: what a score is worth for keeping the model's mistakes away, at all thresholds.

The images with the lowest scores are answered first. *Coverage* is the share that is answered, *selective risk*
the share of wrong answers among those, *generalised risk* the share of wrong answers among all images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.intervals import Interval, bootstrap_all
from lesion_core.analysis.predictions import Floats, check_results, check_scores
from lesion_core.analysis.ranking import Weights, auroc, ones, rank, ratio


def _sorted(scores: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order of rising score, and where in it each distinct score ends: ties are kept together."""
    order = np.argsort(scores, kind="stable")
    return order, np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)


def _aurc(scores: Floats, correct: NDArray[np.bool_], weights: Weights) -> Floats:
    order, ends = _sorted(scores)
    kept = np.cumsum(weights[order], axis=0)[ends]
    wrong = np.cumsum(weights[order] * ~correct[order, None], axis=0)[ends]
    steps = np.diff(kept, axis=0, prepend=0)
    return ratio((steps * np.nan_to_num(ratio(wrong, kept))).sum(axis=0), kept[-1])


def _augrc(scores: Floats, correct: NDArray[np.bool_], weights: Weights) -> Floats:
    error = ratio((weights * ~correct[:, None]).sum(axis=0), weights.sum(axis=0))
    found = auroc(rank(~correct, scores), weights)
    return np.nan_to_num(1 - found) * error * (1 - error) + error**2 / 2


def _check(scores: ArrayLike, correct: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    s = check_scores(scores, "in-distribution", some=True)
    return s, check_results(correct, len(s))


def aurc(scores: ArrayLike, correct: ArrayLike) -> float:
    """The area under the curve of selective risk over coverage, in [0, 1]; low is good.

    The sum over the distinct scores t of the coverage that t adds times the risk of what is kept at t: without
    ties the mean over n of the risk among the n lowest scores. Images that tie are kept together.

    Args:
        scores: (N,), higher = rejected earlier.
        correct: (N,) bool, whether the prediction of each is correct.

    Raises:
        DataError: There are none, they do not fit, or a score is NaN or infinite.

    Paper: Geifman and El-Yaniv 2017 (arXiv:1705.08500); the area in Geifman et al. 2019 (arXiv:1805.08206).

    Examples:
        >>> aurc([0.1, 0.2, 0.9], np.array([True, True, False])) < aurc([0.9, 0.2, 0.1], np.array([True, True, False]))
        True
    """
    s, r = _check(scores, correct)
    return float(_aurc(s, r, ones(len(s)))[0])


def augrc(scores: ArrayLike, correct: ArrayLike) -> float:
    """The area under the curve of generalised risk over coverage, in [0, 0.5]; low is good.

    The chance that a random image is wrong and kept, over a random coverage. It is
    ``(1 - AUROC) e (1 - e) + e^2 / 2`` with e the error of all and the AUROC of finding the mistakes, ties half.
    Unlike the AURC it does not weigh mistakes at low coverage more. Arguments and errors as in `aurc`.

    Paper: Traub et al. 2024 (arXiv:2407.01032).

    Examples:
        >>> round(augrc([0.1, 0.2, 0.9], np.array([True, True, False])), 3)
        0.056
    """
    s, r = _check(scores, correct)
    return float(_augrc(s, r, ones(len(s)))[0])


def selective(
    scores: ArrayLike,
    correct: ArrayLike,
    groups: ArrayLike | None = None,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """``aurc`` and ``augrc`` with intervals over lesions.

    Args:
        scores: (N,), higher = rejected earlier.
        correct: (N,) bool.
        groups: (N,) lesion ids; None takes each image as a lesion.
        n: Resamples.
        seed: The same seed draws the same lesions.
        level: Coverage of the intervals, in (0, 1).

    Raises:
        DataError: As in `aurc`, or a lesion id is missing.
        ConfigError: `n` or `level` is out of range.

    Examples:
        >>> found = selective(np.linspace(0, 1, 50), np.arange(50) < 40)
        >>> found["aurc"].value < 0.1
        True
    """
    s, r = _check(scores, correct)
    lesions = np.arange(len(s)) if groups is None else groups
    return bootstrap_all(
        {"aurc": lambda w: _aurc(s, r, w), "augrc": lambda w: _augrc(s, r, w)}, lesions, n, seed, level
    )
