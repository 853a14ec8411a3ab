"""The charts of the pages of results: data in, a Plotly figure out. No Streamlit, no files, no model.

Names that are not ours (of runs, sites, kinds of images) go through `app.foreign_text.chart_text`, as Plotly reads
tags, and stand at a place of their own on an axis, which would compute an id such as 1e5 or a date.

Diagnoses have the colours of `lesion_core.labels`. Right, wrong and strange differ in lightness as well as in
hue, and what is a threshold or a reference is a line with words on it, so that no chart needs colour to be read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from lesion_core.labels import AKIEC, DIAGNOSES, diagnosis

PALETTE = {
    "accent": ("#0B6E75", "#5CC2C8"),
    "muted": ("#52625F", "#A9B8B8"),
    "soft": ("#A9C6C4", "#3F7478"),
    "pale": ("#A7B3B2", "#66777A"),
    "right": ("#8CC0C2", "#3E8B90"),
    "wrong": ("#1C2B2D", "#F2F6F5"),
    "strange": ("#8561A8", "#B594D6"),
    "nothing": ("#D9DFDD", "#4A585B"),
    "grid": ("#E3E8E6", "#2A373A"),
    "ink": ("#1C2B2D", "#F2F6F5"),
}
"""Name to colour in the light theme and in the dark one. Right, wrong and strange: images with a correct answer, with a
wrong one, and OOD images."""
ACCENT, MUTED, SOFT, PALE, RIGHT, WRONG, STRANGE, NOTHING, GRID, INK = (
    f"#0000{i + 1:02d}" for i in range(len(PALETTE))
)
"""What a figure holds in place of a colour of `PALETTE`: Streamlit's client puts that of the visitor's theme in, by the
place in ``chartCategoricalColors`` of `app/.streamlit/config.toml`. The server is not told the theme in time."""
SHARES = [[0.0, "#F4F7F6"], [0.25, "#BFDCDD"], [0.5, "#74B3B6"], [0.75, "#2F868B"], [1.0, "#064A50"]]
"""Shares from 0 to 1 in one hue, light to dark, in both themes."""
BLACK, WHITE, WHITE_FROM = "#000000", "#FFFFFF", 0.77
"""Words on such a colour, and the share from which they are white: 4.5:1 on each."""
SIDES = {"benign": "#2C6E9B", "malignant": "#B84A00"}

SMALLEST = 20
"""Images of a group under which its share says little."""
NOT_RECORDED = "not recorded"
SEXES = {"female": ACCENT, "male": SOFT, NOT_RECORDED: NOTHING}
CONFIRMATIONS: dict[str, tuple[str, str]] = {
    "histo": ("histopathology", "#0B6E75"),
    "confocal": ("confocal microscopy", "#4C9296"),
    "follow_up": ("follow-up without change", "#8AB6B6"),
    "consensus": ("consensus of experts", "#C2D8D6"),
    "clinical": ("one clinician", "#E8D9B5"),
    "synthetic": ("made by code", "#B9A3D0"),
    NOT_RECORDED: (NOT_RECORDED, NOTHING),
}
"""How a diagnosis was confirmed: name and colour, the surest first."""
MARKS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "triangle-down", "star")
"""Of lines that stand for classes, so that these are told apart without their colours."""
RUN_LOOKS = (
    ("#118189", "solid"),
    ("#D1701F", "dash"),
    ("#8561A8", "dot"),
    ("#7A8B2F", "dashdot"),
    ("#B0476B", "longdash"),
    ("#5B7FA6", "longdashdot"),
)
"""Colour and dash of runs that stand side by side, in the order of the list of runs; each has a mark of `MARKS` too."""
CODES = (*DIAGNOSES, AKIEC.code)
SMALL_TYPE = 13
"""Pixels of the smallest words in a chart."""
WORDS: dict[str, Any] = {"color": MUTED, "size": SMALL_TYPE}
AXIS: dict[str, Any] = {"gridcolor": GRID, "zeroline": False, "tickfont": WORDS, "title": {"font": WORDS}}
MARGIN = {"l": 0, "r": 8, "t": 8, "b": 8}
LEGEND: dict[str, Any] = {
    "orientation": "h",
    "y": 1.02,
    "yanchor": "bottom",
    "x": 0,
    "traceorder": "normal",
    "font": {"color": INK, "size": SMALL_TYPE},
    "title": {"font": WORDS},
}


def colour_of(code: str) -> str:
    """The colour of a diagnosis, or of a side of benign against malignant.

    Raises:
        DataError: The code is unknown.
    """
    return SIDES[code] if code in SIDES else diagnosis(code).colour


def name_of(code: str) -> str:
    """The plain name of a diagnosis, or of a side of benign against malignant."""
    return code if code in SIDES else diagnosis(code).name


def percent(value: float, digits: int = 0) -> str:
    """A share as text: 0.873 is '87 %', NaN is 'none'."""
    return f"{100 * value:.{digits}f} %" if np.isfinite(value) else "none"


def run_look(place: int) -> tuple[str, str, str]:
    """Colour, dash and mark of the run at a place in the list of all runs, so that it looks alike everywhere."""
    return *RUN_LOOKS[place % len(RUN_LOOKS)], MARKS[place % len(MARKS)]


def swatch(code: str) -> str:
    return f'<span style="color:{colour_of(code)}">■</span> {code}'


def layout_of(height: int, **layout: Any) -> dict[str, Any]:
    """The layout of every figure here, without its axes: `AXIS`."""
    return {
        "height": height,
        "margin": {"l": 56, "r": 16, "t": 32, "b": 48},
        "plot_bgcolor": "rgba(0,0,0,0)",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": INK, "size": SMALL_TYPE},
        "hoverlabel": {"font": {"size": SMALL_TYPE}},
        **layout,
        "legend": LEGEND | layout.get("legend", {}),
    }


def styled(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    figure.update_layout(layout_of(height, **layout))
    figure.update_xaxes(AXIS)
    figure.update_yaxes(AXIS)
    return figure


def lengths(low: NDArray[np.float64], value: NDArray[np.float64], high: NDArray[np.float64]) -> dict[str, Any]:
    """Error bars from interval ends, as the lengths that Plotly wants."""
    return {
        "type": "data",
        "symmetric": False,
        "array": high - value,
        "arrayminus": value - low,
        "thickness": 1.5,
        "width": 0,
    }


def axis_name(code: str) -> str:
    """A diagnosis as it is written at an axis."""
    return (
        "without diagnosis"
        if code == NOT_RECORDED
        else f"{diagnosis(code).name} ({code})"
        if code != "AKIEC"
        else "actinic k. or Bowen's disease (AKIEC)"
    )


def axis_colour(code: str) -> str:
    return NOTHING if code == NOT_RECORDED else diagnosis(code).colour
