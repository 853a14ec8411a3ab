"""What can be refused before torch is loaded: names of architectures, and where initial weights are."""

from __future__ import annotations

from pathlib import Path

from lesion_core.errors import ModelError
from lesion_core.foreign_text import shown

ARCHITECTURES = ("resnet10", "resnet10_half", "resnet50", "resnet101", "resnet152")
"""Keys of `classifiers.ARCHITECTURES`."""


def known_architecture(name: str) -> str:
    """The name of a classifier.

    Raises:
        ModelError: The name is unknown.
    """
    if name not in ARCHITECTURES:
        raise ModelError(f"There is no classifier '{name}'.", f"Choose one of {', '.join(ARCHITECTURES)}.")
    return name


def weights_file(weights: str, folder: Path | None = None) -> Path | None:
    """The file of initial weights that settings name; None for none, and for torchvision's (imagenet).

    Args:
        weights: none, imagenet, or the name of a safetensors file.
        folder: Where that file is, if its name is not a path by itself.

    Raises:
        ModelError: There is no such file.
    """
    if weights in ("none", "imagenet"):
        return None
    path = Path(weights)
    if not path.is_file() and folder is not None:
        path = folder / path
    if not path.is_file():
        raise ModelError(f"There is no weights file at {shown(str(path), 200)}.", "Check the path.")
    return path
