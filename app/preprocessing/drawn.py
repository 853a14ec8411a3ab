"""The parts of the page Preprocessing that are the same for everybody who asks for this image and these steps."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.cache import runs as cached_runs
from app.cache.drawn import drawn_once
from app.figures.preprocessing import change_of_answer, rgb_histograms
from app.foreign_text import literal
from lesion_core.imaging.arrays import Pixels
from lesion_core.runs.classifier import Run

PLAIN = {"displayModeBar": False}


@drawn_once()
def draw_answer(run: Run | None, image: Pixels, after_steps: Pixels) -> None:
    """The probabilities before and after the steps."""
    if run is None:
        st.info("There is no run to ask. Train one: `python -m lesion_core train --help`.")
        return
    found = (cached_runs.predict(run, image) for image in (image, after_steps))
    before, after = (pd.Series(one.probabilities, index=list(one.classes)) for one in found)
    st.plotly_chart(
        change_of_answer(before, after),
        width="stretch",
        config=PLAIN,
        key="answers",
        alt="The probabilities of the five most probable diagnoses, before and after the steps",
    )
    st.caption(
        "Each row is a diagnosis: the open circle is the image as it is, the full one the image after the steps. "
        "A long line is a large change; a single circle is none."
    )
    st.markdown(
        f"Run **{literal(run.name)}** always applies its own preprocessing. The open circles are its answer to the "
        "image as it is. For the full ones, the image after the chosen steps, all but the resize, was given to it as "
        "a new image, and its own preprocessing came on top. A model is only as good as on images prepared like "
        "those it learned from: a changed answer shows how much it depends on the preparation, not that the steps "
        "are better or worse."
    )


@drawn_once()
def draw_colours(image: Pixels, processed: Pixels) -> None:
    """Histograms before and after."""
    st.plotly_chart(
        rgb_histograms(image, processed),
        width="stretch",
        config=PLAIN,
        key="histograms",
        alt="Three histograms: red, green and blue of the original and of the processed image",
    )
    st.caption(
        "Each panel is a colour channel from dark to bright: the grey area is the original, the line the processed "
        "image. Colour constancy moves whole curves, local contrast widens them."
    )
