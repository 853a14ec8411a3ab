"""Which images change sides under a change, and which diagnoses lose most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lesion_core.analysis.intervals import share_intervals
from lesion_core.analysis.robustness.outcomes import OUTCOMES, first, outcomes
from lesion_core.analysis.robustness.severities import Answers


def sensitivity_by_class(answers: Answers, level: float = 0.95) -> pd.DataFrame:
    """The share of each diagnosis that is answered rightly, at each severity, with its interval over lesions.

    Args:
        answers: The answers under one change.
        level: Coverage of the intervals, in (0, 1).

    Returns:
        class, severity, n, sensitivity, low, high, less (how much lower than at severity 0); classes without an image
        are left out.
    """
    present = [k for k in range(len(answers.classes)) if (answers.truth == k).any()]
    asked = {
        (k, place): (right & (answers.truth == k), answers.truth == k)
        for k in present
        for place, right in enumerate(answers.right)
    }
    shares = share_intervals(asked, answers.groups, level)
    rows = [
        (
            answers.classes[k],
            answers.severities[place],
            own.n_images,
            own.value,
            own.low,
            own.high,
            shares[k, 0].value - own.value,
        )
        for (k, place), own in shares.items()
    ]
    return pd.DataFrame(rows, columns=["class", "severity", "n", "sensitivity", "low", "high", "less"])


def sensitivity_lost(found: Mapping[str, Answers]) -> pd.DataFrame:
    """How much of each diagnosis' sensitivity each change takes away, as a mean over its severities.

    Args:
        found: Answers by change.

    Returns:
        change, class, n (images), sensitivity (as they are), under (mean over the severities), lost (their difference;
        negative where a change helps); classes without an image are left out.
    """
    rows = []
    for change, answers in found.items():
        for k, code in enumerate(answers.classes):
            own = answers.truth == k
            if own.any():
                share = answers.right[:, own].mean(axis=1)
                rows.append((change, code, int(own.sum()), share[0], share[1:].mean(), share[0] - share[1:].mean()))
    return pd.DataFrame(rows, columns=["change", "class", "n", "sensitivity", "under", "lost"])


def changed_sides(answers: Answers) -> pd.DataFrame:
    """The images whose answer does not stay right or wrong under a change, the ones that turn at the lowest severity
    first; of these, the ones that the model was surest of when it was first wrong.

    Returns:
        image_id, outcome (a key of `OUTCOMES`), severity (the first at which the side is another), confidence (there),
        answer (there, its code; empty where it is undecided), truth (its code), rejected_at (the first severity that
        the policy rejects; NaN where it never does, or there is no policy).
    """
    right, columns = answers.right, np.arange(len(answers.truth))
    turned = first(right[1:] != right[0])
    own = np.flatnonzero(turned < len(right) - 1)
    at = turned[own] + 1
    severities = np.array([*answers.severities, -1])
    out = first(~answers.kept)[own] if answers.kept is not None else np.full(len(own), len(right))
    names, codes = list(OUTCOMES), [*answers.classes, ""]  # undecided is -1, the last
    table = pd.DataFrame(
        {
            "image_id": answers.image_ids[own],
            "outcome": [names[code] for code in outcomes(right)[own]],
            "severity": severities[at],
            "confidence": answers.confidence[at, columns[own]],
            "answer": [codes[k] for k in answers.predicted[at, columns[own]]],
            "truth": [answers.classes[k] for k in answers.truth[own]],
            "rejected_at": np.where(out < len(right), severities[out], np.nan),
        }
    )
    return table.sort_values(["severity", "confidence", "image_id"], ascending=[True, False, True], ignore_index=True)
