"""The parts of the page Overview that are the same for every visitor."""

from __future__ import annotations

import streamlit as st

from app.cache import images as cached_images
from app.cache import results as cached_results
from app.cache.drawn import drawn_once
from app.components import badges, metric_with_interval
from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
from lesion_core.runs.classifier import Run

A_ROW = 4  # synthetic images side by side


@drawn_once()
def draw_gallery() -> None:
    """Lesions made by code: what may be shown anywhere."""
    columns = st.columns(A_ROW)
    for i, lesion in enumerate(cached_images.gallery_pictures(2 * A_ROW)):
        with columns[i % A_ROW]:
            st.image(lesion.image, width="stretch", alt=f"Synthetic {lesion.diagnosis}", caption=lesion.diagnosis)
    badges(("synthetic images", "violet"))
    st.caption(
        "Patient images may not be redistributed, so these are computer-generated. Real ones appear where the data "
        "sets are installed."
    )


@drawn_once("Measuring, with intervals …")
def draw_figures(run: Run) -> None:
    """The two figures that matter most, on each evaluation set of all classes."""
    for key in ("test", "isic2018"):
        summary = cached_results.view_summary(run, key)
        if summary is None:
            continue
        st.markdown(f"**{EVALUATION_SETS[key].name}**, n = {summary.n_images:,}")
        figures = summary.table.set_index("metric")
        for column, metric, title in zip(
            st.columns(2), ("balanced_accuracy", "macro_auroc"), ("Balanced accuracy", "Mean AUROC"), strict=True
        ):
            with column:
                metric_with_interval(title, figures.T[metric])
    st.caption("In small type: 95 % confidence interval (bootstrap over lesions).")
