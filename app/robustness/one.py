"""One image: a change in six severities, what is said of each, and all changes at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from app import state, visit
from app.cache import changes as cached_changes
from app.cache.drawn import FinishedFigure, drawn_once
from app.cache.encoded import encoded
from app.components import choose, link_to
from app.explain import overlays
from app.explain.on_demand import OnDemand, Work
from app.explain.overlays import Look
from app.explain.question import Asked, Lesion
from app.figures import robustness as figures
from app.figures.style import percent
from app.foreign_text import literal
from app.gallery import data_address
from app.robustness import evidence
from app.robustness.series import OUTCOMES, Outcome, Series
from app.verdict import Verdict
from app.widgets.severity_slider import Said, severity_slider
from lesion_core.analysis.predictions import Floats
from lesion_core.data.samples import Picture
from lesion_core.foreign_text import visible
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.geometry import scale_to
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run
from lesion_core.serving.results import Prediction

ALL = (0, *SEVERITIES)
WORST = len(SEVERITIES)
SIDE = 720
"""Longest side, in pixels, of an image of the slider."""


def choose_change() -> str:
    """The change, by its group; in the link."""
    titles = {key: f"{entry.group.capitalize()}: {entry.name.lower()}" for key, entry in CHANGES.items()}
    return choose("Change", titles, state.CHANGE)


def severity() -> int:
    """The severity of the link, 3 where it names none."""
    named = st.query_params.get(state.SEVERITY, "3")
    return int(named) if named in map(str, ALL) else 3


def draw_series(run: Run, picture: Picture, content: str, found: Series, judged: Verdict) -> None:
    """The image with its slider left, the probabilities of the classes right."""
    entry, at = CHANGES[found.change], severity()
    left, right = st.columns([5, 4], gap="large")
    with left:
        severity_slider(
            [_address(picture, content, found.change, one) for one in ALL],
            picture.image.shape,
            [_said(found, one, judged) for one in ALL],
            at,
            label=f"Severity of {entry.name.lower()}, from 0, the image as it is, to {WORST}",
            alts=[f"{visible(picture.title)}, {entry.name.lower()} {one}" for one in ALL],
            key=f"severity of {found.change}",
            on_release=lambda value: visit.change_link({state.SEVERITY: str(value)}),
        )
    with right:
        st.plotly_chart(
            curves(
                np.stack([one.probabilities for one in found.predictions]),
                run.classes,
                at,
                tuple(one for one in ALL if found.rejected(one)),
            ),
            config={"displayModeBar": False},
            alt=f"The probability of each class over the severity of {entry.name.lower()}",
        )
        st.caption(
            "A line is a class; where two cross at the top, the answer changes. Grey: the policy rejects the image."
        )
        st.caption(f"**{entry.name}.** {entry.plain} {entry.scale}")
        with st.popover("Where its severities come from", icon=":material/menu_book:"):
            st.markdown(literal(entry.source) + (f"\n\n{literal(entry.drawn)}" if entry.drawn else ""))


@drawn_once()
def curves(probabilities: Floats, classes: tuple[str, ...], at: int, rejected: tuple[int, ...]) -> FinishedFigure:
    """`figures.probabilities_by_severity`, made once."""
    return FinishedFigure(figures.probabilities_by_severity(probabilities, classes, at, rejected))


@drawn_once()
def squares(rows: tuple[tuple[str, tuple[Outcome, ...]], ...], chosen: tuple[str, int]) -> FinishedFigure:
    """`figures.outcomes`, made once."""
    return FinishedFigure(figures.outcomes(dict(rows), {key: CHANGES[key].name for key, _ in rows}, chosen))


def _address(picture: Picture, content: str, change: str, at: int) -> str:
    def small() -> Pixels:
        image = cached_changes.changed(picture.image, content, change, at).image
        height, width = image.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        return scale_to(image, max(1, round(width * scale)), max(1, round(height * scale)))

    return data_address(encoded(("changed", content, change, at), small))


def _said(found: Series, at: int, judged: Verdict) -> Said:
    words, colour, _ = OUTCOMES[found.outcome(at)]
    one: Prediction = found.predictions[at]
    named = f"{diagnosis(one.code).name}, {percent(one.confidence)}"
    if at == 0:
        words = "Rejected" if judged.rejected else "As it is"
    text = f"Its best guess would be {named}." if found.rejected(at) else f"The model says {named}."
    return Said(f"{words[0].upper()}{words[1:]}.", colour, text)


def draw_strip(run: Run, picture: Picture, found: Series) -> None:
    """The six images in a row, under each the map for the answer that the image as it is gets."""
    said = []
    for at in ALL:
        words, _, sign = OUTCOMES[found.outcome(at)]
        one = found.predictions[at]
        said.append(f"**{at or 'as it is'}** {sign} {one.code} {percent(one.confidence)}, {words}")
    draw_strip_of(run, picture.image, Lesion.of(picture).mask, found.change, found.answer, tuple(said))


@drawn_once()
def draw_strip_of(run: Run, image: Pixels, mask: Mask | None, change: str, target: str, said: tuple[str, ...]) -> None:
    """`draw_strip`, the same for everybody to whom the same is said.

    Args:
        run: Whose maps.
        image: The image as it is.
        mask: Of its lesion, where it is known.
        change: A key of `CHANGES`.
        target: The class that the maps are of.
        said: What is said of each severity, 0 first.
    """
    content, lesion = content_hash(image), Lesion.at(mask)
    picture = Picture("", "", "upload", image)
    as_it_is = Asked(run, picture, content, target, None, "gradcam", "layer4", "skin")
    look = Look(0.55, signed=False)
    for column, at in zip(st.columns(len(ALL), gap="small"), ALL, strict=True):
        made = cached_changes.changed(image, content, change, at)
        asked = replace(
            as_it_is,
            picture=replace(picture, image=made.image),
            content=cached_changes.content_of(image, content, change, at),
        )
        with column:
            st.image(overlays.image(asked, look), width="stretch", alt=f"Severity {at}")
            st.image(
                overlays.overlay(asked, asked.explain(), look),
                width="stretch",
                alt=f"Grad-CAM for {target} at severity {at}",
            )
            st.caption(said[at])
            went = evidence.of(as_it_is, asked, made, lesion)
            st.caption(went.words if at else went.on_lesion)
    st.caption(
        f"Under each image its Grad-CAM for {diagnosis(target).name}, the answer to the image as it is, stretched to "
        "its own maximum: does the evidence stay where it was? *Order* is the rank correlation with the map of the "
        "image as it is, cell by cell: +1 is the same order, 0 none. A map that points nowhere has as much on what "
        "was laid over the image as that covers."
    )


def send(picture: Picture, content: str, found: Series) -> None:
    """Look at the changed image on other pages."""
    at, entry = severity(), CHANGES[found.change]

    def take() -> None:
        made = cached_changes.changed(picture.image, content, found.change, at)
        mask = picture.mask if picture.mask is None or made.moved is None else made.moved(picture.mask)
        st.session_state[state.UPLOAD] = replace(
            picture,
            id=visit.UPLOADED,
            title=f"{visible(picture.title)}, {entry.name.lower()} {at}",
            origin="upload",
            image=made.image,
            mask=mask,
        )
        st.session_state[state.IMAGE] = visit.UPLOADED

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Keep severity {at} as your image",
            icon=":material/content_copy:",
            on_click=take,
            disabled=at == 0,
            help="For this visit: the other pages then show the changed image.",
        )
        for stem, label, icon in (
            ("explain", "Explain", ":material/visibility:"),
            ("segment", "Segment", ":material/polyline:"),
            ("preprocessing", "Preprocessing: does a step bring the answer back?", ":material/tune:"),
        ):
            link_to(stem, label, icon)


def draw_all(run: Run, picture: Picture, content: str, change: str) -> OnDemand:
    """Every change at every severity, coloured by what becomes of the image; a click chooses it above."""
    on_demand = OnDemand(("every change", run.fingerprint, content))
    found = {key: Series.known(run, content, key) for key in CHANGES}
    missing = tuple(key for key, one in found.items() if one is None)
    if missing:
        on_demand.offer(
            Work(
                "every change",
                "Asking for every change",
                len(missing) * len(SEVERITIES),
                cached_changes.ask_all(run, picture.image, content, missing),
                len(missing),
            ),
            f"Ask for all {len(CHANGES)} changes",
        )
    rows = {key: tuple(one.outcome(at) for at in SEVERITIES) for key, one in found.items() if one is not None}
    if not rows:
        return on_demand

    def take_click() -> None:
        points = st.session_state[key_of_chart].selection.points
        if points:
            key, at = points[0]["customdata"]
            st.session_state[state.CHANGE] = str(key)
            visit.change_link({state.CHANGE: str(key), state.SEVERITY: str(int(at))})

    key_of_chart = f"every change {run.name} {content[:8]}"
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.plotly_chart(
            squares(tuple(rows.items()), (change, severity())),
            key=key_of_chart,
            on_select=take_click,
            selection_mode="points",
            config={"displayModeBar": False},
            alt="What becomes of the image under every change and severity",
        )
    with right:
        cells = [one for row in rows.values() for one in row]
        for outcome, (words, _, sign) in OUTCOMES.items():
            st.metric(f"{sign} {words}", f"{cells.count(outcome)} of {len(cells)}")
        st.caption("A row is a change, a square one of its severities. Click a square to see it above.")
        late = [CHANGES[key].name for key, one in found.items() if one and one.too_late]
        if late:
            st.markdown(f"**Noticed too late or never:** {', '.join(late)}.")
    return on_demand
