"""What the page Explain computes once for all visitors, and what of it is known before it is asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.cache import runs
from app.cache.runs import BY_FINGERPRINT
from lesion_core.analysis.attribution import attribution_summary, looked_elsewhere
from lesion_core.config import HairRemoval
from lesion_core.explain.faithfulness import Curve, perturbed_curve, rank_agreement
from lesion_core.explain.maps import Attribution, energy_inside, peak_inside
from lesion_core.explain.methods import METHODS
from lesion_core.files import current
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.geometry import to_original
from lesion_core.imaging.hair import hair_mask
from lesion_core.runs.attribution import FILE, read_attribution
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import file_state
from lesion_core.serving.single_flight import SingleFlightCache

KEPT_HAIR = 64 * 2**20
"""Bytes of masks of hair that are kept: about 240 of 600x450, or 16 of 2,048x2,048."""
KEPT_MAPS = 128 * 2**20
"""Bytes of maps that are kept: about 2,000 at the size of 128 pixels. The engines keep the same arrays."""
KEPT_SANITY = 64 * 2**20
"""Bytes of the maps of sanity checks that are kept: about 150 checks of maps of 128x128."""
BESIDE_A_MAP = 1024
"""Bytes that a kept answer takes beside its values."""
CURVE_IMAGES = 42
"""Images that pass the network for deletion and insertion: 20 steps and the start, twice."""
Kind = Literal["deletion", "insertion"]
KINDS: tuple[Kind, ...] = ("deletion", "insertion")
Key = tuple[str, str, str, str | None, str, str, str]
"""Of a question: run, image, class, compared with, method, layer, baseline."""
OnPass = Callable[[int], None]


def explain(
    run: Run,
    image: Pixels,
    target: str,
    layer: str = "layer4",
    *,
    against: str | None = None,
    method: str = "gradcam",
    baseline: str = "skin",
    on_pass: OnPass | None = None,
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


@st.cache_resource(show_spinner=False, max_entries=1)
def _maps() -> SingleFlightCache[Attribution]:
    return SingleFlightCache(lambda found: found.raw.nbytes + BESIDE_A_MAP, KEPT_MAPS)


def known_map(key: Key) -> Attribution | None:
    """The map of a question if it is kept; no model is loaded for it."""
    return _maps().peek(key)


def keep_map(key: Key, make: Callable[[], Attribution], on_pass: OnPass | None = None) -> Attribution:
    """The map of a question, made once for all visitors."""
    return _maps().get(key, make, _waits(on_pass))


def _waits(on_pass: OnPass | None) -> Callable[[], None] | None:
    return functools.partial(on_pass, 0) if on_pass else None


@dataclass(frozen=True)
class Overlap:
    """How much of a map is in a region.

    Attributes:
        evidence: The share of the positive map in it, in [0, 1].
        covers: The share of what the model was shown that it covers: what a map that points nowhere has in it.
        at_peak: The strongest point is in it.
    """

    evidence: float
    covers: float
    at_peak: bool


@st.cache_resource(show_spinner=False, max_entries=1)
def _overlaps() -> SingleFlightCache[Overlap]:
    return SingleFlightCache(lambda _: 1, 10_000)


def overlap(
    key: Hashable, parts: Callable[[], tuple[NDArray[np.float32], Mask, tuple[float, float, float, float]]]
) -> Overlap:
    """How much of a map is in a region.

    Args:
        key: Tells map and region from others.
        parts: Gives the positive map (H, W), the region (H, W), and the model's square (x0, y0, x1, y1).
    """

    def make() -> Overlap:
        heat, region, box = parts()
        seen = to_original(np.ones((2, 2)), region.shape, box) > 0
        return Overlap(energy_inside(heat, region), float(region[seen].mean()), peak_inside(heat, region))

    return _overlaps().get(key, make)


def agreement(attributions: list[Attribution]) -> NDArray[np.float64]:
    """Spearman's rank correlation of every two maps, (N, N)."""
    maps = [cv2.resize(a.upsampled, (64, 64), interpolation=cv2.INTER_AREA) for a in attributions]
    return np.array([[rank_agreement(a, b) for b in maps] for a in maps])


Curves = dict[Kind, Curve]


@st.cache_resource(show_spinner=False, max_entries=1)
def _curves() -> SingleFlightCache[Curves]:
    return SingleFlightCache(lambda curves: sum(c.answer.nbytes + BESIDE_A_MAP for c in curves.values()), 2**22)


def known_curves(key: Key) -> Curves | None:
    """Deletion and insertion of a map if they are kept."""
    return _curves().peek(key)


