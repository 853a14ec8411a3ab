"""The tab Corrupted images: test images that something was done to, and diagnoses that were never taught."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.cache import rejection as rejections
from app.cache import results as cached_results
from app.cache.drawn import drawn_once
from app.compare.lessons import budget
from app.components import problem
from app.figures import shares as share_figures
from app.figures.style import percent
from app.out_of_distribution.line import MOST_LINES
from app.out_of_distribution.score_tables import score_table
from lesion_core.errors import LesionError
from lesion_core.experiments.registry import EXPERIMENTS
from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.ood.evaluation import corrupted_shares
from lesion_core.ood.scores import SCORES
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import FileState


def draw_corrupted(run: Run, key: str, at: float) -> None:
    """Images near to what the model knows: corrupted test images, and unseen diagnoses."""
    draw_corruptions(run, key, at)
    try:
        draw_unseen(cached_results.finding_state("left_out"))
    except LesionError as error:
        problem(error)


@drawn_once(most=MOST_LINES)
def draw_corruptions(run: Run, key: str, at: float) -> None:
    """Test images that something was done to: rejected, or answered, and rightly?

    Args:
        run: The run.
        key: A key of `SCORES`.
        at: The threshold, as a person reads it.
    """
    judged = rejections.judged(run, key)
    if judged.corrupted.empty:
        st.caption("This run was scored on no corrupted images; `evaluate --data` scores it on them.")
        return
    found = corrupted_shares(judged, at)
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(
            share_figures.share_dots(found, "dermoscopic images rejected"),
            config={"displayModeBar": False},
            alt="Rejected share of dermoscopic test images by what is wrong with them, with 95 % intervals",
        )
        st.caption(
            "Each row is the same test images with one thing wrong, made by code (bare skin: of images that show "
            "enough of it); further right is sent to a person more often. Exact 95 % confidence intervals."
        )
    with right:
        shares = {
            "right_before": "before",
            "right_after": "after",
            "right_answered": "answered",
        }
        st.dataframe(
            found.set_index("group")[list(shares)]
            .rename(columns=shares)
            .map(lambda share: percent(share) if np.isfinite(share) else "none"),
            height="content",
            alt="Accuracy on the images before and after the corruption, and of those still answered",
        )
        st.caption(
            "The share of right answers before the corruption, after it, and among what is still answered. A "
            "corruption that spoils answers should also be rejected. Where few are rejected and many are wrong, the "
            "score misses the same change that misleads the model. *none*: no lesion, or none answered."
        )
    with st.expander("What was done to the images"):
        st.markdown("\n".join(f"- **{kind.replace('_', ' ')}**: {entry.plain}" for kind, entry in CORRUPTIONS.items()))


@drawn_once()
def draw_unseen(state: tuple[FileState, ...] | None) -> None:  # noqa: ARG001  # the cache reads it
    """The experiment on diagnoses that were never taught, where it was made.

    Args:
        state: Of its files.
    """
    finding = cached_results.finding("left_out")
    if finding is None:
        return
    entry = EXPERIMENTS["left_out"]
    st.subheader(entry.question, anchor=False)
    table = finding.table
    table = table[table["score"].isin(list(SCORES))]
    chosen = table[(table["measure"] == "rejected") | ((table["measure"] == "auroc") & (table["diagnosis"] != "all"))]
    words = {"rejected": "rejected", "auroc": "AUROC"}
    columns = (chosen[name] for name in ("diagnosis", "n", "measure", "value", "low", "high"))
    cells = list(zip(*columns, strict=True))
    score_table(
        chosen["score"].astype(str).tolist(),
        [f"{'both' if code == 'all' else code}, n {int(n):,}: {words[measure]}" for code, n, measure, *_ in cells],
        [f"{value:.2f} ({low:.2f} to {high:.2f})" for *_, value, low, high in cells],
        "Every score's figures on diagnoses that were left out",
    )
    st.caption(
        f"{entry.description} 95 % confidence intervals. {budget(finding.settings)} An AUROC of 0.5 is no better than "
        "tossing a coin."
    )
