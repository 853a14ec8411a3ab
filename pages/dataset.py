"""A data set: what it holds, of whom, how sure its diagnoses are, and every image of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import state, visit
from app.cache import images as cached_images
from app.components import badges, choose, how_to_read, open_tabs, outline, page_title, run_if_any
from app.dataset import drawn
from app.dataset.drawn import SYNTHETIC
from app.figures.style import CODES, CONFIRMATIONS, NOT_RECORDED, axis_name
from app.foreign_text import literal
from app.gallery import Entry, Order, pictures
from lesion_core.data.catalog import LAYOUTS, TITLES
from lesion_core.data.samples import Sample, real_samples
from lesion_core.errors import LesionError
from lesion_core.foreign_text import visible
from lesion_core.labels import diagnosis

YOUNGEST, OLDEST = 0, 100
ANY = "any"


def draw() -> None:
    """The page."""
    sets = cached_images.data_sets()
    title = st.container()
    chosen = choose("Data set", {name: TITLES.get(name, name) for name in (*sets, SYNTHETIC)}, state.DATA, buttons=True)
    asked = drawn.Chosen(str(state.data_root() or ""), chosen)
    found = asked.facts
    notes = [] if chosen == SYNTHETIC else list(cached_images.catalog(chosen).notes)
    with title:
        page_title("What is in the data, and who is missing?", drawn.answer(asked))
    drawn.draw_facts(asked)
    if chosen == SYNTHETIC:
        badges(("synthetic images", "violet"), (f"n = {found.images:,}", "gray"))
    else:
        badges(("real dermoscopy", "blue"), (f"n = {found.images:,}", "gray"), (LAYOUTS[chosen].licence, "gray"))
    if not sets:
        st.info(
            "There is no data set on this machine, so these images are made by code. Download one of those below and "
            "start with `LESION_DATA` set to its folder.",
            icon=":material/info:",
        )
    for note in (*notes, *cached_images.left_out()):
        st.caption(f":material/info: {literal(note)}")
    draw_tabs(asked)
    with st.expander("Where to get the data", expanded=not sets):
        drawn.draw_sources()


def draw_tabs(whole: drawn.Chosen) -> None:
    """The detail, of all diagnoses or of some."""
    table, synthetic = whole.table, whole.layout == SYNTHETIC
    listed = set(whole.facts.counts["code"])
    here = [code for code in CODES if code in listed]
    diagnoses = (
        st.multiselect("Diagnoses in the tabs below", here, key=state.DIAGNOSES, bind="query-params", placeholder="All")
        if here
        else []
    )
    chosen = replace(whole, diagnoses=tuple(diagnoses))

    def there() -> pd.DataFrame:
        rows = chosen.rows
        return rows if synthetic else rows[rows["path"].notna()]

    open_tabs(
        {
            "Age": lambda: drawn.draw_age(chosen),
            "Sex": lambda: drawn.draw_sex(chosen),
            "Site": lambda: drawn.draw_site(chosen),
            "Confirmation": lambda: drawn.draw_confirmation(chosen),
            "Gallery": lambda: draw_gallery(there(), table, synthetic),
            "One lesion": lambda: draw_lesion(there(), synthetic),
            "Roles in the run": lambda: drawn.draw_roles(chosen, run_if_any()),
        }
    )


def samples_of(rows: pd.DataFrame, synthetic: bool) -> list[Sample]:
    """The rows as samples: files, or synthetic lesions that are made when they are asked for."""
    if not synthetic:
        return real_samples(rows)
    return [
        Sample(name, f"Synthetic {diagnosis(code).name}", "synthetic", code)
        for name, code in zip(rows["image_id"].astype(str), rows["diagnosis"].astype(str), strict=True)
    ]


def picture_link(sample: Sample, label: str) -> None:
    """A link to the image on the page *Analyse*."""
    st.page_link(
        state.ROOT / "pages" / "analyse.py",
        label=literal(label),
        query_params=visit.carried(**{state.IMAGE: sample.id}),
        help=literal(sample.title),
    )


def gallery_filters(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """One row of filters, with what occurs in the whole table; the rows that are left."""
    left_over, places = rows, st.columns([2, 2, 2, 3])
    for place, label, key, column in (
        (places[0], "Sex", state.SEX, "sex"),
        (places[1], "Site", state.SITE, "site"),
        (places[2], "Confirmation", state.CONFIRMATION, "dx_type"),
    ):
        values = table[column].fillna(NOT_RECORDED)
        if st.query_params.get(key) == "unknown":  # as links once said it
            visit.change_link({key: NOT_RECORDED})
        with place:
            titles = {v: visible(CONFIRMATIONS.get(v, (v, ""))[0]) for v in sorted(values.astype(str).unique())}
            wanted = choose(label, {ANY: "any", **titles}, key)
        if wanted != ANY:
            left_over = left_over[values[left_over.index] == wanted]
    with places[3]:
        low, high = st.slider(
            "Age, years",
            YOUNGEST,
            OLDEST,
            (YOUNGEST, OLDEST),
            5,
            key=state.AGES,
            bind="query-params",
            help="Images without an age are shown only at the full range.",
        )
    if (low, high) != (YOUNGEST, OLDEST):
        left_over = left_over[left_over["age"].between(low, high)]
    return left_over


def draw_gallery(rows: pd.DataFrame, table: pd.DataFrame, synthetic: bool) -> None:
    """The images, a page of them at a time."""
    shown = gallery_filters(rows, table)
    if shown.empty:
        st.info("No image fits these filters. Widen the age range or set a filter back to *any*.")
        return

    def entries(places: NDArray[np.intp]) -> list[Entry]:
        rows = shown.iloc[places]
        start = "synthetic-" if synthetic else "ISIC_"
        return [
            Entry(
                sample.id,
                f"{sample.truth or '?'} {sample.id.removeprefix(start).removeprefix(f'{sample.truth}-')}",
                sample,
                () if np.isnan(age) else (f"{age:.0f} years",),
            )
            for sample, age in zip(samples_of(rows, synthetic), rows["age"].to_numpy(float), strict=True)
        ]

    ages = shown["age"].to_numpy(float)
    listed = Order("listed", "as listed", np.arange(len(shown)))
    by_age = (Order("youngest", "youngest first", ages), Order("oldest", "oldest first", ages, highest_first=True))
    run = run_if_any()
    pictures(
        len(shown),
        entries,
        key="pictures_of_data_set",
        label="Images of the data set that fit the filters",
        noun=("image fits", "images fit"),
        orders=(listed, *by_age) if np.isfinite(ages).any() else (),
        run=run,
    )


def draw_lesion(rows: pd.DataFrame, synthetic: bool) -> None:
    """All images of one lesion."""
    counts = rows["lesion_id"].dropna().value_counts()
    if counts.empty:
        st.info("No lesion ids are published for these images, so nobody can say which ones show the same lesion.")
        return
    first_of = rows.drop_duplicates("lesion_id")
    kinds = dict(zip(first_of["lesion_id"].astype(str), first_of["diagnosis"].fillna("?"), strict=True))
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        names = {
            name: f"{visible(name)}: {kinds[name]}, {n} image{'s' if n > 1 else ''}"
            for name, n in zip(counts.index.astype(str), counts, strict=True)
        }
        lesion = choose("Lesion, those with the most images first", names, state.LESION)
    with right:
        outlined = st.toggle("Outline the lesion", value=True)
    images = rows[rows["lesion_id"] == lesion]
    first = images.iloc[0]
    facts = [
        axis_name(first["diagnosis"]) if isinstance(first["diagnosis"], str) else "without diagnosis",
        f"confirmation: {CONFIRMATIONS.get(first['dx_type'], (first['dx_type'], ''))[0]}"
        if isinstance(first["dx_type"], str)
        else "how it was confirmed is not recorded",
        f"{first['age']:.0f} years" if pd.notna(first["age"]) else "age not recorded",
        first["sex"] if isinstance(first["sex"], str) else "sex not recorded",
        first["site"] if isinstance(first["site"], str) else "site not recorded",
    ]
    st.markdown(" · ".join(map(literal, facts)))
    samples, masks = samples_of(images, synthetic), 0
    for start in range(0, len(samples), 4):
        for place, sample in zip(st.columns(4), samples[start : start + 4], strict=False):
            with place:
                try:
                    picture = cached_images.picture(sample)
                except LesionError as error:
                    st.caption(f":material/broken_image: {literal(error.problem)}")
                    continue
                masks += picture.mask is not None
                drawn = outline(picture.image, picture.mask) if outlined and picture.mask is not None else picture.image
                st.image(
                    drawn, width="stretch", alt=f"{visible(sample.title)}{', lesion outlined' if outlined else ''}"
                )
                picture_link(sample, sample.id)
    plural = "s" if len(samples) > 1 else ""
    st.caption(
        f"{len(samples)} image{plural} of this lesion, {masks} with a mask (white line). "
        "Images of one lesion belong in one role: a model that has seen one of them has seen them all."
    )


draw()
how_to_read(
    "A model learns what is frequent. Compare the longest with the shortest bar before you believe an accuracy: "
    "calling everything the most frequent diagnosis is already right as often as that bar is long.",
    "Count lesions, not images: photographs of one lesion are not independent cases.",
    "Who is missing here was never tested either. None of these tables records the colour of the skin.",
    "Nevi are mostly followed up, melanomas biopsied: how a diagnosis was confirmed differs between diagnoses.",
)
