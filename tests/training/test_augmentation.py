"""Augmentations: shape, range, and what stays."""

from __future__ import annotations

import pytest
import torch

from lesion_core.config import Preprocessing
from lesion_core.errors import ConfigError
from lesion_core.training.augmentation import NAMES, augmentation

PREPROCESSING = Preprocessing()
MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in (PREPROCESSING.mean, PREPROCESSING.std))


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randint(0, 256, (3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(48, 48), (37, 60), (20, 24)])
def test_every_augmentation_gives_the_square_of_the_model(name: str, shape: tuple[int, int]) -> None:
    x = torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
    out = augmentation(name, PREPROCESSING, 32)(x)
    assert out.shape == (3, 32, 32) and out.dtype == torch.float32
    pixels = out * STD + MEAN
    assert pixels.min() >= -1e-3 and pixels.max() <= 1.6  # erased patches are 0 after normalisation


def test_none_is_the_normalised_picture(image: torch.Tensor) -> None:
    out = augmentation("none", PREPROCESSING, 48)(image)
    torch.testing.assert_close(out, (image.float() / 255 - MEAN) / STD)


def test_flips_only_flip(image: torch.Tensor) -> None:
    plain = augmentation("none", PREPROCESSING, 48)(image)
    flipped = [plain, plain.flip(1), plain.flip(2), plain.flip(1, 2)]
    transform = augmentation("flips", PREPROCESSING, 48)
    torch.manual_seed(0)
    seen = set()
    for _ in range(40):
        out = transform(image)
        match = [i for i, other in enumerate(flipped) if torch.equal(out, other)]
        assert len(match) == 1
        seen.add(match[0])
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize("name", ["full", "strong"])
def test_it_differs_each_time_and_repeats_with_a_seed(image: torch.Tensor, name: str) -> None:
    transform = augmentation(name, PREPROCESSING, 32)
    torch.manual_seed(0)
    first, second = transform(image), transform(image)
    torch.manual_seed(0)
    assert torch.equal(transform(image), first) and not torch.equal(first, second)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"no augmentation 'mixup'.*none, flips, gentle, full"):
        augmentation("mixup", PREPROCESSING, 32)


def test_strong_is_another_white_balance_too() -> None:
    grey = torch.full((3, 48, 48), 128, dtype=torch.uint8)
    transform = augmentation("strong", PREPROCESSING, 32)
    torch.manual_seed(0)
    tints = torch.stack([(transform(grey) * STD + MEAN).median(2).values.median(1).values for _ in range(60)])
    spread = (tints.max(1).values - tints.min(1).values) / tints.mean(1)
    assert spread.median() > 0.05 and spread.max() < 1.0
