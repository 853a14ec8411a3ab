"""Grad-CAM against a slow literal one, a toy solved by hand, and pytorch-grad-cam."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import ResNet

from lesion_core.config import ModelSettings
from lesion_core.errors import ModelError
from lesion_core.explain import cam
from lesion_core.explain.layers import LAYERS
from lesion_core.explain.maps import Attribution, Target
from lesion_core.explain.target_function import TargetFunction, check_request
from lesion_core.models.classifiers import ARCHITECTURES, build, stages

SETTINGS = ModelSettings(architecture="resnet10", classes=("MEL", "NV", "BCC"))


@pytest.fixture(scope="module")
def model() -> ResNet:
    torch.manual_seed(0)
    return build(SETTINGS)


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def grad_cam(model: ResNet, image: Tensor, target: int, layer: str = "layer4") -> Attribution:
    raw = cam.grad_cam(TargetFunction(model, Target(target)), image, layer).detach().numpy()
    return Attribution(raw, Target(target), "gradcam", layer, image.shape[-1])


def literal(model: ResNet, image: Tensor, target: int, layer: str) -> np.ndarray:
    """``sum_k (1/Z sum_xy dy/dA_kxy) A_k`` in float64, without a hook on the library's model."""
    slow = build(SETTINGS).double()
    slow.load_state_dict(model.state_dict())
    a = slow.maxpool(slow.relu(slow.bn1(slow.conv1(image.double()))))
    names = ("layer1", "layer2", "layer3", "layer4")
    for name in names[: names.index(layer) + 1]:
        a = getattr(slow, name)(a)
    a = a.detach().requires_grad_(True)
    rest = a
    for name in names[names.index(layer) + 1 :]:
        rest = getattr(slow, name)(rest)
    logit = slow.fc(torch.flatten(slow.avgpool(rest), 1))[0, target]
    gradient = torch.autograd.grad(logit, a)[0][0].numpy()
    maps = a.detach()[0].numpy()
    out = np.zeros(maps.shape[1:])
    for k in range(len(maps)):
        out += gradient[k].mean() * maps[k]
    return out


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("target", [0, 2])
def test_it_is_the_formula(model: ResNet, image: Tensor, layer: str, target: int) -> None:
    expected = literal(model, image, target, layer)
    found = grad_cam(model, image, target, layer)
    assert found.raw.dtype == np.float32
    np.testing.assert_allclose(found.raw, expected, atol=1e-4 * np.abs(expected).max())


def test_frozen_weights_change_nothing(image: Tensor) -> None:
    torch.manual_seed(0)
    model = build(SETTINGS)
    expected = grad_cam(model, image, 1).raw
    model.requires_grad_(False)
    found = grad_cam(model, image, 1).raw
    np.testing.assert_array_equal(found, expected)
    assert not image.requires_grad and all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())


class Toy(nn.Module):
    """Two maps by hand: layer4 is the input's first two channels, fc weighs their means."""

    def __init__(self) -> None:
        super().__init__()
        self.layer4 = nn.Identity()
        self.fc = nn.Linear(3, 2, bias=False)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[2.0, -1.0, 0.0], [-3.0, -3.0, 0.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer4(x).mean((2, 3)))


def test_a_toy_solved_by_hand() -> None:
    toy = Toy().eval()
    x = torch.zeros(1, 3, 2, 2)
    x[0, 0] = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    x[0, 1] = torch.tensor([[0.0, 4.0], [0.0, 0.0]])
    # dlogit0/dA_k = weight_k / 4 pixels: 0.5 of the first map less 0.25 of the second.
    found = grad_cam(toy, x, 0)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.raw, [[0.5, -1.0], [0.0, 1.0]], atol=1e-6)
    assert found.maximum == pytest.approx(1)
    np.testing.assert_allclose(found.heatmap, [[0.5, 0.0], [0.0, 1.0]], atol=1e-6)
    # Class 1 has no evidence for it anywhere.
    empty = grad_cam(toy, x, 1)  # type: ignore[arg-type]
    assert empty.maximum == 0 and not empty.heatmap.any() and empty.raw.min() < 0


def test_the_heatmap_is_the_map_enlarged() -> None:
    raw = np.zeros((2, 2), np.float32)
    raw[0, 1], raw[1, 0] = 3, -5
    heatmap = Attribution(raw, Target(0), "gradcam", "layer4", 64).heatmap
    assert heatmap.shape == (64, 64) and heatmap.dtype == np.float32
    assert heatmap.min() == 0 and heatmap.max() == 1
    assert heatmap[:16, 48:].min() == 1 and heatmap[48:, :16].max() == 0


@pytest.mark.parametrize("target", [-1, 3, 100])
def test_classes_out_of_range_are_refused(model: ResNet, image: Tensor, target: int) -> None:
    with pytest.raises(ModelError, match=rf"no class number {target}.*has 3"):
        check_request(model, image, Target(target))
    with pytest.raises(ModelError, match=rf"no class number {target}.*has 3"):
        check_request(model, image, Target(0, against=target))
    with pytest.raises(ModelError, match="with itself"):
        check_request(model, image, Target(1, against=1))


