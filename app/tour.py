"""A tour of five steps over the pages; it can be ended at any step, and a browser that has seen it is asked no more."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from app import state, visit
from app.navigation import PURPOSES
from lesion_core.data.samples import OOD, SYNTHETIC, without_truth

COOKIE = "lesion_lab_tour"
"""Set in the browser once a visitor has begun the tour or declined it; it holds one word, and nothing about anybody."""
DECLINED = "tour declined"
LANDED = "landed on"
"""In the session: the page that the visit began with."""


@dataclass(frozen=True)
class Step:
    """A stop of the tour.

    Attributes:
        page: File stem of the page.
        text: What to look at and what to do, in Markdown.
        query: Parameters of the link.
    """

    page: str
    text: str
    query: dict[str, str] = field(default_factory=dict)


STEPS = (
    Step(
        "analyse",
        "**The verdict.** The strip above the image says whether the model may answer and, where the truth is known, "
        "whether it is right. The bars say how sure it is, the map where the evidence lies.",
    ),
    Step(
        "analyse",
        "**Not a lesion.** A cat has no diagnosis. The model finds one all the same; its policy says UNKNOWN.",
        {state.IMAGE: f"{OOD}cat"},
    ),
    Step(
        "explain",
        "**Where it looked.** The map shows which parts support the answer. Choose another method: a second opinion on "
        "the same answer.",
        {state.IMAGE: f"{SYNTHETIC}MEL-1"},
    ),
    Step(
        "compare",
        "**What it confuses.** A row is the truth, a column the answer. Click a cell to see its images.",
    ),
    Step(
        "out_of_distribution",
        "**Your turn.** Drag the line: what it rejects, and who pays for it, moves along. Where would you put it?",
    ),
)

_JS = f"""
export default function () {{
  document.cookie = '{COOKIE}=seen; max-age=31536000; path=/; SameSite=Lax';
}}
"""
_REMEMBER = st.components.v2.component("remember", js=_JS)


def step() -> int:
    """The step that the link names, from 1; 0 where there is no tour."""
    told = visit.named(state.TOUR) or ""
    return int(told) if told.isdecimal() and 1 <= int(told) <= len(STEPS) else 0


def draw(page: str) -> None:
    """The step of the tour, or for new visitors the offer of one: on Overview, and with a sentence on the page that a
    link has led to.

    Args:
        page: File stem of the page that is shown.
    """
    at, landed = step(), st.session_state.setdefault(LANDED, page)
    knows = st.session_state.get(DECLINED) or st.context.cookies.to_dict().get(COOKIE)
    if at:
        _draw_step(at)
    elif page == visit.START and not knows:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown("**New here?** Five steps show what the pages are for, in one minute.", width="stretch")
            _offer()
    elif page == landed and page in PURPOSES and not knows and visit.named(state.PRESENT) != "1":
        with st.container(key="came-by-link", horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(PURPOSES[page])
            _offer()
    visit.into_link(state.TOUR, None)
    if at or st.session_state.get(DECLINED):
        _REMEMBER(key="remember")


def _offer() -> None:
    _link(1, "Take the tour", ":material/tour:")
    st.button("Not now", on_click=_end, type="tertiary")


def _draw_step(at: int) -> None:
    with st.container(border=True):
        text, ways = st.columns([7, 4], vertical_alignment="center")
        text.markdown(f"{at} of {len(STEPS)}. {STEPS[at - 1].text}")
        with ways, st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
            if at > 1:
                _link(at - 1, "Before", ":material/arrow_back:")
            if at < len(STEPS):
                _link(at + 1, "Next", ":material/arrow_forward:")
            st.button("End the tour", on_click=_end, type="tertiary")


def _link(to: int, label: str, icon: str) -> None:
    target = STEPS[to - 1]
    query = visit.carried(**{state.TOUR: str(to)}, **target.query)
    if visit.truth_is_hidden() and state.IMAGE in query:
        query[state.IMAGE] = without_truth(query[state.IMAGE])
    st.page_link(state.ROOT / "pages" / f"{target.page}.py", label=label, icon=icon, query_params=query)


def _end() -> None:
    st.session_state[DECLINED] = True
    st.session_state[state.TOUR] = None
