"""What the page Analyse asks of an image: first what the classifier says, then where the lesion is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from app import state
from app.analyse.report_view import Analysis
from app.cache import explanation as explanations
from app.cache import runs as cached_runs
from app.verdict import UNUSABLE_POLICY
from lesion_core.data.samples import Picture
from lesion_core.errors import LesionError
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.ood.policy import NO_POLICY, Policy
from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun
from lesion_core.serving.results import Prediction


@dataclass(frozen=True)
class AppliedPolicy:
    """The policy that holds for this visitor.

    Attributes:
        policy: It decides; None where there is none that can be used.
        own: The visitor's own, where that one holds.
        of_another_run: The visitor has one that was made for another run.
        error: Why the run's policy cannot be used.
        description: Whose it is and how it was chosen, as the report says it.
    """

    policy: Policy | None
    own: Policy | None
    of_another_run: bool
    error: LesionError | None
    description: str


def applied_policy(run: Run) -> AppliedPolicy:
    """The policy that holds for this visitor on a run: their own for this run, else the run's."""
    chosen: Policy | None = st.session_state.get(state.POLICY)
    own = chosen if chosen is not None and chosen.run == run.fingerprint else None
    elsewhere = chosen is not None and own is None
    try:
        policy = cached_runs.policy_of(run)
    except LesionError as error:
        return AppliedPolicy(None, own, elsewhere, error, UNUSABLE_POLICY)
    whose = "a visitor's own policy" if own else "the run's own policy"
    return AppliedPolicy(policy, own, elsewhere, None, f"{whose}: {policy.chosen}" if policy else NO_POLICY)


def classify(run: Run, picture: Picture, prediction: Prediction, applied: AppliedPolicy) -> Analysis:
    """What the classifier says of an image, with the map; no mask yet."""
    attribution = explanations.explain(run, picture.image, prediction.code)
    return Analysis(
        title=picture.title,
        image=picture.image,
        run=run,
        prediction=prediction,
        rejection=applied.description,
        attribution=attribution,
    )


def outlined(found: Analysis) -> tuple[Analysis, list[str]]:
    """An analysis with the first segmenter's mask, and notes on why there is none; the diagnosis does not depend on
    it."""
    segmenter, mask, notes = _mask(found.image)
    return replace(found, segmenter=segmenter, mask=mask), notes


def mask_is_known(image: Pixels) -> bool:
    """Whether `outlined` takes no time: the segmenter was asked before, or there is none."""
    segmenters = cached_runs.segmenters()[0]
    return not segmenters or cached_runs.known_segmentation(segmenters[0], image) is not None


def _mask(image: Pixels) -> tuple[SegmenterRun | None, Mask | None, list[str]]:
    segmenters = cached_runs.segmenters()[0]
    if not segmenters:
        return None, None, []
    try:
        mask = cached_runs.segment(segmenters[0], image).lesion
    except LesionError as error:
        return segmenters[0], None, [f"There is no mask: {error}"]
    if not mask.any():
        return segmenters[0], None, ["The U-Net found no lesion in this image: the mask is empty."]
    return segmenters[0], mask, []
