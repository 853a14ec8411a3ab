"""Caches of arrays are bounded by their bytes, and what is kept is not computed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.cache import explanation, images, runs
from lesion_core.config import Preprocessing
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun
from lesion_core.serving.single_flight import SingleFlightCache

Ask = Callable[[np.ndarray], Any]


@pytest.fixture(params=["predictions", "segmentations", "preprocessed", "hair"])
def cached(
    request: pytest.FixtureRequest, small_run: Run, small_segmenter: SegmenterRun
) -> tuple[Ask, Callable[[], SingleFlightCache[Any]], Any, str]:
    return {
        "predictions": (lambda x: runs.predict(small_run, x), runs._predictions, runs, "KEPT_PREDICTIONS"),
        "segmentations": (lambda x: runs.segment(small_segmenter, x), runs._segmentations, runs, "KEPT_SEGMENTATIONS"),
        "preprocessed": (lambda x: images.preprocess(Preprocessing(), x), images._preprocessed, images, "KEPT_PIXELS"),
        "hair": (explanation.hair, explanation._hair, explanation, "KEPT_HAIR"),
    }[request.param]


def test_what_is_kept_weighs_no_more_than_its_bound(cached: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, cache, module, bound = cached
    pictures = [make_lesion("MEL", seed, 96).image for seed in range(4)]
    ask(pictures[0])
    one = cache().weight
    assert one > 0 and ask(pictures[0]) is ask(pictures[0].copy()) and cache().weight == one
    monkeypatch.setattr(module, bound, round(2.5 * one))
    cache.clear()  # type: ignore[attr-defined]
    for picture in pictures:
        ask(picture)
        assert cache().weight <= 2.5 * one
    assert cache().weight == 2 * one, "the last two"
