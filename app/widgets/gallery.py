"""A grid of images in the browser: words below each, a link on each, arrow keys between them, one enlarged on demand.

It is one element whatever the number of its images. All texts are plain: the script writes them letter by letter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import streamlit as st

from lesion_core.foreign_text import visible

Tone = Literal["good", "bad", "unknown", "plain"]


class Word(NamedTuple):
    """A word that stands out, such as RIGHT; its colour only repeats what it says."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Tile:
    """An image of a gallery.

    Attributes:
        title: Its name.
        href: The address that opens it, of this server and relative; tells it from the others.
        src: A small image of it as a ``data:image/`` address, empty where there is none.
        missing: What stands in its place then, a few words.
        facts: Lines below the title.
        words: What stands out below them.
    """

    title: str
    href: str
    src: str = ""
    missing: str = ""
    facts: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()


class Large(NamedTuple):
    """An image that is enlarged: a ``data:image/`` address, empty where it cannot be shown, and a sentence."""

    src: str
    note: str


class Turned(NamedTuple):
    """Another page or order, as a visitor chose it."""

    page: int
    order: str


def _source(suffix: str) -> str:
    return Path(__file__).with_suffix(suffix).read_text(encoding="utf-8")


_COMPONENT = st.components.v2.component("gallery", html=_source(".html"), js=_source(".js"), css=_source(".css"))


def gallery(
    tiles: Sequence[Tile],
    *,
    key: str,
    label: str,
    open_label: str,
    on_turn: Callable[[Turned], None],
    count: str = "",
    page: int = 1,
    pages: int = 1,
    orders: Mapping[str, str] | None = None,
    order: str = "",
    looks: Mapping[str, str] | None = None,
    enlarge: Callable[[int, str], Large] | None = None,
) -> None:
    """Draw a page of images.

    Tab reaches one image, arrow keys, home and end move between them, page up and down turn the page, Enter and a
    click open, space enlarges, Escape closes. With Ctrl or the middle button the link opens in a tab of its own.

    Args:
        tiles: The images of this page.
        key: The element's key.
        label: What the images are, for screen readers.
        open_label: What opening one does.
        on_turn: Called before the rerun when another page or order was chosen.
        count: How many there are in all, a few words.
        page: This page, from 1.
        pages: How many there are.
        orders: Key to title of the orders that can be chosen.
        order: The key of this one.
        looks: Key to title of the ways in which an image can be enlarged; none: it cannot.
        enlarge: Makes an image large: given its place in `tiles` and a key of `looks`.
    """
    sent = st.session_state.get(key) or {}
    looks = (looks or {}) if enlarge else {}

    def turned() -> None:
        wanted = st.session_state[key].get("turned") or {}
        if wanted.get("order") in (orders or {"": ""}) and isinstance(number := wanted.get("page"), int):
            on_turn(Turned(min(max(1, number), pages), str(wanted["order"])))

    asked, large = sent.get("enlarged") or {}, None
    place = next((i for i, tile in enumerate(tiles) if tile.href == asked.get("href")), None)
    if place is not None and enlarge and asked.get("look") in looks:
        made = enlarge(place, asked["look"])
        large = {"href": asked["href"], "look": asked["look"], "src": made.src, "note": visible(made.note)}
    _COMPONENT(
        key=key,
        data={
            "label": visible(label),
            "open": open_label,
            "count": count,
            "page": page,
            "pages": pages,
            "orders": list((orders or {}).items()),
            "order": order,
            "looks": list(looks.items()),
            "large": large,
            "tiles": [
                {
                    "title": visible(tile.title),
                    "href": tile.href,
                    "src": tile.src,
                    "missing": visible(tile.missing),
                    "facts": [visible(fact) for fact in tile.facts],
                    "words": [list(word) for word in tile.words],
                }
                for tile in tiles
            ],
        },
        on_turned_change=turned,
        on_enlarged_change=lambda: None,
    )
