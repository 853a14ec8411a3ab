"""A data set: what it holds, of whom, how sure its diagnoses are, and every image of it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import state
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from app.components import badges, choose, how_to_read, open_tabs, outline, page_title
from app.dataset.facts import Facts, codes, headline, lesions, roles_table
from app.figures.data import age_histogram, diagnosis_bars, share_bars, site_bars
from app.figures.style import CONFIRMATIONS, NOT_RECORDED, SEXES, axis_name
from app.foreign_text import literal
from lesion_core.data.catalog import LAYOUTS, TITLES
from lesion_core.data.samples import Sample, real_samples
from lesion_core.errors import ImageError, LesionError
from lesion_core.foreign_text import visible
from lesion_core.labels import diagnosis

SYNTHETIC = "synthetic"
A_PAGE, A_ROW = 24, 6
PLAIN = {"displayModeBar": False}
YOUNGEST, OLDEST = 0, 100
ANY = "any"


def draw() -> None:
    """The page."""
    sets = cached_images.data_sets()
    title = st.container()
    chosen = choose("Data set", {name: TITLES.get(name, name) for name in (*sets, SYNTHETIC)}, state.DATA, buttons=True)
    if chosen == SYNTHETIC:
        table, notes = cached_images.synthetic_table(), list[str]()
    else:
        catalog = cached_images.catalog(chosen)
        table, notes = catalog.table, list(catalog.notes)
    found = cached_images.facts(chosen, sets.get(chosen))
    with title:
        page_title("What is in the data, and who is missing?", headline(table, found))
    draw_facts(found)
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
    draw_tabs(table, chosen)
    with st.expander("Where to get the data", expanded=not sets):
        draw_sources()


def draw_facts(found: Facts) -> None:
    """Images by diagnosis, and the figures of the whole."""
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


def draw_tabs(table: pd.DataFrame, chosen: str) -> None:
    """The detail, of all diagnoses or of some.

    Args:
        table: A catalog's table.
        chosen: Key of its layout, or `SYNTHETIC`.
    """
    here = codes(table)
    chosen_codes = (
        st.multiselect("Diagnoses in the tabs below", here, key=state.DIAGNOSES, bind="query-params", placeholder="All")
        if here
        else []
    )
    rows = table[table["diagnosis"].isin(chosen_codes)] if chosen_codes else table
    n = f"n = {len(rows):,} images of {lesions(rows).nunique():,} lesions, {TITLES.get(chosen, chosen)}."
    there = rows if chosen == SYNTHETIC else rows[rows["path"].notna()]
    open_tabs(
        {
            "Age": lambda: draw_age(rows, n),
            "Sex": lambda: draw_sex(rows, n),
            "Site": lambda: draw_site(rows, n),
            "Confirmation": lambda: draw_confirmation(rows, n),
            "Gallery": lambda: draw_gallery(there, table, chosen == SYNTHETIC),
            "One lesion": lambda: draw_lesion(there, chosen == SYNTHETIC),
            "Roles in the run": lambda: draw_roles(rows, st.session_state.get(state.RUN)),
        }
    )


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
    query = {state.IMAGE: sample.id}
    if run_name := st.session_state.get(state.RUN):
        query[state.RUN] = str(run_name)
    st.page_link(
        state.ROOT / "pages" / "analyse.py", label=literal(label), query_params=query, help=literal(sample.title)
    )


def chart(figure: object, alt: str, description: str) -> None:
    """A figure and the sentence on how to read it."""
    st.plotly_chart(figure, width="stretch", config=PLAIN, alt=alt)
    st.caption(description)


def draw_age(rows: pd.DataFrame, n: str) -> None:
    """Images by age."""
    without = int(rows["age"].isna().sum())
    if without == len(rows):
        st.info("No age is recorded for these images.")
        return
    chart(
        age_histogram(rows),
        "Bars: images by age in steps of five years, women and men",
        f"Each pair of bars is five years; low bars are ages that a model has hardly seen. {n}"
        + (f" {without:,} without an age are not drawn." if without else ""),
    )


def draw_sex(rows: pd.DataFrame, n: str) -> None:
    """Women and men in each diagnosis."""
    chart(
        share_bars(rows, "sex", {sex: (sex, colour) for sex, colour in SEXES.items()}),
        "Bars of 100 %: the share of women and men in each diagnosis",
        f"Each bar is one diagnosis, all its images together 100 %. {n}",
    )


def draw_site(rows: pd.DataFrame, n: str) -> None:
    """Images by site of the body."""
    if rows["site"].isna().all():
        st.info("No site is recorded for these images.")
        return
    chart(
        site_bars(rows),
        "Bars: images by site of the body, divided by diagnosis",
        f"Each bar is a site, divided by diagnosis; one that shows mostly one diagnosis gives the answer away. {n}",
    )


def draw_confirmation(rows: pd.DataFrame, n: str) -> None:
    """How the diagnoses were confirmed."""
    chart(
        share_bars(rows, "dx_type", CONFIRMATIONS),
        "Bars of 100 %: how the diagnoses were confirmed, for each diagnosis",
        f"Histopathology, the dark end, is the surest. Where biopsies are rare, more labels may be wrong. {n}",
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
            st.query_params[key] = NOT_RECORDED
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
    pages = -(-len(shown) // A_PAGE)
    if int(st.session_state.get(state.PAGE) or 1) > pages:
        st.session_state[state.PAGE] = pages
    top = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
    with top:
        page = st.pagination(pages, key=state.PAGE, bind="query-params")
        st.caption(f"{len(shown):,} images fit; {A_PAGE} per page. Choose one to analyse it.")
    samples = samples_of(shown.iloc[(page - 1) * A_PAGE : page * A_PAGE], synthetic)
    for start in range(0, len(samples), A_ROW):
        for place, sample in zip(st.columns(A_ROW, gap="small"), samples[start : start + A_ROW], strict=False):
            with place:
                try:
                    st.image(
                        cached_images.thumbnail(sample), width="stretch", alt=f"Thumbnail: {visible(sample.title)}"
                    )
                except ImageError as error:
                    st.caption(f":material/broken_image: {literal(error.problem)}")
                number = sample.id.rpartition("-")[2] if synthetic else sample.id.removeprefix("ISIC_")
                picture_link(sample, f"{sample.truth or '?'} {number}")


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


def draw_roles(rows: pd.DataFrame, run_name: str | None) -> None:
    """The images that the run knows, by diagnosis and role."""
    if not run_name:
        st.info("No run is chosen, so no image has a role yet. Train one: `python -m lesion_core train --help`.")
        return
    run = cached_runs.run(str(run_name))
    roles = roles_table(rows, run.predictions, run.classes)
    if roles.empty:
        st.info(f"Run {literal(run.name)} has none of these images. Choose another data set or run.")
        return
    st.dataframe(roles, hide_index=True, width="stretch", alt="Images by diagnosis and role in the run")
    st.caption(
        f"Images of this data set that run {literal(run.name)} knows, in its own {len(run.classes)} diagnoses. A model "
        "learns from its training set; the validation set picks the epoch, the calibration set the temperature and the "
        "thresholds; the test set is only shown. A lesion is in one role with all its images."
    )


draw()
how_to_read(
    "A model learns what is frequent. Compare the longest with the shortest bar before you believe an accuracy: "
    "calling everything the most frequent diagnosis is already right as often as that bar is long.",
    "Count lesions, not images: photographs of one lesion are not independent cases.",
    "Who is missing here was never tested either. None of these tables records the colour of the skin.",
    "Nevi are mostly followed up, melanomas biopsied: how a diagnosis was confirmed differs between diagnoses.",
)
