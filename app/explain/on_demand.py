"""What takes seconds on the page Explain: done when it is asked for, last on the page, with progress and a stop.

A visitor who has moved on is noticed in the next call of Streamlit, by which his script ends: progress is shown as
images pass the network, so what nobody waits for any more stops there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import streamlit as st

from app.components import problem
from lesion_core.errors import LesionError

STATE = "asked on explain"
ASKED, STOPPED, MADE = "asked", "stopped", "made"
LOOK = 0.3
"""Seconds after which what is ready is shown before the next is begun."""
OnPass = Callable[[int], None]


@dataclass(frozen=True)
class Work:
    """What is to be computed.

    Attributes:
        name: Tells it from the others of one question.
        text: What is told while it is computed.
        steps: Images that pass the network.
        make: Computes it into a cache, from which the page takes it; called with what it is to call as images pass.
    """

    name: str
    text: str
    steps: int
    make: Callable[[OnPass], object]


class OnDemand:
    """The expensive answers to one question. Another question starts anew: nothing of the one before is asked any more.

    Args:
        question: Tells it from others.
    """

    def __init__(self, question: Hashable) -> None:
        kept = st.session_state.get(STATE)
        if kept is None or kept[0] != question:
            kept = st.session_state[STATE] = question, {}
        self._status: dict[str, str | LesionError] = kept[1]
        self._todo: list[tuple[Work, Progress]] = []

    def _ask(self, names: list[str]) -> None:
        """This visitor wants them."""
        self._status |= dict.fromkeys(names, ASKED)

    def _stop(self, name: str) -> None:
        self._status[name] = STOPPED

    def open(self, names: list[str]) -> list[str]:
        """Those of some names that wait for somebody to ask."""
        return [name for name in names if self._status.get(name, MADE) == MADE]

    def offer(self, work: Work, label: str = "", *, unasked: bool = False) -> None:
        """The place of an answer that is not known: a button, or how far it is.

        Args:
            work: What would have to be done.
            label: Of the button; without one, another button asks for it.
            unasked: It is little and part of the page: it begins by itself.
        """
        status = self._status.get(work.name, ASKED if unasked else MADE)
        with st.container():
            if isinstance(status, LesionError):
                problem(status)
                label = "Try again"
            elif status == STOPPED:
                st.caption(f"{work.text} was stopped.")
                label = "Compute it"
            elif status == MADE and not label:
                st.caption(f"{work.text}: not computed yet.")
            if label:
                self._button(label, f"ask {work.name}", [work.name], disabled=status == ASKED)
            if status == ASKED:
                self._todo.append((work, Progress(work)))
                key, arguments = f"stop {work.name}", (work.name,)
                st.button("Stop", key=key, on_click=self._stop, args=arguments, icon=":material/stop_circle:")

    def offer_all(self, label: str, names: list[str], help: str) -> None:
        """One button for several answers that are not known yet."""
        self._button(label, "ask for the others", self.open(names), disabled=not self.open(names), help=help)

    def _button(self, label: str, key: str, names: list[str], *, disabled: bool, help: str | None = None) -> None:
        # Kept while they are computed: what is left out Streamlit shows, grey, until the script has ended.
        icon = ":material/play_circle:"
        st.button(label, key=key, on_click=self._ask, args=(names,), icon=icon, disabled=disabled, help=help)

    def work(self) -> None:
        """Do what was asked for, the first one first; the page is drawn again as answers come.

        The last call of the page: a run of its script that is stopped here has drawn all that it has.
        """
        began = time.monotonic()
        for work, progress in self._todo:
            progress.begin()
            try:
                work.make(progress)
            except LesionError as error:
                self._status[work.name] = error
            else:
                # Not forgotten: an answer that no cache has room for would be computed again and again.
                self._status[work.name] = MADE
            if time.monotonic() - began > LOOK:
                break
        if self._todo:
            st.rerun()


class Progress:
    """A bar that says how long it will take; a call of it raises if the visitor is gone."""

    def __init__(self, work: Work) -> None:
        self._work, self._share, self._began, self._first = work, 0.0, 0.0, 0.0
        self._bar = st.progress(0.0, f"{work.text} waits.")

    def begin(self) -> None:
        """It is this one's turn."""
        self._bar.progress(0.0, f"{self._work.text} …")

    def __call__(self, done: int) -> None:
        """Show it.

        Args:
            done: Images so far; 0 while others have their turn.
        """
        now = time.monotonic()
        if done == 0:
            self._bar.progress(self._share, f"{self._work.text} waits for its turn.")
            return
        self._share = min(1.0, done / self._work.steps)
        if not self._began:  # how long the first images took is not known: they may have waited
            self._began, self._first = now, self._share
        spent, made = now - self._began, self._share - self._first
        left = spent * (1 - self._share) / made if made > 0 else 0.0
        told = f" about {left:.0f} s to go" if spent > 1 and left >= 1 else ""
        self._bar.progress(self._share, f"{self._work.text} …{told}")
