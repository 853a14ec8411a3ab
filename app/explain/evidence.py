"""The numbers of one map on the page Explain, and several maps side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import explanation as explanations
from app.cache import runs as cached_runs
from app.cache.drawn import drawn_once
from app.explain import explanation, overlays
from app.explain.on_demand import OnDemand
from app.explain.overlays import Look
from app.explain.question import Asked, Lesion
from app.explain.scale import scale_under
from app.figures import style
from app.foreign_text import literal
from lesion_core.config import DarkCorner
from lesion_core.explain.maps import Attribution
from lesion_core.explain.methods import METHODS
from lesion_core.imaging.geometry import dark_ring
from lesion_core.labels import diagnosis

UNSIGNED = " and ".join(entry.name for entry in METHODS.values() if not entry.signed)
LARGE = 3
"""Maps up to this many are drawn large."""


def inside(asked: Asked, attribution: Attribution, lesion: Lesion) -> explanations.Overlap | None:
    """How much of a map is on the lesion, None where that is not known."""
    mask = lesion.mask
    return None if mask is None else asked.overlap(attribution, f"lesion {lesion.content}", lambda: mask)


def numbers(asked: Asked, attribution: Attribution, lesion: Lesion) -> None:
    """What one map says, beside it."""
    st.metric(f"Probability of {asked.target}", style.percent(asked.probability, 1))
    st.metric(
        "Largest evidence",
        f"{attribution.maximum:.3g}",
        help=f"Before the map is stretched to its own maximum; unit: {METHODS[asked.method].unit}. Near 0 the map is "
        "empty, though it looks full.",
    )
    on_lesion = inside(asked, attribution, lesion)
    if on_lesion is not None and attribution.maximum > 0:
        st.metric(
            "Evidence inside the lesion",
            style.percent(on_lesion.evidence),
            help=f"The lesion covers {style.percent(on_lesion.covers)} of what the model was shown.",
        )
        st.metric(
            "Maximum inside the lesion",
            "yes" if on_lesion.at_peak else "no",
            help="The pointing game: is the strongest point of the map on the lesion?",
        )
    if attribution.maximum > 0:
        hair, dark = on_artefacts(asked, attribution)
        st.metric(
            "Evidence on hair",
            style.percent(hair.evidence, 1),
            help=f"Hair covers {style.percent(hair.covers, 1)} of what the model was shown. On dark "
            f"corners: {style.percent(dark.evidence, 1)}. It does not look for rulers: the tab "
            "*Change the image* lays one on the image and says how much of the evidence goes there.",
        )
    if attribution.completeness_error is not None:
        st.metric(
            "Completeness error",
            style.percent(attribution.completeness_error, 2),
            help="The map should add up to the difference between the answers to the image and to the baseline; this "
            "share of it is missing.",
        )


def on_artefacts(asked: Asked, attribution: Attribution) -> tuple[explanations.Overlap, explanations.Overlap]:
    """How much of a map is on hair, and on dark corners."""
    image = asked.picture.image
    return (
        asked.overlap(attribution, "hair", lambda: explanations.hair(image)),
        asked.overlap(attribution, "dark corners", lambda: dark_ring(image, DarkCorner())),
    )


def _wanted(beside: str, asked: Asked) -> list[tuple[str, Asked]]:
    """The maps that stand side by side, each with its title; methods by what they cost."""
    if beside == "models":
        return [
            (run.name, replace(asked, run=run))
            for run in cached_runs.runs()[0]
            if asked.target in run.classes and (asked.against is None or asked.against in run.classes)
        ]
    if beside == "classes":
        return [
            (f"{code} · {diagnosis(code).name}", replace(asked, target=code, against=None))
            for code in asked.run.classes
        ]
    cheapest = sorted(METHODS, key=lambda key: METHODS[key].effort)
    return [(METHODS[key].name, replace(asked, method=key)) for key in cheapest]


def panels(beside: str, asked: Asked, lesion: Lesion, look: Look, on_demand: OnDemand) -> None:
    """Several maps of one image, each with its own scale and its largest value; those that are there already.

    Args:
        beside: What stands side by side: models, methods or classes.
        asked: The question.
        lesion: Where the lesion is.
        look: How maps are drawn.
        on_demand: Computes what is not known yet.
    """
    wanted = _wanted(beside, asked)
    found = {one.key: known for _, one in wanted if (known := one.known()) is not None}
    slow = [one for _, one in wanted if one.key not in found and METHODS[one.method].slow]
    if slow:
        images = sum(one.work.steps for one in slow)
        on_demand.offer_all(
            "Compute the other maps",
            [one.work for one in slow],
            len(found),
            len(wanted),
            f"For what is missing, {images} images pass the network. Each map is drawn when it is ready, the one that "
            "costs least first.",
        )
    by_spread = beside == "methods"  # other methods have other units
    top = _common_end(list(found.values()), by_spread, look) if _one_scale(by_spread) else None
    width = min(LARGE + 1, max(2, len(wanted)))
    for start in range(0, len(wanted), width):
        for column, (name, one) in zip(st.columns(width), wanted[start : start + width], strict=False):
            with column:
                if one.key in found:
                    _panel(name, one, found[one.key], lesion, look, top, methods=by_spread)
                    continue
                st.image(overlays.image(one, look), width="stretch", alt=f"The image, until there is a map: {name}")
                on_demand.offer(replace(one.work, text=name), unasked=not METHODS[one.method].slow)
    if not found:
        return
    st.caption(
        (
            "Each map has its own scale, so a nearly empty one looks full: read its largest value."
            if top is None
            else f"One scale for all: each ends at {top:.3g} times the map's mean, as the units differ."
            if by_spread
            else f"One scale for all: it ends at {top:.3g}."
        )
        + (f" {UNSIGNED} show nothing that counts against the answer." if look.signed and by_spread else "")
        + (" Each class is shown alone, without the comparison." if beside == "classes" and asked.against else "")
    )
    if by_spread and len(found) > 1:
        draw_agreement(
            tuple((METHODS[one.method].name, one.key) for _, one in wanted if one.key in found), list(found.values())
        )


def _one_scale(by_spread: bool) -> bool:
    return st.toggle(
        "One scale for all",
        key=state.ONE_SCALE,
        bind="query-params",
        help="The maps then show which is stronger"
        + (", each in multiples of its mean" if by_spread else "")
        + "; weak ones look empty. Otherwise each shows where its own evidence is.",
    )


def _common_end(found: list[Attribution], by_spread: bool, look: Look) -> float:
    """Where one scale for several maps ends: in their unit, or in multiples of each map's mean."""
    peaks = [explanation.peak(one, signed=look.signed) for one in found]
    if not by_spread:
        return max(peaks, default=0.0)
    means = [explanation.spread(one, signed=look.signed) for one in found]
    # Single pixels stand out further than cells: on the largest peak's scale a coarse map would look empty.
    return float(np.median([p / m if m else 0.0 for p, m in zip(peaks, means, strict=True)])) if found else 0.0


