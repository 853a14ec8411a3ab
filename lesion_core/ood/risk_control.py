"""Answers with a guarantee, by MAPIE on stored outputs: a bounded error among the kept, and sets of diagnoses.

Both hold for pictures drawn as the calibration pictures were, one a lesion; not for another clinic, and not for
pictures that are no dermoscopy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lesion_core.analysis.intervals import check_level
from lesion_core.analysis.predictions import check_results, check_scores

# MAPIE is imported where it is used: it takes a second, and most pages promise nothing.

GRID = 60
"""Thresholds that are tried, at even shares of the learning pictures."""

STARTS = 5
"""Places from which they are tried one after another, each at its part of the level."""


@dataclass(frozen=True)
class RiskControl:
    """Whether the error among the kept can be bounded.

    Attributes:
        threshold: Keep iff ``score <= threshold``; None where nothing can be promised.
        error: The bound on the share of wrong answers among the kept.
        confidence: How sure the bound is, over draws of the calibration pictures.
        kept: Share of the calibration pictures that is kept; 0 where nothing can be promised.
        description: The promise, or that there is none, one sentence.
    """

    threshold: float | None
    error: float
    confidence: float
    kept: float
    description: str


def control_risk(
    learn_scores: ArrayLike,
    scores: ArrayLike,
    correct: ArrayLike,
    error: float = 0.1,
    confidence: float = 0.9,
) -> RiskControl:
    """The threshold that keeps most while the error among the kept is bounded: Learn then Test.

    For each of `GRID` thresholds the hypothesis that the error is over the bound is tested by MAPIE's p-value
    (Hoeffding-Bentkus on the kept). From each of `STARTS` places the thresholds are tested from strict to loose
    until one fails (*fixed sequence*), each place at its part of the level. The thresholds come from other pictures:
    taken from those that are tested they would void the promise.

    Args:
        learn_scores: (L,) scores of the pictures that the thresholds are taken from: select.
        scores: (N,) scores of the pictures that are tested on: calibrate, one a lesion.
        correct: (N,) bool.
        error: The bound, in (0, 1).
        confidence: In (0, 1).

    Raises:
        DataError: There are no pictures, the arrays do not fit, or a score is NaN or infinite.
        ConfigError: The bound or the confidence is out of range.

    Paper: Angelopoulos et al. 2021, Learn then Test (arXiv:2110.01052).
    """
    from mapie.risk_control.fwer_control import FWERFixedSequenceTesting, control_fwer
    from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

    learn, s = (check_scores(x, "calibration", some=True) for x in (learn_scores, scores))
    right = check_results(correct, len(s))
    check_level(error, "bound")
    check_level(confidence, "confidence")
    thresholds = np.unique(np.quantile(learn, np.linspace(1 / GRID, 1, GRID), method="inverted_cdf"))
    kept = np.array([(s <= t).sum() for t in thresholds])
    wrong = np.array([(~right[s <= t]).sum() for t in thresholds])
    some = kept > 0
    p_values = np.ones(len(thresholds))  # where nothing is kept nothing is shown
    if some.any():
        # MAPIE counts mistakes as ceil(kept * risk): a risk that is rounded up would add one.
        risk = np.nextafter(wrong[some] / kept[some], 0)
        p_values[some] = compute_hoeffding_bentkus_p_value(risk, kept[some], error, binary=True)[:, 0]
    starts = FWERFixedSequenceTesting(min(STARTS, len(thresholds)))
    valid = control_fwer(p_values, 1 - confidence, starts)
    bound = f"the error among the kept is at most {100 * error:g} %"
    if not len(valid):
        return RiskControl(
            None,
            error,
            confidence,
            0.0,
            f"With {len(s)} calibration pictures it cannot be promised with {100 * confidence:g} % confidence that "
            f"{bound}.",
        )
    loosest = int(valid.max())
    threshold, share = float(thresholds[loosest]), float(kept[loosest] / len(s))
    return RiskControl(
        threshold,
        error,
        confidence,
        share,
        f"With {100 * confidence:g} % confidence {bound}, tested on {len(s)} calibration pictures, one a lesion; "
        f"{100 * share:.1f} % of them are kept.",
    )
