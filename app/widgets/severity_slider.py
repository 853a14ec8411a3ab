"""One image at several severities of a change: a slider that moves in the browser alone, with what is said of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import streamlit as st

from app.widgets.comparison_slider import HEIGHT, data_uri
from lesion_core.imaging.arrays import Pixels

SIDE = 720
"""Longest side, in pixels, of an image that is sent to the browser."""


@dataclass(frozen=True)
class Said:
    """What stands beside an image.

    Attributes:
        word: The outcome in a word or two.
        colour: Of the sign beside the word, hex.
        text: One plain sentence.
    """

    word: str
    colour: str
    text: str


def _source(suffix: str) -> str:
    return Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")


_COMPONENT = st.components.v2.component(
    "severity_slider", html=_source(".html"), js=_source(".js"), css=_source(".css")
)


def severity_slider(
    images: Sequence[Pixels],
    said: Sequence[Said],
    at: int,
    *,
    label: str,
    alts: Sequence[str],
    key: str,
    on_release: Callable[[int], None],
) -> None:
    """Draw the image of one severity, with a slider over it that shows the others as it is dragged, without a rerun.

    Args:
        images: By severity, 0 first, (H, W, 3) uint8, all of one size.
        said: What is said of each.
        at: The severity to begin with.
        label: What the slider does, for screen readers.
        alts: What each image shows, for those who do not see it.
        key: The element's key.
        on_release: Called with the new severity, before the rerun, when the slider was let go at another one.
    """

    def released() -> None:
        value = (st.session_state[key].get("released") or {}).get("severity")
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(images):
            on_release(value)

    height, width = images[0].shape[:2]
    _COMPONENT(
        key=key,
        data={
            "images": [data_uri(_small(image)) for image in images],
            "said": [asdict(one) for one in said],
            "alts": list(alts),
            "at": at,
            "label": label,
            "width": width,
            "height": height,
            "maxHeight": HEIGHT,
        },
        on_released_change=released,
    )


def _small(image: Pixels) -> Pixels:
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    if scale == 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
