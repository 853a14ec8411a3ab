"""All that a segmenter's mask hangs on: its network, preprocessing and threshold, and what they make of one image.

``golden.safetensors`` holds the image and its probabilities, which other preprocessing, or another network beside
another answer, may give too. `known_answer.json` holds the settings, the probabilities in squares, and the sizes of the
masks, and names the run; it is asked whenever the model is loaded to be used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lesion_core.config import Preprocessing, SegmenterSettings
from lesion_core.errors import RunError
from lesion_core.imaging.lesion import clean_up, mask_at
from lesion_core.runs.beside import OfRun, read_of_run
from lesion_core.runs.segmenter import MEASURED_AT, VARIANTS, SegmenterRun

FILE = "known_answer.json"
REMEDY = (
    "Take the whole folder from one source again; if you trust it, `segment evaluate RUN --known-answer` writes this "
    "anew."
)
TOLERANCE = 0.01
"""Largest difference of a probability that other processors' rounding explains."""
SQUARES = 8
"""Squares along a side that probabilities are averaged over: it divides the side of every U-Net."""


class KnownMask(OfRun):
    """`known_answer.json` of a segmenter: what it says of the image in its ``golden.safetensors``."""

    run: str = Field(min_length=1, description="fingerprint of the run")
    model: SegmenterSettings
    preprocessing: Preprocessing
    threshold: float = Field(ge=0, le=1, description="a pixel of the masks is lesion from this probability")
    probabilities: tuple[tuple[float, ...], ...] = Field(description="means over squares, 8 by 8, top left first")
    pixels: dict[str, int] = Field(description="of each variant of the mask, in the image's own frame")

    def check(self, run: SegmenterRun, probabilities: NDArray[np.float32]) -> None:
        """Refuse a run whose network or settings make something else of the image.

        Args:
            run: The run.
            probabilities: (S, S), what its model says of the image in ``golden.safetensors``.

        Raises:
            RunError: Network, preprocessing, threshold, probabilities or masks are others.
        """
        settings = run.config.settings
        for what, known, own in (
            ("its network", self.model, settings.model),
            ("its preprocessing", self.preprocessing, settings.preprocessing),
            ("its threshold", self.threshold, MEASURED_AT),
        ):
            if known != own:
                raise _another(run, f"{what} differs")
        known_squares, squares = np.array(self.probabilities), _squares(probabilities)
        if known_squares.shape != squares.shape or not np.abs(squares - known_squares).max() <= TOLERANCE:
            raise _another(run, "its probabilities differ")
        frame = run.golden[0].shape[:2]
        # Rounding moves the contour by less than another threshold does.
        around = [_pixels(probabilities, frame, MEASURED_AT + step) for step in (-TOLERANCE, 0, TOLERANCE)]
        for variant in VARIANTS:
            sizes = [found[variant] for found in around]
            if not min(sizes) <= self.pixels.get(variant, -1) <= max(sizes):
                raise _another(run, f"its masks, {VARIANTS[variant]}, differ")


def known_mask(run: SegmenterRun, probabilities: NDArray[np.float32]) -> KnownMask:
    """What a segmenter says of its image, to be written.

    Args:
        run: The run.
        probabilities: (S, S), what its model says of the image in ``golden.safetensors``.
    """
    return KnownMask(
        run=run.fingerprint,
        model=run.config.settings.model,
        preprocessing=run.config.settings.preprocessing,
        threshold=MEASURED_AT,
        probabilities=tuple(map(tuple, _squares(probabilities).round(6).tolist())),
        pixels=_pixels(probabilities, run.golden[0].shape[:2], MEASURED_AT),
    )


def read_known_mask(run: SegmenterRun) -> KnownMask:
    """What `known_mask` made of the run when it was written.

    Raises:
        RunError: The file is missing, damaged, or another run's.
    """
    return read_of_run(run, FILE, KnownMask, REMEDY)


def _squares(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    side = len(probabilities) // SQUARES
    return np.asarray(probabilities.astype(np.float64).reshape(SQUARES, side, SQUARES, side).mean(axis=(1, 3)))


def _pixels(probabilities: NDArray[np.float32], frame: tuple[int, ...], threshold: float) -> dict[str, int]:
    raw = mask_at(probabilities, (frame[0], frame[1]), threshold)
    return {"clean": int(clean_up(raw).sum()), "raw": int(raw.sum())}


def _another(run: SegmenterRun, what: str) -> RunError:
    return RunError(f"Run {run.name} does not give its known answer: {what} from when it was written.", REMEDY)
