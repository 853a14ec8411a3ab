"""The parts of the page Analyse that are the same for everybody who opens this image with this run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import verdict
from app.analyse.history import malignant_share
from app.analyse.report_view import FOUND, black_and_white
from app.cache import explanation as explanations
from app.cache import rejection as rejections
from app.cache import runs as cached_runs
from app.cache.drawn import drawn_once
from app.components import outline, probability_bars
from app.explain import explanation
from app.foreign_text import literal
from lesion_core.errors import LesionError
from lesion_core.foreign_text import visible
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.lesion import suggested_crop
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run


@drawn_once()
def draw_lesion(image: Pixels, title: str, mask: Mask | None, view: str) -> None:
    """An image.

    Args:
        image: The image.
        title: What it is called.
        mask: What the segmenter found, if anything.
        view: Of a mask: itself, or its ``contour``.
    """
    shown, alt, caption = image, "The image", ""
    if mask is not None and view == "mask":
        shown, alt = black_and_white(mask), "The mask of the image"
        caption = ", the U-Net's mask, lesion in white"
    elif mask is not None:
        shown = outline(image, mask, FOUND)
        caption = ", the U-Net's contour in orange"
    st.image(shown, width="stretch", alt=f"{alt}: {visible(title)}", caption=f"{literal(title)}{caption}")


@drawn_once()
def draw_crop(image: Pixels, mask: Mask, rejected: bool) -> None:
    """The part of the image that the mask suggests to look at."""
    if not (box := suggested_crop(mask)):
        return
    x0, y0, x1, y1 = (round(edge) for edge in box)
    condition = ", if this is a dermoscopic image of a lesion" if rejected else ""
    st.image(
        np.ascontiguousarray(image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]),
        width=180,
        alt="The crop that the mask suggests",
        caption=f"The crop that the mask suggests{condition}",
    )


@drawn_once(most=256)
def draw_map(run: Run, image: Pixels, opacity: float, rejected: bool) -> None:
    """Grad-CAM of the most probable diagnosis."""
    top = diagnosis(cached_runs.predict(run, image).code)
    found = explanations.explain(run, image, top.code)
    guess = ", the rejected best guess" if rejected else ""
    st.image(
        explanation.over(run, image, found, opacity),
        width="stretch",
        alt=f"Grad-CAM for {top.name} over the image",
        caption=f"Grad-CAM for {top.code}{guess}, last block; violet is little evidence, yellow is much; largest "
        f"evidence {found.maximum:.2f} (logit)",
    )


@drawn_once()
def draw_probabilities(run: Run, image: Pixels, rejected: bool) -> None:
    """The probability of each diagnosis, of the malignant ones together, and the set in place of one answer; grey
    where the model was not allowed to answer."""
    prediction = cached_runs.predict(run, image)
    st.plotly_chart(
        probability_bars(pd.Series(prediction.probabilities, index=list(prediction.classes)), rejected),
        width="stretch",
        key="probabilities",
        config={"displayModeBar": False},
        alt="Bars: the probability of each diagnosis, the most probable first",
    )
    st.caption("How to read it: each bar is a diagnosis; together they make 100 %, whatever the image shows.")
    if rejected:
        st.markdown(verdict.muted("The bars are what it would have said.", rejected))
        return
    st.metric("Malignant or premalignant, together", f"{100 * malignant_share(prediction):.0f} %")
    try:
        held, rare = rejections.set_of(run, prediction.probabilities)
    except LesionError:  # too few calibration images to guarantee anything
        return
    words = [f"{code} (not guaranteed)" if code in rare else code for code in held]
    st.markdown(
        f"**A set in place of one answer:** {literal(', '.join(words) or 'no diagnosis fits')}",
        help="It holds the true diagnosis in 90 % of the cases of each diagnosis that it can guarantee, for images "
        "like those of the calibration set. The tab *Sets* of the page *Out of distribution* shows what it does on the "
        "test set.",
    )
    if rare:
        st.caption(f"No guarantee for {literal(', '.join(rare))}: too few calibration images.")
