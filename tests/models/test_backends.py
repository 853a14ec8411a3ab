"""Other ways to run the trunk: the same activations within their rounding, and what is missing is told."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet

from lesion_core.config import ModelSettings, Preprocessing
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.errors import ModelError
from lesion_core.explain.attribution import attribute
from lesion_core.explain.faithfulness import rank_agreement
from lesion_core.explain.maps import Attribution, Target
from lesion_core.explain.methods import METHODS
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.models.backends import BACKENDS, Backend, folded_norms, make_backend, quickest_backend
from lesion_core.models.classifiers import build, stages, trained
from lesion_core.runs.classifier import Run, open_run
from lesion_core.serving.classifier import AT_ONCE, Engine
from lesion_core.serving.results import Prediction

BFLOAT16 = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
NEEDS = {
    "bfloat16": pytest.mark.skipif(not BFLOAT16, reason="this processor does not compute in bfloat16"),
    "compiled": pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
    "openvino": pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed"),
}
WAYS = [pytest.param(name, marks=NEEDS.get(name, ())) for name in BACKENDS]


@pytest.fixture(scope="module")
def model() -> ResNet:
    torch.manual_seed(0)
    return build(ModelSettings(architecture="resnet10", classes=("a", "b", "c"))).requires_grad_(False)


@pytest.mark.parametrize("architecture", ["resnet10", "resnet50"])
def test_folded_norms_change_no_activation(architecture: str) -> None:
    torch.manual_seed(2)
    own = build(ModelSettings(architecture=architecture, classes=("a", "b"))).requires_grad_(False)  # type: ignore[arg-type]
    norms = [part for part in own.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            values.uniform_(0.5, 1.5)
    folded = folded_norms(own.eval())
    assert norms and not any(isinstance(part, torch.nn.BatchNorm2d) for part in folded.modules())
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for one, expected in zip(stages(folded, x), stages(own, x), strict=True):
            torch.testing.assert_close(one, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


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


FORWARD_ONLY = [key for key, method in METHODS.items() if not method.backward]


@pytest.mark.parametrize("key", FORWARD_ONLY)
@pytest.mark.skipif(not BFLOAT16, reason="this processor does not compute in bfloat16")
def test_maps_of_the_quickest_backend_are_those_of_float32(key: str, small_run: Run) -> None:
    engine = Engine(small_run)
    backend = engine._without_gradients
    assert backend
    for seed, code in enumerate(("MEL", "NV", "BKL")):
        square = engine.pipeline.apply(make_lesion(code, seed, size=96).image)
        agrees(engine._model, square, engine.pipeline.settings, seed, key, backend)


@pytest.mark.slow
def test_occlusion_of_a_shipped_run_is_that_of_float32() -> None:
    """Its answers differ least, so rounding is largest beside them."""
    run = open_run(Path("checkpoints/resnet50-isic2019"))
    model = trained(run.config.settings.model, run.weights).requires_grad_(False)
    square = Pipeline(run.config.settings.preprocessing).apply(make_lesion("MEL", 0, size=256).image)
    plain = attribute(model, square, run.config.settings.preprocessing, Target(0), method="occlusion")
    for name in ("bfloat16", "openvino"):
        with contextlib.suppress(ModelError):  # it cannot be made here
            backend = make_backend(name, model, len(square))
            agrees(model, square, run.config.settings.preprocessing, 0, "occlusion", backend, plain)


def agrees(
    model: ResNet,
    square: np.ndarray,
    preprocessing: Preprocessing,
    index: int,
    key: str,
    backend: Backend,
    plain: Attribution | None = None,
) -> None:
    """A map on a backend has the order of float32's, and was made on that backend."""
    calls = []

    def counted(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(len(images))
        return backend(images)

    plain = plain or attribute(model, square, preprocessing, Target(index), method=key)
    other = attribute(model, square, preprocessing, Target(index), method=key, backend=counted)
    assert sum(calls) > 50
    assert rank_agreement(other.raw, plain.raw) >= 0.99


def test_methods_with_gradients_stay_with_the_model(model: ResNet) -> None:
    """Rounded gradients would give other maps."""

    def refused(_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raise AssertionError("asked for a gradient's map")

    square = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for key, method in METHODS.items():
        if method.backward:
            attribute(model, square, Preprocessing(), Target(0), method=key, layer="layer3", backend=refused)


def test_without_bfloat16_the_model_itself_is_the_quickest(model: ResNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    assert quickest_backend(model, 64) is None
    with pytest.raises(ModelError, match=r"'bfloat16' cannot be made.*does not compute in bfloat16"):
        make_backend("bfloat16", model, 64)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_map_that_rounding_could_change_is_made_again(model: ResNet, noise: float) -> None:
    square = make_lesion("MEL", 0, size=64).image
    random = torch.Generator().manual_seed(0)
    passed: list[int] = []

    def rounds(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        earlier, last = stages(model, images)
        passed.append(len(images))
        return earlier.mean(dim=(2, 3)), last + noise * torch.randn(last.shape, generator=random)

    plain = attribute(model, square, Preprocessing(), Target(0), method="occlusion")
    seen: list[int] = []
    found = attribute(
        model, square, Preprocessing(), Target(0), method="occlusion", backend=rounds, on_pass=seen.append
    )
    np.testing.assert_allclose(found.raw, plain.raw, atol=1e-5)
    assert (seen[-1], len(seen)) == (sum(passed), len(passed) * (2 if noise else 1))
