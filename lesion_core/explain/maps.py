"""The map of an explanation, and what it says about a lesion in numbers. No torch, so that pages can name both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesion_core.errors import DataError
from lesion_core.imaging.geometry import enlarge


@dataclass(frozen=True)
class Target:
    """The answer that is asked about.

    Attributes:
        index: Class index: its logit.
        against: Another class: the difference of the two logits, "why this and not that". None for the logit alone.
    """

    index: int
    against: int | None = None


@dataclass(frozen=True)
class Attribution:
    """A map of the evidence for an answer over the model's input square.

    Attributes:
        raw: (h, w) float32 at the method's own resolution; where the method is signed, the answer rises with what
            is positive.
        target: What was asked.
        method: Key of `METHODS`.
        layer: Name in `LAYERS`, None for methods that have none.
        size: Side of the model's input square in pixels.
        completeness_error: Of Integrated Gradients: how far the sum of the map is from the difference between the
            answers to image and baseline, as a share of it; None for other methods.
    """

    raw: NDArray[np.float32]
    target: Target
    method: str
    layer: str | None
    size: int
    completeness_error: float | None = None

    @property
    def maximum(self) -> float:
        """The largest positive evidence, in the map's own unit; a map scaled to itself hides that it is tiny."""
        return max(0.0, float(self.raw.max()))

    @property
    def upsampled(self) -> NDArray[np.float32]:
        """(size, size): the signed map, bilinear."""
        return self._resized(self.raw)

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """(size, size) in [0, 1]: the positive evidence, upsampled bilinearly and divided by its maximum;
        all zeros where nothing speaks for the answer."""
        upsampled = self._resized(np.maximum(self.raw, 0))
        peak = float(upsampled.max())
        return np.asarray(upsampled / peak if peak > 0 else upsampled, dtype=np.float32)

    def _resized(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        shape = self.size, self.size
        return values if values.shape == shape else enlarge(values, shape)


def _check(heatmap: NDArray[np.floating], mask: NDArray[np.bool_]) -> None:
    if heatmap.shape != mask.shape:
        raise DataError(
            f"A map of {heatmap.shape} and a mask of {mask.shape} do not show the same frame.",
            "Bring both to the image's size.",
        )


def energy_inside(heatmap: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """The share of a map's positive sum that lies inside a mask (the energy-based pointing game; Wang et al.,
    Score-CAM, CVPR Workshops 2020).

    Args:
        heatmap: (H, W); what is negative counts as 0.
        mask: (H, W) bool.

    Returns:
        In [0, 1]; 0 for an empty map.

    Raises:
        DataError: The shapes differ.
    """
    _check(heatmap, mask)
    positive = np.maximum(heatmap, 0)
    total = float(positive.sum(dtype=np.float64))
    return float(positive[mask].sum(dtype=np.float64)) / total if total > 0 else 0.0


def peak_inside(heatmap: NDArray[np.floating], mask: NDArray[np.bool_]) -> bool:
    """Whether a map's strongest point lies inside a mask (the pointing game; Zhang et al., ECCV 2016).

    An empty map points nowhere.

    Raises:
        DataError: The shapes differ.
    """
    _check(heatmap, mask)
    if not heatmap.max() > 0:
        return False
    return bool(mask.flat[int(heatmap.argmax())])
