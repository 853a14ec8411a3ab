"""What dermoscopy looks like, in figures that are measured the same way on real and on synthetic images.

Measured at the sharpness, compression and size at which the shipped classifiers read an image. Colours are amounts of
the pigments that the synthetic lesions are painted with, so that what is measured can be drawn (`typical`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from lesion_core.config import Detail, Preprocessing, Resize
from lesion_core.data.synthetic.canvas import ABSORPTION, ALBEDO
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.preprocess import Pipeline

SIDE = 128
"""Pixels per side that an image is measured at."""
SEEN = Pipeline(Preprocessing(detail=Detail(enabled=True), resize=Resize(size=SIDE)))
SIGMAS = (0.8, 1.6, 3.2, 6.4, 12.8)
"""Where the octaves of the texture part: deviations of Gaussians, in pixels of `SIDE`."""
Measured = dict[str, NDArray[np.float64]]
_INVERSE = np.linalg.inv(ABSORPTION.T.astype(np.float64))
_RINGS = np.array([-0.3, -0.16, -0.09, -0.05, -0.025, -0.005, 0.01, 0.03, 0.06, 0.1, 0.16, 0.25])
"""Distances to the border, in short sides, positive inside."""


def pigments(image: Pixels) -> NDArray[np.float64]:
    """(3, H, W) melanin, blood and deep pigment that give the colours of an image (H, W, 3); light counts as pigment
    that is missing."""
    density = np.log(ALBEDO) - np.log(np.maximum(image, 4).astype(np.float64))
    return np.moveaxis(density @ _INVERSE.T, -1, 0)


def square_mask(mask: Mask) -> Mask:
    """A mask as `SEEN` shows its image: the middle square, `SIDE` pixels wide."""
    height, width = mask.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = 255 * mask[top : top + side, left : left + side].astype(np.uint8)
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA) > 127)


def measure(image: Pixels, mask: Mask) -> Measured | None:
    """The figures of one image; None where the frame has too little skin, or too little lesion, to measure.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (h, w) bool, of the same frame.

    Returns:
        `skin` (3,) pigments of the skin, `lesion` (3,) what the lesion has more, `texture` (2, 6, 3, 3) covariance of
        the pigments in each octave, fine to coarse, of skin and of lesion, once colour that depends on the distance to
        the border is taken away; and scalars: `area` (share of the square), `aspect`, `irregularity` (perimeter squared
        over 4 pi area), `softness` (distance from the border at which the lesion has half its contrast, short sides),
        `vignette` (log of how much darker the corners are).
    """
    return _measure(SEEN.apply(image), square_mask(mask))


def _measure(image: Pixels, mask: Mask) -> Measured | None:
    inside, outside = (cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in (mask, ~mask))
    distance = (inside - outside) / SIDE
    far, core = distance < -0.05, distance > 0.03
    if far.mean() < 0.04 or core.mean() < 0.01:
        return None
    found = pigments(image)
    skin = np.median(found[:, far], axis=1)
    ring = np.digitize(distance, _RINGS)
    middles = np.concatenate([[-0.4], (_RINGS[1:] + _RINGS[:-1]) / 2, [0.3]])
    there = [i for i in range(len(middles)) if (ring == i).sum() > 8]
    profile = np.array([found[:, ring == i].mean(1) for i in there]) - skin  # (rings, 3)
    flat = np.stack(
        [p - s - np.interp(distance, middles[there], row) for p, s, row in zip(found, skin, profile.T, strict=True)]
    )
    lesion = found[:, mask].mean(1) - skin
    along = profile @ lesion / max(float(lesion @ lesion), 1e-6)
    high = along[middles[there] > 0.05].mean() if (middles[there] > 0.05).any() else along[-1]
    where = middles[there]
    half = next((i for i in range(1, len(where)) if where[i] > -0.03 and along[i] >= high / 2 > along[i - 1]), None)
    rows, columns = np.nonzero(mask)
    contours = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    spread = np.linalg.eigvalsh(np.cov(np.stack([rows, columns])))
    y, x = np.mgrid[:SIDE, :SIDE] / ((SIDE - 1) / 2) - 1
    off = np.hypot(y, x)
    middle, corner = far & (off < 0.8), far & (off > 1.15)
    light = np.log(image.mean(-1) + 1)
    vignette = light[middle].mean() - light[corner].mean() if min(middle.sum(), corner.sum()) > 100 else np.nan
    return {
        "skin": skin,
        "lesion": lesion,
        "texture": np.stack([[np.cov(band[:, zone]) for band in octaves(flat)] for zone in (far, core)]),
        "area": np.array(mask.mean()),
        "aspect": np.sqrt(spread[0] / spread[1]),
        "irregularity": np.array(sum(cv2.arcLength(c, True) for c in contours) ** 2 / (4 * np.pi * mask.sum())),
        "softness": np.array(
            np.nan if half is None else np.interp(high / 2, along[half - 1 : half + 1], where[half - 1 : half + 1])
        ),
        "vignette": np.array(vignette),
    }


def octaves(planes: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """(3, H, W) parted by size of detail, fine to coarse; together they are the planes, but for their blur."""
    sigmas = (*SIGMAS, 2 * SIGMAS[-1])
    blurred = [planes, *(np.stack([cv2.GaussianBlur(p, (0, 0), s) for p in planes]) for s in sigmas)]
    return [fine - coarse for fine, coarse in pairwise(blurred)]


def _texture(zone: int, octave: int) -> Callable[[Measured], float]:
    """The log of the deviation of the pigments in two octaves."""
    return lambda m: float(np.log(np.trace(m["texture"][zone, octave : octave + 2].sum(0))) / 2)


FIGURES: dict[str, Callable[[Measured], float]] = {
    "skin, melanin": lambda m: float(m["skin"][0]),
    "skin, blood": lambda m: float(m["skin"][1]),
    "skin, deep pigment": lambda m: float(m["skin"][2]),
    "lesion, melanin added": lambda m: float(m["lesion"][0]),
    "lesion, blood added": lambda m: float(m["lesion"][1]),
    "lesion, deep pigment added": lambda m: float(m["lesion"][2]),
    "lesion, share of the square": lambda m: float(m["area"]),
    "lesion, short over long axis": lambda m: float(m["aspect"]),
    "lesion, irregularity of the border": lambda m: float(m["irregularity"]),
    "lesion, softness of the border": lambda m: float(m["softness"]),
    "vignette": lambda m: float(m["vignette"]),
    "skin, fine texture (log)": _texture(0, 0),
    "skin, middle texture (log)": _texture(0, 2),
    "skin, coarse texture (log)": _texture(0, 4),
    "lesion, fine texture (log)": _texture(1, 0),
    "lesion, middle texture (log)": _texture(1, 2),
    "lesion, coarse texture (log)": _texture(1, 4),
}
"""Figures of an image that are compared, by what a person reads."""


def table(measured: Sequence[Measured]) -> dict[str, NDArray[np.float64]]:
    """Each of `FIGURES` of some images, those that could be told."""
    rows = {name: np.array([figure(m) for m in measured]) for name, figure in FIGURES.items()}
    return {name: values[np.isfinite(values)] for name, values in rows.items()}


def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """How far apart two samples of a figure lie: the Wasserstein-1 distance in standard deviations of the second, so
    that 1 is a shift of everything by one deviation."""
    return float(wasserstein_distance(a, b) / max(float(np.std(b)), 1e-9))
