"""Convolutions as matrix products give what PyTorch's own give."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from lesion_core.config import ModelSettings
from lesion_core.models.classifiers import build
from lesion_core.training.convolutions import MatrixProducts

CASES = [
    (64, 256, 1, 1, 0),
    (256, 128, 1, 2, 0),
    (256, 256, 3, 1, 1),
    (16, 8, 3, 1, 1),
    (16, 8, 3, 2, 1),
    (256, 256, 3, 1, 0),
]


def run(conv: nn.Conv2d, images: Tensor, products: bool, cast: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """The result, the gradient of the images and the gradient of the weights."""
    x = images.clone().requires_grad_()
    conv.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=cast), MatrixProducts() if products else nullcontext():
        y = conv(x)
    y.float().square().sum().backward()
    assert x.grad is not None and conv.weight.grad is not None
    return y.detach().float(), x.grad, conv.weight.grad.clone()


@pytest.mark.parametrize(("inputs", "outputs", "kernel", "stride", "padding"), CASES)
@pytest.mark.parametrize("side", [1, 7, 8])
def test_results_and_gradients_are_those_of_float32_but_for_bf16(inputs, outputs, kernel, stride, padding, side):
    if side + 2 * padding < kernel:
        pytest.skip("the image is smaller than the kernel")
    if side == 1 and kernel == 3 and inputs < 256:
        pytest.skip("left to oneDNN, whose bf16 weight gradient of a single padded pixel is not always finite")
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False).to(memory_format=torch.channels_last)
    images = torch.randn(4, inputs, side, side).to(memory_format=torch.channels_last)
    exact, ours = run(conv, images, False, cast=False), run(conv, images, True)
    for name, e, m in zip(("result", "images", "weights"), exact, ours, strict=True):
        assert m.shape == e.shape and m.dtype == e.dtype, name
        # Three roundings to eight bits of mantissa, 2^-9 each.
        assert (m - e).norm() <= 3 * 2**-9 * e.norm(), name


def test_a_layout_that_is_not_channels_last_gives_the_same():
    torch.manual_seed(0)
    conv, images = nn.Conv2d(256, 256, 3, 1, 1, bias=False), torch.randn(2, 256, 5, 6)
    for a, b in zip(run(conv, images, True), run(conv, images, False), strict=True):
        assert torch.allclose(a, b, rtol=0.02, atol=0.02 * float(b.abs().max()))


def test_without_autocast_nothing_changes():
    torch.manual_seed(0)
    conv, images = nn.Conv2d(8, 16, 1, bias=False), torch.randn(2, 8, 6, 6)
    for a, b in zip(run(conv, images, True, cast=False), run(conv, images, False, cast=False), strict=True):
        assert torch.equal(a, b)


def test_a_bias_groups_or_dilation_are_left_to_pytorch():
    torch.manual_seed(0)
    for conv in (nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1, groups=2, bias=False), nn.Conv2d(8, 8, 3, 1, 2, dilation=2)):
        images = torch.randn(2, 8, 6, 6)
        for a, b in zip(run(conv, images, True), run(conv, images, False), strict=True):
            assert torch.equal(a, b)


def test_a_frozen_input_gets_no_gradient():
    conv = nn.Conv2d(8, 16, 1, bias=False)
    with torch.autocast("cpu", torch.bfloat16), MatrixProducts():
        conv(torch.randn(2, 8, 4, 4)).float().sum().backward()
    assert conv.weight.grad is not None


def test_a_whole_resnet_has_the_loss_and_gradients_of_pytorch():
    torch.manual_seed(0)
    model = build(ModelSettings(architecture="resnet50", classes=("a", "b"), stride_in_1x1=True))
    images = torch.randn(2, 3, 64, 64)
    found = []
    for products in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16), MatrixProducts() if products else nullcontext():
            loss = model(images).float().square().sum()
        loss.backward()
        found.append((loss.detach(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])))
    (loss_a, a), (loss_b, b) = found
    assert torch.allclose(loss_a, loss_b, rtol=0.02)
    assert torch.nn.functional.cosine_similarity(a, b, dim=0) > 0.99
