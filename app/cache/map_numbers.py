"""Whether a run's maps know which of its answers are right, measured once for all visitors; for reading only."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app.cache import explanation
from app.cache.runs import BY_FINGERPRINT
from lesion_core.analysis.map_numbers import Called, among_called, confidence_of, tells_right
from lesion_core.runs.classifier import Run

Signals = Mapping[str, Mapping[Hashable, Any]]
"""By number: the columns of `tells_right`."""


def rows(run: Run, method: str) -> pd.DataFrame:
    """The run's rows of one method."""
    table = explanation.evaluation(run)
    assert table is not None  # asked for by its methods
    return table[table["method"] == method]


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=64, hash_funcs=BY_FINGERPRINT)
def signals(run: Run, changed: int, method: str) -> Signals:  # noqa: ARG001
    """What tells right answers from wrong ones, as `tells_right` gives it.

    Args:
        run: A run that was evaluated.
        changed: When, as `explanation.measured_at` gives it.
        method: A key of `METHODS` that was measured.
    """
    own = rows(run, method)
    found = tells_right(own, confidence_of(run, own["image_id"]))
    return {str(row["number"]): row for row in found.to_dict("records")}


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=128, hash_funcs=BY_FINGERPRINT)
def called(run: Run, changed: int, method: str, answer: str) -> Called | None:  # noqa: ARG001
    """What tells right from wrong among images that get one answer, as `among_called` gives it."""
    return among_called(rows(run, method), answer)
