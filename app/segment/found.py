"""The mask of an image as the visitor set it, and how well it fits; kept for all who set it so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.cache import runs as cached_runs
from app.state import own_image
from lesion_core.analysis.segmentation import MASK_METRICS, count
from lesion_core.data.samples import Picture
from lesion_core.imaging.arrays import Mask
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.lesion import Shape, clean_up, shape_of
from lesion_core.runs.segmenter import MEASURED_AT, SegmenterRun
from lesion_core.serving.single_flight import SingleFlightCache

KEPT = 64 * 2**20
"""Bytes of masks that are kept: about 50 of 600x450."""


@dataclass(frozen=True)
class Controls:
    """What the visitor set.

    Attributes:
        show: ``contour``, ``probability`` or ``mask``.
        threshold: Probability from which a pixel is lesion, in (0, 1).
        opacity: Of a map over the image, in [0, 1].
        clean: Only the largest part, holes filled.
    """

    show: str
    threshold: float
    opacity: float
    clean: bool

    @property
    def variant(self) -> str:
        """The key of `VARIANTS` that the run's figures are taken from."""
        return "clean" if self.clean else "raw"


@dataclass(frozen=True)
class Found:
    """The mask of one image.

    Attributes:
        heat: (H, W) float32, the probability of lesion.
        mask: (H, W) bool, as the visitor set it.
        shape: Of the largest part with its holes filled; None where nothing was found.
        figures: Key of `MASK_METRICS` to the figure against the true mask; None where none is known.
        counted: Where these figures are from, a sentence.
        milliseconds: In the model.
    """

    heat: NDArray[np.float32]
    mask: Mask
    shape: Shape | None
    figures: dict[str, float] | None
    counted: str
    milliseconds: float


@st.cache_resource(show_spinner=False, max_entries=1)
def _kept() -> SingleFlightCache[Found]:
    return SingleFlightCache(lambda found: found.heat.nbytes + found.mask.nbytes, KEPT)


def find(run: SegmenterRun, picture: Picture, controls: Controls) -> Found:
    """The mask of an image, and how well it fits; for reading only. Of a visitor's own image nothing is kept."""
    if own_image():
        return _find(run, picture, controls)
    image = picture.origin, picture.id, content_hash(picture.image)
    key = run.fingerprint, *image, controls.threshold, controls.clean
    return _kept().get(key, lambda: _find(run, picture, controls))


def _find(run: SegmenterRun, picture: Picture, controls: Controls) -> Found:
    answer = cached_runs.segment(run, picture.image)
    heat = answer.heat()
    raw = heat >= controls.threshold
    whole = clean_up(raw)
    mask = whole if controls.clean else raw
    # An image of the run's own test set has one figure wherever it is shown: the one that the run measured.
    measured = picture.origin == "real" and math.isclose(controls.threshold, MEASURED_AT)
    counts = run.counts_of(picture.id, "test", controls.variant) if measured else None
    counted = ""
    if counts is not None:
        counted = f"As the run measured it, on the {counts.sum():,} px of the expert's mask."
    elif picture.mask is not None:
        counts = np.array(count(mask, picture.mask))
        counted = f"Measured here at {mask.shape[1]:,} × {mask.shape[0]:,} px."
    figures = None
    if counts is not None:
        figures = {key: float(metric([counts])[0]) for key, metric in MASK_METRICS.items()}
    return Found(heat, mask, shape_of(whole, picture.image), figures, counted, answer.milliseconds)
