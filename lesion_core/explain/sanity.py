"""The randomisation test: a map that stays the same when the weights are lost explains nothing.

Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018 (cascading randomisation).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import nn
from torchvision.models import ResNet

STAGES: dict[str, str] = {
    "fc": "the last linear layer", "layer4": "and layer4", "layer3": "and layer3", "layer2": "and layer2",
    "layer1": "and layer1", "conv1": "and the first convolution: nothing learned is left",
}
"""What is randomised, each with all before it, from the answer to the picture."""


def randomised(model: ResNet, seed: int = 0) -> Iterator[tuple[str, ResNet]]:
    """The model losing its weights from the answer down, a stage at a time.

    Args:
        model: Nobody else uses it at the time; it is not changed.
        seed: The same seed draws the same weights.

    Yields:
        The name in `STAGES` and a network in evaluation mode. It is one copy that loses more and more: use it before
        the next one is asked for.
    """
    lost, random = copy.deepcopy(model).eval(), torch.Generator().manual_seed(seed)
    for stage in STAGES:
        for module in getattr(lost, stage).modules():
            _forget(module, random)
        yield stage, lost


def _forget(module: nn.Module, random: torch.Generator) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=random)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5, generator=random)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()  # its running statistics belong to the lost weights
