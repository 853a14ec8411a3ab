"""From a decoded image to the model's input: the steps of `config.Preprocessing`, in their order.

One `Pipeline` serves training, inference and the page that shows each step, so that a model never
meets an image that was prepared otherwise than those it learned from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from lesion_core.config import Preprocessing
from lesion_core.errors import ImageError
from lesion_core.imaging.color import equalize, shades_of_gray
from lesion_core.imaging.decode import check_side
from lesion_core.imaging.detail import equal_detail
from lesion_core.imaging.geometry import (
    LARGE_SIDE,
    REDUCED_SIDE,
    Box,
    crop_dark_corners,
    reduced_size,
    resize,
    scale_to,
    square,
    to_original,
)
from lesion_core.imaging.hair import hair_mask, remove_hair

__all__ = [
    "LARGE_SIDE",
    "REDUCED_SIDE",
    "Box",
    "Pipeline",
    "Preprocessed",
    "Step",
    "crop_dark_corners",
    "equal_detail",
    "equalize",
    "hair_mask",
    "normalize",
    "reduce_large",
    "remove_hair",
    "resize",
    "shades_of_gray",
    "square",
    "to_original",
]


@dataclass(frozen=True)
class Step:
    """One step of the pipeline and what it found.

    Attributes:
        name: ``reduce``, ``dark_corner``, ``hair``, ``color``, ``clahe``, ``detail`` or ``resize``.
        image: (H, W, 3) uint8 after the step.
        milliseconds: Time that it took.
        mask: (H, W) bool, the hair (step ``hair``).
        gains: Of red, green and blue (step ``color``).
        box: What was kept of the image before the step (steps ``dark_corner`` and ``resize``).
    """

    name: str
    image: NDArray[np.uint8]
    milliseconds: float
    mask: NDArray[np.bool_] | None = None
    gains: tuple[float, float, float] | None = None
    box: Box | None = None


@dataclass(frozen=True)
class Preprocessed:
    """The model's square and how it came about.

    Attributes:
        image: (size, size, 3) uint8.
        steps: What was done, in order; steps that are switched off are not there.
    """

    image: NDArray[np.uint8]
    steps: tuple[Step, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays, each counted once, for who keeps many."""
        arrays = [self.image, *(a for step in self.steps for a in (step.image, step.mask) if a is not None)]
        return sum(array.nbytes for array in {id(array): array for array in arrays}.values())


@dataclass(frozen=True)
class Pipeline:
    """The steps of some settings, as functions of a decoded image. Pure and thread safe."""

    settings: Preprocessing

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with any setting."""
        return self.settings.fingerprint()

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The model's square of an image.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (size, size, 3) uint8.

        Raises:
            ImageError: The array is not a uint8 RGB image, or its dark corners leave too little of it.
        """
        return resize(self.before_resize(image), self.settings.resize)

    def before_resize(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """All but the last step: what training keeps, to resize it to one size or another later.

        Raises:
            ImageError: The array is not a uint8 RGB image.
        """
        for step in self._steps(image):
            image = step.image
        return image

    def run(self, image: NDArray[np.uint8]) -> Preprocessed:
        """`apply`, with every step's image, time and findings.

        Raises:
            ImageError: The array is not a uint8 RGB image.
        """
        steps = list(self._steps(image))
        last = steps[-1].image if steps else image
        start = perf_counter()
        final = resize(last, self.settings.resize)
        box = square(last.shape, self.settings.resize)
        steps.append(Step("resize", final, _since(start), box=box))
        return Preprocessed(final, tuple(steps))

    def frame(self, image: NDArray[np.uint8]) -> Box:
        """What the model's square shows, in the coordinates of the original image.

        It depends on the image where dark corners are cropped. With ``fit="pad"`` it exceeds the image.

        Args:
            image: (H, W, 3) uint8 RGB, as it was decoded.

        Returns:
            (x0, y0, x1, y1) in pixels of `image`.

        Raises:
            ImageError: The array is not a uint8 RGB image.
        """
        _check(image)
        small = reduce_large(image)
        field, (left, top, _, _) = (
            crop_dark_corners(small, self.settings.dark_corner)
            if self.settings.dark_corner.enabled
            else (small, (0.0, 0.0, 0.0, 0.0))
        )
        x0, y0, x1, y1 = square(field.shape, self.settings.resize)
        x, y = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        return (left + x0) * x, (top + y0) * y, (left + x1) * x, (top + y1) * y

    def _steps(self, image: NDArray[np.uint8]) -> Iterator[Step]:
        """The steps before the resize."""
        _check(image)
        s = self.settings
        if max(image.shape) > LARGE_SIDE:
            start = perf_counter()
            image = reduce_large(image)
            yield Step("reduce", image, _since(start))
        if s.dark_corner.enabled:
            start, whole = perf_counter(), image.shape
            image, box = crop_dark_corners(image, s.dark_corner)
            if box != (0, 0, whole[1], whole[0]):
                check_side(image.shape[1], image.shape[0], "What the dark corners leave of the image")
            yield Step("dark_corner", image, _since(start), box=box)
        if s.hair.enabled:
            start = perf_counter()
            image, mask = remove_hair(image, s.hair)
            yield Step("hair", image, _since(start), mask=mask)
        if s.color.enabled:
            start = perf_counter()
            image, (red, green, blue) = shades_of_gray(image, s.color)
            yield Step("color", image, _since(start), gains=(float(red), float(green), float(blue)))
        if s.clahe.enabled:
            start = perf_counter()
            image = equalize(image, s.clahe)
            yield Step("clahe", image, _since(start))
        if s.detail.enabled:
            start = perf_counter()
            image = equal_detail(image, s.detail)
            yield Step("detail", image, _since(start))


def normalize(batch: NDArray[np.uint8], settings: Preprocessing) -> NDArray[np.float32]:
    """Scale to [0, 1], subtract the mean, divide by the standard deviation, channels first.

    Args:
        batch: (N, H, W, 3) uint8 RGB.
        settings: Mean and standard deviation of red, green and blue, for values in [0, 1].

    Returns:
        (N, 3, H, W) float32, C-contiguous.

    Raises:
        ImageError: The batch has another shape or type.
    """
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[3] != 3:
        raise ImageError(f"A batch of shape {batch.shape} and type {batch.dtype} is not (N, H, W, 3) uint8.")
    mean, std = np.asarray(settings.mean), np.asarray(settings.std)
    scale, shift = (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)
    out = np.empty((batch.shape[0], 3, *batch.shape[1:3]), dtype=np.float32)
    np.multiply(batch.transpose(0, 3, 1, 2), scale[:, None, None], out=out)
    out += shift[:, None, None]
    return out


def _check(image: NDArray[np.uint8]) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(
            f"An array of shape {image.shape} and type {image.dtype} is not an RGB image.",
            "Give (H, W, 3) uint8, as `imaging.decode.decode` returns it.",
        )


def reduce_large(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, images over `LARGE_SIDE` at `REDUCED_SIDE`, others as they are: a pipeline's first step."""
    height, width = reduced_size(image.shape[0], image.shape[1])
    return image if (height, width) == image.shape[:2] else scale_to(image, width, height)


def _since(start: float) -> float:
    return 1000 * (perf_counter() - start)
