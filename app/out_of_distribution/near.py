"""The tab Near the threshold: images on either side of it, and those that are let through or rejected most surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import state, visit
from app.cache import images as cached_images
from app.cache import rejection as rejections
from app.cache.runs import BY_FINGERPRINT
from app.gallery import Entry, Order, pictures, verdict
from lesion_core.config import ROLE_NAMES
from lesion_core.data.samples import Sample, without_truth
from lesion_core.foreign_text import for_people
from lesion_core.ood.sentences import kind_name
from lesion_core.runs.classifier import Run

A_PAGE = 12


@dataclass(frozen=True, eq=False)
class Judged:
    """Images under a score, one place each.

    Attributes:
        ids: For links.
        names: As a person reads them.
        answers: What the model says, or nothing.
        truths: What each shows.
        shown: (N,) the score, as a person reads it.
        right: Whether the answer is right; never for an OOD image.
    """

    ids: Sequence[str]
    names: Sequence[str]
    answers: Sequence[str]
    truths: Sequence[str]
    shown: NDArray[np.float64]
    right: NDArray[np.bool_]


@st.cache_resource(show_spinner="Scoring …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def judged_images(run: Run, key: str, split: str) -> tuple[Judged, Judged]:
    """Dermoscopy of a role, and the OOD images, under a score."""
    judged = rejections.judged(run, key)
    table, others = judged.split(split), judged.ood_images
    names = others["image_id"].str.split("/")
    ids = "stranger-" + names.str[-1].where(others["source"] == "ood_samples", names.str.join("-"))
    return (
        Judged(
            table["image_id"].astype(str).tolist(),
            table["image_id"].astype(str).tolist(),
            ("answer " + table["answer"].astype(str)).tolist(),
            table["diagnosis"].astype(str).tolist(),
            table["shown"].to_numpy(float),
            table["correct"].to_numpy(bool),
        ),
        Judged(
            ids.astype(str).tolist(),
            names.str[-1].astype(str).tolist(),
            [""] * len(others),
            others["kind"].astype(str).map(kind_name).tolist(),
            others["shown"].to_numpy(float),
            np.zeros(len(others), bool),
        ),
    )


def draw_near(run: Run, key: str, split: str, at: float, root: Path | None) -> None:
    """Images just on either side of the threshold, or as far from it as can be.

    Args:
        run: The run.
        key: A key of `SCORES`.
        split: The role of the dermoscopic images.
        at: The threshold, as a person reads it.
        root: The data folder, if there is one.
    """
    here = cached_images.all_real_samples(root, run.config.settings.images) if root else {}
    shipped = cached_images.samples(run, root)
    for title, judged, beside in zip(
        ("Dermoscopy", "OOD images"), judged_images(run, key, split), ("", "_ood"), strict=True
    ):
        st.markdown(f"**{title}**")
        draw_side(run, key, at, judged, [here, shipped], title, beside)
    st.caption(
        f"The nearest to the threshold first, rejected and answered in turn, {ROLE_NAMES[split]}; the number is the "
        "quantity on its axis. Sort by *surest to be answered* for the images that are let through. Images show where "
        "they are on this machine."
    )


def draw_side(
    run: Run, key: str, at: float, judged: Judged, folders: Sequence[Mapping[str, Sample]], title: str, beside: str
) -> None:
    """One kind of images.

    Args:
        run: The run.
        key: A key of `SCORES`.
        at: The threshold, as a person reads it.
        judged: The images.
        folders: Where they are, by id.
        title: What they are.
        beside: As in `pictures`.
    """
    rejected = rejections.judged(run, key).rejected(pd.Series(judged.shown), at)
    distance = np.abs(judged.shown - at)
    known = [next((folder[name] for folder in folders if name in folder), None) for name in judged.ids]
    if not len(distance):
        st.caption("None.")
        return
    if not any(known):
        near = np.argsort(in_turn(distance, rejected), kind="stable")[:A_PAGE].tolist()
        table = pd.DataFrame(
            {
                "image": [judged.names[i] for i in near],
                "value": judged.shown[near],
                "shows": [judged.truths[i] for i in near],
                "the model says": [judged.answers[i] for i in near],
                "verdict": np.where(rejected[near], "UNKNOWN", "ANSWERED"),
            }
        )
        if visit.truth_is_hidden():
            table = table.assign(image=[without_truth(name) for name in table["image"]]).drop(columns="shows")
        st.dataframe(for_people(table), hide_index=True, alt=f"{title} near the threshold")
        return
    under = rejections.judged(run, key).measure.rejected_side == "under"
    pictures(
        len(distance),
        lambda places: [
            Entry(
                judged.ids[i],
                judged.names[i],
                known[i],
                (f"{judged.shown[i]:.3f}", *filter(None, [judged.answers[i]])),
                verdict(bool(judged.right[i]), not rejected[i]),
                judged.truths[i],
            )
            for i in places.tolist()
        ],
        key=f"near{beside}",
        label=f"{title} near the threshold",
        orders=(
            Order("near", "nearest, of each side in turn", in_turn(distance, rejected)),
            Order("answered", "surest to be answered", judged.shown, highest_first=under),
            Order("rejected", "surest to be rejected", judged.shown, highest_first=not under),
        ),
        query={state.RUN: run.name},
        run=run,
        a_page=A_PAGE,
        beside=beside,
    )


def in_turn(distance: NDArray[np.float64], rejected: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) the rank of each distance among those of its own side, from 0."""
    ranks = np.empty(len(distance))
    for side in (rejected, ~rejected):
        places = np.flatnonzero(side)
        ranks[places[np.argsort(distance[places], kind="stable")]] = np.arange(len(places))
    return ranks
