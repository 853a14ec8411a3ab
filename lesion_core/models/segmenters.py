"""The segmenters: U-Nets on a ResNet's first blocks (Ronneberger et al., MICCAI 2015)."""

from __future__ import annotations

from pathlib import Path

from segmentation_models_pytorch import Unet
from torch import nn
from torchvision.models.resnet import Bottleneck

from lesion_core.config import SegmenterSettings
from lesion_core.errors import ModelError
from lesion_core.models.checkpoints import load_tensors, load_weights
from lesion_core.models.classifiers import Initialised, fill

ENCODER = "encoder."


def build_segmenter(settings: SegmenterSettings) -> nn.Module:
    """Make the U-Net of the settings with random weights, in evaluation mode: (N, 3, H, W) to logits (N, 1, H, W)."""
    model = Unet(
        settings.encoder,
        encoder_depth=settings.depth,
        encoder_weights=None,
        decoder_channels=settings.decoder,
        classes=1,
    )
    for number in range(settings.depth, 5):
        # The library builds the whole ResNet; blocks that no image goes through are not stored.
        setattr(model.encoder, f"layer{number}", nn.Identity())
    if settings.stride_in_1x1:
        for block in model.modules():
            if isinstance(block, Bottleneck):
                block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    built: nn.Module = model.eval()
    return built


def trained_segmenter(settings: SegmenterSettings, weights: Path) -> nn.Module:
    """The U-Net of the settings with trained weights, in evaluation mode; nothing is drawn, as in `classifiers.blank`.

    Args:
        settings: A run's own.
        weights: Its safetensors file.

    Raises:
        ModelError: The weights are not there, damaged, or another network's.
    """
    model = fill(lambda: build_segmenter(settings))
    load_weights(model, weights)
    return model


def initialise_segmenter(model: nn.Module, settings: SegmenterSettings, folder: Path | None = None) -> Initialised:
    """Load initial weights: none, a local file under torchvision's names, such as a classifier's, for the encoder, or
    another segmenter's for all of it.

    Args:
        model: A network of `build_segmenter`, changed in place.
        settings: Their `weights` is none or the name of a safetensors file.
        folder: Where that file is, if its name is not a path by itself.

    Raises:
        ModelError: The file is not there or unreadable, or fits nothing in the encoder.
    """
    if settings.weights == "none":
        return Initialised()
    given = Path(settings.weights)
    path = given if given.is_file() or folder is None else folder / given
    found = load_tensors(path)
    if not any(name.startswith(ENCODER) for name in found):
        found = {ENCODER + name: tensor for name, tensor in found.items()}
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    fitting = {name: t for name, t in found.items() if name in own and own[name].shape == t.shape}
    if not fitting:
        raise ModelError(
            f"None of the {len(found)} tensors in '{settings.weights}' fits a U-Net on {settings.encoder}.",
            "Give weights of the same ResNet under torchvision's names, or of such a U-Net.",
        )
    model.load_state_dict({name: tensor.float() for name, tensor in fitting.items()}, strict=False)
    return Initialised(
        tuple(fitting), tuple(sorted(own.keys() - fitting.keys())), tuple(sorted(found.keys() - fitting.keys()))
    )
