"""Which parts of an image support an answer: one map, or several side by side, and whether to believe them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app import state
from app.analyse.report_view import UNUSABLE_POLICY
from app.cache import explanation as explanations
from app.cache import runs as cached_runs
from app.components import (
    badges,
    choose,
    current_run,
    how_to_read,
    origin_badge,
    outline,
    page_title,
    pick_picture,
    problem,
)
from app.explain import explanation
from app.explain.evidence import Asked, StoppedError, lesion_mask, numbers, panels, resume
from app.explain.map_tests import tests_of_the_map
from app.foreign_text import literal
from lesion_core.data.samples import Picture
from lesion_core.errors import LesionError
from lesion_core.explain.layers import LAYERS
from lesion_core.explain.maps import Attribution, energy_inside
from lesion_core.explain.methods import BASELINES, METHODS
from lesion_core.foreign_text import visible
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.labels import diagnosis
from lesion_core.ood.policy import NO_POLICY
from lesion_core.runs.classifier import Run

QUESTION = "Where did the model look?"
BESIDE = {"one": "One map", "models": "Models", "methods": "Methods", "classes": "Classes"}
HAIR_LINE = (86, 180, 233)
PREDICTED, NOTHING = "predicted", "nothing"


@dataclass(frozen=True)
class Look:
    """How maps are drawn.

    Attributes:
        beside: A key of `BESIDE`.
        opacity: In [0, 1].
        signed: Show what counts against the answer too.
        lines: Draws the outlines that were asked for over an image of the sample's size.
    """

    beside: str
    opacity: float
    signed: bool
    lines: Callable[[Pixels], Pixels]


def draw() -> None:
    """The page."""
    run = current_run()
    title = st.container()
    picture = pick_picture()
    mask, whose = lesion_mask(picture)
    asked = draw_question(run, picture)
    look = draw_look(asked, mask, whose)
    figure = st.container()
    try:
        attribution = asked.explain()
    except LesionError as error:
        with title:
            page_title(QUESTION)
        problem(error)
        if isinstance(error, StoppedError):
            st.button("Compute it", on_click=resume, key="resume")
        return
    heat = asked.heat(attribution)
    with title:
        page_title(QUESTION, answer(asked, attribution, heat, mask, whose))
        draw_decision(run, picture)
    laid = explanation.lay(attribution, run, picture.image, explanation.peak(attribution, signed=look.signed))
    pale = explanation.paled(picture.image, run)
    shown = look.lines(explanation.painted(pale, laid, look.opacity, signed=look.signed))
    with figure:
        if look.beside == "one":
            draw_map(asked, attribution, heat, mask, shown, look)
        else:
            panels(look.beside, asked, mask, look.lines, look.opacity, signed=look.signed)
    method = METHODS[asked.method]
    st.caption(
        f"**{method.name}.** {method.description} **Beware:** {method.pitfall[0].lower()}{method.pitfall[1:]} "
        f"{method.paper}; {method.cost}."
    )
    tests_of_the_map(asked, attribution, heat, mask, shown)
    how_to_read(
        "A map says which parts of the image this model's answer rests on, by one definition of *rests on*. Other "
        "methods have other definitions, so look at several before you believe one.",
        "Each map is stretched to its own maximum, so even an empty one looks full: read the largest evidence. Maps "
        "side by side share one scale.",
        "A map on the lesion does not prove that the model is right, and a map beside it does not prove that the model "
        "is wrong: the published overlap of Grad-CAM with dermoscopic features is at most 0.143 (Jaccard).",
    )


def draw_question(run: Run, picture: Picture) -> Asked:
    """What is asked: the method, the class, the class that it is compared with, and what the method needs."""
    predicted = cached_runs.predict(run, picture.image).code
    names = {code: f"{diagnosis(code).name} ({code})" for code in run.classes}
    columns = st.columns(4, vertical_alignment="bottom")
    with columns[0]:
        by = choose("Method", {key: entry.name for key, entry in METHODS.items()}, state.METHOD)
    with columns[1]:
        choice = choose("Evidence for", {PREDICTED: f"the predicted class ({predicted})", **names}, state.TARGET)
    target = predicted if choice == PREDICTED else choice
    with columns[2]:
        others = {code: name for code, name in names.items() if code != target}
        against = choose("Compared with", {NOTHING: "no other class", **others}, state.AGAINST)
    layer, baseline = "layer4", "skin"
    with columns[3]:
        if METHODS[by].layered:
            layers = {name: f"{name}: {description}" for name, description in LAYERS.items()}
            layer = choose("Layer", layers, state.LAYER)
        elif METHODS[by].baselined:
            baseline = choose(
                "Baseline", BASELINES, state.BASELINE, help="An image that shows nothing, to compare with."
            )
        else:
            st.selectbox("Layer", ["the whole network"], disabled=True, key="no_layer")
    return Asked(run, picture, target, None if against == NOTHING else against, by, layer, baseline)


def draw_look(asked: Asked, mask: Mask | None, whose: str) -> Look:
    """How the map is drawn, and what over it."""
    columns = st.columns([6, 3, 2, 2, 2], vertical_alignment="bottom")
    with columns[0]:
        beside = choose("Side by side", BESIDE, state.BESIDE, buttons=True)
    with columns[1]:
        opacity = st.slider("Opacity, %", 0, 100, 60, 5, key=state.OPACITY, bind="query-params") / 100
    with columns[2]:
        signed = st.toggle(
            "Signed",
            key=state.SIGNED,
            bind="query-params",
            disabled=not METHODS[asked.method].signed,
            help="Orange-red supports the answer, blue counts against it.",
        )
    with columns[3]:
        outlined = st.toggle(
            "Outline",
            value=mask is not None,
            disabled=mask is None,
            help=f"Outlines the lesion. {literal(whose)}" if whose else "No mask is known for this image.",
        )
    with columns[4]:
        haired = st.toggle(
            "Hair", key=state.HAIRED, bind="query-params", help="Outlines what the hair finder takes for hair."
        )

    def lines(drawn_on: Pixels) -> Pixels:
        if haired:
            drawn_on = outline(drawn_on, explanations.hair(asked.picture.image), HAIR_LINE)
        return outline(drawn_on, mask) if outlined and mask is not None else drawn_on

    return Look(beside, opacity, signed and METHODS[asked.method].signed, lines)


def answer(asked: Asked, attribution: Attribution, heat: NDArray[np.float32], mask: Mask | None, whose: str) -> str:
    """The map in one sentence."""
    question = diagnosis(asked.target).name
    if asked.against is not None:
        question += f" rather than {diagnosis(asked.against).name}"
    if attribution.maximum == 0:
        return f"Nothing in this image supports {question}: the map is empty."
    if mask is None:
        return f"This is the evidence for {question}; no mask says where the lesion is."
    return (
        f"**{100 * energy_inside(heat, mask):.0f} %** of the evidence for {question} is inside the lesion, "
        f"which covers {100 * asked.share_seen(mask):.0f} % of what the model was shown. {literal(whose)}"
    )


def draw_decision(run: Run, picture: Picture) -> None:
    """Whether the model should answer at all, where it should not or where nobody knows."""
    try:
        found = cached_runs.decided(run, cached_runs.predict(run, picture.image))
    except LesionError as error:
        problem(error)
        st.caption(f":material/warning: {UNUSABLE_POLICY}")
        return
    if found.decision is None:
        st.caption(f":material/info: {NO_POLICY}")
    elif found.decision.rejected:
        st.caption(f":material/info: UNKNOWN: the model should not answer. {literal(found.decision.reason)}")


def draw_map(
    asked: Asked,
    attribution: Attribution,
    heat: NDArray[np.float32],
    mask: Mask | None,
    shown: Pixels,
    look: Look,
) -> None:
    """The image, the map over it, and its numbers."""
    picture = asked.picture
    left, right, side = st.columns([5, 5, 3], gap="medium")
    with left:
        st.image(
            look.lines(picture.image),
            width="stretch",
            alt=f"The image: {visible(picture.title)}",
            caption=literal(picture.title),
        )
    with right:
        method = METHODS[asked.method]
        what = (
            f"{method.name} for {asked.target}"
            + (f" rather than {asked.against}" if asked.against is not None else "")
            + (f", {asked.layer}" if method.layered else "")
        )
        colours = (
            "blue counts against it, orange-red supports it" if look.signed else "violet is little, yellow is much"
        )
        st.image(
            shown,
            width="stretch",
            alt=f"{what}, over the image",
            caption=f"{what}: {colours}; the model was not shown what is pale",
        )
    with side, st.container(gap="xxsmall"):
        numbers(asked, attribution, heat, mask, cached_runs.predict(asked.run, picture.image))
        rows, columns = attribution.raw.shape
        badges(
            origin_badge(picture),
            (f"{rows} × {columns} cells", "gray"),
            *([(f"true: {picture.truth}", "gray")] if picture.truth else []),
        )


draw()
