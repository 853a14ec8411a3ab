"""The tab Something wrong: test pictures that something was done to, and diagnoses that were never taught."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.cache import results as cached_results
from app.compare.lessons import budget
from app.figures import shares as share_figures
from app.figures.style import percent
from lesion_core.experiments import EXPERIMENTS
from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.ood.evaluation import EvaluatedScore, corrupted_shares
from lesion_core.ood.scores import SCORES


def something_wrong(judged: EvaluatedScore, at: float) -> None:
    """Test pictures that something was done to: turned away, or answered, and rightly?"""
    if judged.near.empty:
        st.caption("This run was scored on no changed pictures; `evaluate --data` scores it on them.")
        return
    found = corrupted_shares(judged, at)
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            share_figures.share_dots(found, "dermoscopy rejected"),
            config={"displayModeBar": False},
            alt="Rejected share of test dermoscopy by what is wrong with it, with 95 % intervals",
        )
        st.caption(
            "Each row is the same test pictures with one thing wrong, made by code (bare skin: of pictures that "
            "show enough of it); further right is sent to a person more often. Exact 95 % intervals."
        )
    with right:
        shares = {
            "right_before": "right, unchanged",
            "right_after": "right, changed",
            "right_answered": "right, answered",
        }
        st.dataframe(
            found.set_index("group")[list(shares)]
            .rename(columns=shares)
            .map(lambda share: percent(share) if np.isfinite(share) else "-"),
            height="content",
            alt="Accuracy on the pictures before and after the change, and of those still answered",
        )
        st.caption(
            "A change that spoils answers should also be turned away. Where few are rejected and many are "
            "wrong, the score does not see what the model does not see. A dash: no lesion, or none answered."
        )
    with st.expander("What was done to the pictures"):
        st.markdown("\n".join(f"- **{kind.replace('_', ' ')}**: {entry.plain}" for kind, entry in CORRUPTIONS.items()))


def left_out() -> None:
    """The study of diagnoses that were never taught."""
    finding = cached_results.finding("left_out")
    if finding is None:
        return
    entry = EXPERIMENTS["left_out"]
    st.subheader(entry.question)
    table = finding.table
    table = table[table["score"].isin(list(SCORES))]
    chosen = table[(table["measure"] == "rejected") | ((table["measure"] == "auroc") & (table["diagnosis"] != "all"))]
    words = {"rejected": "rejected", "auroc": "AUROC"}
    cells = [f"{r.value:.2f} ({r.low:.2f} to {r.high:.2f})" for r in chosen.itertuples()]
    heads = (
        chosen["diagnosis"].replace("all", "both")
        + ", n "
        + chosen["n"].astype(int).astype(str)
        + ": "
        + chosen["measure"].replace(words)
    )
    st.dataframe(
        chosen.assign(cell=cells, head=heads)
        .pivot_table(
            index="score",
            columns="head",
            values="cell",
            aggfunc="first",
            sort=False,
        )
        .rename(index=lambda k: SCORES[str(k)].name),
        height="content",
        alt="Every score's figures on diagnoses that were left out",
    )
    st.caption(f"{entry.description} 95 % intervals. {budget(finding.settings)} An AUROC of 0.5 is a coin.")
