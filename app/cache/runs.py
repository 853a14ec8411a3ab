"""The runs and their models, opened once for all visitors.

Models are loaded on first use. A run's files are checked whenever one of them changed on the disk: what does not fit
its `config.json` is told, and the other runs go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app.cache import disk
from app.state import POLICY, backend, runs_root
from lesion_core.errors import LesionError, RunError
from lesion_core.foreign_text import shown
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.decode import content_hash
from lesion_core.ood.policy import Policy, policy_state, read_policy
from lesion_core.ood.rejector import Rejector
from lesion_core.ood.scores import Scorer
from lesion_core.runs.classifier import Run, list_runs
from lesion_core.runs.consistency import check_tables
from lesion_core.runs.segmenter import SegmenterRun, list_segmenters
from lesion_core.serving.results import Prediction, Segmentation
from lesion_core.serving.single_flight import SingleFlightCache

if TYPE_CHECKING:  # the engines import torch; the pages of tables open without it
    from lesion_core.serving.classifier import Engine
    from lesion_core.serving.segmenter import SegmenterEngine

Hashes = dict[str | type[Any], Callable[[Any], Any]]
BY_FINGERPRINT: Hashes = {Run: lambda run: run.fingerprint, SegmenterRun: lambda run: run.fingerprint}
"""How a cached function tells runs apart: by what their `config.json` says, the hashes of all files among it."""
BY_CONTENT: Hashes = {np.ndarray: content_hash}
"""How it tells arrays apart: by all of their bytes. Streamlit's own way looks at a sample of a large one."""
BOTH: Hashes = {**BY_FINGERPRINT, **BY_CONTENT}

KEPT_PREDICTIONS = 64 * 2**20
"""Bytes of predictions that are kept: more than 10,000 of any model here."""
KEPT_SEGMENTATIONS = 128 * 2**20
"""Bytes of segmentations that are kept, masks too: about 150 of 600x450 with a square of 384 pixels."""
BESIDE = 1024
"""Bytes that an answer takes beside its arrays."""


@st.cache_resource(show_spinner="Checking the runs …", max_entries=4)
def _runs(root: Path, state: str) -> tuple[list[Run], dict[str, RunError]]:  # noqa: ARG001
    found, broken = list_runs(root)
    contradictions = {run.folder.name: error for run in found if (error := _contradiction(run))}
    return [run for run in found if run.folder.name not in contradictions], broken | contradictions


@st.cache_resource(show_spinner="Checking the runs …", max_entries=64, hash_funcs=BY_FINGERPRINT)
def _contradiction(run: Run) -> RunError | None:
    """Why a run's tables are not those of its weights; None where they are."""
    try:
        check_tables(run)
    except RunError as error:
        return error
    return None


def runs() -> tuple[list[Run], dict[str, RunError]]:
    """All classifiers' runs, and the folders that cannot be opened with the reason. What changes on the disk is seen
    in the next run of a page."""
    root = runs_root()
    return disk.once(("runs", root), lambda: _runs(root, disk.state(root)))


@st.cache_resource(show_spinner="Checking the runs …", max_entries=4)
def _segmenters(root: Path, state: str) -> tuple[list[SegmenterRun], dict[str, RunError]]:  # noqa: ARG001
    return list_segmenters(root)


def segmenters() -> tuple[list[SegmenterRun], dict[str, RunError]]:
    """All segmenters, and the folders that cannot be opened with the reason."""
    root = runs_root()
    return disk.once(("segmenters", root), lambda: _segmenters(root, disk.state(root)))


def run(name: str) -> Run:
    """The run of a name.

    Raises:
        RunError: There is none.
    """
    found, broken = runs()
    for candidate in found:
        if candidate.name == name:
            return candidate
    if name in broken:
        raise broken[name].again()
    raise RunError(f"There is no run '{shown(name)}'.", "Choose one in the sidebar.")


def segmenter(name: str) -> SegmenterRun:
    """The segmenter of a name.

    Raises:
        RunError: There is none.
    """
    found, broken = segmenters()
    for candidate in found:
        if candidate.name == name:
            return candidate
    if name in broken or (broken and not name):
        raise (broken.get(name) or next(iter(broken.values()))).again()
    raise RunError(
        f"There is no segmenter '{shown(name)}'." if name else "There is no segmenter yet.",
        "Train one: `python -m lesion_core segment train --help`.",
    )


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_FINGERPRINT)
def roles(run: Run | SegmenterRun) -> Mapping[str, str]:
    """What each image that a run knows was to it: image id to a key of `ROLE_NAMES`."""
    table = run.masks if isinstance(run, SegmenterRun) else run.predictions
    return dict(zip(table["image_id"].astype(str), table["split"].astype(str), strict=True))


