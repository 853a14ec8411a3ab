"""Pieces that several pages draw the same way: the image picker, badges, overlays, problems."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

import cv2
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import state, visit
from app.cache import first
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from app.cache import uploads as cached_uploads
from app.figures.style import styled
from app.foreign_text import literal
from lesion_core.config import ROLE_NAMES
from lesion_core.data.samples import Picture, Sample, without_truth
from lesion_core.errors import BusyError, DataError, ImageError, LesionError
from lesion_core.foreign_text import shown, visible
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.formats import UPLOAD_TYPES
from lesion_core.labels import diagnosis
from lesion_core.reports.disclaimer import DISCLAIMER as DISCLAIMER
from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun

ORIGIN_BADGES = {
    "real": ("real dermoscopy", "blue"),
    "synthetic": ("synthetic image", "violet"),
    "ood": ("not a lesion", "gray"),
    "upload": ("your image", "green"),
}


LINE_SIDE = 450
"""Pixels of the shorter side under which a contour would be as thick as what it shows."""


def problem(error: LesionError) -> None:
    """What is wrong and what to do, calmly."""
    st.warning(f"**{literal(error.problem.strip())}** {literal(error.remedy)}", icon=":material/info:")


def current_run() -> Run:
    """The run that the visitor looks at.

    Raises:
        RunError: There is none, or not the one that was asked for.
    """
    return cached_runs.run(visit.named(state.RUN) or "")


def run_if_any() -> Run | None:
    """As `current_run`, None where no run is here."""
    return current_run() if any(cached_runs.runs()) else None


def page_title(question: str, answer: str = "") -> None:
    """The page's question, and under it the answer in one sentence."""
    st.title(question, anchor=False)
    if answer:
        st.markdown(answer)


def link_to(stem: str, label: str, icon: str, **query: str) -> None:
    """A link to another page with the run, the image and what else is given; the label is plain text."""
    st.page_link(f"../pages/{stem}.py", label=literal(label), icon=icon, query_params=visit.carried(**query))


def badges(*labels: tuple[str, str]) -> None:
    """What must not be confused: origin, split, n. Each a plain text and a colour."""
    with st.container(horizontal=True, gap="small"):
        for text, colour in labels:
            st.badge(literal(text), color=colour)  # type: ignore[arg-type]


def metric_with_interval(label: str, row: pd.Series[float]) -> None:
    """A figure with its 95 % interval; `row` has value, low, high."""
    st.metric(
        label,
        f"{row['value']:.3f}",
        delta=f"{row['low']:.3f} to {row['high']:.3f}",
        delta_color="off",
        delta_arrow="off",
    )


def open_tabs(draw: Mapping[str, Callable[[], None]], renamed: Mapping[str, str] | None = None) -> None:
    """Tabs by title; only the open one is drawn, it is in the link, and its errors are told in it.

    The link decides, also one that is opened during a visit and one that names no tab; ``bind="query-params"`` would
    keep the tab of another page, and allows no title to be mended.

    Args:
        draw: Title to what draws the tab.
        renamed: Former titles, which stand in links that people have kept, to today's.
    """
    titles = list(draw)
    key = f"{state.TAB} of {titles[0]}"  # each page has its own

    def clicked() -> None:
        st.session_state[f"{key} in link"] = st.query_params.get(state.TAB)

    wanted = st.query_params.get(state.TAB)
    if key not in st.session_state or wanted != st.session_state.get(f"{key} in link"):
        title = (renamed or {}).get(wanted or "", wanted)
        st.session_state[key] = title if title in titles else titles[0]
    tabs = st.tabs(titles, key=key, on_change=clicked)
    chosen = next((title for title, tab in zip(titles, tabs, strict=True) if tab.open), titles[0])
    visit.change_link({state.TAB: None if chosen == titles[0] else chosen})
    st.session_state[f"{key} in link"] = st.query_params.get(state.TAB)
    for tab, show in zip(tabs, draw.values(), strict=True):
        if tab.open:
            with tab:
                try:
                    show()
                except LesionError as error:
                    problem(error)


def how_to_read(*sentences: str) -> None:
    """The explanation at the foot of a page."""
    with st.container(key="how-to-read"):
        st.subheader("How to read this", anchor=False)
        for sentence in sentences:
            st.markdown(f"- {sentence}")


