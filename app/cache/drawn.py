"""What is the same for every visitor is made once: a part of a page as the messages that Streamlit sends again, a
figure as the dictionary that Plotly makes of it.

A class of thirty asks for few states, and building and checking a figure takes longer than all else on a page. What
is decorated here lies in `app/`, not in `pages/`: a page's own functions are new in every run of its script.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.basedatatypes import BaseFigure

from app.cache.runs import BOTH
from app.state import own_image
from lesion_core.ood.policy import Policy

P = ParamSpec("P")
T = TypeVar("T")

BY_ALL = {**BOTH, Policy: Policy.fingerprint}
MOST_STATES = 128
"""States that are kept of one part: about all that a class can ask for of the runs that ship, 10 to 50 kB each."""


def drawn_once(spinner: str = "", most: int = MOST_STATES) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep what a function draws without widgets, or the figure that it makes, by its arguments.

    These say all that it depends on; runs and policies count by their fingerprints, arrays by all of their bytes. What
    shows a visitor's own image is not kept: it goes with the visit.

    Args:
        spinner: What is told while it is made for the first time.
        most: States that are kept; the least recently used goes first.
    """

    def decorated(make: Callable[P, T]) -> Callable[P, T]:
        make.__signature__ = signature(make)  # type: ignore[attr-defined]  # Streamlit asks for it once for each argument
        kept = st.cache_resource(show_spinner=spinner or False, max_entries=most, hash_funcs=BY_ALL)(make)

        @wraps(make)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
            shows_pixels = any(isinstance(given, np.ndarray) for given in (*args, *kwargs.values()))
            return (make if shows_pixels and own_image() else kept)(*args, **kwargs)

        return drawn

    return decorated


class FinishedFigure(BaseFigure):  # type: ignore[misc]
    """A figure that was checked when it was made, and is neither checked nor copied again; for reading only.

    For charts that can be clicked: what is drawn in `drawn_once` may hold no widget.
    """

    def __init__(self, figure: go.Figure) -> None:
        self._finished: dict[str, Any] = figure.to_dict()  # BaseFigure's own __init__ would make and check it anew

    def to_dict(self) -> dict[str, Any]:
        """What Streamlit makes JSON of."""
        return self._finished
