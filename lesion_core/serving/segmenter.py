"""One segmenter, many users: masks of single images behind one lock."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesion_core.inference.segmenter import checked_segmenter, probabilities_of
from lesion_core.runs.segmenter import SegmenterRun, open_segmenter
from lesion_core.serving.queue import BoundedLock
from lesion_core.serving.results import Segmentation


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
        self._model = checked_segmenter(run)
        self._model.requires_grad_(False)
        self._turns = BoundedLock(queue)

    @classmethod
    def open(cls, folder: Path) -> SegmenterEngine:
        """The engine of a run folder."""
        return cls(open_segmenter(folder))

    def segment(self, image: NDArray[np.uint8]) -> Segmentation:
        """Find the lesion on one image.

        Args:
            image: (H, W, 3) uint8 RGB, as `decode` gives it; the run's preprocessing is applied here.

        Raises:
            BusyError: Too many callers wait.
            ImageError: The array is not a uint8 RGB image.
        """
        with self._turns.take():
            start = time.thread_time()  # not of other visitors: see `Engine`
            probabilities = self._probabilities(image)
            spent = 1000 * (time.thread_time() - start)
        return Segmentation(probabilities, (image.shape[0], image.shape[1]), spent)

    def _probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return probabilities_of(self._model, self._preprocessing, image)