def choose(
    label: str, titles: dict[str, str], key: str, *, default: str | None = None, buttons: bool = False, **options: Any
) -> str:
    """A list whose link holds the option's key: ``bind="query-params"`` would put the title there, which changes
    with the wording and cannot be written by another page.

    Args:
        label: Of the list.
        titles: Key to what a person reads, as plain text.
        key: Of the widget, and the parameter's name in the link.
        default: What the link does not mention; the first one where it is not named.
        buttons: A row of buttons, for a few short titles.
        options: Passed to `st.selectbox` or `st.segmented_control`.
    """
    default = default or next(iter(titles))
    wanted, written, back = st.query_params.get(key), st.session_state.get(f"{key}_in_link"), visit.went_back()
    if wanted in titles and (back or wanted != written):
        st.session_state[key] = wanted  # a link that was opened or followed
    elif st.session_state.get(key) not in titles or (back and wanted is None):
        st.session_state[key] = default
    told = literal if buttons else visible  # a list reads no markdown, buttons do
    options |= {"format_func": lambda name: told(titles[name]), "key": key, "persist_state": "session"}
    chosen = str(
        st.segmented_control(label, list(titles), required=True, **options)
        if buttons
        else st.selectbox(label, list(titles), **options)
    )
    if wanted and wanted not in titles and chosen == default:
        st.caption(
            f":material/info: {literal(f'The link asks for {wanted}, which is not here. This is {titles[chosen]}.')}"
        )
    else:
        visit.change_link({key: None if chosen == default else chosen})
    st.session_state[f"{key}_in_link"] = chosen
    return chosen


def pick_picture(wide: float = 3) -> Picture:
    """The picker that every page on one image shares: a sample from the list, or an upload.

    The sample's id is in the link; an upload stays in this visitor's memory and is never written to disk.

    Args:
        wide: How many times wider than the button for an upload the list is.

    Raises:
        DataError: The link names an image that is not here; the list to choose another stands on the page.
        ImageError: The visitor's file is not an image that can be used, said where the image would be.
    """
    run, root = run_if_any(), state.data_root()
    options = dict(first.samples(run, root))
    hidden = visit.truth_is_hidden()
    wanted = visit.named(state.IMAGE)
    if wanted and wanted not in options and root:
        forms = run.config.settings.images if run else "first"
        if wanted in (everything := cached_images.all_real_samples(root, forms)):
            options[wanted] = everything[wanted]
    options, titles = named_samples(options, hidden)
    uploaded: Picture | ImageError | None = st.session_state.get(state.UPLOAD)
    if isinstance(uploaded, Picture):
        titles = {visit.UPLOADED: f"Your image: {uploaded.title}", **titles}
    elif uploaded is not None:
        titles = {visit.UPLOADED: "Your image: it cannot be read", **titles}
    left, right = st.columns([wide, 1], vertical_alignment="bottom")
    # An upload replaces the chosen image before the list is drawn.
    with right, st.popover("Use your own image", icon=":material/upload:", width="stretch"):
        take_upload()
    known = list(titles)
    with left:
        visit.offer(state.IMAGE, known)
        chosen = st.selectbox(
            "Image",
            known,
            index=None if visit.absent(state.IMAGE) else 0,
            key=state.IMAGE,
            format_func=lambda name: visible(titles[name]),
            persist_state="session",
            placeholder="Choose an image",
            help="Type to search. The link names the image.",
        )
    visit.into_link(state.IMAGE, next(iter(options), None))
    if chosen is None:
        raise not_here(visit.absent(state.IMAGE) or "", run)
    if chosen == visit.UPLOADED and uploaded is not None:
        if isinstance(uploaded, ImageError):
            raise uploaded.again()
        return uploaded
    picture = cached_images.picture(options[chosen])
    return replace(picture, id=chosen, title=titles[chosen], truth=None) if hidden else picture


def named_samples(options: Mapping[str, Sample], hidden: bool) -> tuple[dict[str, Sample], dict[str, str]]:
    """Samples and what they are called by their ids, which tell the truth or hide it, as do the link and the visit."""
    others = {without_truth(name): name for name in options}
    wanted = visit.named(state.IMAGE)
    if wanted is not None:
        here = without_truth(wanted) if hidden else others.get(wanted, wanted)
        if here != wanted:
            st.session_state[state.IMAGE] = here
    if not hidden:
        return dict(options), {name: sample.title for name, sample in options.items()}
    samples = {other: options[name] for other, name in sorted(others.items())}
    return samples, {name: name.replace("case-", "Case ") for name in samples}


