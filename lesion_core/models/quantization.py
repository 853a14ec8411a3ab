"""Eight bits per weight: rounding to the nearest, or so that a layer's answers to real images change least."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DAMPING = 0.01
"""Share of the mean square of a layer's inputs that is added to every input: directions that the images never showed
must not be rounded without regard."""
POSITIONS = 2048
"""Places of a batch's feature map that are looked at, drawn at random; they repeat each other."""
_BLOCK = 128


def scales(weight: Tensor) -> Tensor:
    """``max|w| / 127`` of each output channel (Krishnamoorthi, arXiv:1806.08342, 2.2.1): (O, ...) to (O,) float32.

    The scale of a channel of zeros, or of values too small to divide by in float32, is 1.
    """
    scale = weight.float().abs().flatten(1).amax(dim=1) / 127
    return torch.where(scale >= torch.finfo(torch.float32).tiny, scale, torch.ones_like(scale))


def quantize(weight: Tensor, gram: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Symmetric 8-bit integers with one scale per output channel.

    Without `gram`, ``q = round(w / s)``. With it, inputs are rounded one after the other, and what each rounding
    changes is made up for by the weights that are still to come, so that ``|| (W - s q) X ||`` is small for the inputs
    X that the layer sees (GPTQ: Frantar et al., ICLR 2023; the update is Hassibi and Stork's, NeurIPS 1992).

    Args:
        weight: (O, ...) float.
        gram: (K, K) ``X X^T`` over inputs, K the weights of a channel; of `gram_matrices`.

    Returns:
        int8 of the same shape in [-127, 127], and the scales (O,) float32.
    """
    scale = scales(weight)
    rows = weight.float().flatten(1)
    if gram is None:
        return torch.clamp(torch.round(rows / scale[:, None]), -127, 127).to(torch.int8).view(weight.shape), scale
    known = gram.double()
    known = known + DAMPING * known.diagonal().mean().clamp_min(1e-12) * torch.eye(len(known), dtype=torch.float64)
    # Row i of the factor says how the weights after i best make up for an error in weight i.
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(known)), upper=True).float()
    left = rows.T.contiguous()  # (K, O)
    q = torch.empty_like(left)
    for start in range(0, len(left), _BLOCK):
        end = min(start + _BLOCK, len(left))
        errors = torch.empty(end - start, left.shape[1])
        with _one_thread():
            for i in range(start, end):
                q[i] = torch.clamp(torch.round(left[i] / scale), -127, 127)
                errors[i - start] = (left[i] - q[i] * scale) / factor[i, i]
                left[i + 1 : end] -= factor[i, i + 1 : end, None] * errors[i - start]
        left[end:] -= factor[start:end, end:].T @ errors
    return q.T.to(torch.int8).reshape(weight.shape), scale


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread: thousands of small steps wait for each other longer than they take, above all on a machine
    that does something else too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def dequantize(quantized: Tensor, scale: Tensor) -> Tensor:
    """The float32 weights of `quantize`; rounded to the nearest, each is within half a scale of the original."""
    return quantized.float() * scale.view((-1,) + (1,) * (quantized.ndim - 1))


@torch.inference_mode()
def gram_matrices(model: nn.Module, batches: Iterable[Tensor], seed: int = 0) -> dict[str, Tensor]:
    """What the convolutions of a network see, for `quantize`.

    Args:
        model: In evaluation mode. Grouped convolutions are left out.
        batches: Normalised images (N, 3, H, W).
        seed: Of the places that are looked at.

    Returns:
        By the name of each weight, (K, K) float32: the sum of ``x x^T`` over the patches x (K,) that it is multiplied
        by, K = input channels times kernel height times kernel width.
    """
    grams: dict[str, Tensor] = {}
    random = torch.Generator().manual_seed(seed)
    hooks = []

    def watch(name: str, layer: nn.Conv2d) -> None:
        def see(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = inputs[0]
            if layer.kernel_size == (1, 1):
                patches = x[:, :, :: layer.stride[0], :: layer.stride[1]].flatten(2)
            else:
                patches = F.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # type: ignore[arg-type]
            flat = patches.transpose(0, 1).flatten(1)
            if flat.shape[1] > POSITIONS:
                flat = flat[:, torch.randperm(flat.shape[1], generator=random)[:POSITIONS]]
            found = flat @ flat.T
            grams[name] = grams[name] + found if name in grams else found

        hooks.append(layer.register_forward_pre_hook(see))

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == 1:
            watch(f"{name}.weight", layer)
    try:
        for batch in batches:
            model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return grams
