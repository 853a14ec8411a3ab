"""What is here, how good it is, and where to go."""

from __future__ import annotations

import streamlit as st

from app.cache import images as cached_images
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.components import DISCLAIMER, badges, current_run, link_to, metric_with_interval, page_title, problem
from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
from lesion_core.errors import LesionError

found, _ = cached_runs.runs()
if found:
    run = current_run()
    summary = cached_results.view_summary(run, "test")
    answer = ""
    if summary:
        figures = summary.table.set_index("metric")
        balanced = figures.loc["balanced_accuracy"]
        answer = (
            f"Run **{run.name}** finds the right one of {len(run.classes)} diagnoses with a balanced accuracy of "
            f"**{balanced['value']:.2f}** ({balanced['low']:.2f} to {balanced['high']:.2f}) on "
            f"{summary.n_images:,} pictures of lesions that it never saw. Look at where it fails before you trust it."
        )
    page_title("How far can you trust a model that looks at skin?", answer)
else:
    run = None
    page_title(
        "How far can you trust a model that looks at skin?",
        "There is no trained run here yet, so the pages show the data and the synthetic pictures only.",
    )

left, right = st.columns([5, 4], gap="large")
with left:
    rows = st.columns(4)
    for i, lesion in enumerate(cached_images.gallery_pictures(8)):
        with rows[i % 4]:
            st.image(lesion.image, width="stretch", alt=f"Synthetic {lesion.diagnosis}", caption=lesion.diagnosis)
    badges(("synthetic pictures", "violet"))
    st.caption("Patients' pictures may not be passed on. These are made by code; real ones show where the data is.")
with right:
    if run:
        for key in ("test", "isic2018"):
            view = cached_results.view_summary(run, key)
            if view is None:
                continue
            st.markdown(f"**{EVALUATION_SETS[key].name}**, n = {view.n_images:,}")
            columns = st.columns(2)
            figures = view.table.set_index("metric")
            with columns[0]:
                metric_with_interval("Balanced accuracy", figures.loc["balanced_accuracy"])
            with columns[1]:
                metric_with_interval("Mean AUROC", figures.loc["macro_auroc"])
        st.caption("Small figures: 95 % interval, by lesion.")
    st.markdown("**Where to go**")
    link_to("analyse", "Try one picture", ":material/search:")
    link_to("compare", "See what it confuses", ":material/bar_chart:")
    link_to("explain", "Ask where it looked", ":material/visibility:")
    link_to("out_of_distribution", "Choose when it should not answer", ":material/block:")
    sets: dict[str, object] = {}
    try:
        sets = dict(cached_images.data_sets())
    except LesionError as error:
        problem(error)
    st.markdown("**Data on this machine**")
    if sets:
        st.caption(f"{', '.join(sets)}. The page *Dataset* counts what is there.")
    else:
        st.caption(
            "None. The run's real figures and synthetic pictures are shown. Set `LESION_DATA` to a folder with "
            "HAM10000 or ISIC pictures to see them: the page *Dataset* says where to get them."
        )

st.divider()
st.markdown(f"**{DISCLAIMER}**")
