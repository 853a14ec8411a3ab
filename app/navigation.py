"""The pages in their groups. A page's file name is its link."""

from __future__ import annotations

import functools
from copy import copy
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.navigation.page import Page

GROUPS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Start": (
        ("overview", "Overview", ":material/home:"),
        ("analyse", "Analyse", ":material/search:"),
    ),
    "Data": (
        ("dataset", "Dataset", ":material/grid_view:"),
        ("preprocessing", "Preprocessing", ":material/tune:"),
    ),
    "Models": (
        ("compare", "Compare", ":material/bar_chart:"),
        ("segment", "Segment", ":material/polyline:"),
    ),
    "Trust": (
        ("explain", "Explain", ":material/visibility:"),
        ("out_of_distribution", "Out of distribution", ":material/block:"),
        ("robustness", "Robustness", ":material/blur_on:"),
    ),
    "Teach": (
        ("lessons", "Lessons", ":material/school:"),
        ("room", "Room", ":material/co_present:"),
    ),
}
"""Group to pages: file stem, title, icon."""
PURPOSES = {
    "analyse": "One image and one model: what it says, how sure it is, and whether it should answer at all.",
    "dataset": "What a model learns from: which diagnoses, of whom, and who is missing.",
    "preprocessing": "Every step between a file and the network, before and after, and whether it changes the answer.",
    "compare": "Which diagnoses the model mistakes for which, and whether another model is better.",
    "segment": "Where the lesion ends, by a network of its own, and where that fails.",
    "explain": "Which parts of the image the answer rests on, by eight methods, and whether a map can be believed.",
    "robustness": "How much noise, blur, hair or other light it takes to change the answer, and whether it is noticed.",
    "lessons": "Five lessons for a class or for yourself: guess first, then see what the model does.",
    "room": "A class answers on its phones, talks, answers again, and sees both votes.",
    "out_of_distribution": "When should a model say that it does not know? Drag the line, and see what that costs.",
}
"""What each page but the first is for, in a sentence for those who come by a link."""
START = "start"
"""What the default page reserves: it is served without a name, and under its own by `alias`."""


def pages(root: Path) -> dict[str, list[Page]]:
    """The pages as `st.navigation` takes them; the first one is the default."""
    return {
        group: [
            _page(root, stem, title, icon, START if stem == "overview" else stem, stem == "overview")
            for stem, title, icon in entries
        ]
        for group, entries in GROUPS.items()
    }


def alias(root: Path) -> Page:
    """The default page under its own name, which its link does not have."""
    stem, title, icon = GROUPS["Start"][0]
    return _page(root, stem, title, icon, stem, False)


def _page(*of: Any) -> Page:
    """A page of its own for each run of a script: `st.navigation` marks the one that it has chosen."""
    return copy(_made(*of))


@functools.cache
def _made(root: Path, stem: str, title: str, icon: str, url: str, default: bool) -> Page:
    return st.Page(root / "pages" / f"{stem}.py", title=title, icon=icon, url_path=url, default=default)
