"""Whether the pixels that a picture file led to are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lesion_core.imaging.decode import decode
from tests.mutations.oracle import MOST_RSS, Input
from tests.mutations.picture_files import Pixels


def differs(expected: Pixels) -> Callable[[Any], str | None]:
    """Whether an answer is not these pixels."""

    def wrong(answer: Any) -> str | None:
        if answer.shape != expected.shape or answer.dtype != np.uint8:
            return f"{answer.shape} {answer.dtype} for {expected.shape} uint8"
        off = (answer != expected).any(axis=2)
        return (
            f"{off.sum()} of {off.size} pixels are others, the first in row {off.any(1).argmax()}"
            if off.any()
            else None
        )

    return wrong


def harmless(answer: Any) -> str | None:
    """Where nobody can tell what is right: any RGB picture."""
    fine = answer.ndim == 3 and answer.shape[2] == 3 and answer.dtype == np.uint8 and min(answer.shape[:2]) >= 16
    return None if fine else f"{answer.shape} {answer.dtype}"


def read(data: bytes, note: str, **oracle: Any) -> Input:
    return Input(lambda: decode(data), note=f"{note}, {len(data):,} bytes", cheap=True, most_rss=MOST_RSS, data=data,
                 **oracle)  # fmt: skip
