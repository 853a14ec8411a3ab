"""What an entry of the registry of changes is, and what a change gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.artefacts import Rng

Move = Callable[[NDArray[Any]], NDArray[Any]]
"""From (H, W), bool or float, to the same with its values where the change moved the pixels."""

GRID = 224
"""Published lengths are pixels of images with this short side."""


def unit(image: Pixels) -> float:
    """Pixels of this image, (H, W, 3), that one pixel of an image with a short side of 224 is."""
    return float(min(image.shape[:2]) / GRID)


@dataclass(frozen=True)
class Changed:
    """An image after a change.

    Attributes:
        image: (H, W, 3) uint8, of the size of the original.
        artefact: (H, W) bool, what was laid over it; None where nothing was.
        moved: Takes the values of an array (H, W) to where the pixels went; None where none moved.
    """

    image: Pixels
    artefact: Mask | None = None
    moved: Move | None = None


Draw = Callable[[Pixels, int, Rng], Changed]
"""(image, severity from 1 to 5, random stream) to the changed image. What is taken from the stream does not depend on
the severity, so that all severities of one image share one draw."""


@dataclass(frozen=True)
class Change:
    """One kind of change.

    Attributes:
        key: Its key in `CHANGES`.
        name: Its name on the screen.
        group: noise, blur, digital, light or dermoscopy.
        plain: What a person sees, one sentence.
        source: Where the parameters come from, and how ours differ.
        scale: What the five severities are.
        moves: Whether pixels move, so that a mask must move too.
        drawn: Whether the training of the shipped runs drew it, and how; empty if not.
        draw: Makes it.
        draw_whole: Makes it for a network that sees the whole image, not its central square; None where that is the
            same.
    """

    key: str
    name: str
    group: str
    plain: str
    source: str
    scale: str
    draw: Draw
    moves: bool = False
    drawn: str = ""
    draw_whole: Draw | None = None


MEDMNIST_C = "MedMNIST-C, DermaMNIST (Di Salvo, Doerrich and Ledig, arXiv 2406.17536)"
MEDMNIST_C_PATH = MEDMNIST_C.replace("DermaMNIST", "PathMNIST")
SAM_C = "SAM-C (Maron et al., European Journal of Cancer 155, 2021), which does not publish its parameters"
OF_SAM_C = f"A change of {SAM_C}; these are those of {MEDMNIST_C}."
EXTRA_OF_SAM_C = f"An extra of {SAM_C}; these are those of"
OWN = "Our own severities: none are published."
