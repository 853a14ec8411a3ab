"""Ways to run a ResNet up to its head: the same activations, at another speed.

Predictions, their rejection and the Grad-CAM of the last layer need the trunk forwards only, so it can be compiled or
handed to another runtime. What needs gradients stays with PyTorch.

Rounding to bfloat16 (8 bits) leaves predictions and maps without gradients as they are, but not gradients down to the
pixels, which have another order then; `benchmarks.explain` prints how much.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import ResNet

from lesion_core.errors import ModelError
from lesion_core.models.classifiers import pool, stages

Backend = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From images (N, 3, S, S) float32, normalised, to the features of layer3 (N, C) and the activations of layer4
(N, D, h, w), float32."""


@dataclass(frozen=True)
class BackendEntry:
    """A way to run a trunk.

    Attributes:
        description: What it is, in a few words.
        needs: What must be installed, for the error; empty where nothing is.
        tolerance: Largest difference of a golden logit that rounding explains; seen in float32 on other processors:
            under 0.0001.
        make: (model in evaluation mode, side of its input) -> trunk; ImportError or RuntimeError where it cannot.
    """

    description: str
    needs: str
    tolerance: float
    make: Callable[[ResNet, int], Backend]


class _Stages(nn.Module):
    def __init__(self, model: ResNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return stages(self.model, images)


class _Trunk(nn.Module):
    def __init__(self, model: ResNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        earlier, last = stages(self.model, images)
        return pool(self.model, earlier), last


def _eager(model: ResNet, size: int) -> Backend:  # noqa: ARG001
    return _Trunk(model)


def folded_norms(model: ResNet) -> ResNet:
    """A copy in which each batch norm is part of the convolution before it.

    Not by `torch.fx`, whose tracing replaces the call of every module of the process while it lasts: what other threads
    compute meanwhile would fail.
    """
    folded = copy.deepcopy(model)
    for block in folded.modules():
        parts = dict(block.named_children())
        pairs = [(f"conv{i}", f"bn{i}") for i in (1, 2, 3)] + [("0", "1")]  # the last one is of a shortcut
        for first, second in pairs:
            conv, norm = parts.get(first), parts.get(second)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(block, first, fuse_conv_bn_eval(conv, norm))
                setattr(block, second, nn.Identity())
    return folded


def _bfloat16(model: ResNet, size: int) -> Backend:  # noqa: ARG001
    able = torch.cpu.get_capabilities()
    if not any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")):
        raise RuntimeError("this processor does not compute in bfloat16")
    folded = _Stages(folded_norms(model)).to(torch.bfloat16).to(memory_format=torch.channels_last)

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        earlier, last = folded(images.to(torch.bfloat16, memory_format=torch.channels_last))
        return pool(model, earlier.float()), last.float()

    return run


def _compiled(model: ResNet, size: int) -> Backend:
    plain = _Trunk(model)

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            earlier, last = plain(images.to(memory_format=torch.channels_last))
            return earlier.float(), last.float()

    backend: Backend = torch.compile(run, options={"freezing": True})
    with torch.no_grad():
        backend(torch.zeros(1, 3, size, size))  # compiled now, not while the first visitor waits
    return backend


def _openvino(model: ResNet, size: int) -> Backend:
    import openvino

    example = torch.zeros(1, 3, size, size)
    with torch.no_grad(), warnings.catch_warnings():
        # OpenVINO traces the network with what PyTorch has deprecated.
        warnings.filterwarnings("ignore", r"`torch\.jit\.trace", FutureWarning)
        converted = openvino.convert_model(_Trunk(model), example_input=example, input=[-1, 3, size, size])
    compiled = openvino.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        found = compiled(images.numpy())
        return torch.from_numpy(found[0].copy()), torch.from_numpy(found[1].copy())

    return run


BACKENDS: dict[str, BackendEntry] = {
    "eager": BackendEntry("PyTorch as it is, float32", "", 0.01, _eager),
    "bfloat16": BackendEntry(
        "PyTorch in bfloat16, batch norms folded into the convolutions",
        "a processor with bfloat16 arithmetic (AVX-512 BF16, AMX)",
        0.3,
        _bfloat16,
    ),
    "compiled": BackendEntry("PyTorch compiled, bfloat16", "a C++ compiler (g++)", 0.3, _compiled),
    "openvino": BackendEntry("OpenVINO, bfloat16", "openvino (pip install openvino)", 0.3, _openvino),
}
"""By name, the default first."""


def make_backend(name: str, model: ResNet, size: int) -> Backend:
    """The trunk of a model (all but its last layer) on a backend.

    Args:
        name: Key of `BACKENDS`.
        model: In evaluation mode; its weights must not change afterwards.
        size: Side of its input in pixels.

    Raises:
        ModelError: The name is unknown, or what it needs is not installed.
    """
    if name not in BACKENDS:
        raise ModelError(f"There is no backend '{name}'.", f"Choose one of {', '.join(BACKENDS)}.")
    try:
        return BACKENDS[name].make(model, size)
    except (ImportError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"The backend '{name}' cannot be made ({first}).", f"It needs {BACKENDS[name].needs}; or use 'eager'."
        ) from None


def quickest_backend(model: ResNet, size: int, *, openvino: bool = False) -> Backend | None:
    """The fastest backend of many images at a time that can be made here, None where that is the model itself.

    Compiling for each size of a batch takes longer than what it saves, so 'compiled' is not among them.

    Args:
        model: As in `make_backend`.
        size: As in `make_backend`.
        openvino: OpenVINO may be used; its conversion takes seconds.
    """
    for name in ("openvino", "bfloat16") if openvino else ("bfloat16",):
        with contextlib.suppress(ModelError):
            return make_backend(name, model, size)
    return None
