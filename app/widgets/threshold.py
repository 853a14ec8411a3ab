"""A threshold that is dragged: the counts it needs, and the figure that moves with it in the browser alone.

The browser gets counts in bins, never images, so that a million of them move as smoothly as a thousand. The line
stands on edges of bins only, so that every figure it shows is exact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from app.figures.style import PALETTE
from lesion_core.errors import ConfigError, DataError

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

BARS = 50
"""Bars that are drawn at most."""
KINDS = 6
"""Kinds of OOD images that are told apart at most; the smallest ones are taken together."""
OTHER_KINDS = "other kinds"
_BINS_IN_A_BAR = {1: 20, 2: 20, 5: 25, 10: 20}  # by the first digit of a bar's width, so that bins have round widths


@dataclass(frozen=True)
class Mark:
    """A threshold to compare with, drawn as a line with words that can be clicked.

    Attributes:
        value: In the quantity on the axis.
        label: What it is, a few words: "0.8, as published".
    """

    value: float
    label: str


@dataclass(frozen=True, eq=False)
class ThresholdBins:
    """Images counted between the thresholds that can be chosen: all that the browser needs.

    With E edges there are E + 1 counts, the first and the last open to infinity, so nothing is outside. The
    images on the low side of edge i are ``counts[: i + 1].sum()``. Where values under the threshold are rejected
    a bin holds its lower edge, ``[a, b)``; where values over it are, its upper one, ``(a, b]``: an image exactly
    on the threshold is kept either way.

    Attributes:
        edges: (E,) rising thresholds; all marks are among them.
        bars: (B + 1,) indices into `edges`, the borders of the bars that are drawn.
        right: (E + 1,) dermoscopy with a correct answer.
        wrong: (E + 1,) dermoscopy with a wrong one.
        melanoma_right: (E + 1,) the melanomas among `right`.
        melanoma_wrong: (E + 1,) the melanomas among `wrong`.
        ood_images: (E + 1,) OOD images, by kind, the most frequent first; empty where there are none.
        reject: Which side of the threshold is rejected.
        quantity: What the axis shows, its title.
        decimals: That tell two neighbouring thresholds apart, marks aside.
        marks: Other thresholds.
    """

    edges: Floats
    bars: NDArray[np.intp]
    right: Counts
    wrong: Counts
    melanoma_right: Counts
    melanoma_wrong: Counts
    ood_images: dict[str, Counts]
    reject: Literal["under", "over"]
    quantity: str
    decimals: int
    marks: tuple[Mark, ...]

    def snap(self, threshold: float) -> float:
        """The edge that is nearest to a threshold, the lower one of two."""
        after = int(np.clip(np.searchsorted(self.edges, threshold), 1, len(self.edges) - 1))
        low, high = self.edges[after - 1 : after + 1].tolist()
        return float(high if high - threshold < threshold - low else low)

    @property
    def dermoscopy(self) -> int:
        """All dermoscopic images."""
        return int(self.right.sum() + self.wrong.sum())

    @property
    def strange(self) -> int:
        """All OOD images."""
        return sum(int(counts.sum()) for counts in self.ood_images.values())

    def kept(self, counts: Counts, threshold: float) -> int:
        """How many of some counts are not rejected.

        Args:
            counts: (E + 1,) as `right` or one of `ood_images`.
            threshold: One of the edges.
        """
        low_side = slice(int(np.searchsorted(self.edges, threshold)) + 1)
        return int(counts.sum() - counts[low_side].sum() if self.reject == "under" else counts[low_side].sum())

    @cached_property
    def text(self) -> str:
        """The payload as JSON, made once for all visitors."""
        return json.dumps(self.payload())

    def payload(self) -> dict[str, Any]:
        """The same as JSON takes it, keys as `threshold.js` reads them."""
        return {
            "edges": self.edges.tolist(),
            "bars": self.bars.tolist(),
            "right": self.right.tolist(),
            "wrong": self.wrong.tolist(),
            "melanomaRight": self.melanoma_right.tolist(),
            "melanomaWrong": self.melanoma_wrong.tolist(),
            "ood_images": [{"kind": kind, "counts": counts.tolist()} for kind, counts in self.ood_images.items()],
            "reject": self.reject,
            "quantity": self.quantity,
            "decimals": self.decimals,
            "marks": [{"value": mark.value, "label": mark.label} for mark in self.marks],
        }


def _checked(values: ArrayLike, what: str) -> Floats:
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 1:
        raise DataError(f"The values of {what}, of shape {v.shape}, are not a list.", "Give one number per image.")
    if bad := int((~np.isfinite(v)).sum()):
        raise DataError(
            f"{bad:,} of {len(v):,} values of {what} are NaN or infinite.",
            "Find their images: the model or its input went wrong there.",
        )
    return v


def _flags(values: ArrayLike, n: int, what: str) -> NDArray[np.bool_]:
    flags = np.asarray(values)
    if flags.shape != (n,) or flags.dtype != np.bool_:
        raise DataError(
            f"{what} of shape {flags.shape} and type {flags.dtype} does not fit {n:,} dermoscopic images.",
            "Give one boolean per image.",
        )
    return flags


def _span(dermoscopy: Floats, ood_images: Floats, marks: Sequence[Mark]) -> tuple[float, float]:
    """From the lowest to the highest value, but for OOD images so far out that dermoscopy would be one bar."""
    low, high = float(dermoscopy.min()), float(dermoscopy.max())
    near, far = np.quantile(dermoscopy, [0.001, 0.999])
    room = float(far - near) / 2 or max(abs(high), 1.0) / 2
    everything = np.concatenate([ood_images, [low, high]])
    low, high = max(everything.min(), near - room), min(everything.max(), far + room)
    values = [mark.value for mark in marks]
    return float(min(low, *values, low)), float(max(high, *values, high))


def _grid(low: float, high: float) -> tuple[Floats, Floats, int]:
    """Round edges over a span: of the bars that are drawn, of the bins in them, and the decimals of these."""
    widest = max(abs(low), abs(high))
    if high - low < max(1e-9 * widest, 1e-250):  # narrower, and rounding to that many decimals overflows
        low, high = low - max(widest, 1.0) / 2, high + max(widest, 1.0) / 2
    power = math.floor(math.log10((high - low) / BARS))
    for width, digit in ((digit * 10.0**power, digit) for power in (power, power + 1) for digit in (1, 2, 5, 10)):
        parts = _BINS_IN_A_BAR[digit]
        decimals = max(0, math.ceil(-math.log10(width / parts) - 1e-9))
        # Rounded first, as 0.14 / 0.02 is a little over 7; and what that leaves outside is taken in again.
        first, last = math.floor(round(low / width, 6)), math.ceil(round(high / width, 6))
        first -= round(first * width, decimals) > low
        last += round(last * width, decimals) < high
        if last - first <= BARS:
            break
    bins = np.round(np.arange(first * parts, last * parts + 1) * (width / parts), decimals)
    return bins[::parts], bins, decimals


def threshold_bins(
    dermoscopy: ArrayLike,
    correct: ArrayLike,
    melanoma: ArrayLike,
    ood_images: ArrayLike,
    kinds: ArrayLike,
    *,
    reject: Literal["under", "over"],
    quantity: str,
    marks: Sequence[Mark] = (),
    span: tuple[float, float] | None = None,
) -> ThresholdBins:
    """Count images between about a thousand thresholds.

    Args:
        dermoscopy: (N,) the quantity on the axis, of dermoscopy; N is at least 1.
        correct: (N,) bool, whether the model's answer is right.
        melanoma: (N,) bool, whether the image shows a melanoma.
        ood_images: (M,) the quantity of OOD images; M may be 0.
        kinds: (M,) what each of these shows.
        reject: Which side is rejected: `under` for a confidence, `over` for a score that is higher for OOD images.
        quantity: The title of the axis.
        marks: Other thresholds; they become edges as they are.
        span: The axis, widened to round numbers and to the marks. None takes the values' own, without what lies
            far from all dermoscopy. Values outside are counted all the same.

    Raises:
        DataError: There is no dermoscopy, arrays do not fit each other, or a value is NaN or infinite.
        ConfigError: A mark or the span is not a number.
    """
    inside = _checked(dermoscopy, "dermoscopy")
    outside = _checked(ood_images, "OOD images")
    if not len(inside):
        raise DataError("There are no dermoscopic images to show.", "Choose a run whose test set has rows.")
    right, mel = _flags(correct, len(inside), "Correctness"), _flags(melanoma, len(inside), "Melanoma")
    codes, names = pd.factorize(np.asarray(kinds, dtype=object))
    if codes.shape != outside.shape or (codes < 0).any():
        raise DataError(
            f"{int((codes >= 0).sum()):,} kinds do not fit {len(outside):,} OOD images.",
            "Give one per kind.",
        )
    low, high = span or _span(inside, outside, marks)
    values = np.array([mark.value for mark in marks], dtype=np.float64)
    if not np.isfinite([low, high, *values]).all() or low > high:
        raise ConfigError(f"The span {low:g} to {high:g} or a mark is not a number.", "Give finite numbers that rise.")
    borders, grid, decimals = _grid(min([low, *values]), max([high, *values]))
    edges = np.unique(np.concatenate([grid, values]))
    # The side decides where a value on an edge goes; see the class.
    side: Literal["left", "right"] = "right" if reject == "under" else "left"

    def counted(x: Floats, group: NDArray[np.intp], groups: int) -> Counts:
        cell = group * (len(edges) + 1) + np.searchsorted(edges, x, side=side)
        return np.bincount(cell, minlength=groups * (len(edges) + 1)).reshape(groups, -1)

    by_answer = counted(inside, right.astype(np.intp) + 2 * mel, 4)
    frequent = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")
    place = np.argsort(frequent) if len(names) <= KINDS else np.minimum(np.argsort(frequent), KINDS - 1)
    titles = [str(names[k]) for k in frequent]
    if len(titles) > KINDS:
        titles = [*titles[: KINDS - 1], OTHER_KINDS]
    return ThresholdBins(
        edges=edges,
        bars=np.searchsorted(edges, borders),
        right=by_answer[1] + by_answer[3],
        wrong=by_answer[0] + by_answer[2],
        melanoma_right=by_answer[3],
        melanoma_wrong=by_answer[2],
        ood_images=dict(zip(titles, counted(outside, place[codes], len(titles)), strict=True)) if titles else {},
        reject=reject,
        quantity=quantity,
        decimals=decimals,
        marks=tuple(marks),
    )


def _source(suffix: str) -> str:
    return Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")


_COMPONENT = st.components.v2.component(
    "threshold",
    html=_source(".html"),
    js=_source(".js"),
    # Streamlit sets the colour scheme of the visitor's theme, which goes through to here.
    css=":host {"
    + "".join(f" --{name}: light-dark({', '.join(pair)});" for name, pair in PALETTE.items())
    + " }\n"
    + _source(".css"),
)


def threshold_line(
    bins: ThresholdBins,
    threshold: float,
    *,
    key: str,
    on_release: Callable[[float], None],
    own: Sequence[float] = (),
    heights: Literal["counts", "shares"] = "counts",
    veils: Sequence[str] = (),
) -> float:
    """Draw histograms with a line through them that is dragged; all figures move with it, without a rerun.

    The line also obeys the keyboard (arrows: one edge; with shift, or page up and down: one bar; home, end) and
    clicks on the marks. Only when it is let go the server hears of it. The page holds the threshold: a value other
    than the last one moves the line, but never while somebody holds it.

    Args:
        bins: From `threshold_bins`.
        threshold: Where the line is to stand; it goes to the nearest edge.
        key: The element's key.
        on_release: Called with the new threshold, before the rerun, when the line was moved. It is the place to
            write the threshold to the session or the link.
        own: Values of a visitor's own images: shown as ticks, counted nowhere.
        heights: What a bar is as high as: the images in it, so that right and wrong answers can be compared at each
            value, or their share of all right answers, wrong answers or OOD images, which compares shapes alone.
        veils: Keys of other elements and containers that state figures of the threshold: they cannot be read from the
            moment that the line leaves it until the page has drawn them again.

    Returns:
        The threshold on which the line stands, one of the edges: the figures below agree if they use this.
    """

    def released() -> None:
        on_release(bins.snap(float(st.session_state[key]["released"]["threshold"])))

    # A turn counts releases: the browser ignores what the server says about an older one.
    last = (st.session_state.get(key) or {}).get("released") or {}
    snapped = bins.snap(threshold)
    _COMPONENT(
        key=key,
        data={
            "bins": bins.text,
            "own": list(own),
            "heights": heights,
            "veils": list(veils),
            "threshold": snapped,
            "turn": last.get("turn", 0),
        },
        on_released_change=released,
    )
    return snapped
