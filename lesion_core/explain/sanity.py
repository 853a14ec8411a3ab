"""The randomisation test: a map that stays the same when the weights are lost explains nothing.

Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018 (cascading randomisation).
"""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models import ResNet

STAGES: dict[str, str] = {
    "fc": "the last linear layer",
    "layer4": "and layer4",
    "layer3": "and layer3",
    "layer2": "and layer2",
    "layer1": "and layer1",
    "conv1": "and the first convolution: nothing learned is left",
}
"""What is randomised, each with all before it, from the answer to the image."""


def randomise(model: ResNet, stage: str, seed: int = 0) -> None:
    """Take a model's weights from the answer down to a stage, in place.

    Args:
        model: Nobody else uses it.
        stage: Name in `STAGES`; it and all before it are lost.
        seed: The same seed draws the same weights, in every stage.
    """
    random = torch.Generator().manual_seed(seed)
    for name in list(STAGES)[: list(STAGES).index(stage) + 1]:
        for module in getattr(model, name).modules():
            _forget(module, random)


def _forget(module: nn.Module, random: torch.Generator) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=random)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5, generator=random)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()  # its running statistics belong to the lost weights
