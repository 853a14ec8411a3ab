"""Other ways to run the trunk: the same activations within their rounding, and what is missing is told."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet

from lesion_core.config import ModelSettings
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.errors import ModelError
from lesion_core.models.backends import BACKENDS, make_backend
from lesion_core.models.classifiers import build, stages
from lesion_core.runs.classifier import Run
from lesion_core.serving.classifier import AT_ONCE, Engine
from lesion_core.serving.results import Prediction

NEEDS = {
    "compiled": pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
    "openvino": pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed"),
}
WAYS = [pytest.param(name, marks=NEEDS.get(name, ())) for name in BACKENDS]


@pytest.fixture(scope="module")
def model() -> ResNet:
    torch.manual_seed(0)
    return build(ModelSettings(architecture="resnet10", classes=("a", "b", "c"))).requires_grad_(False)


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_every_way_gives_the_same_activations(model: ResNet, name: str) -> None:
    x = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        earlier, last = stages(model, x)
        found = make_backend(name, model, 64)(x)
    for one, expected in zip(found, (earlier.mean(dim=(2, 3)), last), strict=True):
        assert one.shape == expected.shape and one.dtype == torch.float32
        error = (one - expected).abs().mean() / expected.abs().mean()
        assert error <= (1e-6 if name == "eager" else 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_an_engine_on_another_trunk_says_the_same(small_run: Run, name: str, tmp_path: Path) -> None:
    plain, other = Engine(small_run), Engine(small_run, backend=name)
    for seed, code in enumerate(("MEL", "NV", "BKL")):
        image = make_lesion(code, seed, size=96).image
        a, b = plain.predict(image), other.predict(image)
        np.testing.assert_allclose(b.probabilities, a.probabilities, atol=0.02)
        # Not by ranks: of the four cells of so small a map two can be equal but for rounding.
        assert np.corrcoef(a.maps[0].ravel(), b.maps[0].ravel())[0, 1] > 0.95
    paths = []
    for i in range(AT_ONCE + 3):  # a whole batch and a shorter one
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(make_lesion("NV", i, size=96).image).save(paths[-1])
    for a, b in zip(plain.predict_files(paths, 0), other.predict_files(paths, 0), strict=True):
        assert isinstance(a, Prediction) and isinstance(b, Prediction)
        np.testing.assert_allclose(b.probabilities, a.probabilities, atol=0.02)


def test_what_is_missing_is_told(model: ResNet, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"no backend 'magic'.*eager"):
        make_backend("magic", model, 64)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"'openvino' cannot be made.*pip install openvino"):
        make_backend("openvino", model, 64)
