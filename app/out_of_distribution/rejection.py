"""What the threshold line of the page shows of a run under one score. `app.cache` keeps it."""

from __future__ import annotations

from app.widgets.threshold import Mark, ThresholdBins, threshold_bins
from lesion_core.ood.evaluation import EvaluatedScore


def line(judged: EvaluatedScore, split: str, marks: tuple[Mark, ...]) -> ThresholdBins:
    """What the threshold line needs: the split's dermoscopy and the strangers, counted."""
    table, strangers = judged.split(split), judged.strangers
    return threshold_bins(
        table["shown"].to_numpy(),
        table["correct"].to_numpy(bool),
        (table["diagnosis"] == "MEL").to_numpy(),
        strangers["shown"].to_numpy(),
        strangers["kind"].astype(str).str.replace("_", " ").to_numpy(object),
        reject=judged.measure.rejected_side,
        quantity=judged.measure.quantity.rstrip(","),
        marks=marks,
        span=judged.measure.span,
    )
