"""What a person is told of a decision: each limit in a sentence."""

from __future__ import annotations

import numpy as np

from lesion_core.ood.scores import SCORES


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
