"""The mask of a lesion: contour, probability, how well it fits, and where it fails."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from app import state, verdict, visit
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from app.components import (
    badges,
    choose,
    how_to_read,
    open_tabs,
    origin_badge,
    page_title,
    pick_picture,
    role_badge,
    run_if_any,
)
from app.figures import style
from app.foreign_text import literal
from app.gallery import Entry, Order, pictures
from app.segment import drawn
from app.segment.found import Controls, Found, find
from lesion_core.analysis.segmentation import MASK_METRICS, THRESHOLD
from lesion_core.data.samples import Picture
from lesion_core.errors import LesionError
from lesion_core.foreign_text import for_people
from lesion_core.imaging.lesion import Shape
from lesion_core.runs.segmenter import MEASURED_AT, SegmenterRun

QUESTION = "Where does the lesion end?"
A_PAGE = 12  # failures
FAILURES = "The failures first"  # a tab, which links name
UNSURE = 0.2, 0.8  # probabilities between which a pixel counts as uncertain


def draw() -> None:
    """The page."""
    title = st.empty()
    with title.container():
        page_title(QUESTION)  # also where no segmenter answers it
    strip = st.container()
    picture = pick_picture()
    controls, name = draw_controls([run.name for run in cached_runs.segmenters()[0]])
    run = cached_runs.segmenter(name)
    found = find(run, picture, controls)
    draw_title(title, picture, found)
    left, right, side = st.columns([5, 5, 3], gap="medium")
    with left:
        drawn.draw_image(picture.image, picture.title, picture.mask, whose_mask(picture))
    with right:
        opacity = 0.0 if controls.show == "contour" else controls.opacity
        drawn.draw_mask(picture.image, picture.mask, found.heat, found.mask, controls.show, opacity)
    with side, st.container(gap="xxsmall"):
        draw_numbers(run, picture, found, controls)
    if (classifier := run_if_any()) is not None:  # after the mask, which does not wait for it
        judged = verdict.verdict_of(classifier, picture, not visit.truth_is_hidden())
        with strip:
            verdict.draw(judged)
            if judged.rejected:
                st.caption(f":material/info: {verdict.CAVEAT}")
    own = found.figures["jaccard"] if found.figures else None
    open_tabs(
        {
            "How good is it?": lambda: drawn.draw_test_set(run, controls.variant, own),
            FAILURES: lambda: failures_first(run, controls),
            "What the mask says": lambda: what_it_says(found.shape, controls),
        }
    )
    how_to_read(
        "The model gives each pixel a probability; the contour is where it crosses the chosen threshold.",
        "The Jaccard index is the area that both masks share, divided by the area that either covers: 1 means the same "
        "mask. Below 0.65 the ISIC 2018 challenge counts a mask as a failure, because experts agree better than that "
        "with each other.",
        "It always looks for one lesion. In an image without one it still finds something: look at the page "
        "*Out of distribution* first.",
        f"Segmenter {literal(run.name)} ({run.fingerprint}), {run.config.settings.preprocessing.resize.size} px, "
        f"trained on {run.config.counts.get('train', 0):,} masks; the model took {found.milliseconds:.0f} ms when it "
        "was first asked.",
    )


def draw_controls(known: list[str]) -> tuple[Controls, str]:
    """What can be set, and the name of the segmenter, empty where there is none."""
    columns = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
    with columns[0]:
        kinds = {"contour": "Contour", "probability": "Probability", "mask": "Mask"}
        show = choose("Show", kinds, state.SHOW, buttons=True)
    with columns[1]:
        threshold = st.slider(
            "Probability threshold", 0.05, 0.95, MEASURED_AT, 0.05, key=state.CUT, bind="query-params"
        )
    with columns[2]:
        percent = st.slider(
            "Opacity, %", 0, 100, 60, 5, key=state.MASK_OPACITY, bind="query-params", disabled=show == "contour"
        )
    with columns[3]:
        clean = st.toggle("Largest part, holes filled", value=True, key=state.CLEAN, bind="query-params")
        name = choose("Segmenter", {n: n for n in known}, state.SEGMENTER) if len(known) > 1 else "".join(known)
    return Controls(show, threshold, percent / 100, clean), name


def whose_mask(picture: Picture) -> str:
    """Who drew the known mask: a synthetic lesion's is exact."""
    return "the expert's" if picture.origin == "real" else "the true"