def test_unknown_layers_list_the_known(model: ResNet, image: Tensor) -> None:
    for layer in ("layer5", "fc", ""):
        with pytest.raises(ModelError, match=r"Choose one of layer4, layer3, layer2, layer1"):
            grad_cam(model, image, 0, layer)


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (3, 64, 64)])
def test_one_picture_at_a_time(model: ResNet, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="not one image"):
        check_request(model, torch.zeros(shape), Target(0))


def test_a_model_in_training_is_refused(image: Tensor) -> None:
    with pytest.raises(ModelError, match=r"training mode.*eval"):
        check_request(build(SETTINGS).train(), image, Target(0))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_one_pass_gives_captums_map_of_every_class(name: str) -> None:
    torch.manual_seed(1)
    model = build(ModelSettings(architecture=name, classes=("MEL", "NV", "BCC", "BKL")))
    x = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        maps = cam.class_maps(model, stages(model, x)[1])[0].numpy()
        logits = model(x)[0].numpy()
    for k in range(4):
        theirs = grad_cam(model, x, k).raw
        assert np.abs(maps[k] - theirs).max() <= 1e-4 * max(1, np.abs(theirs).max())
    bias = model.fc.bias.detach().numpy()
    np.testing.assert_allclose(maps.sum(axis=(1, 2)) + bias, logits, atol=1e-4 * max(1, np.abs(logits).max()))


def test_a_contrast_is_the_difference_of_two_maps(model: ResNet, image: Tensor) -> None:
    both = cam.grad_cam(TargetFunction(model, Target(2, against=0)), image, "layer3").detach().numpy()
    apart = grad_cam(model, image, 2, "layer3").raw - grad_cam(model, image, 0, "layer3").raw
    np.testing.assert_allclose(both, apart, atol=1e-4 * np.abs(apart).max())


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet10", "layer4"),
        ("resnet10", "layer3"),
        ("resnet10", "layer2"),
        ("resnet50", "layer4"),
        ("resnet101", "layer4"),
        ("resnet152", "layer4"),
    ],
)
def test_it_agrees_with_pytorch_grad_cam(name: str, layer: str) -> None:
    other = pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    torch.manual_seed(0)
    model = build(ModelSettings(architecture=name, classes=("MEL", "NV", "BCC", "AK")))
    x = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(3))
    ours = grad_cam(model, x, 0, layer).heatmap
    with other.GradCAM(model=model, target_layers=[getattr(model, layer)]) as cam:
        theirs = cam(input_tensor=x.clone(), targets=[ClassifierOutputTarget(0)])[0]
    model.zero_grad(set_to_none=True)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] >= 0.999


@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_grad_cam_pp_agrees_with_pytorch_grad_cam(model: ResNet, layer: str) -> None:
    other = pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    x = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(3))
    raw = cam.grad_cam_pp(TargetFunction(model, Target(1)), x, layer).detach().numpy()
    ours = Attribution(raw, Target(1), "gradcam_pp", layer, 128).heatmap
    with other.GradCAMPlusPlus(model=model, target_layers=[getattr(model, layer)]) as theirs:
        expected = theirs(input_tensor=x.clone(), targets=[ClassifierOutputTarget(1)])[0]
    model.zero_grad(set_to_none=True)
    assert np.corrcoef(ours.ravel(), expected.ravel())[0, 1] > 0.99
    assert not getattr(model, layer)._forward_hooks


@pytest.mark.parametrize("layer", ["layer4", "layer3"])
def test_grad_cam_pp_is_the_formula_of_the_paper(model: ResNet, image: Tensor, layer: str) -> None:
    """In float64 and cell by cell; unnormalised, so that a factor of all weights shows too."""
    slow = build(SETTINGS).double().eval()
    slow.load_state_dict(model.state_dict())
    kept: list[Tensor] = []
    getattr(slow, layer).register_forward_hook(lambda _m, _i, out: kept.append(out))
    y = slow(image.double().requires_grad_(True))[0, 1]
    gradient = torch.autograd.grad(y, kept[0])[0][0].numpy()
    a = kept[0].detach()[0].numpy()
    expected = np.zeros(a.shape[1:])
    for k in range(len(a)):
        weight = 0.0
        for i in range(a.shape[1]):
            for j in range(a.shape[2]):
                g = gradient[k, i, j]
                below = 2 * g**2 + a[k].sum() * g**3
                weight += (g**2 / below if below else 0.0) * max(g, 0.0)
        expected += weight * a[k]
    found = cam.grad_cam_pp(TargetFunction(model, Target(1)), image, layer).detach().numpy()
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=2e-3, atol=1e-5 * np.abs(expected).max())
    assert expected.max() > 0
