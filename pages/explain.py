"""Grad-CAM of any class and layer, for any sample or upload."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import cache, state
from app.components import (
    badges,
    choose,
    current_run,
    heat_on,
    how_to_read,
    map_on_picture,
    origin_badge,
    outline,
    page_title,
    pick_picture,
)
from lesion_core.explain.layers import LAYERS
from lesion_core.explain.maps import energy_inside, peak_inside
from lesion_core.labels import diagnosis

run = current_run()
title = st.container()
picture = pick_picture()
prediction = cache.predict(run.name, picture.image)

controls = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
predicted = "predicted"
targets = {
    predicted: f"the predicted class ({prediction.code})",
    **{code: f"{diagnosis(code).name} ({code})" for code in run.classes},
}
with controls[0]:
    choice = choose("Evidence for", targets, state.TARGET)
with controls[1]:
    layer = st.selectbox("Layer", list(LAYERS), key=state.LAYER, bind="query-params",
                         help="; ".join(f"{n}: {says}" for n, says in LAYERS.items()))
with controls[2]:
    opacity = st.slider("Opacity, %", 0, 100, 60, 5, key=state.OPACITY, bind="query-params") / 100
with controls[3]:
    show_outline = st.toggle("Outline of the lesion", value=picture.mask is not None, disabled=picture.mask is None,
                             help=None if picture.mask is not None else "No mask is known for this picture.")

target = prediction.code if choice == predicted else str(choice)
attribution = cache.explain(run.name, picture.image, target, layer)
heat = map_on_picture(run, picture.image, attribution)
inside = energy_inside(heat, picture.mask) if picture.mask is not None else None

with title:
    if attribution.maximum == 0:
        answer = f"Nothing in {layer} speaks for {diagnosis(target).name}: the map is empty."
    elif inside is not None and picture.mask is not None:
        share = float(picture.mask.mean())
        answer = (f"**{100 * inside:.0f} %** of the evidence for {diagnosis(target).name} is inside the lesion, which "
                  f"covers {100 * share:.0f} % of the picture.")
    else:
        answer = f"The evidence for {diagnosis(target).name} in {layer}; no mask says where the lesion is."
    page_title("Where did the model look?", answer)

left, right, side = st.columns([5, 5, 3], gap="medium")
with left:
    plain = outline(picture.image, picture.mask) if show_outline and picture.mask is not None else picture.image
    st.image(plain, width="stretch", alt=f"The picture: {picture.title}", caption=picture.title)
with right:
    shown = heat_on(run, picture.image, attribution, opacity)
    if show_outline and picture.mask is not None:
        shown = outline(shown, picture.mask)
    st.image(shown, width="stretch", alt=f"Grad-CAM for {target} in {layer} over the picture",
             caption=f"Grad-CAM for {target}, {layer}: violet is little, yellow is the map's own maximum; "
             "pale is what the model was not shown")
with side:
    st.metric(f"Probability of {target}", f"{100 * prediction.probabilities[run.classes.index(target)]:.1f} %")
    st.metric("Largest evidence", f"{attribution.maximum:.3f}",
              help="In units of the logit, before the map is scaled to itself. Near 0: empty, though it looks full.")
    if inside is not None and picture.mask is not None:
        st.metric("Evidence inside the lesion", f"{100 * inside:.0f} %")
        st.metric("Maximum inside the lesion", "yes" if peak_inside(heat, picture.mask) else "no",
                  help="The pointing game: is the strongest point of the map on the lesion?")
    labels = [origin_badge(picture), (f"{attribution.raw.shape[0]}x{attribution.raw.shape[1]} cells", "gray")]
    if picture.truth:
        labels.append((f"true: {picture.truth}", "gray"))
    badges(*labels)

with st.expander("The map as numbers"):
    st.dataframe(np.round(attribution.raw, 4), height=240)
    st.caption("Signed, at the layer's own resolution: the logit of the class rises with what is positive.")
how_to_read(
    "Grad-CAM weighs the channels of a layer by how much the class's logit depends on them. What is positive is shown.",
    f"A layer has few cells: {attribution.raw.shape[0]} a side here, smoothed to the picture. Do not read its edges.",
    "Every map is scaled to its own maximum. Compare the printed maxima before you compare two maps.",
    "A map on the lesion does not prove that the model is right, nor one beside it that it is wrong: the published "
    "overlap of Grad-CAM with dermoscopic features is at most 0.143 (Jaccard).",
)