def draw_title(place: DeltaGenerator, picture: Picture, found: Found) -> None:
    """The question, and what the mask is like."""
    share = 100 * found.mask.mean()
    if found.shape is None:
        answer = "No pixel of this image reaches the threshold: the mask is empty."
    elif found.figures:
        verdict = ", a failure" if found.figures["jaccard"] < THRESHOLD else ""
        answer = (
            f"The mask covers {share:.0f} % of the image. Its Jaccard index with {whose_mask(picture)} mask is "
            f"**{found.figures['jaccard']:.2f}**{verdict}."
        )
    else:
        answer = f"The mask covers **{share:.0f} %** of the image; no true mask is known for it."
    with place.container():
        page_title(QUESTION, answer)


def draw_numbers(run: SegmenterRun, picture: Picture, found: Found, controls: Controls) -> None:
    """How well the mask fits, and how large and how certain it is."""
    if found.figures:
        for key, label in (("jaccard", "Jaccard"), ("dice", "Dice")):
            st.metric(label, f"{found.figures[key]:.3f}", help=MASK_METRICS[key].description)
        st.metric(
            "Lesion area covered",
            style.percent(found.figures["sensitivity"]),
            help=f"Sensitivity. {MASK_METRICS['sensitivity'].description}",
        )
        st.caption(found.counted)
    st.metric("Area", style.percent(float(found.mask.mean())), help="Share of the image that the mask covers.")
    low, high = UNSURE
    st.metric(
        "Uncertain area",
        style.percent(float(((found.heat > low) & (found.heat < high)).mean()), 1),
        help=f"Share of the image with a probability between {low} and {high}.",
    )
    badges(origin_badge(picture), *role_badge(run, picture), *([] if controls.clean else [("as found", "orange")]))


def failures_first(run: SegmenterRun, controls: Controls) -> None:
    """The test images, the worst first, each a link to itself on this page."""
    rows, counts = run.counts("test", controls.variant)
    jaccard = MASK_METRICS["jaccard"](counts)
    try:
        root = state.data_root()
        here = cached_images.all_real_samples(root, run.config.settings.images) if root else {}
    except LesionError:
        here = {}
    there = np.flatnonzero(rows["image_id"].isin(here).to_numpy())
    told = f"{len(rows):,} test images, with their Jaccard index"
    if not len(there):
        st.caption("The images are not on this machine (see *Dataset*); these are their numbers.")
        order = np.argsort(jaccard, kind="stable")[:A_PAGE]
        worst = rows.iloc[order].assign(jaccard=jaccard[order])
        st.dataframe(for_people(worst[["image_id", "label", "jaccard", "site", "age"]]), hide_index=True)
        told = f"The {len(worst)} worst of {told}"
    else:

        def entries(places: NDArray[np.intp]) -> list[Entry]:
            chosen = there[places]
            found = zip(rows["image_id"].iloc[chosen], rows["label"].iloc[chosen], jaccard[chosen], strict=True)
            return [
                Entry(str(name), str(name), here[str(name)], (f"Jaccard {overlap:.2f}",), truth=str(label))
                for name, label, overlap in found
            ]

        pictures(
            len(there),
            entries,
            key="failures",
            label="Test images with their Jaccard index",
            orders=(
                Order("worst", "worst first", jaccard[there]),
                Order("best", "best first", jaccard[there], highest_first=True),
            ),
            opens="segment",
            stays=True,
            query={
                state.TAB: FAILURES,
                state.SEGMENTER: run.name,
                **({} if controls.clean else {state.CLEAN: "false"}),
            },
            a_page=A_PAGE,
        )
    st.caption(f"{told}. A lesion that fills the frame, or one whose edge nobody can see, is hard for experts too.")


def what_it_says(shape: Shape | None, controls: Controls) -> None:
    """The mask's shape in numbers."""
    if shape is None:
        st.caption("The mask is empty.")
        return
    contrast = "no skin in view" if np.isnan(shape.contrast) else f"{shape.contrast:.0f}"
    st.dataframe(
        pd.DataFrame(
            [
                ("Area", style.percent(shape.area), "share of the image"),
                ("Border irregularity", f"{shape.irregularity:.2f}", "1 is a disc, more is ragged"),
                ("Solidity", f"{shape.solidity:.2f}", "share of the convex hull that is filled; 1 has no notch"),
                ("Asymmetry", f"{shape.asymmetry:.2f}", "share that the mirror image leaves uncovered, over two axes"),
                ("Contrast with the skin", contrast, "distance between the mean colours, CIELAB units"),
                ("Variety of colour", f"{shape.variegation:.0f}", "spread of the lesion's colours, CIELAB units"),
            ],
            columns=["what", "value", "how to read it"],
        ),
        hide_index=True,
        width="stretch",
    )
    if shape.touches_edge:
        st.caption(":material/warning: The lesion reaches the edge of the image, so part of its shape is missing.")
    if not controls.clean:
        st.caption("Measured on the largest part with its holes filled.")
    st.caption("These numbers only describe the mask: they are not a diagnosis, and no model here uses them.")


draw()