def take_upload() -> None:
    """Take a visitor's own file; with it the page begins anew."""
    file = st.file_uploader(
        "JPEG, PNG, TIFF, BMP, GIF or WebP, up to 20 MB",
        key="upload_file",
        type=UPLOAD_TYPES,
    )
    st.caption(
        "It is kept in memory for this visit and never written to disk. First remove whatever identifies a person."
    )
    if file is None:
        return
    if st.session_state.get("upload_seen") == file.file_id:
        if isinstance(st.session_state.get(state.UPLOAD), ImageError):
            st.caption("This file cannot be used: the page under this box says why.")
        return
    try:
        # What a pipeline does first: 50 megapixels would be drawn anew at each move of a slider.
        image, frame = cached_uploads.pixels(file)
    except BusyError as error:  # not seen: the next run of the page tries again, as after one that was left
        problem(error)
    except ImageError as error:  # in the place of the image: the one before would pass for the new one
        given(file, error)
    else:
        given(file, Picture(visit.UPLOADED, visible(file.name), "upload", image, frame=frame))


def given(file: UploadedFile, found: Picture | ImageError) -> NoReturn:
    """The visitor's own image is what was found in the file; the page begins anew with it."""
    st.session_state["upload_seen"] = file.file_id
    st.session_state[state.UPLOAD] = found
    st.session_state[state.IMAGE] = visit.UPLOADED
    cached_uploads.let_go(file)
    st.rerun()


def not_here(image_id: str, run: Run | None) -> DataError:
    """Why an image that a link names cannot be shown, and what to do."""
    if image_id == visit.UPLOADED:
        return DataError(
            "This link was to somebody's own image, which is kept only in the visit that it was given in.",
            "Use the file again with *Use your own image*, or choose another image above.",
        )
    known = run is not None and image_id in set(run.predictions["image_id"].astype(str))
    return DataError(
        f"There is no image {shown(image_id)} here"
        + (": the run knows it, but its file is not on this machine." if known else "."),
        "Choose another image above"
        + (", or start the dashboard with `LESION_DATA` set to the folder of the images." if known else "."),
    )


def origin_badge(picture: Picture) -> tuple[str, str]:
    """The badge that says where an image is from."""
    if picture.origin == "ood" and visit.truth_is_hidden():
        return "image", "gray"
    return ORIGIN_BADGES[picture.origin]


def role_badge(run: Run | SegmenterRun, picture: Picture) -> list[tuple[str, str]]:
    """The badge that says what an image was to a run: one that it learned from proves nothing. None where it was not
    one of its own."""
    role = cached_runs.roles(run).get(picture.id)
    if role is None:
        return []
    if role == "test":
        return [(ROLE_NAMES[role], "green")]
    return [(f"{ROLE_NAMES.get(role, role)}: the model knows it", "orange")]


def probability_bars(probabilities: pd.Series, muted: bool = False) -> go.Figure:
    """Horizontal bars of class probabilities, the most probable first, each diagnosis in its own colour, or grey."""
    ordered = probabilities.sort_values()
    names = [diagnosis(code) for code in ordered.index]
    figure = go.Figure(
        go.Bar(
            x=ordered.to_numpy(),
            y=[d.code for d in names],
            orientation="h",
            marker_color=["#9AA5A8" if muted else d.colour for d in names],
            text=[f"{100 * p:.1f} %" for p in ordered],
            textposition="outside",
            cliponaxis=False,
            customdata=[d.name for d in names],
            hovertemplate="%{customdata}: %{x:.3f}<extra></extra>",
        )
    )
    return styled(
        figure,
        300,
        margin={"l": 0, "r": 48, "t": 8, "b": 24},
        bargap=0.35,
        xaxis={"range": [0, 1], "tickformat": ".0%", "title": None, "showgrid": True},
        yaxis={"title": None},
    )


def outline(image: Pixels, mask: NDArray[np.bool_], colour: tuple[int, int, int] = (255, 255, 255)) -> Pixels:
    """The image with the mask's contour, holes too: white on a dark edge, visible on every skin.

    A small image is enlarged up to four times, so that the line stays thin; the mask may have either size.
    """
    times = min(4, max(1, math.ceil(LINE_SIDE / min(image.shape[:2]))))
    drawn = np.asarray(cv2.resize(image, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC), np.uint8)
    if mask.shape != drawn.shape[:2]:
        size = drawn.shape[1], drawn.shape[0]
        mask = cv2.resize(255 * mask.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR) > 127
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(min(drawn.shape[:2]) / 300))
    cv2.drawContours(drawn, contours, -1, (20, 20, 20), width + 2)
    cv2.drawContours(drawn, contours, -1, colour, width)
    return drawn
