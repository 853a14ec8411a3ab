"""What a figure of a lesson gives: a chart, a sentence, and up to three numbers, each with its n and its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from lesion_core.analysis.intervals import Interval

NONE = "none"
"""What stands for a figure that cannot be computed."""
FEWEST = 5
"""Cases under which nothing is told in per cent."""


@dataclass(frozen=True)
class Number:
    """A figure as it stands on the screen.

    Attributes:
        label: What it is.
        value: The figure itself, as text.
        beside: Its interval and n.
    """

    label: str
    value: str
    beside: str


@dataclass(frozen=True)
class Shown:
    """A figure.

    Attributes:
        sentence: What it says, one sentence, markdown.
        numbers: At most three.
        chart: The chart, if there is one.
        read: How to read the chart.
        alt: The chart in words, for those who do not see it.
        notes: What is not known or not here, a sentence each.
    """

    sentence: str
    numbers: tuple[Number, ...] = ()
    chart: go.Figure | None = None
    read: str = ""
    alt: str = ""
    notes: tuple[str, ...] = ()


def n_of(interval: Interval) -> str:
    """'n 580 images of 250 lesions', or the images alone where each counts by itself."""
    if interval.n_groups in (0, interval.n_images):
        return f"n {interval.n_images:,}"
    return f"n {interval.n_images:,} images of {interval.n_groups:,} lesions"


def share(interval: Interval, digits: int = 0) -> str:
    """A share as text: '74 %', or '3 of 4' where there are too few."""
    if interval.n_images < FEWEST:
        count = 0 if np.isnan(interval.value) else round(interval.value * interval.n_images)
        return f"{count} of {interval.n_images}"
    return f"{100 * interval.value:.{digits}f} %" if np.isfinite(interval.value) else NONE


def _ends(low: str, high: str, interval: Interval) -> str:
    return f"{low} to {high}, {n_of(interval)}" if np.isfinite(interval.low) else f"no interval, {n_of(interval)}"


def share_number(label: str, interval: Interval, digits: int = 0) -> Number:
    """A share with its interval and n."""
    if interval.n_images < FEWEST:
        return Number(label, share(interval), "too few for a percentage")
    low, high = 100 * interval.low, 100 * interval.high
    return Number(label, share(interval, digits), _ends(f"{low:.{digits}f}", f"{high:.{digits}f} %", interval))


def figure_number(label: str, interval: Interval, digits: int = 3, sign: bool = False) -> Number:
    """A figure that is not a share, such as an AUROC or a difference."""
    form = f"{'+' if sign else ''}.{digits}f"
    value = f"{interval.value:{form}}" if np.isfinite(interval.value) else NONE
    return Number(label, value, _ends(f"{interval.low:{form}}", f"{interval.high:{form}}", interval))


def points(label: str, ends: tuple[float, float, float], beside: str) -> Number:
    """A difference of two shares in percentage points, with its interval."""
    digits = 0 if abs(ends[0]) >= 0.02 else 1
    value, low, high = (signed(100 * end, digits) for end in ends)
    return Number(label, f"{value} points", f"{low} to {high}, {beside}")


def signed(value: float, digits: int = 0) -> str:
    """A difference as text, with its sign unless it rounds to 0."""
    if not np.isfinite(value):
        return NONE
    text = f"{value:+.{digits}f}"
    return text if float(text) else f"{0:.{digits}f}"


def holds_zero(ends: tuple[float, float, float]) -> str:
    """What an interval of a difference says, in words."""
    return "the interval contains 0, so it may be chance" if ends[1] <= 0 <= ends[2] else "the interval leaves 0 out"


def capital(text: str) -> str:
    """The first letter in capitals, and the others as they are."""
    return text[:1].upper() + text[1:]
