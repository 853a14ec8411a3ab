"""The figure of two networks of the planted ruler on one image, without a ruler and with it."""

from __future__ import annotations

import base64
from typing import Annotated

import cv2
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from pydantic import Field

from app.cache import planted
from app.explain.explanation import over
from app.figures.style import layout_of, percent
from app.lessons.given import Given
from app.lessons.shown import Number, Shown
from lesion_core.config import Settings
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.imaging.arrays import Pixels
from lesion_core.runs.classifier import Run

OPACITY = 0.65


class Nevus(Settings):
    """Which image made by code is shown."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


def two_networks(_run: Run, arguments: Nevus, _given: Given) -> Shown:
    """One image without a ruler and with it, as two networks answer and what speaks for melanoma to each."""
    seen = planted.both_ways(make_lesion("NV", seed=arguments.seed, size=256).image, f"lesson-{arguments.seed}")
    titles = [
        f"Ruler in training on {one.network}<br>says melanoma: {percent(one.melanoma)}"
        + (f"<br>map at the ruler: {percent(one.in_band)}" if one.ruler else "")
        for one in seen
    ]
    figure = make_subplots(2, 2, subplot_titles=titles, horizontal_spacing=0.04, vertical_spacing=0.16)
    for i, one in enumerate(seen):
        painted = over(one.run, one.square, one.evidence, OPACITY)
        figure.add_trace(go.Image(source=_png(painted), hoverinfo="skip"), 1 + i // 2, 1 + i % 2)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_layout(layout_of(760, margin={"l": 0, "r": 0, "t": 84, "b": 0}))
    pairs = list(zip(seen[::2], seen[1::2], strict=True))
    told = [
        f"**{100 * (after.melanoma - before.melanoma):+.0f}** points where {before.network} had one"
        for before, after in pairs
    ]
    return Shown(
        f"A ruler moves the probability of melanoma by {' and by '.join(told)} in the training.",
        tuple(
            Number(
                f"Ruler in training on {before.network}",
                f"{percent(before.melanoma)}, then {percent(after.melanoma)}",
                "probability of melanoma without the ruler, then with it; n 1 image",
            )
            for before, after in pairs
        ),
        figure,
        f"Bright is what speaks for melanoma rather than nevus (Grad-CAM, {planted.LAYER}), each map scaled to its own "
        "maximum. Above and below are two networks; left and right differ in the ruler alone.",
        "Four maps: two networks on the same image without and with a ruler.",
        ("The image was made by code and says nothing of skin. Two small networks made for this.",),
    )


def _png(image: Pixels) -> str:
    data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode("ascii")
