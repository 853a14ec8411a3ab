"""The parts of the page Segment that are the same for everybody who asks for this image and these settings."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.cache import results as cached_results
from app.cache.drawn import drawn_once
from app.components import badges, metric_with_interval, outline
from app.explain import explanation
from app.figures import masks as mask_figures
from app.foreign_text import literal
from lesion_core.analysis.segmentation import MASK_METRICS, THRESHOLD
from lesion_core.foreign_text import visible
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.runs.segmenter import MEASURED_AT, VARIANTS, SegmenterRun

FOUND, EXPERT = (230, 159, 0), (255, 255, 255)  # orange of Okabe and Ito, and white


@drawn_once()
def draw_image(image: Pixels, title: str, known: Mask | None, whose: str) -> None:
    """The image, with the true contour where it is known.

    Args:
        image: The image.
        title: What it is called.
        known: The true mask.
        whose: Who drew that.
    """
    st.image(
        image if known is None else outline(image, known, EXPERT),
        width="stretch",
        alt=f"The image: {visible(title)}",
        caption=literal(title) + ("" if known is None else f", {whose} contour in white"),
    )


@drawn_once(most=256)
def draw_mask(
    image: Pixels, known: Mask | None, heat: NDArray[np.float32], mask: Mask, show: str, opacity: float
) -> None:
    """What was found, laid over the image.

    Args:
        image: The image.
        known: The true mask.
        heat: The probability of lesion.
        mask: What was found.
        show: ``contour``, ``probability`` or ``mask``.
        opacity: Of the latter two, in [0, 1].
    """
    if show == "probability":
        drawn = explanation.painted(image, heat, opacity)
        caption = "the probability of lesion; violet is low, yellow is high"
    elif show == "mask":
        drawn = explanation.painted(image, mask.astype(np.float32), opacity)
        caption = "the mask, in yellow"
    else:
        drawn, caption = image, "the contour that was found, in orange"
        if known is not None:
            drawn = outline(drawn, known, EXPERT)
    st.image(
        outline(drawn, mask, FOUND),
        width="stretch",
        alt=f"The mask over the image: {caption}",
        caption=f"U-Net: {caption}",
    )


@drawn_once()
def draw_test_set(run: SegmenterRun, variant: str, own: float | None) -> None:
    """The figures of the whole test set.

    Args:
        run: The segmenter.
        variant: Key of `VARIANTS`.
        own: The Jaccard index of the image that is shown, which is marked.
    """
    rows, counts = run.counts("test", variant)
    table = cached_results.mask_figures(run, variant).set_index("metric")
    chart, numbers = st.columns([5, 4], gap="large")
    with chart:
        st.plotly_chart(
            mask_figures.jaccard_histogram(MASK_METRICS["jaccard"](counts), THRESHOLD, own),
            width="stretch",
            key="jaccards",
            config={"displayModeBar": False},
            alt="Histogram: the Jaccard of every test image, with the line of failure at 0.65",
        )
        st.caption("How to read it: each bar counts test images; those left of the line are failures.")
    with numbers:
        columns = st.columns(2)
        for i, key in enumerate(("dice", "jaccard", "threshold_jaccard", "accuracy", "sensitivity", "specificity")):
            with columns[i % 2]:
                metric_with_interval(MASK_METRICS[key].name, table.T[key])
        st.caption(
            f"At a threshold of {MEASURED_AT:g} and at the size of the expert's masks. In small type: 95 % confidence "
            "interval (bootstrap over lesions)."
        )
    badges(
        ("real dermoscopy", "blue"),
        ("test set", "green"),
        (f"n = {len(rows):,} images, {rows['lesion_id'].nunique():,} lesions", "gray"),
        (f"masks: {VARIANTS[variant]}", "gray"),
    )
