"""What a person is told of a decision: each limit in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.ood.scores import SCORES

_KINDS = {"chest_xray": "chest X-ray", "blood_smear": "blood smear"} | {
    key: key.replace("_", " ") for key in CORRUPTIONS
}
"""Ours, in words; a folder of someone else's is named letter by letter."""


def kind_name(kind: str) -> str:
    """A kind of OOD images as a person reads it: ours in words, any other as its folder is named.

    Examples:
        >>> kind_name("chest_xray"), kind_name("my_cars")
        ('chest X-ray', 'my_cars')
    """
    return _KINDS.get(kind, kind)


def _told_apart(a: float, b: float) -> tuple[str, str]:
    """Two numbers with two decimals, or as many more as show which is larger."""
    for digits in range(2, 9):
        if a == b or round(a, digits) != round(b, digits):
            return f"{a:.{digits}f}", f"{b:.{digits}f}"
    return repr(a), repr(b)


def reason(key: str, value: float, threshold: float, kept_share: float | None) -> str:
    """One sentence: the image's quantity, where it lies from the limit, and how common that is.

    Args:
        key: A key of `SCORES`.
        value: The image's score.
        threshold: The limit on it.
        kept_share: Share of the calibration images within the limit, in [0, 1]; None where it is not known.
    """
    measure = SCORES[key]
    mine, edge = _told_apart(measure.to_display(value), measure.to_display(threshold))
    under = measure.rejected_side == "under"
    where = measure.rejected_side if value > threshold else "at least" if under else "at most"
    meet = "meet" if measure.unusual else "reach" if under else "stay within"
    percent = None if kept_share is None else np.floor(round(1000 * kept_share, 6)) / 10  # 99.96 % is not all
    share = "" if percent is None else f", which {percent:g} % of the calibration images {meet}"
    if measure.unusual:
        likeness = "unlike" if value > threshold else "like"
        noun = measure.quantity.removeprefix("The ")
        return (
            f"This image looks {likeness} the dermoscopic images the model knows ({noun} {mine}; limit {edge}{share})."
        )
    return f"{measure.quantity} {mine} is {where} {edge}{share}."


def plain_reason(passed: Sequence[str], looked_at: Sequence[str]) -> str:
    """Why a policy turns an image away, or does not, in one sentence without figures.

    Args:
        passed: Keys of `SCORES` whose limit the image is over.
        looked_at: All keys that the policy has a limit for.

    Examples:
        >>> plain_reason(["layer3_residual"], ["scaled_confidence", "layer3_residual"])
        'It looks unlike the dermoscopy that the model knows.'
    """
    kinds = {SCORES[key].unusual for key in passed or looked_at}
    unlike, unsure = ("unlike", "not sure enough") if passed else ("like", "sure enough")
    parts = [f"it looks {unlike} the dermoscopy that the model knows"] * (True in kinds)
    parts += [f"the model is {unsure}"] * (False in kinds)
    told = ", and ".join(parts)
    return f"{told[0].upper()}{told[1:]}."
