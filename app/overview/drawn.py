"""The parts of the page Overview that are the same for every visitor."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import streamlit as st

from app.cache import images as cached_images
from app.cache import results as cached_results
from app.cache.drawn import drawn_once
from app.components import badges, metric_with_interval
from app.foreign_text import literal
from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
from lesion_core.data.samples import Sample
from lesion_core.errors import ImageError
from lesion_core.foreign_text import visible
from lesion_core.imaging.arrays import Pixels
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run

A_ROW = 4  # images side by side


@drawn_once()
def draw_gallery(run: Run | None, root: Path | None) -> None:
    """An image of each diagnosis by its name: real ones where the data is, else lesions made by code, which may be
    shown anywhere."""
    real = _one_of_each(run, root)
    credits = cached_images.credit_lines(root)
    shown: list[tuple[bytes | Pixels, str, str]] = [
        (cached_images.thumbnail(one), str(one.truth), credits.get(one.id, "")) for one in real
    ]
    if not real:
        shown = [(lesion.image, lesion.diagnosis, "") for lesion in cached_images.gallery_pictures(2 * A_ROW)]
    for start in range(0, len(shown), A_ROW):
        for place, (image, code, credit) in zip(st.columns(A_ROW), shown[start : start + A_ROW], strict=False):
            name = diagnosis(code).name
            kind = "Real" if real else "Synthetic"
            caption = literal(f"{name} ({code})") + (f"  \n{literal(credit)}" if credit else "")
            with place:
                st.image(image, width="stretch", alt=f"{kind}: {visible(name)}", caption=caption)
    if real:
        tested = set() if run is None else set(run.part("test")["image_id"])
        role = "test set" if all(one.id in tested for one in real) else "never trained on"
        badges(("real dermoscopy", "blue"), (role, "green"))
    else:
        badges(("synthetic images", "violet"))
        st.caption(
            "Patient images may not be redistributed, so these are computer-generated. Real ones appear where data "
            "sets are installed; `python -m lesion_core download demo` fetches about 200 that are free to use."
        )


def _one_of_each(run: Run | None, root: Path | None) -> list[Sample]:
    """The first image of each diagnosis in the run's test set that is here and can be read."""
    found: dict[str, Sample] = {}
    for sample in cached_images.samples(run, root).values():
        if sample.origin == "real" and sample.truth and sample.truth not in found:
            with suppress(ImageError):
                cached_images.thumbnail(sample)
                found[sample.truth] = sample
    return list(found.values())


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
