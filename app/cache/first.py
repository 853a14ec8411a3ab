"""Which images a first visit is offered first, by what the run itself says of the samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import streamlit as st

from app.cache import images as cached_images
from app.cache.runs import BY_FINGERPRINT, own_policy, predict, rejector
from lesion_core.analysis.metrics import softmax
from lesion_core.data.samples import OOD, Sample
from lesion_core.errors import LesionError
from lesion_core.ood.model_outputs import Outputs, ood_outputs, outputs_of
from lesion_core.ood.policy import Policy
from lesion_core.runs.classifier import Run

CONFIDENT = 0.5
"""Least probability, calibrated, of an answer that is called confident: as much as all others together."""
SKIN = "skin"
"""Kind of OOD samples that is not among the three: that a policy accepts bare skin, or refuses it, needs words."""
Said = tuple[str, bool, str, float]
"""A sample's id, whether the run answers, what it would answer, and with which probability."""


def samples(run: Run | None, root: Path | None) -> Mapping[str, Sample]:
    """`cached_images.samples` with the three of `chosen` first. Read only."""
    found = cached_images.samples(run, root)
    if run is None:
        return found
    try:
        first = chosen(run, own_policy(run), root)
    except LesionError:  # told where the run is asked for an answer
        return found
    return {name: found[name] for name in (*first, *found)}


@st.cache_resource(
    show_spinner="Choosing images …", max_entries=8, hash_funcs={**BY_FINGERPRINT, Policy: Policy.fingerprint}
)
def chosen(run: Run, policy: Policy | None, root: Path | None) -> tuple[str, ...]:
    """Ids of up to three samples: one that the run answers and gets right, one without skin or lesion that it refuses,
    and a mistake that it is confident of; the first of the list that is so, each.

    Raises:
        LesionError: The run gives no answers.
    """
    found = cached_images.samples(run, root)
    right = mistake = None
    for name, answered, code, probability in _lesions(run, policy, found):
        if answered and code == found[name].truth:
            right = right or name
        elif answered and probability >= CONFIDENT:
            mistake = mistake or name
        if right and mistake:
            break
    refused = {name for name, answered, *_ in _without_lesion(run, policy) if not answered}
    stranger = next((name for name in found if name in refused), None)
    return tuple(name for name in (right, stranger, mistake) if name)


def _lesions(run: Run, policy: Policy | None, found: Mapping[str, Sample]) -> Iterator[Said]:
    """What the run has said of its own test images; where none is here, what it says of synthetic lesions, in turn."""
    test = run.part("test")
    rows = test[test["image_id"].isin([name for name, sample in found.items() if sample.truth])]
    stored = {said[0]: said for said in _said(run, policy, rows["image_id"].tolist(), outputs_of(run, rows))}
    for name, sample in found.items():
        if name in stored:
            yield stored[name]
        elif not stored and sample.origin == "synthetic" and sample.truth in run.classes:
            yield from _said(run, policy, [name], predict(run, cached_images.picture(sample).image).outputs)


def _without_lesion(run: Run, policy: Policy | None) -> Iterator[Said]:
    others = run.ood_images
    rows = others[(others["source"] == "ood_samples") & (others["kind"] != SKIN)]
    yield from _said(run, policy, (OOD + rows["image_id"].str.split("/").str[-1]).tolist(), ood_outputs(run, rows))


def _said(run: Run, policy: Policy | None, names: list[str], outputs: Outputs) -> Iterator[Said]:
    if not names:
        return
    probabilities = softmax(outputs.logits, run.calibration.temperature)
    kept = np.ones(len(names), bool) if policy is None else rejector(run, policy).keeps(outputs)
    for name, answered, row in zip(names, kept.tolist(), probabilities, strict=True):
        yield name, answered, run.classes[int(row.argmax())], float(row.max())
