"""One picture: what the model says, how sure it is, where it looked, and whether it should answer at all."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import streamlit as st

from app import cache, cache_explanation, cache_rejection, explanation, state
from app.components import (
    DISCLAIMER,
    badges,
    current_run,
    how_to_read,
    link_to,
    origin_badge,
    outline,
    page_title,
    pick_picture,
    probability_bars,
)
from app.history import Analysed, analysed, as_csv, malignant_share, remember
from lesion_core.errors import LesionError
from lesion_core.imaging.lesion import shape_of, suggested_crop
from lesion_core.labels import diagnosis
from lesion_core.report import Report, report_html, report_pdf

FOUND = (230, 159, 0)  # the contour, as on the page Segment

run = current_run()
title = st.container()
picture = pick_picture()
prediction = cache_rejection.decided(run.name, cache.predict(run.name, picture.image))
top = diagnosis(prediction.code)
decision = prediction.decision
rejected = decision is not None and decision.rejected
reason = decision.reason if decision else ""

if rejected:
    answer, verdict = "UNKNOWN.", f" The model should not answer. Its best guess would be {top.name}."
else:
    answer = f"{top.name.capitalize()} ({top.code})"
    verdict = f", {top.malignancy}, with a confidence of {100 * prediction.confidence:.0f} %."
with title:
    page_title("What does the model say about this picture?", f"**{answer}**{verdict} {reason}")

own_policy = st.session_state.get(state.POLICY)
if own_policy is not None and own_policy.run == run.fingerprint:
    with st.container(horizontal=True, vertical_alignment="center"):
        badges(("your own policy", "orange"))
        st.caption(own_policy.chosen)
        if st.button("Back to the run's policy"):
            del st.session_state[state.POLICY]
            st.rerun()
else:
    if own_policy is not None:
        st.caption(":material/info: Your own policy was made for another run and is not obeyed here; the run's is.")
    own_policy = None

segmenters = cache.segmenters()[0]
mask = None
if segmenters:
    try:
        mask = cache.segment(segmenters[0].name, picture.image).mask()
    except LesionError as error:  # the diagnosis does not hang on the mask
        st.caption(f":material/warning: No mask: {error}")
shape = shape_of(mask, picture.image) if mask is not None else None

opacity = float(st.session_state.get(state.OPACITY, 60)) / 100
left, middle, right = st.columns([5, 5, 5], gap="medium")
with left:
    shown = outline(picture.image, mask, FOUND) if mask is not None and shape else picture.image
    st.image(shown, width="stretch", alt=f"The picture: {picture.title}",
             caption=picture.title + (", the U-Net's contour in orange" if shape else ""))
    labels = [origin_badge(picture)]
    if picture.truth:
        truth = diagnosis(picture.truth)
        labels.append((f"true diagnosis: {truth.name}", "gray"))
    badges(*labels)
with middle:
    attribution = cache_explanation.explain(run.name, picture.image, prediction.code)
    heat = explanation.over(run, picture.image, attribution, opacity)
    st.image(heat, width="stretch", alt=f"Grad-CAM for {top.name} over the picture",
             caption=f"Grad-CAM for {top.code}, last block; largest evidence {attribution.maximum:.2f}")
    st.slider("Opacity of the map, %", 0, 100, 60, 5, key=state.OPACITY, bind="query-params")
with right:
    probabilities = pd.Series(prediction.probabilities, index=list(prediction.classes))
    st.plotly_chart(
        probability_bars(probabilities), width="stretch", key="probabilities", config={"displayModeBar": False},
        alt="Bars: the probability of each diagnosis, the most probable first",
    )
    st.caption("How to read it: each bar is a diagnosis; together they make 100 %, whatever the picture shows.")
    st.metric("Malignant or premalignant, together", f"{100 * malignant_share(prediction):.0f} %")
    try:
        held = cache_rejection.set_of(run.name, prediction.probabilities)
        st.markdown(f"**A set in place of one answer:** {held}",
                    help="It holds the true diagnosis in 90 % of the cases of each diagnosis, for pictures like those "
                    "of the calibrate split; a diagnosis with too few of them there is always in it.")
    except LesionError:  # too few calibration pictures to promise anything
        pass

record = analysed(picture.title, picture.image, run.name, run.fingerprint, prediction)
history: list[Analysed] = remember(st.session_state.get(state.HISTORY, []), record)
st.session_state[state.HISTORY] = history


def report() -> Report:
    """All of this page, to hand out."""
    pictures = [("The picture", picture.image)]
    facts = [
        ("Run", f"{run.name} ({run.fingerprint}), {run.config.settings.model.architecture}, "
         f"{run.config.settings.preprocessing.resize.size} px"),
        ("Rejection", f"a visitor's own policy: {own_policy.chosen}" if own_policy else "the run's own policy"),
        ("Malignant or premalignant", f"{100 * malignant_share(prediction):.1f} %"),
    ]
    if mask is not None and shape:
        pictures.append(("The contour that the U-Net found", outline(picture.image, mask, FOUND)))
        facts.append(("Mask", f"{100 * shape.area:.0f} % of the picture, segmenter {segmenters[0].name} "
                      f"({segmenters[0].fingerprint})"))
    map_on_it = explanation.over(run, picture.image, attribution, 0.6)
    pictures.append((f"Grad-CAM for {top.code}: where the evidence lies", map_on_it))
    order = probabilities.sort_values(ascending=False)
    return Report(
        title=picture.title, made=f"{datetime.datetime.now(datetime.UTC):%d %B %Y, %H:%M} UTC",
        answer=answer + verdict, reason=reason, plain=f"{top.name.capitalize()}: {top.plain}", pictures=tuple(pictures),
        probabilities=tuple((str(code), float(p)) for code, p in order.items()), facts=tuple(facts),
        limits=(
            "The model knows these diagnoses only: whatever else is shown is answered with one of them unless it is "
            "rejected.",
            "The probabilities are the model's own, after a temperature fitted on the calibrate split: no second "
            "opinion.",
            "The map shows where the evidence lies, not why, and is no proof. The contour is a model's too.",
        ),
    )


words, crop, hand_out = st.columns([6, 3, 4], gap="medium")
with words:
    st.subheader("What the words mean", anchor=False)
    st.markdown(f"**{top.name.capitalize()}** ({top.malignancy}): {top.plain}")
    link_to("explain", "Look at other classes and layers", ":material/visibility:", image=picture.id, run=run.name)
    if segmenters:
        link_to("segment", "Look at the mask", ":material/polyline:", image=picture.id)
with crop:
    box = suggested_crop(mask) if mask is not None else None
    if box:
        x0, y0, x1, y1 = (round(edge) for edge in box)
        st.image(np.ascontiguousarray(picture.image[y0:max(y1, y0 + 1), x0:max(x1, x0 + 1)]), width=180,
                 alt="The crop that the mask suggests", caption="The crop that the mask suggests")
with hand_out:
    st.subheader("To hand out", anchor=False)
    st.download_button("Report, one HTML file", lambda: report_html(report()), "lesion-lab-report.html", "text/html",
                       icon=":material/download:", on_click="ignore", width="stretch")
    st.download_button("Report, PDF", lambda: report_pdf(report()), "lesion-lab-report.pdf", "application/pdf",
                       icon=":material/download:", on_click="ignore", width="stretch")
    st.caption(f"Made in memory when you click, kept nowhere. {DISCLAIMER}")

st.subheader("What you looked at", anchor=False)
columns = st.columns(6)
for i, seen in enumerate(history[:6]):
    with columns[i]:
        st.image(seen.thumbnail, width="stretch", alt=seen.title)
        st.caption(f"**{seen.answer}**, {100 * seen.confidence:.0f} %  \n{seen.title}, {seen.run}")
if len(history) > 1:
    st.dataframe(pd.DataFrame([
        {"picture": h.title, "run": h.run, "answer": h.answer, "most probable": h.guess,
         "confidence": round(h.confidence, 3), "malignant or premalignant": round(h.malignant, 3)} for h in history
    ]), hide_index=True)
    st.download_button("All of it as CSV", lambda: as_csv(history), "lesion-lab-history.csv", "text/csv",
                       icon=":material/download:", on_click="ignore")
st.caption("In memory until you close this page, at most 30 pictures; nobody else sees it.")
if st.toggle("How unsure, how strange: every score of this picture", key="every_score"):
    table = cache_rejection.scores_of(run.name, picture.image)
    st.dataframe(table.assign(value=table["value"].map("{:.4g}".format),
                              **{"beyond it": (100 * table["beyond it"]).map("{:.1f} %".format)}),
                 hide_index=True, height=250, alt="Every score of this picture")
    st.caption("*Beyond it*: the share of the calibrate pictures that are more unsure, or stranger, by this score; "
               "near 0 % hardly any dermoscopy is like this picture. The page *Out of distribution* sets the limits.")
how_to_read(
    "The probabilities are the model's own, after a temperature fitted on the calibrate split: no second opinion.",
    "UNKNOWN means that the rejection policy turned the picture away. A stranger can still get a sure answer: "
    "the page *Out of distribution* shows how often.",
    "The map shows where the evidence for the answer lies in the last block. It does not show why, and it is no proof.",
    f"Run {run.name} ({run.fingerprint}), {run.config.settings.preprocessing.resize.size} px, "
    f"{prediction.milliseconds:.0f} ms in the model when it was first asked.",
)
