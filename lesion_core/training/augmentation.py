"""What a training image may look like and still be the same lesion."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torchvision.transforms import v2

from lesion_core.config import Preprocessing
from lesion_core.errors import ConfigError

NAMES = ("none", "flips", "gentle", "full", "strong")
Transform = Callable[[Tensor], Tensor]


def augmentation(name: str, preprocessing: Preprocessing, size: int) -> Transform:
    """The transform of a training image.

    A lesion has no upright side, so flips and any rotation keep the diagnosis. Scale and frame stand for
    other dermatoscopes, colour for other lights and cameras, the erased patch for rulers and ink.

    Args:
        name: none, flips, gentle (size and colour of a lesion, which are signs, stay nearly as they are), full, or
            strong (as full, and as another hospital's camera: its white balance, its exposure, its frame).
        preprocessing: Its mean and deviation normalise.
        size: Pixels per side of the result.

    Returns:
        From uint8 (3, H, W) to float32 (3, size, size).

    Raises:
        ConfigError: The name is unknown.
    """
    if name not in NAMES:
        raise ConfigError(f"There is no augmentation '{name}'.", f"Choose one of {', '.join(NAMES)}.")
    finish = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(preprocessing.mean, preprocessing.std)]
    flips = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
    square = [v2.Resize(size, antialias=True), v2.CenterCrop(size)]
    if name == "none":
        return cast(Transform, v2.Compose([*square, *finish]))
    if name == "flips":
        return cast(Transform, v2.Compose([*square, *flips, *finish]))
    if name == "gentle":
        return cast(
            Transform,
            v2.Compose(
                [
                    v2.RandomResizedCrop(size, scale=(0.65, 0.85), ratio=(0.9, 1.11), antialias=True),
                    *flips,
                    _quarter_turn,
                    v2.RandomApply([v2.RandomAffine(degrees=20)], p=0.5),
                    v2.ColorJitter(brightness=0.12, contrast=0.12, saturation=0.12, hue=0.015),
                    *finish,
                ]
            ),
        )
    if name == "full":
        return cast(
            Transform,
            v2.Compose(
                [
                    v2.RandomResizedCrop(size, scale=(0.35, 1.0), ratio=(0.8, 1.25), antialias=True),
                    *flips,
                    _quarter_turn,
                    v2.RandomApply([v2.RandomAffine(degrees=30, shear=8)], p=0.5),
                    v2.ColorJitter(brightness=0.25, contrast=0.25, saturation=0.3, hue=0.04),
                    *finish,
                    v2.RandomErasing(p=0.25, scale=(0.02, 0.1)),
                ]
            ),
        )
    return cast(
        Transform,
        v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(0.3, 1.0), ratio=(0.8, 1.25), antialias=True),
                *flips,
                _quarter_turn,
                v2.RandomApply([v2.RandomAffine(degrees=45, scale=(0.8, 1.1), shear=8)], p=0.5),
                v2.ColorJitter(contrast=0.25, saturation=0.3, hue=0.03),
                finish[0],
                other_camera,
                finish[1],
                v2.RandomErasing(p=0.25, scale=(0.02, 0.1)),
            ]
        ),
    )


def other_camera(image: Tensor) -> Tensor:
    """Another white balance and another exposure: each channel by a factor of its own, then a gamma.

    Args:
        image: (3, H, W) float32 in [0, 1].

    Returns:
        The same shape and range.
    """
    gains = torch.exp(0.15 * torch.randn(3, 1, 1).clamp(-2, 2))
    gamma = torch.exp(0.2 * torch.randn(()).clamp(-2, 2))
    return (image * gains).clamp(0, 1) ** gamma


def _quarter_turn(image: Tensor) -> Tensor:
    return torch.rot90(image, int(torch.randint(4, ())), (1, 2))
