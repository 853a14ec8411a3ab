"""What stands under the threshold line: how the threshold came about, and what the score measures."""

from __future__ import annotations

import streamlit as st

from app.cache.drawn import drawn_once
from app.components import badges
from app.figures.style import percent
from app.out_of_distribution.line import MOST_LINES
from lesion_core.config import ROLE_NAMES
from lesion_core.ood.scores import SCORES

PROBABILITY = "scaled_confidence"
"""The score whose quantity other pages show in per cent."""


@drawn_once(most=MOST_LINES)
def draw_facts(
    key: str, split: str, n: int, strange: int, mark: str | None, honest: bool, at: str, limits: dict[str, float]
) -> None:
    """What is looked at, how the threshold came about, and what the score measures.

    Args:
        key: A key of `SCORES`.
        split: The role of the dermoscopic images.
        n: How many these are.
        strange: How many OOD images there are.
        mark: The label of the mark that the line stands on.
        honest: Whether the threshold was chosen without looking at the test set.
        at: The threshold, as a person reads it.
        limits: The same as a limit on each part of the score, as scores.
    """
    by_hand = ("by eye, on calibration", "orange") if honest else ("chosen on test: not valid", "red")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        badges(
            ("real dermoscopy", "blue"),
            (f"{ROLE_NAMES[split]}, n = {n:,}", "green" if split == "test" else "orange"),
            (f"OOD images, n = {strange:,}", "gray"),
            (f"threshold: {mark}", "green") if mark else by_hand,
        )
        with st.popover("About this score", type="tertiary", icon=":material/help:"):
            st.markdown(about(key))
    if SCORES[key].together:
        st.caption(f"At {at} an image is rejected if {' or '.join(told(part, limits[part]) for part in limits)}.")


def told(key: str, limit: float) -> str:
    """What a limit on a score rejects, as the end of a sentence."""
    measure = SCORES[key]
    quantity, shown = measure.quantity[0].lower() + measure.quantity[1:], measure.to_display(limit)
    number = percent(shown, 1) if key == PROBABILITY else f"{shown:.3g}"
    return f"{quantity} is {measure.rejected_side} {number}"


def about(key: str) -> str:
    """What a score measures, with its formula and source."""
    measure = SCORES[key]
    stored = ""
    if measure.shown_formula:
        stored = f" A policy stores ${measure.formula}$, which is higher the more unusual an image is."
    scale = ""
    if key == "confidence":
        # The softmax before the temperature does not determine the one after it: that depends on all logits.
        scale = (
            "\n\nThis is the confidence before temperature scaling, as the published rule means it. The percentages of "
            "the other pages are after it, and no formula turns one into the other, because both depend on all logits: "
            f"choose *{SCORES[PROBABILITY].name}* for a threshold on their scale."
        )
    return (
        f"**{measure.name}.** {measure.description}\n\nOn the axis: ${measure.shown_formula or measure.formula}$."
        f"{stored}{scale}\n\nSource: {measure.paper}. Cost: {measure.cost}"
    )