def _panel(
    name: str, one: Asked, attribution: Attribution, lesion: Lesion, look: Look, top: float | None, *, methods: bool
) -> None:
    """One map of several.

    Args:
        name: Its title.
        one: Its question.
        attribution: The map.
        lesion: Where the lesion is.
        look: How it is drawn.
        top: Where the common scale ends, as `_common_end` gives it; None for a scale of its own.
        methods: The maps are of several methods.
    """
    said = f"{name}: largest {attribution.maximum:.3g}" if attribution.maximum > 0 else f"{name}: empty"
    if methods:
        said += f" ({METHODS[one.method].unit})"
    on_lesion = inside(one, attribution, lesion)
    if on_lesion is not None and attribution.maximum > 0:
        said += f", {style.percent(on_lesion.evidence)} inside"
    if not methods:
        said += f", probability {style.percent(one.probability)}"
    scale = top if top is None or not methods else top * explanation.spread(attribution, signed=look.signed)
    st.image(
        overlays.overlay(one, attribution, look, scale),
        width="stretch",
        alt=f"{name} over the image",
        caption=literal(said),
    )
    scale_under(attribution, look, scale)


@drawn_once()
def draw_agreement(maps: tuple[tuple[str, explanations.Key], ...], _found: list[Attribution]) -> None:
    """Whether methods agree.

    Args:
        maps: Title and question of each.
        _found: The maps, which the questions name.
    """
    names = [name for name, _ in maps]
    ranks = explanations.agreement(_found)
    st.dataframe(pd.DataFrame(ranks, index=names, columns=names).round(2), alt="Rank agreement of every two methods")
    st.caption(
        "Spearman's rank correlation of every two maps, pixel by pixel: 1 is the same order, 0 means no relation. "
        "Where methods disagree, none of them is *the* explanation."
    )
