"""What stands beside the threshold line: the answer of the page, what is looked at, and what the score measures."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.cache.drawn import drawn_once
from app.components import badges
from app.figures.style import percent
from app.widgets.threshold import ThresholdBins
from lesion_core.config import ROLE_NAMES
from lesion_core.ood.scores import SCORES


def headline(bins: ThresholdBins, split: str, at: float) -> str:
    """How much is answered, how much of that is right, what slips through.

    Args:
        bins: All that is counted.
        split: The role of the dermoscopic images.
        at: The threshold, one of the edges.
    """
    right = bins.kept(bins.right, at)
    answered = right + bins.kept(bins.wrong, at)
    strange = sum(bins.kept(counts, at) for counts in bins.ood_images.values())
    accepted = f" and accepts **{percent(strange / bins.strange, 1)}** of the non-lesion images" if bins.strange else ""
    return (
        f"At {at:.{bins.decimals}f} the model answers **{percent(answered / bins.dermoscopy)}** of the dermoscopic "
        f"images of the {ROLE_NAMES[split]}, is right in **{percent(right / answered if answered else np.nan)}** of "
        f"these{accepted}."
    )


@drawn_once()
def draw_facts(key: str, split: str, n: int, strange: int, mark: str | None, honest: bool) -> None:
    """What is looked at, how the threshold came about, and what the score measures.

    Args:
        key: A key of `SCORES`.
        split: The role of the dermoscopic images.
        n: How many these are.
        strange: How many images show no lesion.
        mark: The label of the mark that the line stands on.
        honest: Whether the threshold was chosen without looking at the test set.
    """
    by_hand = ("by eye, on calibration", "orange") if honest else ("chosen on test: not valid", "red")
    badges(
        ("real dermoscopy", "blue"),
        (f"{ROLE_NAMES[split]}, n = {n:,}", "green" if split == "test" else "orange"),
        (f"non-lesion images, n = {strange:,}", "gray"),
        (f"threshold: {mark}", "green") if mark else by_hand,
    )
    measure = SCORES[key]
    st.caption(f"**{measure.name}**, ${measure.formula}$. {measure.description} {measure.paper}. {measure.cost}")
