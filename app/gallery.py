"""The images of a page, the same everywhere: small ones in an order and on pages that the link keeps, each a link to
itself with what this visit looks at, one of them enlarged with its outline or its map."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from app import state, visit
from app.cache import images as cached_images
from app.cache import runs as cached_runs
from app.cache.encoded import encoded
from app.components import outline, problem
from app.explain import explanation
from app.explain.question import Asked
from app.widgets.gallery import Large, Tile, Turned, Word, gallery
from lesion_core.data.samples import Sample, without_truth
from lesion_core.errors import LesionError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.decode import content_hash
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run

A_PAGE = 24
LARGE = 640
"""Pixels of the longer side of an enlarged image."""
MAP_OPACITY = 0.6
NOT_HERE = "not on this machine"
OPENS = {
    "analyse": "Open it on Analyse",
    "explain": "Open it on Explain",
    "segment": "Open it on Segment",
    "robustness": "Open it on Robustness",
}
PICTURE, OUTLINE, MAP = "image", "outline", "map"
LOOKS = {PICTURE: "Image", OUTLINE: "Outline", MAP: "Map"}

RIGHT, WRONG = Word("✓ RIGHT", "good"), Word("✗ WRONG", "bad")
ANSWERED, UNKNOWN = Word("ANSWERED"), Word("? UNKNOWN", "unknown")
"""The words of a verdict: what is rejected is neither right nor wrong."""


@dataclass(frozen=True)
class Entry:
    """What is said of an image; all texts are plain.

    Attributes:
        image: Its id, for the link.
        title: Its name.
        sample: Where it is; None where it is not on this machine.
        facts: Lines below the title.
        words: What stands out, such as RIGHT.
        truth: What is known of it, the last line unless the visitor hides the truth.
    """

    image: str
    title: str
    sample: Sample | None
    facts: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()
    truth: str = ""

    def without_truth(self) -> Entry:
        """The same, so that nothing tells what it shows."""
        name = without_truth(self.image)
        return replace(self, image=name, title=name, truth="")


@dataclass(frozen=True)
class Order:
    """An order that can be chosen.

    Attributes:
        key: Its name in links.
        title: "the surest first".
        values: (N,) one number for each image.
        highest_first: Otherwise the lowest is; what is not a number is last in both.
    """

    key: str
    title: str
    values: ArrayLike
    highest_first: bool = False

    def places(self) -> NDArray[np.intp]:
        """(N,) the images in this order."""
        values = np.asarray(self.values, dtype=np.float64)
        return np.argsort(-values if self.highest_first else values, kind="stable")


@st.fragment
def pictures(
    n: int,
    entries: Callable[[NDArray[np.intp]], Sequence[Entry]],
    *,
    key: str,
    label: str,
    noun: tuple[str, str] | None = ("image", "images"),
    orders: Sequence[Order] = (),
    opens: str = "analyse",
    stays: bool = False,
    query: Mapping[str, str] | None = None,
    run: Run | None = None,
    a_page: int = A_PAGE,
    beside: str = "",
) -> None:
    """Draw images, a page of them at a time; only this runs again when another page or order is chosen.

    Args:
        n: How many there are.
        entries: What is said of those at some places, each in [0, n).
        key: The element's key.
        label: What the images are, for screen readers.
        noun: One and several of what is counted; None where the count stands elsewhere.
        orders: The orders that can be chosen, the first one unasked; none: as they are.
        opens: The page that an image opens on, a key of `OPENS`.
        stays: That is this page, and the rest of its link stays.
        query: What its link holds beside the image.
        run: Whose maps can be asked for, if any.
        a_page: Images on a page.
        beside: Tells its page and order in the link from those of another gallery beside it.
    """
    try:
        named = {order.key: order for order in orders}
        _pictures(n, entries, key, label, noun, named, opens, stays, query or {}, run, a_page, beside)
    except LesionError as error:  # a fragment's errors do not reach Home.py
        problem(error)


def _pictures(
    n: int,
    entries: Callable[[NDArray[np.intp]], Sequence[Entry]],
    key: str,
    label: str,
    noun: tuple[str, str] | None,
    orders: Mapping[str, Order],
    opens: str,
    stays: bool,
    query: Mapping[str, str],
    run: Run | None,
    a_page: int,
    beside: str,
) -> None:
    pages = max(1, -(-n // a_page))
    first = next(iter(orders), "")
    # The link alone holds them, so that a reload and the way back find the same images.
    in_link = state.ORDER + beside, state.PAGE + beside
    order, page = st.query_params.get(in_link[0], first), st.query_params.get(in_link[1], "1")
    order = order if order in orders else first
    at = min(int(page), pages) if page.isdecimal() and len(page) < 9 and int(page) else 1

    def turn(to: Turned) -> None:
        asked = zip(in_link, (to.order, str(to.page)), (first, "1"), strict=True)
        visit.change_link({name: None if value == unasked else value for name, value, unasked in asked})

    places = orders[order].places() if order else np.arange(n)
    shown = list(entries(places[(at - 1) * a_page : at * a_page]))
    if visit.truth_is_hidden():
        shown = [entry.without_truth() for entry in shown]

    def enlarge(place: int, look: str) -> Large:
        sample = shown[place].sample
        assert sample is not None
        try:
            return large(sample, look, run)
        except LesionError as error:
            return Large("", f"{error.problem} {error.remedy}")

    here = st.query_params.to_dict() if stays else {}
    links = [state.link(opens, **{**here, **visit.carried(**query, **{state.IMAGE: entry.image})}) for entry in shown]
    gallery(
        [tile(entry, link) for entry, link in zip(shown, links, strict=True)],
        key=key,
        label=label,
        open_label=OPENS[opens],
        on_turn=turn,
        count=f"{n:,} {noun[n != 1]}" if noun else "",
        page=at,
        pages=pages,
        orders={name: entry.title for name, entry in orders.items()},
        order=order,
        looks={name: title for name, title in LOOKS.items() if run or name != MAP},
        enlarge=enlarge,
    )


def verdict(right: bool, answered: bool | None) -> tuple[Word, ...]:
    """What holds for one image; `answered` is None where there is no policy."""
    words = () if visit.truth_is_hidden() else (RIGHT if right else WRONG,)
    if answered is None:
        return words
    return (ANSWERED, *words) if answered else (UNKNOWN,)


def tile(entry: Entry, href: str) -> Tile:
    """An image as the gallery draws it; one that is not here, or cannot be read, says so."""
    src, missing = "", NOT_HERE
    facts = (*entry.facts, entry.truth) if entry.truth else entry.facts
    if entry.sample is not None:
        try:
            src = data_address(cached_images.thumbnail(entry.sample))
        except LesionError as error:
            missing = error.problem
    return Tile(entry.title, href if entry.sample is not None else "", src, missing, facts, entry.words)


def data_address(jpeg: bytes) -> str:
    """A JPEG as the ``data:`` address that a script of ours shows."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def large(sample: Sample, look: str, run: Run | None) -> Large:
    """A sample enlarged, drawn once for all visitors.

    Args:
        sample: The image.
        look: A key of `LOOKS`.
        run: Whose map it is.

    Raises:
        LesionError: It cannot be read, or the run cannot be asked.
    """
    picture = cached_images.picture(sample)
    if look == OUTLINE and picture.mask is None:
        return Large(_shown(sample, PICTURE, None, lambda: picture.image), "No mask of its lesion is published.")
    if look == MAP and run is not None:
        code = cached_runs.predict(run, picture.image).code
        asked = Asked(run, picture, content_hash(picture.image), code, None, "gradcam", "layer4", "skin")
        found = asked.explain()
        return Large(
            _shown(sample, MAP, run, lambda: explanation.over(run, picture.image, found, MAP_OPACITY)),
            f"Grad-CAM: what the model's answer, {diagnosis(code).name}, rests on; yellow is most.",
        )
    if look == OUTLINE and (mask := picture.mask) is not None:
        whose = "The lesion, by the mask it was made with." if sample.origin == "synthetic" else "The expert's outline."
        return Large(_shown(sample, OUTLINE, None, lambda: outline(picture.image, mask)), whose)
    height, width = picture.frame or picture.image.shape[:2]
    return Large(_shown(sample, PICTURE, None, lambda: picture.image), f"{width:,} x {height:,} pixels.")


def _shown(sample: Sample, look: str, run: Run | None, draw: Callable[[], Pixels]) -> str:
    def made() -> Pixels:
        drawn = draw()
        scale = LARGE / max(drawn.shape[:2])
        if scale >= 1:
            return drawn
        size = max(1, round(drawn.shape[1] * scale)), max(1, round(drawn.shape[0] * scale))
        return np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), np.uint8)

    return data_address(encoded(("gallery", sample, look, run.fingerprint if run else ""), made))
