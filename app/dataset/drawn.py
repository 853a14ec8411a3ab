"""The parts of the page Dataset that are the same for everybody who asks for this data set and these diagnoses."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from app.cache import images as cached_images
from app.cache.drawn import drawn_once
from app.dataset.facts import Facts, headline, lesions, roles_table
from app.figures.data import age_histogram, diagnosis_bars, share_bars, site_bars
from app.figures.style import CONFIRMATIONS, SEXES, axis_name
from app.foreign_text import literal
from lesion_core.data.catalog import LAYOUTS, TITLES
from lesion_core.runs.classifier import Run

SYNTHETIC = "synthetic"
PLAIN = {"displayModeBar": False}


@dataclass(frozen=True)
class Chosen:
    """What the page shows.

    Attributes:
        root: The data folder, empty where there is none: data sets of another one are others.
        layout: Key of a data set's layout, or `SYNTHETIC`.
        diagnoses: Those of the tabs; none are all.
    """

    root: str
    layout: str
    diagnoses: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The whole data set, for reading only."""
        synthetic = self.layout == SYNTHETIC
        return cached_images.synthetic_table() if synthetic else cached_images.catalog(self.layout).table

    @property
    def facts(self) -> Facts:
        """It in numbers."""
        return cached_images.facts(self.layout, cached_images.data_sets().get(self.layout))

    @property
    def rows(self) -> pd.DataFrame:
        """The images of the diagnoses."""
        table = self.table
        return table[table["diagnosis"].isin(self.diagnoses)] if self.diagnoses else table

    @property
    def n(self) -> str:
        """How many these are, for captions."""
        rows = self.rows
        title = TITLES.get(self.layout, self.layout)
        return f"n = {len(rows):,} images of {lesions(rows).nunique():,} lesions, {title}."


def chart(figure: object, alt: str, description: str) -> None:
    """A figure and the sentence on how to read it."""
    st.plotly_chart(figure, width="stretch", config=PLAIN, alt=alt)
    st.caption(description)


@drawn_once()
def answer(chosen: Chosen) -> str:
    """The answer of the page."""
    return headline(chosen.table, chosen.facts)


@drawn_once()
def draw_facts(chosen: Chosen) -> None:
    """Images by diagnosis, and the figures of the whole."""
    found = chosen.facts
    left, right = st.columns([3, 1], gap="large")
    with left:
        said = zip(found.counts["code"].astype(str), found.counts["images"], found.counts["lesions"], strict=True)
        chart(
            diagnosis_bars(found.counts),
            "Bars: the number of images of each diagnosis. "
            + "; ".join(
                f"{axis_name(code)}: {images:,} images of {lesions:,} lesions" for code, images, lesions in said
            ),
            "Each bar is a diagnosis in the colour that it has on every page. Several images can show one lesion"
            + ("; the pale part is listed in the tables but has no file here." if found.missing else "."),
        )
    with right:
        st.metric("Images listed", f"{found.images:,}")
        st.metric(
            "Lesions",
            f"{found.lesions:,}",
            help=None
            if not found.without_lesion
            else f"{found.without_lesion:,} images name no lesion; each counts as one.",
        )
        st.metric("Listed, file missing", f"{found.missing:,}")
        share = found.malignant
        if share.n_images:
            st.metric(
                "Malignant or premalignant",
                f"{100 * share.value:.1f} %",
                delta_color="off",
                delta_arrow="off",
                delta=f"{100 * share.low:.1f} to {100 * share.high:.1f}",
                help="Share of the images with a diagnosis. In small type: 95 % confidence interval over lesions. "
                "Actinic keratosis counts.",
            )


@drawn_once()
def draw_age(chosen: Chosen) -> None:
    """Images by age."""
    rows = chosen.rows
    without = int(rows["age"].isna().sum())
    if without == len(rows):
        st.info("No age is recorded for these images.")
        return
    chart(
        age_histogram(rows),
        "Bars: images by age in steps of five years, women and men",
        f"Each pair of bars is five years; low bars are ages that a model has hardly seen. {chosen.n}"
        + (f" {without:,} without an age are not drawn." if without else ""),
    )


@drawn_once()
def draw_sex(chosen: Chosen) -> None:
    """Women and men in each diagnosis."""
    rows = chosen.rows
    chart(
        share_bars(rows, "sex", {sex: (sex, colour) for sex, colour in SEXES.items()}),
        "Bars of 100 %: the share of women and men in each diagnosis",
        f"Each bar is one diagnosis, all its images together 100 %. {chosen.n}",
    )


@drawn_once()
def draw_site(chosen: Chosen) -> None:
    """Images by site of the body."""
    rows = chosen.rows
    if rows["site"].isna().all():
        st.info("No site is recorded for these images.")
        return
    chart(
        site_bars(rows),
        "Bars: images by site of the body, divided by diagnosis",
        "Each bar is a site, divided by diagnosis; one that shows mostly one diagnosis gives the answer away. "
        + chosen.n,
    )


@drawn_once()
def draw_confirmation(chosen: Chosen) -> None:
    """How the diagnoses were confirmed."""
    rows = chosen.rows
    chart(
        share_bars(rows, "dx_type", CONFIRMATIONS),
        "Bars of 100 %: how the diagnoses were confirmed, for each diagnosis",
        f"Histopathology, the dark end, is the surest. Where biopsies are rare, more labels may be wrong. {chosen.n}",
    )


@drawn_once()
def draw_roles(chosen: Chosen, run: Run | None) -> None:
    """The images that the run knows, by diagnosis and role."""
    if run is None:
        st.info("No run is chosen, so no image has a role yet. Train one: `python -m lesion_core train --help`.")
        return
    roles = roles_table(chosen.rows, run.predictions, run.classes)
    if roles.empty:
        st.info(f"Run {literal(run.name)} has none of these images. Choose another data set or run.")
        return
    st.dataframe(roles, hide_index=True, width="stretch", alt="Images by diagnosis and role in the run")
    st.caption(
        f"Images of this data set that run {literal(run.name)} knows, in its own {len(run.classes)} diagnoses. A model "
        "learns from its training set; the validation set picks the epoch, the calibration set the temperature and the "
        "thresholds; the test set is only shown. A lesion is in one role with all its images."
    )


@drawn_once()
def draw_sources() -> None:
    """Every layout that can be read, and where its data are officially got."""
    st.markdown(
        "\n".join(
            f"- **{TITLES.get(name, name)}**: {layout.description} Licence: {layout.licence}. "
            + (f"[Source]({layout.source})" if layout.source.startswith("http") else layout.source)
            + "."
            for name, layout in LAYOUTS.items()
        )
    )
    st.caption(
        "Put each data set in its own folder inside one parent folder, and set `LESION_DATA` to the parent, or name it "
        "behind `--data`."
    )
