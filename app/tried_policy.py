"""A policy that a visitor tries out: it holds in their visit, and a link of it holds it for whoever opens that."""

from __future__ import annotations

import streamlit as st

from app import state, visit
from app.cache import rejection as rejections
from app.cache import runs as cached_runs
from app.foreign_text import literal
from lesion_core.errors import ConfigError, LesionError
from lesion_core.foreign_text import shown
from lesion_core.ood.policy import Policy
from lesion_core.ood.scores import offered

HOW = ("keep", "published", "eye")
"""Rules of which a link can tell all."""
TAKEN = "taken_policy"
RUN_LETTERS = 8
"""Of a run's fingerprint, enough to know it by."""


def try_out(policy: Policy, how: str, threshold: float | None) -> None:
    """Let a policy hold in this visit.

    Args:
        policy: The policy.
        how: The rule that it was chosen by, one of `HOW`; any other is not told in the link.
        threshold: On the score, where it was set by hand.
    """
    parts = (policy.run[:RUN_LETTERS], policy.score, how, *([] if threshold is None else [repr(float(threshold))]))
    st.session_state[state.POLICY] = policy
    st.session_state[state.TRIED] = st.session_state[TAKEN] = ":".join(parts) if how in HOW else None


def let_go() -> None:
    """The run's own policy holds again."""
    for key in (state.POLICY, state.TRIED, TAKEN):
        st.session_state.pop(key, None)


def take() -> None:
    """Take the policy that the link names; what cannot be taken is told, and the run's own holds."""
    asked = visit.named(state.TRIED)
    if asked != st.session_state.get(TAKEN):
        st.session_state.pop(state.POLICY, None)
        try:
            if asked:
                st.session_state[state.POLICY] = _policy(asked)
        except LesionError as error:
            with st.sidebar:
                st.caption(f":material/warning: {literal(error.problem)} {literal(error.remedy)}")
            return  # and told again, as long as the link names it
        st.session_state[TAKEN] = asked
    visit.into_link(state.TRIED, None)


def _policy(asked: str) -> Policy:
    letters, key, how, *threshold = [*asked.split(":"), "", ""][:4]
    run = next(
        (run for run in cached_runs.runs()[0] if len(letters) == RUN_LETTERS and run.fingerprint.startswith(letters)),
        None,
    )
    problem = f"The policy of this link ({shown(asked)}) cannot be used, so the run's own holds."
    if run is None or key not in offered(run) or how not in HOW:
        raise ConfigError(problem, "Choose one on the page Out of distribution.")
    try:
        return rejections.tuned(run, key, how, float(threshold[0]) if how == "eye" else None)
    except (ValueError, IndexError, LesionError):
        raise ConfigError(problem, "Its threshold is not a number, or the rule does not fit the run.") from None
