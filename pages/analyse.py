"""One picture: what the model says, how sure it is, where it looked, and whether it should answer at all."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import cache, state
from app.components import (
    badges,
    current_run,
    heat_on,
    how_to_read,
    link_to,
    origin_badge,
    page_title,
    pick_picture,
    probability_bars,
)
from lesion_core.labels import diagnosis

run = current_run()
title = st.container()
picture = pick_picture()
prediction = cache.predict(run.name, picture.image)
top = diagnosis(prediction.code)
decision = prediction.decision
rejected = decision is not None and decision.rejected

with title:
    if rejected and decision:
        answer = f"**UNKNOWN.** The model should not answer. {decision.reason} Its best guess would be {top.name}."
    else:
        answer = (
            f"**{top.name.capitalize()} ({top.code})**, {top.malignancy}, with a confidence of "
            f"{100 * prediction.confidence:.0f} %. {decision.reason if decision else ''}"
        )
    page_title("What does the model say about this picture?", answer)

opacity = float(st.session_state.get(state.OPACITY, 60)) / 100
left, middle, right = st.columns([5, 5, 5], gap="medium")
with left:
    st.image(picture.image, width="stretch", alt=f"The picture: {picture.title}", caption=picture.title)
    labels = [origin_badge(picture)]
    if picture.truth:
        truth = diagnosis(picture.truth)
        labels.append((f"true diagnosis: {truth.name}", "gray"))
    badges(*labels)
with middle:
    attribution = cache.explain(run.name, picture.image, prediction.code, "layer4")
    st.image(heat_on(run, picture.image, attribution, opacity), width="stretch",
             alt=f"Grad-CAM for {top.name} over the picture",
             caption=f"Grad-CAM for {top.code}, last block; largest evidence {attribution.maximum:.2f}")
    st.slider("Opacity of the map, %", 0, 100, 60, 5, key=state.OPACITY, bind="query-params")
with right:
    probabilities = pd.Series(prediction.probabilities, index=list(prediction.classes))
    st.plotly_chart(
        probability_bars(probabilities), width="stretch", key="probabilities", config={"displayModeBar": False},
        alt="Bars: the probability of each diagnosis, the most probable first",
    )
    st.caption("How to read it: each bar is a diagnosis; together they make 100 %, whatever the picture shows.")
    malignant = float(sum(p for c, p in probabilities.items() if diagnosis(str(c)).malignancy != "benign"))
    st.metric("Malignant or premalignant, together", f"{100 * malignant:.0f} %")

link_to("explain", "Look at other classes and layers", ":material/visibility:", image=picture.id, run=run.name)
st.subheader("What the words mean", anchor=False)
st.markdown(f"**{top.name.capitalize()}**: {top.plain}")
how_to_read(
    "The probabilities are the model's own, after a temperature fitted on the calibrate split: no second opinion.",
    "UNKNOWN means that the run's rejection policy turned the picture away. A stranger can still get a sure answer: "
    "the page *Out of distribution* shows how often.",
    "The map shows where the evidence for the answer lies in the last block. It does not show why, and it is no proof.",
    f"Run {run.name} ({run.fingerprint}), {run.config.settings.preprocessing.resize.size} px, "
    f"{prediction.milliseconds:.0f} ms in the model when it was first asked.",
)
