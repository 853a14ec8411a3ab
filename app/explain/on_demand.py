"""What takes seconds on the page Explain: done when it is asked for, last on the page, with progress and a stop.

A visitor who has moved on is noticed in the next call of Streamlit, by which his script ends: progress is shown as
images pass the network, so what nobody waits for any more stops there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import streamlit as st

from app.components import problem
from lesion_core.errors import LesionError

STATE = "asked on explain"
ASKED, STOPPED, MADE = "asked", "stopped", "made"
LOOK = 0.3
"""Seconds after which what is ready is shown before the next is begun."""
SURE = 0.5
"""Seconds after which a pace says something."""
OnPass = Callable[[int], None]


@dataclass(frozen=True)
class Work:
    """What is to be computed.

    Attributes:
        name: Tells it from the others of one question.
        text: What is told while it is computed.
        steps: Images that pass the network.
        make: Computes it into a cache, from which the page takes it; called with what it is to call as images pass.
        effort: How long it takes, in a unit that several that are asked for at once share.
    """

    name: str
    text: str
    steps: int
    make: Callable[[OnPass], object]
    effort: int


@dataclass(frozen=True)
class Pace:
    """How fast the answers to one question are computed.

    Attributes:
        spent: Seconds in which images passed the network.
        made: The effort of what was computed in them.
    """

    spent: float = 0.0
    made: float = 0.0

    def after(self, spent: float, made: float) -> Pace:
        """With what was computed since."""
        return Pace(self.spent + spent, self.made + made)

    def to_go(self, effort: float) -> str:
        """How long an effort will take, as the end of a sentence; empty where it is not known yet or under 1 s."""
        left = effort * self.spent / self.made if self.made > 0 and self.spent > SURE else 0.0
        return f", about {left:.0f} s to go" if left >= 1 else ""


@dataclass
class Kept:
    """What a visit remembers of a question.

    Attributes:
        question: Tells it from others.
        status: Of each work by its name, or why it failed.
        pace: How fast it was answered so far.
    """

    question: Hashable
    status: dict[str, str | LesionError] = field(default_factory=dict)
    pace: Pace = Pace()


class OnDemand:
    """The expensive answers to one question. Another question starts anew: nothing of the one before is asked any more.

    Args:
        question: Tells it from others.
    """

    def __init__(self, question: Hashable) -> None:
        kept: Kept | None = st.session_state.get(STATE)
        if kept is None or kept.question != question:
            kept = st.session_state[STATE] = Kept(question)
        self._kept, self._status = kept, kept.status
        self._todo: list[tuple[Work, Progress]] = []
        self._overall: Overall | None = None

    def _ask(self, names: list[str]) -> None:
        """This visitor wants them."""
        self._status |= dict.fromkeys(names, ASKED)

    def _stop(self, names: list[str]) -> None:
        self._status |= dict.fromkeys(names, STOPPED)

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
                self._todo.append((work, Progress(work, self._overall)))
                self._stop_button("Stop", f"stop {work.name}", [work.name])

    def offer_all(self, label: str, missing: list[Work], ready: int, wanted: int, help: str) -> None:
        """One button for several maps that are not known yet, and how far they all are; above the places of each.

        Args:
            label: Of the button.
            missing: What would have to be done.
            ready: Maps that are there.
            wanted: Maps that there will be.
            help: What a person reads at the button.
        """
        asked = [work for work in missing if self._status.get(work.name) == ASKED]
        others = [work.name for work in missing if self._status.get(work.name) != ASKED]
        with st.container(horizontal=True):
            self._button(label, "ask for the others", others, disabled=not others, help=help)
            if asked:
                self._stop_button("Stop all", "stop all", [work.name for work in asked])
        if asked:
            self._overall = Overall(ready, wanted, asked)

    def _stop_button(self, label: str, key: str, names: list[str]) -> None:
        st.button(label, key=key, on_click=self._stop, args=(names,), icon=":material/stop_circle:")

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
            progress.begin(self._kept.pace)
            try:
                work.make(progress)
            except LesionError as error:
                self._status[work.name] = error
            else:
                # Not forgotten: an answer that no cache has room for would be computed again and again.
                self._status[work.name] = MADE
                self._kept.pace = progress.pace
                if self._overall:
                    self._overall.made(work)
            if time.monotonic() - began > LOOK:
                break
        if self._todo:
            st.rerun()


class Overall:
    """A bar of several answers.

    Args:
        ready: How many are there.
        wanted: How many there will be.
        asked: Those that are computed now.
    """

    def __init__(self, ready: int, wanted: int, asked: list[Work]) -> None:
        self._ready, self._wanted = ready, wanted
        self._efforts = {work.name: work.effort for work in asked}
        self._bar = st.progress(ready / wanted, self._told)

    @property
    def _told(self) -> str:
        return f"{self._ready} of {self._wanted} maps are ready"

    def show(self, work: Work, share: float, pace: Pace) -> None:
        """Show it.

        Args:
            work: What is computed.
            share: Of it that is done, in [0, 1].
            pace: How fast.
        """
        if work.name not in self._efforts:
            return
        left = sum(self._efforts.values()) - share * work.effort
        self._bar.progress((self._ready + share) / self._wanted, self._told + pace.to_go(left))

    def made(self, work: Work) -> None:
        """One more is ready."""
        if self._efforts.pop(work.name, None):
            self._ready += 1


class Progress:
    """A bar that says how long it will take; a call of it raises if the visitor is gone.

    Args:
        work: What is computed.
        overall: The bar of several, if this may be one of them.
    """

    def __init__(self, work: Work, overall: Overall | None = None) -> None:
        self._work, self._overall, self._pace = work, overall, Pace()
        self._share, self._first, self._began, self._last = 0.0, 0.0, 0.0, 0.0
        self._bar = st.progress(0.0, f"{work.text} waits.")

    def begin(self, pace: Pace) -> None:
        """It is this one's turn.

        Args:
            pace: How fast the others of its question were.
        """
        self._pace = pace
        self._bar.progress(0.0, f"{self._work.text} …")

    def __call__(self, done: int) -> None:
        """Show it.

        Args:
            done: Images so far; 0 while others have their turn.
        """
        if done == 0:
            self._bar.progress(self._share, f"{self._work.text} waits for its turn.")
            return
        share = min(1.0, done / self._work.steps)
        self._last = time.monotonic()
        if not self._began or share < self._share:  # how long the first images took is not known: they may have waited
            self._began, self._first = self._last, share
        self._share = share
        pace = self.pace
        self._bar.progress(share, f"{self._work.text} …{pace.to_go((1 - share) * self._work.effort)}")
        if self._overall:
            self._overall.show(self._work, share, pace)

    @property
    def pace(self) -> Pace:
        """How fast the others and this one were, from its first images to its last ones."""
        return self._pace.after(self._last - self._began, (self._share - self._first) * self._work.effort)
