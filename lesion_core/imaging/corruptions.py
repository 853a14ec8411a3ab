"""Dermoscopic images that something is wrong with.

A corruption says what a person should notice (hair over the lesion, a wrong white balance, no lesion at all). Whether
a model turns such an image away, and whether its answer survives, is measured; neither is right or wrong by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from lesion_core.errors import ConfigError, DataError
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.artefacts import ARTEFACTS, Rng, add_artefact
from lesion_core.imaging.detail import compressed

SMALLEST_SKIN = 0.3
"""Bare skin is cut out where a square of this share of the short side holds no lesion."""

LIGHTS = ((1.35, 1.0, 0.55), (0.6, 0.95, 1.4), (0.8, 1.25, 0.75))
"""Gains of red, green and blue under a bulb, in the shade, and under a fluorescent tube, with no correction."""


@dataclass(frozen=True)
class Corruption:
    """One thing that is wrong with an image.

    Attributes:
        plain: One sentence for a student.
        draw: (image, random stream, lesion mask or None) -> new image; only `needs_mask` ones read the mask.
        needs_mask: It can be made only where the lesion's mask is known.
    """

    plain: str
    draw: Callable[[Pixels, Rng, Mask | None], Pixels]
    needs_mask: bool = False


def _artefact(name: str) -> Corruption:
    def draw(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
        return add_artefact(image, name, int(rng.integers(2**31)), strength=1.0)[0]

    return Corruption(ARTEFACTS[name].plain, draw)


def _white_balance(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
    gains = np.array(LIGHTS[rng.integers(len(LIGHTS))])
    table = np.rint(np.clip(np.outer(np.arange(256), gains), 0, 255)).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _out_of_focus(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.03 * min(image.shape[:2])), np.uint8)


def _compressed(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
    return compressed(image, 12)


def bare_square(image: Pixels, mask: Mask) -> tuple[int, int, int] | None:
    """The largest square without lesion or dark corner: top, left and side in pixels.

    None where its side is under `SMALLEST_SKIN` of the short side.
    """
    free = ~mask & (image.max(axis=2) > 60)
    # Chessboard distance to the next forbidden pixel is half the side of a free square around a pixel.
    inner = cv2.distanceTransform(np.pad(free, 1).astype(np.uint8), cv2.DIST_C, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(inner.argmax()), inner.shape)
    half = int(inner[y, x]) - 1
    if 2 * half + 1 < SMALLEST_SKIN * min(image.shape[:2]):
        return None
    return int(y) - half, int(x) - half, 2 * half + 1


def _bare_skin(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
    square = bare_square(image, mask) if mask is not None else None
    if square is None:
        raise DataError("The image shows too little skin beside the lesion.", "Choose another image.")
    top, left, side = square
    return image[top : top + side, left : left + side].copy()


CORRUPTIONS: dict[str, Corruption] = {
    **{name: _artefact(name) for name in ARTEFACTS},
    "white_balance": Corruption("The light has a colour, and no camera corrected it.", _white_balance),
    "out_of_focus": Corruption("The image is blurred: its structures are gone.", _out_of_focus),
    "compressed": Corruption("The file was compressed again, as chat programs do.", _compressed),
    "bare_skin": Corruption("The skin beside the lesion, without the lesion.", _bare_skin, needs_mask=True),
}
"""What can be wrong with dermoscopy, by the kind under which runs hold it."""


def corrupt(image: Pixels, kind: str, image_id: str, mask: Mask | None = None) -> Pixels:
    """An image with something wrong; the same image, kind and id give the same pixels.

    Args:
        image: (H, W, 3) uint8; it is not changed.
        kind: A key of `CORRUPTIONS`.
        image_id: Seeds the random stream.
        mask: (H, W) bool, the lesion; only the kinds that need a mask read it.

    Returns:
        (H', W', 3) uint8.

    Raises:
        ConfigError: The kind is unknown.
        DataError: The mask is missing where it is needed, is of another shape, or leaves too little skin.
    """
    if kind not in CORRUPTIONS:
        raise ConfigError(f"There is no corruption '{kind}'.", f"Choose one of {', '.join(CORRUPTIONS)}.")
    if mask is not None and mask.shape != image.shape[:2]:
        raise DataError(
            f"The mask is {mask.shape[1]}x{mask.shape[0]} px, the image {image.shape[1]}x{image.shape[0]}.",
            "Give the mask of this image, at its size.",
        )
    rng = np.random.default_rng([*kind.encode(), *image_id.encode()])
    return CORRUPTIONS[kind].draw(image, rng, mask)
