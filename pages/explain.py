"""Which parts of an image support an answer: one map, or several side by side, and whether to believe them."""

from __future__ import annotations

import streamlit as st

from app import state, verdict, visit
from app.cache import runs as cached_runs
from app.components import (
    badges,
    choose,
    current_run,
    how_to_read,
    origin_badge,
    page_title,
    pick_picture,
    problem,
    role_badge,
)
from app.explain import overlays
from app.explain.evidence import inside, numbers, panels
from app.explain.map_tests import tests_of_the_map
from app.explain.on_demand import OnDemand, Work
from app.explain.overlays import Look
from app.explain.question import Asked, Lesion
from app.explain.scale import scale_under
from app.foreign_text import literal
from lesion_core.data.samples import Picture
from lesion_core.errors import LesionError
from lesion_core.explain.layers import LAYERS
from lesion_core.explain.maps import Attribution
from lesion_core.explain.methods import BASELINES, METHODS
from lesion_core.foreign_text import visible
from lesion_core.imaging.decode import content_hash
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run

QUESTION = "Where did the model look?"
BESIDE = {"one": "One map", "models": "Models", "methods": "Methods", "classes": "Classes"}
PREDICTED, NOTHING = "predicted", "nothing"


def draw() -> None:
    """The page: first all that is there at once, then what was asked for and takes time."""
    page_title(QUESTION)
    run = current_run()
    strip, said = st.container(), st.container()
    picture = pick_picture()
    found = verdict.verdict_of(run, picture, not visit.truth_is_hidden())
    with strip:
        verdict.draw(found)
    lesion = Lesion.of(picture)
    asked = draw_question(run, picture)
    on_demand = OnDemand(asked.key)
    beside, look = draw_look(asked, lesion)
    try:
        attribution = asked.known() if METHODS[asked.method].slow else asked.explain()
    except LesionError as error:
        problem(error)
        return
    if attribution is not None:
        said.markdown(verdict.muted(answer(asked, attribution, lesion), found.rejected))
    if beside == "one":
        draw_map(asked, attribution, lesion, look, on_demand)
    else:
        panels(beside, asked, lesion, look, on_demand)
    if lesion.find is not None:
        find = lesion.find
        on_demand.offer(Work("lesion", "Looking for the lesion", 1, lambda _: find(), 1), unasked=True)
    method = METHODS[asked.method]
    st.caption(
        f"**{method.name}.** {method.description} **Beware:** {method.pitfall[0].lower()}{method.pitfall[1:]} "
        f"{method.paper}; {method.cost}."
    )
    tests_of_the_map(asked, attribution, lesion, look, on_demand)
    how_to_read(
        "A map says which parts of the image this model's answer rests on, by one definition of *rests on*. Other "
        "methods have other definitions, so look at several before you believe one.",
        "Each map is stretched to its own maximum, so even an empty one looks full: read the numbers under it. *One "
        "scale for all* shows which of several maps is stronger.",
        "A map on the lesion does not prove that the model is right, and a map beside it does not prove that the model "
        "is wrong: the published overlap of Grad-CAM with dermoscopic features is at most 0.143 (Jaccard).",
    )
    on_demand.work()


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
    content = content_hash(picture.image)
    return Asked(run, picture, content, target, None if against == NOTHING else against, by, layer, baseline)


def draw_look(asked: Asked, lesion: Lesion) -> tuple[str, Look]:
    """What stands side by side, a key of `BESIDE`, and how maps are drawn."""
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
            value=lesion.possible,
            disabled=lesion.mask is None,
            help=f"Outlines the lesion. {literal(lesion.whose)}"
            if lesion.whose
            else "No mask is known for this image.",
        )
    with columns[4]:
        haired = st.toggle(
            "Hair", key=state.HAIRED, bind="query-params", help="Outlines what the hair finder takes for hair."
        )
    signed = signed and METHODS[asked.method].signed
    return beside, Look(opacity, signed, lesion if outlined else None, haired)


def answer(asked: Asked, attribution: Attribution, lesion: Lesion) -> str:
    """The map in one sentence."""
    question = diagnosis(asked.target).name
    if asked.against is not None:
        question += f" rather than {diagnosis(asked.against).name}"
    if attribution.maximum == 0:
        return f"Nothing in this image supports {question}: the map is empty."
    on_lesion = inside(asked, attribution, lesion)
    if on_lesion is None:
        return f"This is the evidence for {question}; no mask says where the lesion is."
    return (
        f"**{100 * on_lesion.evidence:.0f} %** of the evidence for {question} is inside the lesion, "
        f"which covers {100 * on_lesion.covers:.0f} % of what the model was shown. {literal(lesion.whose)}"
    )


def draw_map(asked: Asked, attribution: Attribution | None, lesion: Lesion, look: Look, on_demand: OnDemand) -> None:
    """The image, the map over it, and its numbers; a map that takes long is computed when it is asked for."""
    picture, method = asked.picture, METHODS[asked.method]
    left, right, side = st.columns([5, 5, 3], gap="medium")
    with left:
        st.image(
            overlays.image(asked, look),
            width="stretch",
            alt=f"The image: {visible(picture.title)}",
            caption=literal(picture.title),
        )
    labels = [origin_badge(picture)]
    with right:
        if attribution is None:
            on_demand.offer(asked.work, "Compute the map")
            st.caption(f"{method.name} takes {method.cost} passes through the network.")
        else:
            rows, columns = attribution.raw.shape
            labels.append((f"{rows} × {columns} cells", "gray"))
            what = (
                f"{method.name} for {asked.target}"
                + (f" rather than {asked.against}" if asked.against is not None else "")
                + (f", {asked.layer}" if method.layered else "")
            )
            colours = (
                "blue counts against it, orange-red supports it" if look.signed else "violet is little, yellow is much"
            )
            st.image(
                overlays.overlay(asked, attribution, look),
                width="stretch",
                alt=f"{what}, over the image",
                caption=f"{what}: {colours}; the model was not shown what is pale",
            )
            scale_under(attribution, look)
    with side, st.container(gap="xxsmall"):
        if attribution is not None:
            numbers(asked, attribution, lesion)
        badges(
            *labels, *role_badge(asked.run, picture), *([(f"true: {picture.truth}", "gray")] if picture.truth else [])
        )


draw()
