"""The classifiers: torchvision's ResNets, their initial weights, and the way from image to feature to logit."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision.models import ResNet, get_model, get_model_weights, resnet50, resnet101, resnet152
from torchvision.models.resnet import BasicBlock, Bottleneck

from lesion_core.config import ModelSettings
from lesion_core.errors import ModelError
from lesion_core.models.checkpoints import load_tensors, load_weights
from lesion_core.models.known import known_architecture, weights_file

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Architecture:
    """A network that can be built by name.

    Attributes:
        name: What a person reads.
        sentence: What it is for, one sentence.
        build: Makes the network without weights, for a number of classes.
        in_hub: torchvision has ImageNet weights for it.
    """

    name: str
    sentence: str
    build: Callable[[int], ResNet]
    in_hub: bool = True


class _HalfResNet(ResNet):  # type: ignore[misc]  # torchvision has no types
    """A ResNet of basic blocks with half the channels from the first block on."""

    def __init__(self, layers: list[int], num_classes: int) -> None:
        super().__init__(BasicBlock, layers, num_classes=num_classes)
        self.fc = nn.Linear(256, num_classes)

    def _make_layer(self, block: Any, planes: int, *args: Any, **kwargs: Any) -> nn.Sequential:
        return cast(nn.Sequential, super()._make_layer(block, planes // 2, *args, **kwargs))


ARCHITECTURES: dict[str, Architecture] = {
    "resnet10": Architecture(
        "ResNet-10",
        "Four basic blocks, 4.9 M weights; trains in seconds, for tests and for trying things out.",
        lambda classes: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=classes),
        in_hub=False,
    ),
    "resnet10_half": Architecture(
        "ResNet-10, half width",
        "As ResNet-10 with half the channels, 1.2 M weights; for experiments whose networks ship.",
        lambda classes: _HalfResNet([1, 1, 1, 1], classes),
        in_hub=False,
    ),
    "resnet50": Architecture(
        "ResNet-50",
        "16 bottleneck blocks, 23.5 M weights; the usual first choice.",
        lambda classes: cast(ResNet, resnet50(num_classes=classes)),
    ),
    "resnet101": Architecture(
        "ResNet-101",
        "33 bottleneck blocks, 42.5 M weights.",
        lambda classes: cast(ResNet, resnet101(num_classes=classes)),
    ),
    "resnet152": Architecture(
        "ResNet-152",
        "50 bottleneck blocks, 58.2 M weights; the deepest and slowest.",
        lambda classes: cast(ResNet, resnet152(num_classes=classes)),
    ),
}
"""Classifiers by the name used in settings, on the command line and in links (He et al., CVPR 2016)."""


@dataclass(frozen=True)
class Initialised:
    """What initial weights a network got.

    Attributes:
        loaded: Names of the tensors that were taken over.
        missing: Names of the network's tensors that the weights lack; they start at random.
        ignored: Names in the weights that the network has no place for, another class count included.
    """

    loaded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One sentence for a log or a card."""
        if not self.loaded:
            return "All weights start at random."
        parts = sorted({name.split(".")[0] for name in self.missing})
        rest = f"; {', '.join(parts)} start at random" if parts else ""
        dropped: dict[str, list[int]] = {}
        for name in self.ignored:
            if block := re.search(r"(layer\d+)\.(\d+)\.", name):
                dropped.setdefault(block[1], []).append(int(block[2]))
        rest += "".join(
            f"; of the source's {stage} the blocks from {min(blocks) + 1} to {max(blocks) + 1} were dropped"
            for stage, blocks in sorted(dropped.items())
        )
        return f"{len(self.loaded)} of {len(self.loaded) + len(self.missing)} tensors were taken over{rest}."


def architecture(name: str) -> Architecture:
    """The registry's entry.

    Raises:
        ModelError: The name is unknown.
    """
    return ARCHITECTURES[known_architecture(name)]


def build(settings: ModelSettings) -> ResNet:
    """Make the network of the settings with random weights, in evaluation mode.

    Raises:
        ModelError: The architecture is unknown.
    """
    model = architecture(settings.architecture).build(len(settings.classes))
    if settings.stride_in_1x1:
        for block in model.modules():
            if isinstance(block, Bottleneck):
                block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    return model.eval()


