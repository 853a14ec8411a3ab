"""Two networks of the planted ruler on one image, as the lesson shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.cache import planted
from app.lessons import figures
from app.lessons.given import NOTHING
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.errors import RunError
from lesion_core.experiments.registry import EXPERIMENTS
from lesion_core.imaging.planted import ruler_band
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.models.classifiers import trained
from lesion_core.runs.classifier import Run


@pytest.fixture
def chosen() -> Run:
    """The run that a visitor chose: these figures are of none that can be chosen."""
    return planted.networks()["none"]


def test_two_networks_see_the_same_squares_which_differ_in_the_ruler() -> None:
    image = make_lesion("NV", seed=3, size=256).image
    seen = planted.both_ways(image, "an image")
    names = [EXPERIMENTS["shortcut"].variants[key].name for key in ("none", "all")]
    assert [(one.network, one.ruler) for one in seen] == [(name, ruler) for name in names for ruler in (False, True)]
    for one, other in zip(seen[:2], seen[2:], strict=True):
        assert (one.square == other.square).all()
    differs = (seen[0].square != seen[1].square).any(axis=2)
    assert differs.any() and not (differs & ~ruler_band("an image", len(differs))).any()
    for one in seen:
        assert 0 <= one.melanoma <= 1 and 0 <= one.in_band <= 1
        settings = one.run.config.settings.preprocessing
        model = trained(one.run.config.settings.model, one.run.weights)
        with torch.inference_mode():
            z = model(torch.from_numpy(normalize(Pipeline(settings).apply(one.square)[None], settings)))[0].numpy()
        z = z.astype(np.float64) / one.run.calibration.temperature
        assert one.melanoma == pytest.approx(1 / (1 + np.exp(z[1] - z[0])), abs=1e-3)


def test_the_second_network_follows_the_ruler_in_the_lesson(chosen: Run) -> None:
    """The seed that the lesson names shows what the table says of all nevi."""
    seed = 3
    moved = planted.both_ways(make_lesion("NV", seed=seed, size=256).image, f"lesson-{seed}")
    honest, taught = (after.melanoma - before.melanoma for before, after in (moved[:2], moved[2:]))
    assert taught > 0.5 and taught > honest
    assert moved[3].in_band > ruler_band(f"lesson-{seed}", 128).mean()
    found = figures.shown(chosen, "two_networks", {"seed": seed}, NOTHING)
    assert found.chart is not None and len(found.chart.data) == 4


def test_without_the_networks_the_command_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(planted, "FOLDER", tmp_path)
    with pytest.raises(RunError, match="experiment shortcut"):
        planted.networks()
