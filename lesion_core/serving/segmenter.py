"""One segmenter, many users: masks of single pictures behind one lock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesion_core.errors import RunError
from lesion_core.imaging.geometry import enlarge
from lesion_core.imaging.lesion import clean_up
from lesion_core.inference.segmenter import probabilities_of
from lesion_core.models.segmenters import trained_segmenter
from lesion_core.runs.segmenter import SegmenterRun, open_segmenter
from lesion_core.serving.queue import BoundedLock

GOLDEN_TOLERANCE = 0.01
"""Largest difference of a known probability that other processors' rounding explains."""


@dataclass(frozen=True)
class Segmentation:
    """What a segmenter found on one picture.

    Attributes:
        probabilities: (S, S) float32 of the network's square, which is the whole frame.
        shape: Height and width of the picture.
        milliseconds: Time in the model, waiting not counted.
    """

    probabilities: NDArray[np.float32]
    shape: tuple[int, int]
    milliseconds: float

    def heat(self) -> NDArray[np.float32]:
        """The probability of each pixel of the picture, (H, W) float32 in [0, 1]."""
        return enlarge(self.probabilities, self.shape)

    def mask(self, threshold: float = 0.5, *, clean: bool = True) -> NDArray[np.bool_]:
        """The mask in the picture's frame, (H, W): probability at or over the threshold.

        Args:
            threshold: In [0, 1].
            clean: Keep the largest part only, with its holes filled.
        """
        raw = self.heat() >= threshold
        return clean_up(raw) if clean else raw


class SegmenterEngine:
    """A segmenter in memory; callers take turns.

    Args:
        run: The run.
        queue: How many callers may wait.

    Raises:
        ModelError: The weights do not fit.
        RunError: The model does not give the known answer.
    """

    def __init__(self, run: SegmenterRun, queue: int = 64) -> None:
        self.run = run
        self._preprocessing = run.config.settings.preprocessing
        self._model = trained_segmenter(run.config.settings.model, run.weights)
        self._model.requires_grad_(False)
        self._turns = BoundedLock(queue)
        image, expected = run.golden
        found = probabilities_of(self._model, self._preprocessing, image)
        difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("nan")
        if not difference <= GOLDEN_TOLERANCE:
            raise RunError(
                f"Segmenter {run.name} does not give its known answer: a probability differs by {difference:.3g}.",
                "Weights, settings or library versions do not belong together; install the versions in config.json.",
            )

    @classmethod
    def open(cls, folder: Path) -> SegmenterEngine:
        """The engine of a run folder."""
        return cls(open_segmenter(folder))

    def segment(self, image: NDArray[np.uint8]) -> Segmentation:
        """Find the lesion on one picture.

        Args:
            image: (H, W, 3) uint8 RGB, as `decode` gives it; the run's preprocessing is applied here.

        Raises:
            BusyError: Too many callers wait.
            ImageError: The array is no uint8 RGB picture.
        """
        with self._turns.take():
            start = time.perf_counter()
            probabilities = probabilities_of(self._model, self._preprocessing, image)
            spent = 1000 * (time.perf_counter() - start)
        return Segmentation(probabilities, (image.shape[0], image.shape[1]), spent)
