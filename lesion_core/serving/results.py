"""What a model says of one image. No torch, so that a page can name it before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lesion_core.imaging.geometry import enlarge
from lesion_core.imaging.lesion import clean_up, mask_at
from lesion_core.ood.model_outputs import Outputs
from lesion_core.ood.policy import Decision

UNASKED = "No rejection policy was asked about this image, so nothing was rejected."
"""The reason of an answer that only the model gave; `ood.rejector.Rejector` asks a policy."""


@dataclass(frozen=True)
class Prediction:
    """What a run says of one image.

    Attributes:
        classes: Class codes.
        logits: (K,) float32.
        probabilities: (K,) after the run's temperature, summing to 1.
        outputs: Logits and reduced features, one row: what OOD scores are computed from.
        maps: (K, h, w) float32, Grad-CAM of every class at the last layer, signed: they come with the prediction.
        milliseconds: Processor time in the model; waiting, and what others compute meanwhile, is not counted.
        decision: Whether a policy rejects the image, and why; None where none was asked: the model knows of none.
    """

    classes: tuple[str, ...]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    outputs: Outputs
    maps: NDArray[np.float32]
    milliseconds: float
    decision: Decision | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays, for who keeps many."""
        kept = (self.logits, self.probabilities, self.maps, *vars(self.outputs).values())
        return sum(array.nbytes for array in kept)

    @property
    def code(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def reason(self) -> str:
        """Why it is rejected, or why not; where no policy was asked, that it was not."""
        return UNASKED if self.decision is None else self.decision.reason

    @property
    def confidence(self) -> float:
        """Its probability."""
        return float(self.probabilities.max())


@dataclass(frozen=True)
class Segmentation:
    """What a segmenter found on one image.

    Attributes:
        probabilities: (S, S) float32 of the network's square, which is the whole frame.
        shape: Height and width of the image.
        milliseconds: Processor time in the model; waiting, and what others compute meanwhile, is not counted.
    """

    probabilities: NDArray[np.float32]
    shape: tuple[int, int]
    milliseconds: float

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays, for who keeps many."""
        height, width = self.shape
        return self.probabilities.nbytes + height * width  # of `lesion`

    def heat(self) -> NDArray[np.float32]:
        """The probability of each pixel of the image, (H, W) float32 in [0, 1]."""
        return enlarge(self.probabilities, self.shape)

    @cached_property
    def lesion(self) -> NDArray[np.bool_]:
        """`mask` as it is made by default, made once; for reading only."""
        found = self.mask()
        found.flags.writeable = False
        return found

    def mask(self, threshold: float = 0.5, *, clean: bool = True) -> NDArray[np.bool_]:
        """The mask in the image's frame, (H, W): probability at or over the threshold.

        Args:
            threshold: In [0, 1].
            clean: Keep the largest part only, with its holes filled.
        """
        raw = mask_at(self.probabilities, self.shape, threshold)
        return clean_up(raw) if clean else raw
