"""People who read images: alone and with a model's help, how often they are right, and how often they follow it when it
is wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.intervals import Interval, _beta_ends, bootstrap_all, check_level, share_intervals
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import Weights
from lesion_core.errors import DataError


def balanced_accuracy_interval(truth: ArrayLike, correct: NDArray[np.bool_], level: float = 0.95) -> Interval:
    """Balanced accuracy of independent images, with an interval that holds where a diagnosis has one or two of them.

    A bootstrap loses such diagnoses and claims certainty where all were read alike. Balanced accuracy is the share of
    right answers where an image weighs ``1 / n_k``, n_k of its diagnosis, so it is as sure as the share of
    ``K^2 / sum(1 / n_k)`` images that weigh alike (Kish 1965), and gets the interval of Clopper and Pearson on these
    (Korn and Graubard 1998). With as many images of each diagnosis these are all of them.

    Args:
        truth: (N,) diagnosis of each image, one image per lesion.
        correct: (N,) whether its answer is right.
        level: Coverage, in (0, 1).

    Raises:
        ConfigError: The level is not in (0, 1).
        DataError: There are no images, or not as many answers.

    Example:
        >>> found = balanced_accuracy_interval(["MEL", "MEL", "NV"], np.array([True, False, True]))
        >>> found.value, round(found.low, 2), round(found.high, 2)
        (0.75, 0.11, 1.0)
    """
    check_level(level)
    known = np.asarray(truth)
    if not len(known) or len(known) != len(correct):
        raise DataError(f"{len(correct)} answers to {len(known)} images.", "Give one answer per image, of one or more.")
    _, place, counts = np.unique(known, return_inverse=True, return_counts=True)
    value = float(np.mean(np.bincount(place, weights=correct) / counts))
    effective = len(counts) ** 2 / float(np.sum(1 / counts))
    return Interval(value, *_beta_ends(value, effective, level), len(known), len(known))


@dataclass(frozen=True)
class ReaderStudy:
    """What readers said in each arm; intervals are over readers, whose answers hang together.

    Attributes:
        accuracy: Share of right diagnoses, by arm.
        followed: Of the images that the model gets wrong, the share where the reader said the same, by arm: alone it is
            what they would have said anyway.
        gain: Accuracy of each other arm minus that of the first.
        reliance: `followed` of each other arm minus that of the first: what the help did.
    """

    accuracy: dict[str, Interval]
    followed: dict[str, Interval]
    gain: dict[str, Interval]
    reliance: dict[str, Interval]


def reader_study(
    readers: Sequence[Hashable],
    arms: Sequence[str],
    truth: Sequence[str],
    answers: Sequence[str],
    said: Sequence[str],
    order: Sequence[str],
) -> ReaderStudy:
    """The figures of a reader study.

    Shares have the interval of `share_intervals` with a reader in place of a lesion, differences are bootstrapped over
    readers, in the same resamples for both arms.

    Args:
        readers: (N,) who read.
        arms: (N,) what was shown.
        truth: (N,) diagnosis of the image.
        answers: (N,) what the model says of it.
        said: (N,) what the reader said.
        order: The arms, the one without help first.

    Raises:
        DataError: Nothing was read, or the arguments are not of one length.

    Example:
        >>> found = reader_study(
        ...     [1, 1, 2, 2], ["alone", "help"] * 2, ["MEL"] * 4, ["NV"] * 4, ["MEL", "NV"] * 2, ["alone", "help"]
        ... )
        >>> found.accuracy["alone"].value, found.followed["help"].value, found.reliance["help"].value
        (1.0, 1.0, 1.0)
    """
    if not len(readers) or len({len(readers), len(arms), len(truth), len(answers), len(said)}) > 1:
        raise DataError("Nobody has read an image yet.", "Reveal a reader study after people have answered.")
    groups = np.unique([str(one) for one in readers], return_inverse=True)[1]
    arm, true, model, own = (np.asarray(column, str) for column in (arms, truth, answers, said))
    right, wrong, same = own == true, model != true, own == model
    asked = {("right", one): (right & (arm == one), arm == one) for one in order}
    asked |= {("same", one): (same & wrong & (arm == one), wrong & (arm == one)) for one in order}
    shares = share_intervals(asked, groups)

    def difference(name: tuple[str, str], first: tuple[str, str]) -> Callable[[Weights], Floats]:
        def figure(w: Weights) -> Floats:
            with np.errstate(invalid="ignore", divide="ignore"):
                here, there = (asked[key][0] @ w / (asked[key][1] @ w) for key in (name, first))
            return np.asarray(here - there, np.float64)

        return figure

    pairs = [(kind, one) for kind in ("right", "same") for one in order[1:]]
    differences = bootstrap_all({f"{k} {one}": difference((k, one), (k, order[0])) for k, one in pairs}, groups)
    return ReaderStudy(
        accuracy={one: shares["right", one] for one in order},
        followed={one: shares["same", one] for one in order},
        gain={one: differences[f"right {one}"] for one in order[1:]},
        reliance={one: differences[f"same {one}"] for one in order[1:]},
    )
