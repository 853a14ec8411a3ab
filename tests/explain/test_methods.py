"""Every method: solved by hand where it can be, its axioms, planted clues, and requests that cannot be met."""

from __future__ import annotations

from dataclasses import fields

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import ResNet

from lesion_core.config import ModelSettings, Preprocessing, Resize
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.errors import ConfigError, ModelError
from lesion_core.explain.attribution import attribute, baseline_square
from lesion_core.explain.gradients import guided_grad_cam
from lesion_core.explain.maps import Target
from lesion_core.explain.methods import BASELINES, METHODS, known_method
from lesion_core.explain.perturbation import PATCHES, superpixels
from lesion_core.explain.target_function import TargetFunction
from lesion_core.imaging.preprocess import normalize
from lesion_core.labels import ISIC2019
from lesion_core.models.classifiers import build

SIZE = 64
PREPROCESSING = Preprocessing(resize=Resize(size=SIZE))
SETTINGS = ModelSettings(architecture="resnet10", classes=("MEL", "NV", "BCC"))
Clued = tuple[ResNet, list[np.ndarray], list[np.ndarray]]
"""A network that knows one clue, squares that show it, and where."""
LAYERED = [key for key, entry in METHODS.items() if entry.layered]


class ByHand(nn.Module):
    """A function of the pixels with the parts that the methods reach into: layer4 is what comes in."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.layer4 = self.layer3 = nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(3 * SIZE * SIZE, len(weights))
        with torch.no_grad():
            self.fc.weight.copy_(weights.flatten(1))
            self.fc.bias.fill_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer4(x).flatten(1))


@pytest.fixture(scope="module")
def square() -> np.ndarray:
    rng = np.random.default_rng(0)
    return cv2.GaussianBlur(rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8), (0, 0), 2)


@pytest.fixture(scope="module")
def model() -> ResNet:
    torch.manual_seed(0)
    return build(SETTINGS).requires_grad_(False)


@pytest.fixture(scope="module")
def linear() -> ByHand:
    return ByHand(torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(5)) / 50).eval()


FIRST = Target(0)


def explained(model: nn.Module, square: np.ndarray, by: str, target: Target = FIRST, **options: object) -> np.ndarray:
    return attribute(model, square, PREPROCESSING, target, method=by, **options).raw  # type: ignore[arg-type]


def test_every_method_says_everything() -> None:
    for entry in METHODS.values():
        for field in fields(entry):
            assert getattr(entry, field.name) not in ("", None), f"{entry.name} has no {field.name}"
        assert entry.description.endswith(".") and entry.pitfall.endswith(".") and any(c.isdigit() for c in entry.paper)
    with pytest.raises(ConfigError, match=r"no method 'magic'.*gradcam"):
        known_method("magic")


@pytest.mark.parametrize("by", METHODS)
def test_a_method_takes_the_passes_that_its_entry_names(by: str) -> None:
    network, square = build(SETTINGS).requires_grad_(False), make_lesion("MEL", 0, 128).image
    forward: list[int] = []
    backward: list[int] = []

    def count(_module: nn.Module, _inputs: object, logits: Tensor) -> None:
        forward.append(len(logits))
        if logits.requires_grad:
            logits.register_hook(lambda gradient: backward.append(len(gradient)))

    network.fc.register_forward_hook(count)
    attribute(network, square, Preprocessing(resize=Resize(size=128)), FIRST, method=by, layer="layer3")
    assert (sum(forward), sum(backward)) == (METHODS[by].forward, METHODS[by].backward)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("target", [Target(0), Target(1, against=0)])
def test_a_linear_model_is_explained_exactly(linear: ByHand, square: np.ndarray, baseline: str, target: Target) -> None:
    """Of a linear function the part of a pixel is its weight times its distance from the baseline."""
    x, b = (normalize(s[None], PREPROCESSING)[0] for s in (square, baseline_square(square, baseline)))
    weights = linear.fc.weight.detach().numpy().reshape(2, 3, SIZE, SIZE)
    w = weights[target.index] - (weights[target.against] if target.against is not None else 0)
    exact = (w * (x - b)).sum(0)
    found = attribute(linear, square, PREPROCESSING, target, method="integrated_gradients", baseline=baseline)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.raw, exact, atol=1e-4)
    assert found.completeness_error is not None and found.completeness_error < 1e-3
    patches = superpixels(square)
    shap = attribute(linear, square, PREPROCESSING, target, method="superpixels", baseline=baseline).raw  # type: ignore[arg-type]
    sums = [np.bincount(patches.ravel(), weights=values.ravel()) for values in (exact, shap)]
    np.testing.assert_allclose(sums[1], sums[0], atol=0.02 * np.abs(sums[0]).max())
    slope = explained(linear, square, "smoothgrad", target)
    np.testing.assert_allclose(slope, np.abs(w).max(0), rtol=1e-3, atol=1e-6)


def test_occlusion_of_a_linear_model_is_the_sum_under_the_square(linear: ByHand, square: np.ndarray) -> None:
    x, b = (normalize(s[None], PREPROCESSING)[0] for s in (square, baseline_square(square, "skin")))
    part = (linear.fc.weight.detach().numpy().reshape(2, 3, SIZE, SIZE)[0] * (x - b)).sum(0)
    side, total, times = SIZE // 8, np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    for y in range(0, SIZE - side + 1, side // 2):
        for c in range(0, SIZE - side + 1, side // 2):
            total[y : y + side, c : c + side] += part[y : y + side, c : c + side].sum()
            times[y : y + side, c : c + side] += 1
    np.testing.assert_allclose(explained(linear, square, "occlusion"), total / times, atol=1e-3)


@pytest.mark.parametrize("by", METHODS)
def test_a_model_that_does_not_look_gives_an_empty_map(by: str, square: np.ndarray) -> None:
    blind = build(SETTINGS)
    with torch.no_grad():
        blind.fc.weight.zero_()
    assert np.abs(explained(blind, square, by)).max() <= 1e-6


@pytest.mark.parametrize("by", METHODS)
def test_a_planted_clue_is_found(by: str) -> None:
    """The answer is how red one corner is, through a network with a hidden layer: the map must point there."""

    class Clue(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer4 = nn.Conv2d(3, 4, 1)
            self.layer3 = nn.Identity()
            self.relu = nn.ReLU(inplace=True)
            self.fc = nn.Linear(4, 2)
            with torch.no_grad():
                self.layer4.weight.zero_()
                self.layer4.bias.zero_()
                self.layer4.weight[0, 0], self.layer4.weight[1, 2] = 1.0, 1.0
                self.fc.weight.zero_()
                self.fc.bias.zero_()
                self.fc.weight[0, 0] = 8.0
            self.register_buffer("where", torch.zeros(1, 1, SIZE, SIZE))
            self.where[..., 40:56, 8:24] = 1

        def forward(self, x: Tensor) -> Tensor:
            seen = self.relu(self.layer4(x * self.where))
            return self.fc(seen.mean((2, 3)))

    clue = Clue().eval()
    square = np.full((SIZE, SIZE, 3), 120, np.uint8)
    square[40:56, 8:24] = (250, 110, 110)
    square[8:24, 40:56] = (250, 110, 110)  # as red, where the model does not look
    layer = "layer3" if by == "gradcam" else "layer4"
    if by == "gradcam":
        clue.layer3 = clue.layer4  # the general way: the short one is for a ResNet's head
    found = attribute(clue, square, PREPROCESSING, Target(0), method=by, layer=layer)  # type: ignore[arg-type]
    heat = found.heatmap
    inside = heat[38:58, 6:26].sum() / heat.sum()
    assert inside > (0.6 if by == "superpixels" else 0.85), inside


@pytest.mark.parametrize("by", METHODS)
def test_a_method_leaves_the_model_as_it_was_and_repeats_itself(model: ResNet, square: np.ndarray, by: str) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    places = [m.inplace for m in model.modules() if isinstance(m, nn.ReLU)]
    drawn = torch.random.get_rng_state()
    with torch.inference_mode():  # as a caller may be
        first = explained(model, square, by, Target(1))
    np.testing.assert_allclose(explained(model, square, by, Target(1)), first, rtol=1e-4, atol=1e-7)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in model.modules())
    assert [m.inplace for m in model.modules() if isinstance(m, nn.ReLU)] == places
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert first.dtype == np.float32 and (METHODS[by].signed or first.min() >= 0)


def test_guided_grad_cam_is_its_formula(model: ResNet, square: np.ndarray) -> None:
    """Guided backpropagation by hand: a ReLU that lets only positive gradients through."""

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(context: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
            context.save_for_backward(x)  # type: ignore[attr-defined]
            return x.clamp(min=0)

        @staticmethod
        def backward(context: torch.autograd.function.FunctionCtx, g: Tensor) -> Tensor:  # type: ignore[override]
            (x,) = context.saved_tensors  # type: ignore[attr-defined]
            return g.clamp(min=0) * (x > 0)

    class Relu(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Guided.apply(x)

    slow = build(SETTINGS)
    slow.load_state_dict(model.state_dict())
    for module in list(slow.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, Relu())
    x = torch.from_numpy(normalize(square[None], PREPROCESSING)).requires_grad_(True)
    gradient = torch.autograd.grad(slow(x)[0, 2], x)[0]
    cam = torch.from_numpy(np.maximum(explained(model, square, "gradcam", Target(2)), 0))[None, None]
    cam = nn.functional.interpolate(cam, (SIZE, SIZE), mode="bilinear", align_corners=False)
    expected = (gradient * cam)[0].sum(0).numpy()
    found = guided_grad_cam(TargetFunction(model, Target(2)), x.detach(), "layer4").numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_progress_is_told_and_can_stop(model: ResNet, square: np.ndarray) -> None:
    seen: list[int] = []
    explained(model, square, "occlusion", on_pass=seen.append)
    assert seen == sorted(seen) and len(seen) > 5 and seen[-1] > 200

    def stop(passed: int) -> None:
        if passed > 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explained(model, square, "occlusion", on_pass=stop)
    assert np.isfinite(explained(model, square, "gradcam")).all()


@pytest.mark.parametrize("size", [32, 64, 100])
def test_superpixels_cover_the_picture_in_connected_patches(size: int) -> None:
    rng = np.random.default_rng(size)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (size, size, 3), dtype=np.uint8), (0, 0), 3)
    patches = superpixels(picture)
    assert patches.shape == (size, size) and patches.min() == 0
    count = patches.max() + 1
    assert 0.8 * PATCHES**2 <= count <= PATCHES**2 and len(np.unique(patches)) == count
    for i in range(count):
        assert cv2.connectedComponents((patches == i).astype(np.uint8))[0] <= 3
    assert len(np.unique(superpixels(np.full((size, size, 3), 90, np.uint8)))) > 1


@pytest.mark.parametrize("by", ["integrated_gradients", "occlusion"])
def test_what_alone_differs_and_matters_gets_the_evidence(by: str, linear: ByHand) -> None:
    """Sensitivity (Sundararajan et al. 2017, 2.1): image and baseline differ in one patch, and so do the answers."""
    square = np.full((SIZE, SIZE, 3), 150, np.uint8)
    square[24:32, 24:32] = 60
    found = explained(linear, square, by)
    near = np.zeros((SIZE, SIZE), bool)
    near[16:40, 16:40] = True  # Occlusion covers squares that reach over its rim
    assert np.abs(found[24:32, 24:32]).max() > 0
    assert np.abs(found[~near]).sum() <= 0.05 * np.abs(found).sum()


@pytest.mark.slow
@pytest.mark.parametrize(("by", "layer"), [("gradcam", "layer2"), ("occlusion", "layer4")])
def test_a_clue_on_synthetic_lesions_is_found(by: str, layer: str, clued: Clued) -> None:
    """A network that learned to look for a green dot on lesions of all classes: its maps must lie on the dot."""
    model, squares, dots = clued
    hits = []
    for square, dot in zip(squares, dots, strict=True):
        heat = attribute(model, square, PREPROCESSING, Target(1), method=by, layer=layer).heatmap
        hits.append(dot[np.unravel_index(heat.argmax(), heat.shape)])
    assert np.mean(hits) > 0.8, "by chance a fifth; in layer4 each of the four cells sees the whole image"


@pytest.fixture(scope="module")
def clued() -> Clued:
    rng = np.random.default_rng(0)
    lesions = [cv2.resize(make_lesion(code, seed, 96).image, (SIZE, SIZE)) for seed in range(5) for code in ISIC2019]

    def planted(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = (int(v) for v in rng.integers(10, SIZE - 10, 2))
        near = np.zeros((SIZE, SIZE), np.uint8)
        return cv2.circle(image.copy(), (x, y), 4, (40, 160, 60), -1), cv2.circle(near, (x, y), 16, 1, -1) > 0

    torch.manual_seed(0)
    model = build(ModelSettings(architecture="resnet10", classes=("NV", "MEL"))).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(40):
        chosen = rng.choice(len(lesions), 32)
        labels = np.arange(32) % 2
        batch = np.stack(
            [planted(lesions[i])[0] if label else lesions[i] for i, label in zip(chosen, labels, strict=True)]
        )
        loss = F.cross_entropy(model(torch.from_numpy(normalize(batch, PREPROCESSING))), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    shown, dots = zip(*(planted(lesion) for lesion in lesions[:16]), strict=True)
    with torch.no_grad():
        model.eval()
        right = model(torch.from_numpy(normalize(np.stack(shown), PREPROCESSING))).argmax(1)
    assert right.float().mean() > 0.9, "it learned the clue"
    return model.requires_grad_(False), list(shown), list(dots)


def test_a_baseline_shows_nothing(square: np.ndarray) -> None:
    assert not baseline_square(square, "black").any()
    skin = baseline_square(square, "skin")
    assert (skin == skin[0, 0]).all() and skin.shape == square.shape
    assert baseline_square(square, "blurred").std(axis=(0, 1)).max() < square.std(axis=(0, 1)).max() / 2
    framed = np.full((60, 60, 3), 200, np.uint8)
    framed[10:50, 10:50] = 30
    assert (baseline_square(framed, "skin") == 200).all()
    with pytest.raises(ConfigError, match=r"no baseline 'white'.*skin"):
        baseline_square(square, "white")


def test_requests_that_cannot_be_met(model: ResNet, square: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="no method"):
        explained(model, square, "lime")
    with pytest.raises(ConfigError, match="no baseline"):
        explained(model, square, "integrated_gradients", baseline="white")
    for by in LAYERED:
        with pytest.raises(ModelError, match="no layer 'conv1'"):
            explained(model, square, by, layer="conv1")
    with pytest.raises(ModelError, match="no class number 7"):
        explained(model, square, "gradcam", Target(7))
    with pytest.raises(ModelError, match="training mode"):
        explained(build(SETTINGS).train(), square, "gradcam")


@pytest.mark.parametrize("by", METHODS)
def test_damaged_weights_are_told(by: str, square: np.ndarray) -> None:
    damaged = build(SETTINGS)
    with torch.no_grad():
        damaged.layer4[0].conv2.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="NaN or infinite"):
        explained(damaged, square, by)
