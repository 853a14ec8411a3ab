"""Ways to run a ResNet up to its head: the same activations, at another speed.

Predictions, their rejection and the Grad-CAM of the last layer need the trunk forwards only, so it can be compiled or
handed to another runtime. What needs gradients stays with PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models import ResNet

from lesion_core.errors import ModelError
from lesion_core.models.classifiers import pool, stages

Trunk = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From pictures (N, 3, S, S) float32, normalised, to the features of layer3 (N, C) and the activations of layer4
(N, D, h, w), float32."""


@dataclass(frozen=True)
class Way:
    """A way to run a trunk.

    Attributes:
        says: What it is, one sentence.
        needs: What must be installed, for the error.
        tolerance: Largest difference of a golden logit that rounding explains; seen in float32 on other processors:
            under 0.0001.
        make: (model in evaluation mode, side of its input) -> trunk; ImportError or RuntimeError where it cannot.
    """

    says: str
    needs: str
    tolerance: float
    make: Callable[[ResNet, int], Trunk]


class _Trunk(nn.Module):
    def __init__(self, model: ResNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        earlier, last = stages(self.model, images)
        return pool(self.model, earlier), last


def _eager(model: ResNet, size: int) -> Trunk:  # noqa: ARG001
    return _Trunk(model)


def _compiled(model: ResNet, size: int) -> Trunk:
    plain = _Trunk(model)

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            earlier, last = plain(images.to(memory_format=torch.channels_last))
            return earlier.float(), last.float()

    trunk: Trunk = torch.compile(run, options={"freezing": True})
    with torch.no_grad():
        trunk(torch.zeros(1, 3, size, size))  # compiled now, not while the first visitor waits
    return trunk


def _openvino(model: ResNet, size: int) -> Trunk:
    import openvino

    example = torch.zeros(1, 3, size, size)
    with torch.no_grad():
        converted = openvino.convert_model(_Trunk(model), example_input=example, input=[-1, 3, size, size])
    compiled = openvino.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        found = compiled(images.numpy())
        return torch.from_numpy(found[0].copy()), torch.from_numpy(found[1].copy())

    return run


TRUNKS: dict[str, Way] = {
    "eager": Way("PyTorch as it is, float32", "", 0.01, _eager),
    "compiled": Way("PyTorch compiled, bfloat16", "a C++ compiler (g++)", 0.3, _compiled),
    "openvino": Way("OpenVINO, bfloat16", "openvino (pip install openvino)", 0.3, _openvino),
}
"""By name, the default first."""


def make_trunk(name: str, model: ResNet, size: int) -> Trunk:
    """The trunk of a model.

    Args:
        name: Key of `TRUNKS`.
        model: In evaluation mode; its weights must not change afterwards.
        size: Side of its input in pixels.

    Raises:
        ModelError: The name is unknown, or what it needs is not installed.
    """
    if name not in TRUNKS:
        raise ModelError(f"There is no trunk '{name}'.", f"Known are {', '.join(TRUNKS)}.")
    try:
        return TRUNKS[name].make(model, size)
    except (ImportError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"The trunk '{name}' cannot be made ({first}).", f"It needs {TRUNKS[name].needs}; or use 'eager'."
        ) from None
