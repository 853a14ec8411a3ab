"""Whether a run's confidence means what it says: one piece of the pages Compare and Out of distribution."""

from __future__ import annotations

import streamlit as st

from app.figures import results as result_figures
from lesion_core.analysis.calibration import reliability_of
from lesion_core.analysis.evaluation_sets import EvaluationData
from lesion_core.runs.classifier import Run


def show_calibration(run: Run, data: EvaluationData, source: str) -> None:
    """The reliability diagram before and after the run's temperature, and the calibration errors.

    Args:
        run: The run.
        data: Its images that are counted.
        source: Which images these are and how many, for the caption.
    """
    before, after = reliability_of(run, data)
    left, right = st.columns([3, 1], gap="large")
    with left:
        st.plotly_chart(
            result_figures.reliability_diagram(before.table, after.table),
            alt="Share that is right against confidence, before and after the temperature",
        )
    with right:
        st.metric(
            "Temperature",
            f"{run.calibration.temperature:.2f}",
            help="Divides the logits; over 1 the model was overconfident, under 1 underconfident.",
        )
        st.metric("Calibration error before", f"{before.error:.3f}")
        st.metric("Calibration error after", f"{after.error:.3f}")
    st.caption(
        "On the diagonal a confidence of 80 % is right 80 % of the time; under it the model is overconfident. "
        f"{source}. The temperature was fitted on the calibration set (n = {run.calibration.n:,}); bars: "
        "95 % confidence intervals over lesions."
    )
