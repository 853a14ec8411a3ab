"""What a confidence is worth: how often confident answers are right, and whether a number tells right from wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesion_core.analysis.evaluation_sets import EvaluationData
from lesion_core.analysis.intervals import Interval, bootstrap, share_intervals
from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.predictions import most_probable
from lesion_core.analysis.ranking import auroc, rank
from lesion_core.errors import ConfigError
from lesion_core.labels import convert_probabilities
from lesion_core.runs.classifier import Run

PLAIN, SCALED = "plain", "scaled"
"""Probabilities before the run's temperature and after it."""


@dataclass(frozen=True)
class ConfidentAnswers:
    """What is so of the answers with some confidence or more, with 95 % intervals over lesions.

    Attributes:
        confident: Their share of all images.
        right: The share of them that is right.
        missed: Of the images of one diagnosis that are called another, the share that is called so with that
            confidence or more.
    """

    confident: Interval
    right: Interval
    missed: Interval


def both_probabilities(run: Run, data: EvaluationData) -> dict[str, NDArray[np.float64]]:
    """The probabilities (N, K) of a view before the temperature and after it, by `PLAIN` and `SCALED`."""
    plain = convert_probabilities(softmax(run.logits(data.table)), run.classes, data.classes)
    return {PLAIN: plain, SCALED: data.probabilities}


def confident_answers(run: Run, data: EvaluationData, at: float, code: str = "MEL") -> dict[str, ConfidentAnswers]:
    """How often confident answers are right, before the temperature and after it.

    Args:
        run: The run, for its logits.
        data: The images of a view.
        at: The least confidence (highest probability) that counts, in (0, 1).
        code: The diagnosis whose misses are looked at.

    Returns:
        By `PLAIN` and `SCALED`.

    Raises:
        ConfigError: The diagnosis is not one of the view's.
    """
    if code not in data.classes:
        raise ConfigError(f"{code} is not one of the diagnoses here.", f"Choose one of {', '.join(data.classes)}.")
    is_it = data.truth == data.classes.index(code)
    found = {}
    for name, probabilities in both_probabilities(run, data).items():
        correct = most_probable(probabilities) == data.truth
        confident = probabilities.max(axis=1) >= at
        shares = share_intervals(
            {
                "confident": (confident, np.ones_like(confident)),
                "right": (correct, confident),
                "missed": (confident, is_it & ~correct),
            },
            data.groups,
        )
        found[name] = ConfidentAnswers(**shares)
    return found


def tells_right_from_wrong(
    values: NDArray[np.float64], correct: NDArray[np.bool_], groups: NDArray[np.str_], n: int = 1000
) -> Interval:
    """The AUROC of a number for "the answer is right", with its 95 % interval over lesions.

    0.5 is no better than tossing a coin; under it, a high number speaks for a wrong answer.

    Args:
        values: (N,) what is asked, such as the confidence.
        correct: (N,) bool.
        groups: (N,) lesion ids.
        n: Resamples.

    Examples:
        >>> right = np.array([True, False, True, True])
        >>> tells_right_from_wrong(np.array([0.9, 0.2, 0.8, 0.1]), right, np.array(list("abcd"))).value
        0.6666666666666666
    """
    ranking = rank(correct, values)
    return bootstrap(lambda weights: auroc(ranking, weights), groups, n)
