"""Convolutions as matrix products where a processor's own gradient of the weights is slow.

With channels last a 1x1 convolution is one matrix product, and so is the weight gradient of a 3x3 one over the
unfolded image. On processors with bf16 matrix units oneDNN's own weight gradient reaches a tenth to a half of that
product's speed on the small deep maps of a ResNet, and it is the largest part of a training step: with the products
ResNet-50 trains 1.25 to 1.4 times faster at 96 to 128 px (`python -m benchmarks.convolutions`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

# Below this many channels the unfolded copy costs more than the product saves.
UNFOLD_FROM = 256


def _rows(x: Tensor) -> Tensor:
    """(N, C, H, W), channels last, to (N*H*W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _maps(rows: Tensor, n: int, height: int, width: int) -> Tensor:
    return rows.view(n, height, width, -1).permute(0, 3, 1, 2)


class _Pointwise(torch.autograd.Function):
    """A 1x1 convolution."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.dtypes, ctx.shape, ctx.stride = (x.dtype, weight.dtype), x.shape, stride
        rows, matrix = _rows(x[:, :, ::stride, ::stride].bfloat16()), weight.flatten(1).bfloat16()
        ctx.save_for_backward(rows, matrix)
        height, width = -(-x.shape[2] // stride), -(-x.shape[3] // stride)
        return _maps(rows @ matrix.t(), len(x), height, width)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, matrix = ctx.saved_tensors
        (gradient,) = gradients
        n, _, height, width = gradient.shape
        of_rows = _rows(gradient)
        of_x: Tensor | None = None
        if ctx.needs_input_grad[0]:
            small = _maps(of_rows @ matrix, n, height, width).to(ctx.dtypes[0])
            of_x = small
            if ctx.stride > 1:
                of_x = small.new_zeros(ctx.shape).to(memory_format=torch.channels_last)
                of_x[:, :, :: ctx.stride, :: ctx.stride] = small
        return of_x, (of_rows.t() @ rows).to(ctx.dtypes[1])[:, :, None, None], None


class _Square(torch.autograd.Function):
    """A 3x3 convolution of stride 1 whose weight gradient is one product over the unfolded image."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.dtypes = x.dtype, weight.dtype
        last = torch.channels_last
        x, weight = x.bfloat16().contiguous(memory_format=last), weight.bfloat16().contiguous(memory_format=last)
        ctx.save_for_backward(x, weight)
        return torch.conv2d(x, weight, None, 1, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        of_x: Tensor | None = None
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, False, False]
            )[0].to(ctx.dtypes[0])
        n, channels, height, width = x.shape
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        windows = padded.unfold(1, 3, 1).unfold(2, 3, 1)  # (N, H, W, C, 3, 3), a view
        columns = windows.permute(0, 1, 2, 4, 5, 3).reshape(n * height * width, 9 * channels)
        of_weight = (_rows(gradient).t() @ columns).view(-1, 3, 3, channels).permute(0, 3, 1, 2)
        return of_x, of_weight.to(ctx.dtypes[1])


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


class MatrixProducts(TorchFunctionMode):
    """Within it, bf16 convolutions on the CPU that fit are computed as matrix products; all others as always."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        if func is torch.conv2d and not kwargs and len(args) == 7:
            x, weight, bias, stride, padding, dilation, groups = args
            fits = (
                x.device.type == "cpu"
                and torch.is_autocast_enabled("cpu")
                and bias is None
                and groups == 1
                and _pair(dilation) == (1, 1)
            )
            across, down = _pair(stride)
            kernel, border = tuple(weight.shape[2:]), _pair(padding)
            if fits and kernel == (1, 1) and border == (0, 0) and across == down:
                return _Pointwise.apply(x, weight, across)
            deep = weight.shape[0] >= UNFOLD_FROM and weight.shape[1] >= UNFOLD_FROM
            if fits and deep and kernel == (3, 3) and border == (1, 1) and across == down == 1:
                return _Square.apply(x, weight)
        return func(*args, **(kwargs or {}))
