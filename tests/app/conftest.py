"""What the tests of pages share: no page sees what an earlier test cached."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import streamlit as st

from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.decode import content_hash
from lesion_core.serving.classifier import Engine
from lesion_core.serving.results import Prediction

_lesion, _ask = cache(make_lesion), Engine.predict


@pytest.fixture(scope="session")
def answers() -> dict[tuple[str, float, str], Prediction]:
    """What models said of images: by fingerprint and temperature of the run, and content of the image."""
    return {}


@pytest.fixture(autouse=True)
def _same_arguments_same_pixels_and_answers(
    monkeypatch: pytest.MonkeyPatch, answers: dict[tuple[str, float, str], Prediction]
) -> None:
    """Synthetic lesions, and what a model says of an image, are computed once for all tests: with its caches empty, a
    page asks the model of a run that ships about each of them again. Loading a run and its model stays each test's; one
    that counts what the model reads empties `answers`."""

    def predict(engine: Engine, image: Pixels) -> Prediction:
        key = engine.run.fingerprint, engine.run.calibration.temperature, content_hash(image)
        if key not in answers:
            answers[key] = _ask(engine, image)
        return answers[key]

    monkeypatch.setattr("lesion_core.data.samples.make_lesion", _lesion)
    monkeypatch.setattr(Engine, "predict", predict)


@pytest.fixture(autouse=True)
def _fresh_caches() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def with_run(monkeypatch: pytest.MonkeyPatch, runs_root: Path, data_root: Path) -> None:
    """The dashboard has the small runs and the synthetic data."""
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.setenv("LESION_DATA", str(data_root))
