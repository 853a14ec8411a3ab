"""The tab Who is rejected: the rejected share of each group of people and diagnoses, and of each kind of image."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import rejection as rejections
from app.cache.drawn import drawn_once
from app.components import choose
from app.figures import shares as share_figures
from app.figures import style
from app.out_of_distribution.line import MOST_LINES, Line
from lesion_core.analysis.intervals import shares_by
from lesion_core.analysis.subgroups import AGE_NAMES, NOT_RECORDED
from lesion_core.config import ROLE_NAMES
from lesion_core.data.catalog import TITLES
from lesion_core.labels import DIAGNOSES, diagnosis
from lesion_core.ood.sentences import kind_name
from lesion_core.runs.classifier import Run

WHO = {"diagnosis": "Diagnosis", "sex": "Sex", "age": "Age", "site": "Body site", "dataset": "Data set"}
ORDERS = {"diagnosis": (*DIAGNOSES, "AKIEC"), "age": (*AGE_NAMES, NOT_RECORDED)}
"""Groups that have an order of their own; the others come by their size."""
PLAIN = {"displayModeBar": False}


def draw_who(line: Line) -> None:
    """People and diagnoses left, kinds of OOD images right."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        draw_groups(line.run, line.key, line.split, line.at, choose("By", WHO, state.WHO, buttons=True))
    with right:
        draw_kinds(line.run, line.key, line.at)


@drawn_once(most=MOST_LINES)
def draw_groups(run: Run, key: str, split: str, at: float, by: str) -> None:
    """The rejected share of dermoscopy.

    Args:
        run: The run.
        key: A key of `SCORES`.
        split: The role of the images that are looked at.
        at: The threshold, as a person reads it.
        by: A key of `WHO`.
    """
    found = rejected_by(run, key, split, at, by)
    colours = {code: diagnosis(code).colour for code in found["group"]} if by == "diagnosis" else None
    st.plotly_chart(
        share_figures.share_dots(found, "dermoscopic images rejected", colours=colours),
        config=PLAIN,
        alt=f"Rejected share of dermoscopic images by {WHO[by].lower()}, with 95 % intervals",
    )
    st.caption(
        f"Further right is sent to a person more often. Groups of under {style.SMALLEST} images are grey. "
        f"95 % confidence intervals over lesions, {ROLE_NAMES[split]}."
        + (
            " The official ISIC 2018 test set and ISIC 2017 come from other clinics: what a score rejects there "
            "is unusual, not wrong."
            if by == "dataset"
            else ""
        )
    )


@drawn_once(most=MOST_LINES)
def draw_kinds(run: Run, key: str, at: float) -> None:
    """The rejected share of each kind of OOD image, where there are some."""
    judged = rejections.judged(run, key)
    if judged.ood_images.empty:
        st.caption("This run was scored on no OOD images.")
        return
    rejected = judged.rejected(judged.ood_images["shown"], at)
    st.plotly_chart(
        share_figures.share_dots(shares_by(judged.ood_images["kind"].astype(str).map(kind_name), rejected), "rejected"),
        config=PLAIN,
        alt="Rejected share of each kind of OOD image",
    )
    st.caption("Here further right is better. Exact 95 % confidence intervals.")


def rejected_by(run: Run, key: str, split: str, at: float, by: str) -> pd.DataFrame:
    """The rejected share of each group, as `shares_by` gives it; data sets with the official test set's."""
    judged = rejections.judged(run, key)
    table = judged.split(split)
    groups, lesions, rejected = table[by], table["lesion_id"], judged.rejected(table["shown"], at)
    if by == "dataset":
        if split == "test":
            official = judged.official
            groups = pd.concat([groups, official["dataset"]], ignore_index=True)
            lesions = pd.concat([lesions, official["lesion_id"]], ignore_index=True)
            rejected = np.concatenate([rejected, judged.rejected(official["shown"], at)])
        groups = groups.replace(TITLES)
    found = shares_by(groups, rejected, lesions.to_numpy(str))
    if by in ORDERS:
        order = {name: i for i, name in enumerate(ORDERS[by])}
        found = found.sort_values("group", key=lambda groups: groups.map(order), ignore_index=True)
    return found
