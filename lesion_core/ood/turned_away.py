"""Who pays for a threshold: what it keeps, what is wrong among that, whom it turns away and what it lets through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesion_core.analysis.intervals import Interval, clopper_pearson, share_intervals
from lesion_core.ood.evaluation import EvaluatedScore

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Price:
    """What a way to reject does on the test set and on images that show no lesion, 95 % intervals.

    Attributes:
        kept: Share of the test images that are answered.
        wrong: Share of the answered whose answer is wrong.
        turned_away: By diagnosis, the most frequent first: the share that is rejected.
        let_through: By kind of image that shows no lesion, the most frequent first: the share that is answered.
    """

    kept: Interval
    wrong: Interval
    turned_away: dict[str, Interval]
    let_through: dict[str, Interval]


def price(evaluated: EvaluatedScore, kept: Mask, kept_out: Mask) -> Price:
    """What a way to reject does.

    Args:
        evaluated: The run's images under any score, for what is known of them.
        kept: (N,) bool, in the order of ``evaluated.split("test")``.
        kept_out: (M,) bool, in the order of ``evaluated.ood_images``.
    """
    test, out = evaluated.split("test"), evaluated.ood_images
    correct, diagnoses = test["correct"].to_numpy(bool), test["diagnosis"].to_numpy(str)
    everything = np.ones_like(kept)
    own: Mapping[str, tuple[Mask, Mask]] = {
        str(code): (~kept, diagnoses == code) for code in test["diagnosis"].value_counts().index
    }
    shares = share_intervals({"kept": (kept, everything), "wrong": (~correct, kept), **own}, test["lesion_id"])
    kinds = out["kind"].to_numpy(str)
    let_through = {
        str(kind): clopper_pearson(int(kept_out[kinds == kind].sum()), int((kinds == kind).sum()))
        for kind in out["kind"].value_counts().index
    }
    return Price(shares["kept"], shares["wrong"], {code: shares[code] for code in own}, let_through)


def price_at(evaluated: EvaluatedScore, threshold: float) -> Price:
    """The same of a threshold on the score, as a person reads it."""
    return price(
        evaluated,
        ~evaluated.rejected(evaluated.split("test")["shown"], threshold),
        ~evaluated.rejected(evaluated.ood_images["shown"], threshold),
    )
