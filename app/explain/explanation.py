"""How a map is drawn: on one scale with those beside it, one-sided or signed, laid on the image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.explain.maps import Attribution
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.geometry import to_original
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.runs.classifier import Run

Field = NDArray[np.float32]

BLUE, VERMILION = (0, 84, 147), (196, 72, 0)
"""Against and for: the ends of a scale that is white in the middle."""
ROBUST = 99.5
"""Percentile that a map of single pixels is scaled to: its one largest pixel would leave the rest dark."""


def peak(attribution: Attribution, *, signed: bool) -> float:
    """What one end of the colour scale stands for if the map has a scale of its own; 0 for an empty map."""
    values = np.abs(attribution.raw) if signed else np.maximum(attribution.raw, 0)
    robust = float(np.percentile(values, ROBUST)) if max(values.shape) == attribution.size else 0.0
    return robust or float(values.max())  # evidence on less than the rest of the percentile is not an empty map


def spread(attribution: Attribution, *, signed: bool) -> float:
    """The mean evidence of a pixel, for or, if signed, for and against: maps of other units are compared in it."""
    values = attribution.upsampled
    return float((np.abs(values) if signed else np.maximum(values, 0)).mean())


def lay(attribution: Attribution, run: Run, image: Pixels, scale: float) -> Field:
    """The map on the whole image, (H, W) in [-1, 1], 0 outside of what the model saw.

    Args:
        attribution: The map.
        run: Whose preprocessing says what the model saw.
        image: (H, W, 3) uint8.
        scale: The value that becomes 1; 0 gives an empty map.
    """
    values = attribution.upsampled / scale if scale > 0 else np.zeros_like(attribution.upsampled)
    box = Pipeline(run.config.settings.preprocessing).frame(image)
    return to_original(np.clip(values, -1, 1), image.shape, box)


def painted(image: Pixels, values: NDArray[np.floating], opacity: float, *, signed: bool = False) -> Pixels:
    """A map over an image: viridis for what supports the answer; signed, orange-red supports it, blue counts against.

    Args:
        image: (H, W, 3) uint8 RGB.
        values: (H, W) in [-1, 1].
        opacity: In [0, 1], where the map is strongest.
        signed: Show the negative side too.
    """
    if signed:
        ends = np.where(values[..., None] > 0, np.array(VERMILION), np.array(BLUE))
        coloured = np.asarray(255 + (ends - 255.0) * np.abs(values)[..., None], np.float64)
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # so that hue is the map's
        return _blend(grey, coloured, np.asarray(opacity, np.float64))
    positive = np.clip(values, 0, 1)
    bgr = cv2.applyColorMap(np.round(255 * positive).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    coloured = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.float64)
    return _blend(image, coloured, np.asarray(opacity * np.sqrt(positive)[..., None], np.float64))


def _blend(ground: cv2.typing.MatLike, colour: NDArray[np.float64], weight: NDArray[np.float64]) -> Pixels:
    return np.asarray(np.round(ground * (1 - weight) + colour * weight), np.uint8)


def paled(image: Pixels, run: Run) -> Pixels:
    """The image, pale where the model was not shown it."""
    x0, y0, x1, y1 = Pipeline(run.config.settings.preprocessing).frame(image)
    seen = np.zeros(image.shape[:2], dtype=bool)
    seen[max(0, round(y0)) : round(y1), max(0, round(x0)) : round(x1)] = True
    return np.where(seen[..., None], image, np.uint8(170) + image // 3).astype(np.uint8)


def over(run: Run, image: Pixels, attribution: Attribution, opacity: float) -> Pixels:
    """The image under one map, scaled to itself; what the model was not shown is pale."""
    values = lay(attribution, run, image, peak(attribution, signed=False))
    return painted(paled(image, run), values, opacity)


def scale_bar(signed: bool) -> Pixels:
    """The colours from one end to the other, (8, 256, 3)."""
    ramp = np.linspace(-1 if signed else 0, 1, 256, dtype=np.float32)[None].repeat(8, axis=0)
    return painted(np.full((8, 256, 3), 255, np.uint8), ramp, 1.0, signed=signed)
