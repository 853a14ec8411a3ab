"""One picture: what the model says, how sure it is, where it looked, and whether it should answer at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.analyse.history import Analysed, analysed, as_csv, malignant_share, remember
from app.analyse.report_view import (
    CAVEAT,
    FOUND,
    NO_POLICY,
    UNUSABLE_POLICY,
    Analysis,
    black_and_white,
    report_of,
    words,
)
from app.cache import explanation as explanations
from app.cache import rejection as rejections
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.components import (
    DISCLAIMER,
    badges,
    choose,
    current_run,
    how_to_read,
    link_to,
    origin_badge,
    outline,
    page_title,
    pick_picture,
    probability_bars,
    problem,
)
from app.explain import explanation
from app.foreign_text import literal
from lesion_core.errors import LesionError
from lesion_core.foreign_text import for_people
from lesion_core.imaging.lesion import suggested_crop
from lesion_core.labels import diagnosis
from lesion_core.reports.picture import Report, report_html, report_pdf

run = current_run()
title = st.container()
picture = pick_picture()
try:
    policy = cached_runs.policy_of(run)
    unusable = None
except LesionError as error:
    policy, unusable = None, error
prediction = cached_runs.predict(run, picture.image)
if policy is not None:
    prediction = cached_runs.decided(run, prediction)
top = diagnosis(prediction.code)
said = words(prediction)
with title:
    page_title(
        "What does the model say about this picture?",
        f"**{literal(said.answer)}**{literal(said.verdict)} {literal(said.reason)}",
    )

own_policy = st.session_state.get(state.POLICY)
if own_policy is not None and own_policy.run == run.fingerprint:
    with st.container(horizontal=True, vertical_alignment="center"):
        badges(("your own policy", "orange"))
        st.caption(literal(own_policy.chosen))
        if st.button("Back to the run's policy"):
            del st.session_state[state.POLICY]
            st.rerun()
else:
    if own_policy is not None:
        st.caption(":material/info: Your own policy was made for another run and is not obeyed here; the run's is.")
    own_policy = None
whose = "a visitor's own policy" if own_policy else "the run's own policy"
rejection = f"{whose}: {policy.chosen}" if policy else NO_POLICY if unusable is None else UNUSABLE_POLICY
if unusable is not None:
    problem(unusable)
    st.caption(f":material/warning: {UNUSABLE_POLICY}")

segmenters = cached_runs.segmenters()[0]
mask = None
if segmenters:
    try:
        found = cached_runs.segment(segmenters[0], picture.image).mask()
        mask = found if found.any() else None
        if mask is None:
            st.caption(":material/info: The U-Net found no lesion on this picture: the mask is empty.")
    except LesionError as error:  # the diagnosis does not hang on the mask
        st.caption(f":material/warning: No mask: {literal(str(error))}")

name = literal(picture.title)
opacity = float(st.session_state.get(state.OPACITY, 60)) / 100
left, middle, right = st.columns([5, 5, 5], gap="medium")
with left:
    place = st.container()
    view = (
        choose("Show the lesion as", {"contour": "Outline", "mask": "Mask"}, state.SHOW, buttons=True)
        if mask is not None
        else ""
    )
    with place:
        if mask is None:
            st.image(picture.image, width="stretch", alt=f"The picture: {picture.title}", caption=name)
        elif view == "mask":
            st.image(
                black_and_white(mask),
                width="stretch",
                alt=f"The mask of the picture: {picture.title}",
                caption=f"{name}, the U-Net's mask, lesion in white",
            )
        else:
            st.image(
                outline(picture.image, mask, FOUND),
                width="stretch",
                alt=f"The picture: {picture.title}",
                caption=f"{name}, the U-Net's contour in orange",
            )
        if mask is not None and said.rejected:
            st.caption(f":material/info: {CAVEAT}")
    labels = [origin_badge(picture)]
    if picture.truth:
        truth = diagnosis(picture.truth)
        labels.append((f"true diagnosis: {truth.name}", "gray"))
    badges(*labels)
with middle:
    attribution = explanations.explain(run, picture.image, prediction.code)
    heat = explanation.over(run, picture.image, attribution, opacity)
    st.image(
        heat,
        width="stretch",
        alt=f"Grad-CAM for {top.name} over the picture",
        caption=f"Grad-CAM for {top.code}{', the rejected best guess' if said.rejected else ''}, last block; "
        f"largest evidence {attribution.maximum:.2f}",
    )
    st.slider("Opacity of the map, %", 0, 100, 60, 5, key=state.OPACITY, bind="query-params")
with right:
    probabilities = pd.Series(prediction.probabilities, index=list(prediction.classes))
    st.plotly_chart(
        probability_bars(probabilities),
        width="stretch",
        key="probabilities",
        config={"displayModeBar": False},
        alt="Bars: the probability of each diagnosis, the most probable first",
    )
    st.caption("How to read it: each bar is a diagnosis; together they make 100 %, whatever the picture shows.")
    st.metric("Malignant or premalignant, together", f"{100 * malignant_share(prediction):.0f} %")
    try:
        held = rejections.set_of(run, prediction.probabilities)
        st.markdown(
            f"**A set in place of one answer:** {literal(held)}",
            help="It holds the true diagnosis in 90 % of the cases of each diagnosis, for pictures like those "
            "of the calibrate split; a diagnosis with too few of them there is always in it.",
        )
    except LesionError:  # too few calibration pictures to promise anything
        pass

record = analysed(picture.title, picture.image, run.name, run.fingerprint, prediction)
history: list[Analysed] = remember(st.session_state.get(state.HISTORY, []), record)
st.session_state[state.HISTORY] = history

meaning, crop, hand_out = st.columns([6, 3, 4], gap="medium")
with meaning:
    st.subheader("What the words mean", anchor=False)
    st.markdown(f"**{said.term}** ({top.malignancy}): {said.plain}")
    link_to("explain", "Look at other classes and layers", ":material/visibility:", image=picture.id, run=run.name)
    if segmenters:
        link_to("segment", "Look at the mask", ":material/polyline:", image=picture.id)
with crop:
    box = suggested_crop(mask) if mask is not None else None
    if box:
        x0, y0, x1, y1 = (round(edge) for edge in box)
        st.image(
            np.ascontiguousarray(picture.image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]),
            width=180,
            alt="The crop that the mask suggests",
            caption="The crop that the mask suggests"
            + (", if this is a dermoscopic picture of a lesion" if said.rejected else ""),
        )

st.subheader("What you looked at", anchor=False)
columns = st.columns(6)
for i, seen in enumerate(history[:6]):
    with columns[i]:
        st.image(seen.thumbnail, width="stretch", alt=seen.title)
        st.caption(f"**{seen.answer}**, {100 * seen.confidence:.0f} %  \n{literal(seen.title)}, {literal(seen.run)}")
if len(history) > 1:
    st.dataframe(
        for_people(
            pd.DataFrame(
                [
                    {
                        "picture": h.title,
                        "run": h.run,
                        "answer": h.answer,
                        "most probable": h.guess,
                        "confidence": round(h.confidence, 3),
                        "malignant or premalignant": round(h.malignant, 3),
                    }
                    for h in history
                ]
            )
        ),
        hide_index=True,
    )
    st.download_button(
        "All of it as CSV",
        lambda: as_csv(history),
        "lesion-lab-history.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
st.caption("In memory until you close this page, at most 30 pictures; nobody else sees it.")
if st.toggle("How unsure, how strange: every score of this picture", key="every_score"):
    table = rejections.scores_of(run, picture.image)
    st.dataframe(
        table.assign(
            value=table["value"].map("{:.4g}".format),
            **{"beyond it": (100 * table["beyond it"]).map("{:.1f} %".format)},
        ),
        hide_index=True,
        height=250,
        alt="Every score of this picture",
    )
    st.caption(
        "*Beyond it*: the share of the calibrate pictures that are more unsure, or stranger, by this score; "
        "near 0 % hardly any dermoscopy is like this picture. The page *Out of distribution* sets the limits."
    )
how_to_read(
    "The probabilities are the model's own, after a temperature fitted on the calibrate split: no second opinion.",
    "UNKNOWN means that the rejection policy turned the picture away. A stranger can still get a sure answer: "
    "the page *Out of distribution* shows how often.",
    "The map shows where the evidence for the answer lies in the last block. It does not show why, and it is no proof.",
    f"Run {literal(run.name)} ({run.fingerprint}), {run.config.settings.preprocessing.resize.size} px, "
    f"{prediction.milliseconds:.0f} ms in the model when it was first asked.",
)


def report() -> Report:
    """All of this page, to hand out."""
    return report_of(
        Analysis(
            picture.title,
            picture.image,
            run,
            prediction,
            rejection,
            attribution,
            summary,
            segmenters[0] if segmenters else None,
            mask,
        )
    )


with hand_out:  # last, so that the page stands while the intervals are measured
    st.subheader("To hand out", anchor=False)
    summary = cached_results.view_summary(run, "test")  # not in `report`: no spinner can be shown where it is run
    st.download_button(
        "Report, one HTML file",
        lambda: report_html(report()),
        "lesion-lab-report.html",
        "text/html",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )
    st.download_button(
        "Report, PDF",
        lambda: report_pdf(report()),
        "lesion-lab-report.pdf",
        "application/pdf",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )
    st.caption(f"Made in memory when you click, kept nowhere. {DISCLAIMER}")
