"""One image: what the model says, how sure it is, where it looked, and whether it should answer at all."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app import state, tried_policy, verdict, visit
from app.analyse import drawn
from app.analyse.history import Analysed, analysed, as_csv, as_table, remember
from app.analyse.report_view import Analysis, report_of, words
from app.analyse.requested import AppliedPolicy, applied_policy, classify, mask_is_known, outlined
from app.cache import rejection as rejections
from app.cache import results as cached_results
from app.components import (
    DISCLAIMER,
    badges,
    choose,
    current_run,
    how_to_read,
    link_to,
    origin_badge,
    page_title,
    pick_picture,
    role_badge,
)
from app.foreign_text import literal
from lesion_core.data.samples import Picture
from lesion_core.foreign_text import for_people, visible
from lesion_core.labels import diagnosis
from lesion_core.reports.picture import report_html, report_pdf
from lesion_core.runs.classifier import Run

A_ROW = 6  # thumbnails of the history side by side


def draw() -> None:
    """The page. The verdict stands above the image that it is about."""
    page_title("What does the model say about this image?")
    run = current_run()
    strip = st.container()
    picture = pick_picture()
    judged = verdict.verdict_of(run, picture, not visit.truth_is_hidden())
    with strip:
        verdict.draw(judged)
    policy = applied_policy(run)
    found = classify(run, picture, judged.prediction, policy)
    draw_policy(policy)
    said = st.container()
    left, middle, right = st.columns(3, gap="medium")
    with left:
        place = st.empty()
        if not mask_is_known(picture.image):
            with place.container():
                drawn.draw_lesion(picture.image, picture.title, None, "contour")
    with middle:
        draw_map(found)
    with right:
        drawn.draw_probabilities(run, picture.image, judged.rejected)
    found, notes = outlined(found)  # the second model: the answer does not wait for it
    with said:
        for note in notes:
            st.caption(f":material/info: {literal(note)}")
    with place.container():
        draw_lesion(picture, found)
    meaning, crop, report = st.columns([6, 3, 4], gap="medium")
    with meaning:
        draw_meaning(found)
    with crop:
        draw_crop(found)
    draw_history(remembered(picture, found))
    draw_every_score(run, picture)
    how_to_read(
        "These are the model's own probabilities after temperature scaling. They are not a second opinion.",
        "UNKNOWN means that the rejection policy turned the image away. An image that shows no lesion can still get a "
        "confident answer: the page *Out of distribution* shows how often.",
        "The map shows where the evidence for the answer lies in the last block. It does not show why, and it is not a "
        "proof.",
        f"Run {literal(run.name)} ({run.fingerprint}), {run.config.settings.preprocessing.resize.size} px; the model "
        f"took {found.prediction.milliseconds:.0f} ms when it was first asked.",
    )
    with report:  # last, so that the page stands while the intervals are measured
        draw_report(run, found)


def draw_policy(applied: AppliedPolicy) -> None:
    """Whose policy holds, where that is not simply the run's."""
    if applied.own is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            badges(("your own policy", "orange"))
            st.caption(literal(applied.own.chosen))
            if st.button("Back to the run's policy"):
                tried_policy.let_go()
                st.rerun()
    elif applied.of_another_run:
        st.caption(
            ":material/info: Your own policy was made for another run, so it is not used here; the run's own policy is."
        )


def draw_lesion(picture: Picture, found: Analysis) -> None:
    """The image with the contour that the segmenter found, or the mask alone."""
    place, view = st.container(), "contour"
    if found.mask is not None:
        view = choose("Show the lesion as", {"contour": "Outline", "mask": "Mask"}, state.SHOW, buttons=True)
    with place:
        drawn.draw_lesion(picture.image, picture.title, found.mask, view)
        if found.mask is not None and words(found.prediction).rejected:
            st.caption(f":material/info: {verdict.CAVEAT}")
    truth = [(f"true diagnosis: {diagnosis(picture.truth).name}", "gray")] if picture.truth else []
    badges(origin_badge(picture), *role_badge(found.run, picture), *truth)


