"""The pages in their groups. A page's file name is its link."""

from __future__ import annotations

from pathlib import Path

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
    ),
}
"""Group to pages: file stem, title, icon."""


def pages(root: Path) -> dict[str, list[Page]]:
    """The pages as `st.navigation` takes them; the first one is the default."""
    return {
        group: [
            st.Page(root / "pages" / f"{stem}.py", title=title, icon=icon, default=stem == "overview")
            for stem, title, icon in entries
        ]
        for group, entries in GROUPS.items()
    }
