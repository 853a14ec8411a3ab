"""Which parts of a picture speak for an answer: one map, or several side by side, and whether to believe them."""

from __future__ import annotations

import streamlit as st

from app import state
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
from app.explain.evidence import Asked, Pixels, StoppedError, lesion_mask, numbers, panels, resume
from app.explain.map_tests import tests_of_the_map
from lesion_core.errors import LesionError
from lesion_core.explain.layers import LAYERS
from lesion_core.explain.maps import energy_inside
from lesion_core.explain.methods import BASELINES, METHODS
from lesion_core.labels import diagnosis

BESIDE = {"one": "One map", "models": "Models", "methods": "Methods", "classes": "Classes"}
HAIR_LINE = (86, 180, 233)
PREDICTED, NOTHING = "predicted", "nothing"

run = current_run()
title = st.container()
picture = pick_picture()
prediction = cached_runs.predict(run, picture.image)

names = {code: f"{diagnosis(code).name} ({code})" for code in run.classes}
controls = st.columns(4, vertical_alignment="bottom")
with controls[0]:
    by = choose("Method", {key: entry.name for key, entry in METHODS.items()}, state.METHOD)
with controls[1]:
    choice = choose("Evidence for", {PREDICTED: f"the predicted class ({prediction.code})", **names}, state.TARGET)
target = prediction.code if choice == PREDICTED else choice
with controls[2]:
    rest = {code: f"and not {name}" for code, name in names.items() if code != target}
    against = choose("Compared with", {NOTHING: "no other class", **rest}, state.AGAINST)
method = METHODS[by]
with controls[3]:
    layer, baseline = "layer4", "skin"
    if method.layered:
        layer = choose("Layer", {name: f"{name}: {description}" for name, description in LAYERS.items()}, state.LAYER)
    elif method.baselined:
        baseline = choose("What shows nothing", BASELINES, state.BASELINE)
    else:
        st.selectbox("Layer", ["all of the network"], disabled=True, key="no_layer")
further = st.columns([6, 3, 2, 2, 2], vertical_alignment="bottom")
with further[0]:
    beside = choose("Side by side", BESIDE, state.BESIDE, buttons=True)
with further[1]:
    opacity = st.slider("Opacity, %", 0, 100, 60, 5, key=state.OPACITY, bind="query-params") / 100
with further[2]:
    signed = (
        st.toggle(
            "Signed",
            key=state.SIGNED,
            bind="query-params",
            disabled=not method.signed,
            help="Vermilion speaks for the answer, blue against it.",
        )
        and method.signed
    )
mask, whose = lesion_mask(picture)
with further[3]:
    outlined = st.toggle(
        "Outline",
        value=mask is not None,
        disabled=mask is None,
        help=f"Of the lesion. {whose}" if whose else "No mask is known for this picture.",
    )

with further[4]:
    haired = st.toggle(
        "Hair", key=state.HAIRED, bind="query-params", help="Draws around what the hair finder takes for hair."
    )


def lines(drawn_on: Pixels) -> Pixels:
    """The outlines that were asked for, over a picture."""
    if haired:
        drawn_on = outline(drawn_on, explanations.hair(picture.image), HAIR_LINE)
    return outline(drawn_on, mask) if outlined and mask is not None else drawn_on


asked = Asked(run, picture, target, None if against == NOTHING else against, by, layer, baseline)
question = diagnosis(target).name + (f" and not {diagnosis(against).name}" if against != NOTHING else "")
figure = st.container()
try:
    attribution = asked.explain()
except LesionError as error:
    with title:
        page_title("Where did the model look?")
    problem(error)
    if isinstance(error, StoppedError):
        st.button("Compute it", on_click=resume, key="resume")
    st.stop()
heat = asked.heat(attribution)

with title:
    if attribution.maximum == 0:
        answer = f"Nothing speaks for {question}: the map is empty."
    elif mask is not None:
        answer = (
            f"**{100 * energy_inside(heat, mask):.0f} %** of the evidence for {question} is inside the lesion, "
            f"which covers {100 * asked.share_seen(mask):.0f} % of what the model was shown. {whose}"
        )
    else:
        answer = f"The evidence for {question}; no mask says where the lesion is."
    page_title("Where did the model look?", answer)

scale = explanation.peak(attribution, signed=signed)
laid = explanation.lay(attribution, run, picture.image, scale)
shown = lines(explanation.painted(explanation.paled(picture.image, run), laid, opacity, signed=signed))
with figure:
    if beside == "one":
        left, right, side = st.columns([5, 5, 3], gap="medium")
        with left:
            st.image(lines(picture.image), width="stretch", alt=f"The picture: {picture.title}", caption=picture.title)
        with right:
            what = (
                f"{method.name} for {target}"
                + (f" and not {against}" if against != NOTHING else "")
                + (f", {layer}" if method.layered else "")
            )
            colours = "blue against it, vermilion for it" if signed else "violet is little, yellow is much"
            st.image(
                shown,
                width="stretch",
                alt=f"{what}, over the picture",
                caption=f"{what}: {colours}; pale is what the model was not shown",
            )
        with side, st.container(gap="xxsmall"):
            numbers(asked, attribution, heat, mask, prediction)
            badges(
                origin_badge(picture),
                (f"{attribution.raw.shape[0]}x{attribution.raw.shape[1]} cells", "gray"),
                *([(f"true: {picture.truth}", "gray")] if picture.truth else []),
            )
    else:
        panels(beside, asked, mask, lines, opacity, signed=signed)
st.caption(
    f"**{method.name}.** {method.description} **Beware:** {method.pitfall[0].lower()}{method.pitfall[1:]} "
    f"{method.paper}; {method.cost}."
)
tests_of_the_map(asked, attribution, heat, mask, shown)
how_to_read(
    "A map says which parts of the picture this model's answer rests on, by one definition of *rests on*: other "
    "methods have others, so look at several before you believe one.",
    "A map that is scaled to itself hides that it is empty: read the largest evidence. Maps side by side share one "
    "scale.",
    "A map on the lesion does not prove that the model is right, nor one beside it that it is wrong: the published "
    "overlap of Grad-CAM with dermoscopic features is at most 0.143 (Jaccard).",
)
