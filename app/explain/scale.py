"""The colours of a map with numbers on them, as they stand under it."""

from __future__ import annotations

from functools import cache

import numpy as np
import streamlit as st

from app.explain import explanation
from app.explain.overlays import Look
from lesion_core.explain.maps import Attribution

STOPS = 12
"""Colours between which a browser fills in."""


def scale_under(attribution: Attribution, look: Look, end: float | None = None) -> None:
    """A bar of the colours of a map, with what its ends and its middle stand for, in the map's unit.

    Args:
        attribution: The map.
        look: How it is drawn.
        end: What the right end stands for if the map has no scale of its own.
    """
    end = explanation.peak(attribution, signed=look.signed) if end is None else end
    largest = float(np.abs(attribution.raw).max()) if look.signed else attribution.maximum
    start = -end if look.signed else 0.0
    numbers = [_number(value) for value in ((start, (start + end) / 2, end) if end else (0.0, 0.0))]
    numbers[-1] += " and more" if largest > 1.001 * end > 0 else ""
    spans = "".join(f"<span>{number}</span>" for number in numbers)
    st.html(
        f'<div role="img" aria-label="Colour scale from {numbers[0]} to {numbers[-1]}">'
        f'<div style="height:0.6rem;border-radius:2px;background:linear-gradient(90deg,{_colours(look.signed)})"></div>'
        f'<div style="display:flex;justify-content:space-between;font-size:0.875rem">{spans}</div>'
        "</div>"
    )


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


@cache
def _colours(signed: bool) -> str:
    """For a gradient in CSS, from the left."""
    bar = explanation.scale_bar(signed)[0]
    places = [round(i * (len(bar) - 1) / (STOPS - 1)) for i in range(STOPS)]
    return ",".join("#" + bar[place].tobytes().hex() for place in places)
