"""The tab Sets: sets of diagnoses in place of one answer, and what they hold on the test set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import rejection as rejections
from app.cache.drawn import drawn_once
from app.figures.style import percent
from app.foreign_text import literal
from lesion_core.analysis.conformal import fewest_of_class
from lesion_core.runs.classifier import Run


def draw_sets(run: Run) -> None:
    """The other answer than UNKNOWN: a set that holds the truth with a chosen chance."""
    with st.container(horizontal=True, gap="large", vertical_alignment="bottom"):
        level = st.slider(
            "The set holds the truth in … % of cases", 50, 99, 90, key=state.SETS_LEVEL, bind="query-params", width=300
        )
        by_class = st.toggle("… of each diagnosis by itself", key=state.SETS_BY_CLASS, bind="query-params")
    draw_set_table(run, level, by_class)


@drawn_once("Learning sets …")
def draw_set_table(run: Run, level: int, by_class: bool) -> None:
    """What conformal sets hold on the test set.

    Args:
        run: The run.
        level: The chance that a set holds the truth, in %.
        by_class: Whether it is that of each diagnosis by itself.
    """
    table = rejections.conformal_sets(run, level / 100, by_class)
    shown = pd.DataFrame(
        {
            "diagnosis": table["diagnosis"],
            "test images": table["n"],
            "calibration images": table["calibration"],
            "holds the truth": [
                f"{percent(covered)} ({100 * low:.0f} to {100 * high:.0f})"
                for covered, low, high in zip(table["covered"], table["low"], table["high"], strict=True)
            ],
            "diagnoses in a set": table["size"].round(2),
            "just one": [percent(v) for v in table["one"]],
            "empty": [percent(v) for v in table["none"]],
            "guaranteed": [f"{level} %" if promised else "no" for promised in table["promised"]],
        }
    )
    st.dataframe(shown, hide_index=True, height="content", alt="What conformal sets hold, by diagnosis")
    st.markdown(literal(in_short(table.set_index("diagnosis"), level, by_class)))
    st.caption(
        "How to read it: a diagnosis $k$ is in the set of an image if its probability $p_k$, after the temperature, is "
        r"at least $\tau$, the $\lceil (n + 1) \cdot$ level$\rceil$-th highest probability that the true diagnosis got "
        "among the $n$ calibration images; with the switch, among those of diagnosis $k$. Split conformal prediction: "
        "Sadinle et al. 2019 (arXiv:1609.00451); by diagnosis Vovk 2012 (arXiv:1209.2673); rare diagnoses take the "
        r"$\tau$ of all images, as in Ding et al. 2023 (arXiv:2306.09335)."
    )
    st.caption(
        "Learned on the calibration set and shown on the test set, one image per lesion in both, with 95 % confidence "
        "intervals. The guarantee holds for images like these, not for other clinics and not for OOD "
        "images; and strictly for probabilities that the calibration set had no part in: one number, the temperature, "
        "was fitted on it. *Analyse* shows the set of one image: 90 % of each diagnosis."
    )


def in_short(table: pd.DataFrame, level: int, by_class: bool) -> str:
    """What the table of sets says, in two sentences.

    Args:
        table: As `evaluate_sets` gives it, by diagnosis.
        level: The chance that a set holds the truth, in %.
        by_class: Whether it is that of each diagnosis by itself.
    """
    covered, size = (table[name].to_dict()["all"] for name in ("covered", "size"))
    said = (
        f"On the test set {percent(covered)} of the sets hold the truth ({level} % wanted), with "
        f"{size:.1f} diagnoses in each on average."
    )
    if not by_class:
        return f"{said} That is an average over all images: rare diagnoses may be left out far more often."
    rare = table.index[~table["promised"] & (table.index != "all")].tolist()
    if not rare:
        return said
    seen = table.loc[rare].query("n > 0")
    covered = float((seen["covered"] * seen["n"]).sum() / seen["n"].sum()) if len(seen) else np.nan
    return (
        f"{said} {', '.join(rare)}: fewer than {fewest_of_class(level / 100):,} calibration images each, too few for a "
        f"guarantee. A set may hold them all the same; where the truth is one of them, {percent(covered)} of the sets "
        "hold it."
    )
