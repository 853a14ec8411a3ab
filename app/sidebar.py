"""The sidebar: the pages, the run, and what this is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.navigation.page import Page

from app import present, share, state, visit
from app.cache import runs as cached_runs
from app.foreign_text import literal
from lesion_core.foreign_text import visible
from lesion_core.reports.disclaimer import DISCLAIMER


def draw(groups: Mapping[str, Sequence[Page]], alias: Page, current: Page) -> None:
    """What lasts over pages.

    Args:
        groups: The pages.
        alias: The default one under its own name: a link to no name leads, in a new tab, to the page that it is on.
        current: The one that is shown.
    """
    with st.sidebar:
        place = st.container(gap="xxsmall")
        choose_run()
        hide_the_truth()
        share.button()
        present.offer()
        for name, error in cached_runs.segmenters()[1].items():
            st.caption(f":material/warning: Segmenter {literal(name)} cannot be opened. {literal(error.problem)}")
        st.caption(DISCLAIMER)
        query = visit.queries()  # after the run is chosen, which every link names
        with place:
            for group, entries in groups.items():
                st.caption(group)
                for page in entries:
                    shown = alias if not page.url_path and current != page else page
                    st.page_link(shown, query_params=query(visit.stem(page)) or None, width="stretch")


def choose_run() -> None:
    """The list of runs, and what is wrong with the others."""
    found, broken = cached_runs.runs()
    names = [run.name for run in found]
    if names:
        visit.offer(state.RUN, names)
        st.selectbox(
            "Run",
            names,
            index=None if visit.absent(state.RUN) else 0,
            key=state.RUN,
            format_func=visible,
            persist_state="session",
            placeholder="Choose a run",
            help="A trained model with its stored results.",
        )
        visit.into_link(state.RUN, names[0])
    else:
        st.info("No run is here yet. Train one: `python -m lesion_core train --help`.", icon=":material/info:")
    for name, error in broken.items():
        st.caption(f":material/warning: Run {literal(name)} cannot be opened. {literal(error.problem)}")


def hide_the_truth() -> None:
    """The switch for a class that guesses first."""
    key = "truth is hidden"

    def turned() -> None:
        st.session_state[state.HIDDEN] = "1" if st.session_state[key] else None

    st.session_state[key] = visit.truth_is_hidden()
    st.toggle(
        "Hide the truth",
        key=key,
        on_change=turned,
        help="Takes the true diagnosis from lists, captions, badges and verdicts; the link keeps it hidden.",
    )
    visit.into_link(state.HIDDEN, None)
