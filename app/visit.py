"""A visit: the run and the image that a visitor looks at, whatever brought them, on every page and in every link.

The link decides. What it does not name is as the visit had it before; after Back and Forward, as the link had it then.
What a link names and is not here is never replaced by something else: a sentence names it, beside a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.navigation.page import Page
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app import state

CARRIED = (state.RUN, state.IMAGE, state.HIDDEN, state.TRIED, state.TOUR, state.PRESENT)
"""Keys of the session, and the parameters' names in links, that go along to every page."""
START = "overview"
"""The page without a name in its link."""
QUERIES = "queries"
UPLOADED = "upload"
"""The id of a visitor's own image, of which links know no more."""


def _written(key: str) -> str:
    return f"{key}_in_link"


def _absent(key: str) -> str:
    return f"{key}_absent"


def went_back() -> bool:
    """Whether this is a visitor's Back or Forward, after which the link alone decides."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def stem(page: Page) -> str:
    """The name of a page, the default one's too."""
    return page.url_path or START


def begin() -> None:
    """Take what the link names, before anything is drawn."""
    back, link = went_back(), st.query_params.to_dict()
    for key in CARRIED:
        named = link.get(key) or None
        if named != st.session_state.get(_written(key)) if named else back:
            st.session_state[key] = named
            st.session_state[_absent(key)] = None


def end(stem: str) -> None:
    """Remember the link of a page that was drawn: `queries` leads back to it."""
    link = st.query_params.to_dict()
    for key in CARRIED:
        st.session_state[_written(key)] = link.get(key)
    left: dict[str, dict[str, list[str]]] = st.session_state.setdefault(QUERIES, {})
    left[stem] = {name: st.query_params.get_all(name) for name in link}


def change_link(changes: Mapping[str, str | None]) -> None:
    """Change parameters of the link in one step; None takes one out of it.

    What the link says already is not written: each writing is an entry of the browser's history where the visitor has
    gone on by then, so that Back pressed twice would lead forward.
    """
    link = st.query_params.to_dict()
    changes = {name: value for name, value in changes.items() if link.get(name) != value}
    if not changes:
        return
    now = {name: st.query_params.get_all(name) for name in st.query_params}
    wanted = {name: value for name, value in {**now, **changes}.items() if value is not None}
    try:
        st.query_params.from_dict(wanted)
    except StreamlitAPIException:  # a slider of the open tab is bound to the link, which cannot be written whole then
        for name, value in changes.items():
            if value is not None:
                st.query_params[name] = value
            else:
                del st.query_params[name]


def named(key: str) -> str | None:
    """What the visit looks at, by a key of `CARRIED`, be it here or not; None where nothing was chosen yet."""
    found: str | None = st.session_state.get(key) or st.session_state.get(_absent(key))
    return found


def absent(key: str) -> str | None:
    """What was asked for by a key of `CARRIED` and is not here."""
    found: str | None = st.session_state.get(_absent(key))
    return found


def truth_is_hidden() -> bool:
    """Whether what is known of an image stands nowhere, so that a class can guess."""
    return named(state.HIDDEN) == "1"


def carried(**query: str) -> dict[str, str]:
    """A link's parameters with those that go along; what is given wins."""
    along = {key: str(value) for key in CARRIED if (value := named(key))}
    return along | query


def queries() -> Callable[[str], dict[str, str | list[str]]]:
    """Gives the parameters of a page's link as the visitor left it, with the run and the image of now, by its name."""
    left: Mapping[str, dict[str, list[str]]] = st.session_state.get(QUERIES, {})
    along = carried()
    return lambda stem: {**left.get(stem, {}), **along}


def offer(key: str, known: Sequence[str]) -> None:
    """Set what stands in the list of a key of `CARRIED`: nothing where what was asked for is not in it.

    Args:
        key: Of the list, too.
        known: What can be chosen, the default first.
    """
    wanted = named(key)
    there = wanted is None or wanted in known
    st.session_state[_absent(key)] = None if there else wanted
    st.session_state[key] = (wanted or next(iter(known), None)) if there else None


def into_link(key: str, default: str | None) -> None:
    """Put what the visit looks at into the link, where that says otherwise."""
    chosen, there = st.session_state.get(key), st.query_params.get(key)
    if chosen and (there is not None or chosen != default):
        change_link({key: chosen})
    elif not named(key):
        change_link({key: None})
