"""Presenter size, for a room: larger type, no sidebar, the headline and the main image first. `look.css` draws it,
where the container of `MARK` is on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.navigation.page import Page

from app import state, visit

MARK = "presenter-size"


def draw(groups: Mapping[str, Sequence[Page]]) -> None:
    """The switch: in the sidebar, and while there is none at the end of the page, beside the ways to other pages.

    Args:
        groups: The pages.
    """
    if visit.named(state.PRESENT) == "1":
        with st.container(key=MARK, horizontal=True, gap="small"):
            for page in (page for entries in groups.values() for page in entries):
                st.page_link(page, query_params=visit.query(visit.stem(page)) or None)
            st.button("Leave presenter size", icon=":material/close_fullscreen:", on_click=_turn, args=(None,))
    else:
        label, icon = "Presenter size", ":material/open_in_full:"
        st.sidebar.button(label, icon=icon, on_click=_turn, args=("1",), width="stretch")
    visit.into_link(state.PRESENT, None)


def _turn(to: str | None) -> None:
    st.session_state[state.PRESENT] = to
