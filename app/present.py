"""Presenter size, for a room: larger type, no sidebar, the headline and the main image first. `look.css` draws it,
where the container of `MARK` is on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.navigation.page import Page

from app import state, visit

MARK = "presenter-size"


def offer() -> None:
    """The switch, for the sidebar."""
    if visit.named(state.PRESENT) != "1":
        st.button("Presenter size", icon=":material/open_in_full:", on_click=_turn, args=("1",), width="stretch")
    visit.into_link(state.PRESENT, None)


def ways(groups: Mapping[str, Sequence[Page]]) -> None:
    """The end of a page in presenter size: the way to the other pages, and back.

    Args:
        groups: The pages.
    """
    if visit.named(state.PRESENT) != "1":
        return
    query = visit.queries()
    with st.container(key=MARK, horizontal=True, gap="small"):
        for page in (page for entries in groups.values() for page in entries):
            st.page_link(page, query_params=query(visit.stem(page)) or None)
        st.button("Leave presenter size", icon=":material/close_fullscreen:", on_click=_turn, args=(None,))


def _turn(to: str | None) -> None:
    st.session_state[state.PRESENT] = to
