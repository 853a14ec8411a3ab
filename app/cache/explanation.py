"""What the page Explain computes once for all visitors; maps are kept by the engines themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import cv2
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.cache import runs
from app.cache.runs import BY_FINGERPRINT
from lesion_core.analysis.attribution import attribution_summary
from lesion_core.config import HairRemoval
from lesion_core.explain.faithfulness import Curve, perturbed_curve, rank_agreement
from lesion_core.explain.maps import Attribution
from lesion_core.files import current
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.hair import hair_mask
from lesion_core.runs.attribution import FILE, read_attribution
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import file_state
from lesion_core.serving.single_flight import SingleFlightCache

KEPT_HAIR = 64 * 2**20
"""Bytes of masks of hair that are kept: about 240 of 600x450, or 16 of 2,048x2,048."""


def explain(
    run: Run,
    image: Pixels,
    target: str,
    layer: str = "layer4",
    *,
    against: str | None = None,
    method: str = "gradcam",
    baseline: str = "skin",
    on_pass: Callable[[int], None] | None = None,
) -> Attribution:
    """What in an image speaks for a class, as `Engine.explain` gives it; the engine remembers it for all visitors."""
    return runs.engine(run).explain(
        image,
        target,
        against=against,
        method=method,
        layer=layer,
        baseline=baseline,
        on_pass=on_pass,
        prediction=runs.predict(run, image),
    )


@st.cache_resource(show_spinner=False, max_entries=1)
def _hair() -> SingleFlightCache[NDArray[np.bool_]]:
    return SingleFlightCache(lambda mask: mask.nbytes, KEPT_HAIR)


def hair(image: Pixels) -> NDArray[np.bool_]:
    """What the hair finder takes for hair, (H, W); for reading only."""
    return _hair().get(content_hash(image), lambda: hair_mask(image, HairRemoval(enabled=True)))


@st.cache_data(show_spinner=False, max_entries=32)
def agreement(attributions: list[Attribution]) -> NDArray[np.float64]:
    """Spearman's rank correlation of every two maps, (N, N)."""
    maps = [cv2.resize(a.upsampled, (64, 64), interpolation=cv2.INTER_AREA) for a in attributions]
    return np.array([[rank_agreement(a, b) for b in maps] for a in maps])


@st.cache_resource(show_spinner=False, max_entries=1)
def _curves() -> SingleFlightCache[list[Curve]]:
    return SingleFlightCache(lambda curves: sum(c.answer.nbytes for c in curves), 2**22)


def curve(
    run: Run,
    image: Pixels,
    target: str,
    against: str | None,
    attribution: Attribution,
    kind: Literal["deletion", "insertion"],
) -> Iterator[Curve]:
    """Deletion or insertion as it grows; one that was made before is given whole."""
    from lesion_core.explain.attribution import baseline_square

    model = runs.engine(run)
    square = model.pipeline.apply(image)
    of = content_hash(square), content_hash(attribution.raw.view(np.uint8))
    key = (model.run.fingerprint, *of, target, against, kind)
    kept = _curves().peek(key)
    if kept:
        yield kept[-1]
        return
    baseline = baseline_square(square, "skin" if kind == "deletion" else "blurred")
    made = []
    for found in perturbed_curve(
        lambda squares: model.answers(squares, target, against), square, attribution.upsampled, baseline, kind
    ):
        made.append(found)
        yield found
    _curves().get(key, lambda: made)


def sanity(
    run: Run,
    image: Pixels,
    target: str,
    against: str | None,
    method: str,
    layer: str,
    baseline: str,
    on_pass: Callable[[int], None] | None = None,
) -> Iterator[tuple[str, str, Attribution, float]]:
    """The true map, then one a stage of lost weights: what was lost, in words, the map, its agreement with the true."""
    from lesion_core.explain.sanity import STAGES

    true = explain(run, image, target, layer, against=against, method=method, baseline=baseline)
    yield "as trained", "nothing", true, 1.0
    for stage, found in runs.engine(run).sanity(
        image, target, against=against, method=method, layer=layer, baseline=baseline, on_pass=on_pass
    ):
        yield stage, STAGES[stage], found, rank_agreement(true.raw, found.raw)


def _changed(run: Run) -> int:
    """Changes with the run's table of attributions; 0 where there is none."""
    inode, *_, changed = file_state(current(run.folder, FILE))
    return inode and changed


@st.cache_data(show_spinner=False, max_entries=16, hash_funcs=BY_FINGERPRINT)
def _evaluation(run: Run, changed: int) -> pd.DataFrame | None:  # noqa: ARG001
    return read_attribution(run)


def evaluation(run: Run) -> pd.DataFrame | None:
    """Where a run looks on its test images, as `read_attribution` gives it."""
    changed = _changed(run)
    return _evaluation(run, changed) if changed else None


@st.cache_data(show_spinner="Measuring, with intervals …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def _evaluation_summary(run: Run, changed: int, method: str | None, by: str) -> pd.DataFrame:
    table = _evaluation(run, changed)
    assert table is not None
    return attribution_summary(table[table["method"] == method] if method else table, by)


def evaluation_summary(run: Run, method: str | None, by: str) -> pd.DataFrame:
    """The evidence inside the lesion in groups of test images, as `attribution_summary` gives it.

    Args:
        run: A run that was evaluated.
        method: A key of `METHODS`; None for all, by method.
        by: As in `attribution_summary`.
    """
    return _evaluation_summary(run, _changed(run), method, by)
