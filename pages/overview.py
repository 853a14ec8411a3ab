"""What is here, how good it is, and where to go."""

from __future__ import annotations

import streamlit as st

from app import state
from app.cache import images as cached_images
from app.cache import results as cached_results
from app.components import DISCLAIMER, link_to, page_title, problem, run_if_any
from app.foreign_text import literal
from app.overview import drawn
from lesion_core.data.catalog import TITLES
from lesion_core.errors import LesionError
from lesion_core.runs.classifier import Run


def draw(run: Run | None) -> None:
    """The page; without a run it shows what needs none."""
    draw_answer(run)
    left, right = st.columns([5, 4], gap="large")
    with left:
        drawn.draw_gallery(run, state.data_root())
    with right:
        if run is not None:
            drawn.draw_figures(run)
        draw_links()
        draw_data()
    st.divider()
    st.markdown(f"**{DISCLAIMER}**")


def draw_answer(run: Run | None) -> None:
    """How good the run is."""
    answer = ""
    if run is None:
        answer = "There is no trained run here yet, so the pages show only the data and the synthetic images."
    elif summary := cached_results.view_summary(run, "test"):
        balanced = summary.table.set_index("metric").loc["balanced_accuracy"]
        answer = (
            f"Run **{literal(run.name)}** chooses among {len(run.classes)} diagnoses; its balanced accuracy is "
            f"**{balanced['value']:.2f}** ({balanced['low']:.2f} to {balanced['high']:.2f}) on {summary.n_images:,} "
            "images of lesions that it never saw. Look at where it fails before you trust it."
        )
    if answer:
        st.markdown(answer)


def draw_links() -> None:
    """The ways through the dashboard."""
    st.markdown("**Where to go**")
    link_to("analyse", "Try one image", ":material/search:")
    link_to("compare", "See what it confuses", ":material/bar_chart:")
    link_to("explain", "Ask where it looked", ":material/visibility:")
    link_to("out_of_distribution", "Choose when it should not answer", ":material/block:")


def draw_data() -> None:
    """The data sets that are installed."""
    st.markdown("**Data on this machine**")
    try:
        sets = cached_images.data_sets()
    except LesionError as error:
        problem(error)
        return
    if sets:
        st.caption(f"{', '.join(TITLES[layout] for layout in sets)}. The page *Dataset* counts what is there.")
    else:
        st.caption(
            "None, so you see the run's real figures and synthetic images. Set `LESION_DATA` to a folder with HAM10000 "
            "or ISIC images to see those too: the page *Dataset* says where to get them."
        )


page_title("How far can you trust a model that looks at skin?")
draw(run_if_any())