def untrained(settings: ModelSettings) -> ResNet:
    """The network of the settings, in evaluation mode, without values: fill it before it is used.

    Quicker than `build`, and it draws nothing from torch's one random stream, from which another thread may be
    drawing an explanation.

    Raises:
        ModelError: The architecture is unknown.
    """
    return fill(lambda: build(settings))


class _Unfilled(TorchFunctionMode):
    """No random initial values, and plain memory: on the device meta nothing holds values, and torch would import its
    compiler (over a second) to draw them, and SymPy to copy the shape of a tensor."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        if func is torch.empty_like:
            return torch.empty(args[0].shape, dtype=args[0].dtype, device=(kwargs or {}).get("device"))
        return func(*args, **(kwargs or {}))


def fill(make: Callable[[], Network]) -> Network:
    """The network that `make` makes, with memory for its values but without them."""
    with _Unfilled():
        with torch.device("meta"):
            model = make()
        model.to_empty(device="cpu")
    for name, buffer in model.named_buffers():
        if name.endswith("num_batches_tracked"):
            buffer.zero_()
    return model


def trained(settings: ModelSettings, weights: Path) -> ResNet:
    """The network of the settings with trained weights, in evaluation mode.

    Args:
        settings: A run's own.
        weights: Its safetensors file.

    Raises:
        ModelError: The architecture is unknown, or the weights are not there, damaged, or another network's.
    """
    model = untrained(settings)
    load_weights(model, weights)
    return model


def sharing_weights(model: Network) -> Network:
    """A second network over the same weights in memory, with hooks of its own."""
    return copy.deepcopy(model, {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())})


def initialise(model: ResNet, settings: ModelSettings, folder: Path | None = None) -> Initialised:
    """Load the initial weights that the settings name: none, torchvision's, or a local file (also a partial one).

    Args:
        model: A network of `build`, changed in place.
        settings: Their `weights` is none, imagenet, or the name of a safetensors file, a run's own too; with
            `new_head` the last layer is left as it is.
        folder: Where that file is, if its name is not a path by itself.

    Raises:
        ModelError: The file is not there or unreadable, fits nothing in the network, or the hub has no such weights.
    """
    path = weights_file(settings.weights, folder)
    if settings.weights == "none":
        return Initialised()
    if path is None:
        if not architecture(settings.architecture).in_hub:
            raise ModelError(
                f"torchvision has no weights for {settings.architecture}.", "Use weights 'none' or a file."
            )
        try:
            hub = get_model_weights(settings.architecture).DEFAULT
            found = get_model(settings.architecture, weights=hub).state_dict()
        except OSError as error:
            raise ModelError(
                f"torchvision's ImageNet weights could not be downloaded ({error}).",
                "Check the network, or give a safetensors file with --weights.",
            ) from None
    else:
        found = load_tensors(path)
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    fitting = {
        name: t
        for name, t in found.items()
        if name in own and own[name].shape == t.shape and not (settings.new_head and name.startswith("fc."))
    }
    if not fitting:
        raise ModelError(
            f"None of the {len(found)} tensors in '{settings.weights}' fits {settings.architecture}.",
            "Give weights of the same architecture under torchvision's names.",
        )
    model.load_state_dict({name: tensor.float() for name, tensor in fitting.items()}, strict=False)
    return Initialised(
        tuple(fitting),
        tuple(sorted(own.keys() - fitting.keys())),
        tuple(sorted(name for name in found.keys() - fitting.keys() if not name.endswith("num_batches_tracked"))),
    )


def stages(model: ResNet, images: Tensor) -> tuple[Tensor, Tensor]:
    """What layer3 and layer4 give: (N, 3, H, W) float, normalised, to (N, C, 2h, 2w) and (N, D, h, w)."""
    x = model.maxpool(model.relu(model.bn1(model.conv1(images))))
    earlier = cast(Tensor, model.layer3(model.layer2(model.layer1(x))))
    return earlier, cast(Tensor, model.layer4(earlier))


def pool(model: ResNet, activations: Tensor) -> Tensor:
    """Features of a stage: the average of its activations over the places, (N, D, h, w) to (N, D).

    Those of layer4 are the penultimate features, D = 512 (basic blocks) or 2048 (bottlenecks): ``model.fc`` turns
    them into logits (N, K). Those of layer3 are half as many.
    """
    return torch.flatten(cast(nn.Module, model.avgpool)(activations), 1)