def _import_torch() -> None:
    """Import torch, while pages run in other threads, after SciPy's statistics: these look for torch when they are
    imported, and fail where it is half there."""
    import scipy.stats  # noqa: F401

    import lesion_core.models  # noqa: F401 -- without the compiler of torch


@st.cache_resource(show_spinner="Loading the model …", max_entries=6, hash_funcs=BY_FINGERPRINT)
def engine(run: Run) -> Engine:
    """The run's model, loaded on first use, one for all visitors."""
    _import_torch()
    from lesion_core.serving.classifier import Engine

    return Engine(run, backend=backend())


@st.cache_resource(show_spinner=False, max_entries=1)
def _predictions() -> SingleFlightCache[Prediction]:
    return SingleFlightCache(lambda found: found.nbytes + BESIDE, KEPT_PREDICTIONS)


@st.cache_resource(show_spinner="Fitting the scores …", max_entries=8, hash_funcs=BY_FINGERPRINT)
def scorer(run: Run) -> Scorer:
    """The OOD scores of a run, each fitted when it is first asked for, one for all visitors."""
    return Scorer.of(run)


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs={**BY_FINGERPRINT, Policy: Policy.fingerprint})
def rejector(run: Run, policy: Policy) -> Rejector:
    """A policy at work on a run."""
    return Rejector(run, policy, scorer(run))


@st.cache_data(show_spinner=False, max_entries=32, hash_funcs=BY_FINGERPRINT)
def _own_policy(run: Run, state: tuple[int, ...]) -> tuple[Policy | None, tuple[str, str] | None]:  # noqa: ARG001
    try:
        return read_policy(run), None
    except LesionError as error:
        return None, (error.problem, error.remedy)


def own_policy(run: Run) -> Policy | None:
    """The policy that a run ships with, None where it has none. A new file counts at once; the model stays loaded.

    Raises:
        RunError: The file is there and cannot be used.
    """
    policy, error = _own_policy(run, policy_state(run))
    if error:
        raise RunError(*error)
    return policy


def policy_of(run: Run) -> Policy | None:
    """The policy that holds for this visitor: their own for this run, else the run's.

    Raises:
        RunError: The run's is there and cannot be used.
    """
    chosen: Policy | None = st.session_state.get(POLICY)
    return chosen if chosen is not None and chosen.run == run.fingerprint else own_policy(run)


def predict(run: Run, image: Pixels) -> Prediction:
    """What the run says of an image, whether or not it should answer; for reading only."""
    model = engine(run)
    return _predictions().get((run.fingerprint, content_hash(image)), lambda: model.predict(image))


def keep_prediction(run: Run, image: Pixels, found: Prediction) -> None:
    """Keep what a run said of one of several images that it was asked about together, so that `predict` knows it."""
    _predictions().get((run.fingerprint, content_hash(image)), lambda: found)


def decided(run: Run, found: Prediction) -> Prediction:
    """A prediction with the decision of the policy that holds for this visitor, None where there is none.

    Raises:
        RunError: The run's policy is there and cannot be used.
    """
    policy = policy_of(run)
    return replace(found, decision=None if policy is None else rejector(run, policy).decide(found.outputs)[0])


@st.cache_resource(show_spinner="Loading the segmenter …", max_entries=2, hash_funcs=BY_FINGERPRINT)
def segmenter_engine(run: SegmenterRun) -> SegmenterEngine:
    """The segmenter's model, loaded on first use, one for all visitors."""
    _import_torch()
    from lesion_core.serving.segmenter import SegmenterEngine

    return SegmenterEngine(run)


@st.cache_resource(show_spinner=False, max_entries=1)
def _segmentations() -> SingleFlightCache[Segmentation]:
    return SingleFlightCache(lambda found: found.nbytes + BESIDE, KEPT_SEGMENTATIONS)


def segment(run: SegmenterRun, image: Pixels) -> Segmentation:
    """What a segmenter finds on an image; for reading only."""
    model = segmenter_engine(run)
    return _segmentations().get((run.fingerprint, content_hash(image)), lambda: model.segment(image))


def known_segmentation(run: SegmenterRun, image: Pixels) -> Segmentation | None:
    """What `segment` has found before; the model is not loaded for it."""
    return _segmentations().peek((run.fingerprint, content_hash(image)))