def draw_map(found: Analysis) -> None:
    """Grad-CAM of the most probable diagnosis, and how strongly it covers the image."""
    place = st.container()
    opacity = st.slider("Opacity of the map, %", 0, 100, 60, 5, key=state.CAM_OPACITY, bind="query-params") / 100
    with place:
        drawn.draw_map(found.run, found.image, opacity, words(found.prediction).rejected)


def draw_meaning(found: Analysis) -> None:
    """The diagnosis in plain words, and where to go on."""
    said = words(found.prediction)
    st.subheader("What the words mean", anchor=False)
    told = f"**{said.term}** ({diagnosis(found.prediction.code).malignancy}): {said.plain}"
    st.markdown(verdict.muted(told, said.rejected))
    link_to("explain", "Look at other classes and layers", ":material/visibility:")
    if found.segmenter is not None:
        link_to("segment", "Look at the mask", ":material/polyline:")


def draw_crop(found: Analysis) -> None:
    """The part of the image that the mask suggests to look at."""
    if found.mask is not None:
        drawn.draw_crop(found.image, found.mask, words(found.prediction).rejected)


def remembered(picture: Picture, found: Analysis) -> list[Analysed]:
    """This visitor's history with this analysis in it, the newest first."""
    record = analysed(
        picture.title, picture.image, found.run.name, found.run.fingerprint, found.prediction, found.rejection
    )
    history: list[Analysed] = remember(st.session_state.get(state.HISTORY, []), record)
    st.session_state[state.HISTORY] = history
    return history


def draw_history(history: list[Analysed]) -> None:
    """What was analysed in this visit, as small images and as a table."""
    st.subheader("Images you have analysed", anchor=False)
    for column, seen in zip(st.columns(A_ROW), history, strict=False):
        with column:
            st.image(seen.thumbnail, width="stretch", alt=visible(seen.title))
            st.caption(f"**{seen.answer}**, {100 * seen.confidence:.0f} %  \n{literal(f'{seen.title}, {seen.run}')}")
    if len(history) > 1:
        st.dataframe(for_people(as_table(history)), hide_index=True, alt="The images you have analysed")
        st.download_button(
            "Download all as CSV",
            lambda: as_csv(history),
            "lesion-lab-history.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    st.caption("Kept in memory until you close this page, at most 30 images; nobody else can see it.")


def draw_every_score(run: Run, picture: Picture) -> None:
    """The scores of the image, if they are asked for: that takes a moment."""
    if not st.toggle("All confidence and OOD scores of this image", key="every_score"):
        return
    table = rejections.scores_of(run, picture.image)
    st.dataframe(
        table.assign(
            value=table["value"].map("{:.4g}".format),
            **{"beyond it": (100 * table["beyond it"]).map("{:.1f} %".format)},
        ),
        hide_index=True,
        height=250,
        alt="Every score of this image",
    )
    st.caption(
        "*Beyond it*: the share of the calibration images that this score finds more unusual or less certain. Near "
        "0 %, hardly any dermoscopic image is like this one. The page *Out of distribution* sets the limits."
    )


def draw_report(run: Run, found: Analysis) -> None:
    """The page as files."""
    st.subheader("Report", anchor=False)
    # Not when it is clicked: no spinner can be shown then.
    complete = replace(found, summary=cached_results.view_summary(run, "test"))
    st.download_button(
        "Report, one HTML file",
        lambda: report_html(report_of(complete)),
        "lesion-lab-report.html",
        "text/html",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )
    st.download_button(
        "Report, PDF",
        lambda: report_pdf(report_of(complete)),
        "lesion-lab-report.pdf",
        "application/pdf",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )
    st.caption(f"Made in memory when you click, stored nowhere. {DISCLAIMER}")


draw()