def curves(
    key: Key,
    run: Run,
    image: Pixels,
    target: str,
    against: str | None,
    attribution: Attribution,
    on_pass: OnPass | None = None,
) -> Curves:
    """Deletion and insertion, made once for all visitors.

    Args:
        key: Of the map's question.
        run: Whose answer.
        image: (H, W, 3) uint8.
        target: Class code.
        against: The class that it is compared with.
        attribution: The map.
        on_pass: Called as images pass the network, `CURVE_IMAGES` in all; it may raise to stop.
    """

    def make() -> Curves:
        from lesion_core.explain.attribution import baseline_square

        model = runs.engine(run)
        square = model.pipeline.apply(image)
        made: Curves = {}
        for i, kind in enumerate(KINDS):
            baseline = baseline_square(square, "skin" if kind == "deletion" else "blurred")
            for curve in perturbed_curve(
                lambda squares: model.answers(squares, target, against), square, attribution.upsampled, baseline, kind
            ):
                made[kind] = curve
                if on_pass:
                    on_pass(i * (CURVE_IMAGES // 2) + len(curve.answer))
        return made

    return _curves().get(key, make, _waits(on_pass))


@dataclass(frozen=True)
class Stage:
    """A map while weights are lost.

    Attributes:
        name: Of the stage.
        lost: What is randomised, in words.
        found: The map.
        agreement: Its rank correlation with the true map.
    """

    name: str
    lost: str
    found: Attribution
    agreement: float


@st.cache_resource(show_spinner=False, max_entries=1)
def _sanity() -> SingleFlightCache[list[Stage]]:
    return SingleFlightCache(lambda stages: sum(s.found.raw.nbytes + BESIDE_A_MAP for s in stages), KEPT_SANITY)


def known_sanity(key: Key) -> list[Stage] | None:
    """The maps of the sanity check if they are kept."""
    return _sanity().peek(key)


def sanity(
    key: Key,
    run: Run,
    image: Pixels,
    target: str,
    against: str | None,
    attribution: Attribution,
    layer: str,
    baseline: str,
    on_pass: OnPass | None = None,
) -> list[Stage]:
    """The true map, then one for each stage of lost weights, made once for all visitors.

    Args:
        key: Of the true map's question.
        run: Whose answer.
        image: (H, W, 3) uint8.
        target: Class code.
        against: The class that it is compared with.
        attribution: The true map.
        layer: As in `Engine.explain`.
        baseline: As in `Engine.explain`.
        on_pass: Called as images pass the network, those of all stages counted; it may raise to stop.
    """

    def make() -> list[Stage]:
        from lesion_core.explain.sanity import STAGES

        made = [Stage("as trained", "nothing", attribution, 1.0)]
        forward = METHODS[attribution.method].forward

        def passed(n: int) -> None:
            if on_pass:
                on_pass(n and (len(made) - 1) * forward + n)

        for stage, found in runs.engine(run).sanity(
            image,
            target,
            against=against,
            method=attribution.method,
            layer=layer,
            baseline=baseline,
            on_pass=passed if on_pass else None,
        ):
            passed(forward)
            made.append(Stage(stage, STAGES[stage], found, rank_agreement(attribution.raw, found.raw)))
        return made

    return _sanity().get(key, make, _waits(on_pass))


def measured_at(run: Run) -> int:
    """Changes with the run's table of attributions; 0 where there is none."""
    inode, *_, changed = file_state(current(run.folder, FILE))
    return inode and changed


@st.cache_data(show_spinner=False, max_entries=16, hash_funcs=BY_FINGERPRINT)
def _evaluation(run: Run, changed: int) -> pd.DataFrame | None:  # noqa: ARG001
    return read_attribution(run)


def evaluation(run: Run) -> pd.DataFrame | None:
    """Where a run looks on its test images, as `read_attribution` gives it."""
    changed = measured_at(run)
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
    return _evaluation_summary(run, measured_at(run), method, by)


@dataclass(frozen=True)
class Measured:
    """The test images of one method: how many, of how many lesions, and those with a map that points away."""

    images: int
    lesions: int
    away: pd.DataFrame


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_FINGERPRINT)
def measured(run: Run, changed: int, method: str) -> Measured:
    """The test images on which a method was measured; for reading only.

    Args:
        run: A run that was evaluated.
        changed: When, as `measured_at` gives it.
        method: A key of `METHODS`.
    """
    table = _evaluation(run, changed)
    assert table is not None
    rows = table[table["method"] == method]
    return Measured(len(rows), rows["lesion_id"].nunique(), looked_elsewhere(rows))


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=BY_FINGERPRINT)
def _methods(run: Run, changed: int) -> tuple[str, ...]:
    table = _evaluation(run, changed)
    return () if table is None else tuple(dict.fromkeys(table["method"]))


def methods_of(run: Run) -> tuple[str, ...]:
    """The methods that were measured on a run's test images; none where it was not evaluated."""
    changed = measured_at(run)
    return _methods(run, changed) if changed else ()
