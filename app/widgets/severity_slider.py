"""One image at several severities of a change: a slider that moves in the browser alone, with what is said of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from app.widgets.comparison_slider import HEIGHT


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
    images: Sequence[str],
    shape: tuple[int, ...],
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
        images: The ``data:`` address of each severity, 0 first.
        shape: Height and width of the images; more is ignored.
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

    height, width = shape[:2]
    _COMPONENT(
        key=key,
        data={
            "images": list(images),
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
