"""The mask of a lesion: contour, probability, how well it fits, and where it fails."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import images as cached_images
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.components import (
    badges,
    choose,
    how_to_read,
    link_to,
    metric_with_interval,
    open_tabs,
    origin_badge,
    outline,
    page_title,
    pick_picture,
)
from app.explain import explanation
from app.figures import masks as mask_figures
from app.figures import style
from lesion_core.analysis.segmentation import MASK_METRICS, THRESHOLD, count
from lesion_core.errors import LesionError
from lesion_core.imaging.lesion import clean_up, shape_of
from lesion_core.runs.segmenter import MEASURED_AT, VARIANTS

FOUND, EXPERT = (230, 159, 0), (255, 255, 255)  # orange of Okabe and Ito, and white
FAILURES = "The failures first"  # a tab, which links name

known = [run.name for run in cached_runs.segmenters()[0]]
title = st.empty()
with title.container():
    page_title("Where does the lesion end?")  # also where no segmenter answers it
picture = pick_picture()

controls = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
with controls[0]:
    kinds = {"contour": "Contour", "probability": "Probability", "mask": "Mask"}
    show = choose("Show", kinds, state.SHOW, buttons=True)
with controls[1]:
    threshold = st.slider(
        "Lesion from a probability of", 0.05, 0.95, MEASURED_AT, 0.05, key=state.CUT, bind="query-params"
    )
with controls[2]:
    opacity = (
        st.slider("Opacity, %", 0, 100, 60, 5, key=state.OPACITY, bind="query-params", disabled=show == "contour") / 100
    )
with controls[3]:
    clean = st.toggle("Largest part, holes filled", value=True, key=state.CLEAN, bind="query-params")
    name = choose("Segmenter", {n: n for n in known}, state.SEGMENTER) if len(known) > 1 else "".join(known)

whose = "the expert's" if picture.origin == "real" else "the true"  # a synthetic lesion's mask is exact
run = cached_runs.segmenter(name)
found = cached_runs.segment(run, picture.image)
heat = found.heat()
raw = heat >= threshold
whole = clean_up(raw)
mask = whole if clean else raw
variant = "clean" if clean else "raw"
# A picture of the run's own test split has one figure wherever it is shown: the one that the run measured.
measured = picture.origin == "real" and math.isclose(threshold, MEASURED_AT)
stored = run.counts_of(picture.id, "test", variant) if measured else None
if stored is not None:
    pixels = stored
    counted = f"As the run measured it, on the {stored.sum():,} px of the expert's mask."
elif picture.mask is not None:
    height, width = mask.shape
    pixels, counted = np.array(count(mask, picture.mask)), f"Counted here, on {width}x{height} px."
else:
    pixels, counted = None, ""
own = {key: float(metric([pixels])[0]) for key, metric in MASK_METRICS.items()} if pixels is not None else None
shape = shape_of(whole, picture.image)  # of one lesion, also where the mask is shown as found

with title.container():
    if shape is None:
        answer = f"Nothing on this picture reaches a probability of {threshold:g}: the mask is empty."
    elif own:
        verdict = ", a failure" if own["jaccard"] < THRESHOLD else ""
        answer = (
            f"The mask covers {100 * mask.mean():.0f} % of the picture and agrees with {whose} one with "
            f"a Jaccard of **{own['jaccard']:.2f}**{verdict}."
        )
    else:
        answer = f"The mask covers **{100 * mask.mean():.0f} %** of the picture; no true mask is known for it."
    page_title("Where does the lesion end?", answer)

left, right, side = st.columns([5, 5, 3], gap="medium")
with left:
    plain = outline(picture.image, picture.mask, EXPERT) if picture.mask is not None else picture.image
    st.image(
        plain,
        width="stretch",
        alt=f"The picture: {picture.title}",
        caption=picture.title + (f", {whose} contour in white" if picture.mask is not None else ""),
    )
with right:
    if show == "probability":
        drawn = explanation.painted(picture.image, heat, opacity)
        caption = "the probability of lesion, violet little, yellow sure"
    elif show == "mask":
        drawn = explanation.painted(picture.image, mask.astype(np.float32), opacity)
        caption = "the mask, in yellow"
    else:
        drawn, caption = picture.image, "the contour that was found, in orange"
        if picture.mask is not None:
            drawn = outline(drawn, picture.mask, EXPERT)
    st.image(
        outline(drawn, mask, FOUND),
        width="stretch",
        alt=f"The mask over the picture: {caption}",
        caption=f"U-Net: {caption}",
    )
with side, st.container(gap="xxsmall"):
    if own:
        st.metric("Jaccard", f"{own['jaccard']:.3f}", help=MASK_METRICS["jaccard"].description)
        st.metric("Dice", f"{own['dice']:.3f}", help=MASK_METRICS["dice"].description)
        st.metric("Lesion found", style.percent(own["sensitivity"]), help=MASK_METRICS["sensitivity"].description)
        st.caption(counted)
    st.metric("Area", style.percent(float(mask.mean())), help="Share of the picture.")
    unsure = float(((heat > 0.2) & (heat < 0.8)).mean())
    st.metric("Unsure", style.percent(unsure, 1), help="Share of the picture with a probability between 0.2 and 0.8.")
    badges(origin_badge(picture), *([] if clean else [("as found", "orange")]))

rows, counts = run.counts("test", variant)
jaccard = MASK_METRICS["jaccard"](counts)


def how_good() -> None:
    """The figures of the whole test split, and where this picture is among them."""
    table = cached_results.mask_figures(run, variant).set_index("metric")
    chart, numbers = st.columns([5, 4], gap="large")
    with chart:
        st.plotly_chart(
            mask_figures.jaccard_histogram(jaccard, THRESHOLD, own["jaccard"] if own else None),
            width="stretch",
            key="jaccards",
            config={"displayModeBar": False},
            alt="Histogram: the Jaccard of every test picture, with the line of failure at 0.65",
        )
        st.caption("How to read it: each bar counts test pictures; dark bars left of the line are failures.")
    with numbers:
        columns = st.columns(2)
        for i, key in enumerate(("dice", "jaccard", "threshold_jaccard", "accuracy", "sensitivity", "specificity")):
            with columns[i % 2]:
                metric_with_interval(MASK_METRICS[key].name, table.loc[key])
        st.caption(
            f"Cut at {MEASURED_AT:g}, at the size of the expert's masks. Small figures: 95 % interval, by lesion."
        )
    badges(
        ("real dermoscopy", "blue"),
        ("test split", "green"),
        (f"n = {len(rows):,} images, {rows['lesion_id'].nunique():,} lesions", "gray"),
        (f"masks {VARIANTS[variant]}", "gray"),
    )


def failures_first() -> None:
    """The worst test pictures, each a link to itself on this page."""
    order = np.argsort(jaccard, kind="stable")[:12]
    worst = rows.iloc[order].assign(jaccard=jaccard[order])
    try:
        root = state.data_root()
        here = cached_images.all_real_samples(root) if root else {}
    except LesionError:
        here = {}
    if not any(image_id in here for image_id in worst["image_id"]):
        st.caption("The pictures are not on this machine (see *Dataset*); these are their numbers.")
        st.dataframe(worst[["image_id", "label", "jaccard", "site", "age"]], hide_index=True)
    else:
        columns = st.columns(6)
        for i, row in enumerate(worst.itertuples()):
            sample = here.get(str(row.image_id))
            if sample is None:
                continue
            with columns[i % 6]:
                st.image(cached_images.thumbnail(sample), width="stretch", alt=f"{row.image_id}, {row.label}")
                link_to(
                    "segment",
                    f"{row.jaccard:.2f}, {row.label}",
                    ":material/polyline:",
                    **{state.IMAGE: str(row.image_id), state.TAB: FAILURES},
                    **({} if clean else {state.CLEAN: "false"}),
                )
    st.caption(
        f"The {len(worst)} worst of {len(rows):,} test pictures, with their Jaccard. A lesion that fills the "
        "frame, or one that nobody can see the end of, is hard for experts too."
    )


def what_it_says() -> None:
    """The mask's shape in numbers."""
    if shape is None:
        st.caption("The mask is empty.")
        return
    st.dataframe(
        pd.DataFrame(
            [
                ("Area", style.percent(shape.area), "of the picture"),
                ("Border irregularity", f"{shape.irregularity:.2f}", "1 is a disc, more is ragged"),
                ("Solidity", f"{shape.solidity:.2f}", "share of the hull that is filled; 1 has no notch"),
                ("Asymmetry", f"{shape.asymmetry:.2f}", "share that the mirror image leaves uncovered, over two axes"),
                (
                    "Contrast with the skin",
                    "no skin in view" if np.isnan(shape.contrast) else f"{shape.contrast:.0f}",
                    "distance of the mean colours, CIELAB units",
                ),
                ("Variety of colour", f"{shape.variegation:.0f}", "spread of the lesion's colours, CIELAB units"),
            ],
            columns=["what", "value", "how to read it"],
        ),
        hide_index=True,
        width="stretch",
    )
    if shape.touches_edge:
        st.caption(":material/warning: The lesion runs out of the picture: its shape is cut.")
    if not clean:
        st.caption("Of the largest part with its holes filled.")
    st.caption("Descriptive only: these numbers are not a diagnosis, and no model here uses them.")


open_tabs({"How good is it?": how_good, FAILURES: failures_first, "What the mask says": what_it_says})
how_to_read(
    "The model gives each pixel a probability; the contour is where it crosses the chosen value.",
    "The Jaccard is the common area over the area of both masks together: 1 is the same mask. Under 0.65 the challenge "
    "of ISIC 2018 counts a mask as a failure, because experts agree better than that with each other.",
    "It always looks for one lesion. On a picture without one it still finds something: ask the page "
    "*Out of distribution* first.",
    f"Segmenter {run.name} ({run.fingerprint}), {run.config.settings.preprocessing.resize.size} px, trained on "
    f"{run.config.counts.get('train', 0):,} masks, {found.milliseconds:.0f} ms in the model when it was first asked.",
)
