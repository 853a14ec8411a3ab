"""Noise: Gaussian, shot, impulse, speckle.

Noise is drawn on the grid of 224 along the short side and enlarged by nearest neighbour: drawn per pixel, it would lose
its effect on larger images, which a network averages down. Images smaller than the grid get noise per pixel, of the
deviation that is left of the grid's when it is averaged down to theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.artefacts import Rng
from lesion_core.imaging.changes.entry import EXTRA_OF_SAM_C, MEDMNIST_C, OF_SAM_C, Change, Changed, unit

QUANTILES = 1024
"""Steps of the table that Poisson counts are read from."""
LARGE_COUNT = 2000
"""From this mean on, a Poisson quantile is the normal one with its correction for skewness: right to half a count."""


def _drawn(image: Pixels, draw: Callable[[tuple[int, int, int]], NDArray[Any]]) -> tuple[NDArray[Any], float]:
    """A random array of the shape of the image, (H, W, 3), and the share of its deviation that a small image gets."""
    height, width = image.shape[:2]
    pitch = unit(image)
    if pitch <= 1:
        return draw((height, width, 3)), pitch
    grid = draw((round(height / pitch), round(width / pitch), 3))
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_NEAREST)), 1.0


def _normal(image: Pixels, rng: Rng) -> NDArray[np.float32]:
    field, share = _drawn(image, lambda shape: rng.standard_normal(shape, dtype=np.float32))
    return np.asarray(np.float32(share) * field, np.float32)


def gaussian(image: Pixels, deviation: float, rng: Rng) -> Pixels:
    """x + 255 N(0, deviation), each channel on its own; (H, W, 3) uint8."""
    noise = np.float32(255 * deviation) * _normal(image, rng)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def speckle(image: Pixels, deviation: float, rng: Rng) -> Pixels:
    """x + x N(0, deviation), each channel on its own; (H, W, 3) uint8."""
    factor = 1 + np.float32(deviation) * _normal(image, rng)
    return np.asarray(cv2.multiply(image, factor, dtype=cv2.CV_8U), np.uint8)


def impulse(image: Pixels, share: float, rng: Rng) -> Pixels:
    """A share of the values, not of the pixels, becomes 0 or 255, half of it each; (H, W, 3) uint8."""
    drawn, _ = _drawn(image, lambda shape: rng.random(shape, dtype=np.float32))
    salt, rest = drawn > 1 - share / 2, drawn >= share / 2
    return np.where(salt, np.uint8(255), image) * rest


def shot(image: Pixels, photons: float, rng: Rng) -> Pixels:
    """Poisson(c x) / c for values x from 0 to 1, where c photons make white; (H, W, 3) uint8.

    The counts are the quantiles of a uniform draw, so that fewer photons move each value further the same way, as far
    as whole counts allow.
    """
    rank, share = _drawn(image, lambda shape: rng.integers(QUANTILES, size=shape, dtype=np.uint16))
    index = image.astype(np.int32)
    index *= QUANTILES
    index += rank
    return _shot_table(photons / share**2).ravel().take(index)


@lru_cache(maxsize=16)
def _shot_table(photons: float) -> NDArray[np.uint8]:
    """(256, `QUANTILES`) uint8: a grey level by the level that it was and by the rank of its count."""
    share = (np.arange(QUANTILES) + 0.5) / QUANTILES
    mean = photons * np.arange(256) / 255
    counts = np.zeros((256, QUANTILES))
    if photons < LARGE_COUNT:
        k = np.arange(int(photons + 8 * np.sqrt(photons) + 12))
        log_factorial = np.cumsum(np.log(np.maximum(k, 1)))
        for level in range(1, 256):
            below = np.cumsum(np.exp(k * np.log(mean[level]) - mean[level] - log_factorial))
            counts[level] = np.searchsorted(below, share)
    else:
        z = np.array([NormalDist().inv_cdf(s) for s in share])
        counts = mean[:, None] + np.sqrt(mean)[:, None] * z + (z**2 - 1) / 6
        counts[0] = 0
    table = np.rint(np.clip(255 * counts / photons, 0, 255)).astype(np.uint8)
    table.flags.writeable = False
    return table


DEVIATIONS = (0.04, 0.08, 0.12, 0.18, 0.26)
PHOTONS = (60, 25, 18, 10, 5)
SHARES = (0.01, 0.03, 0.06, 0.09, 0.17)
SPECKLES = (0.05, 0.15, 0.2, 0.35, 0.45)
_GRAIN = "Drawn on a grid of 224 along the short side, so that it stays visible when a large image is reduced."

NOISE = (
    Change(
        key="gaussian_noise",
        name="Gaussian noise",
        group="noise",
        plain="Every value is a little too high or too low, as in a photograph taken in poor light.",
        source=f"{OF_SAM_C} {_GRAIN}",
        scale="Standard deviation 0.04, 0.08, 0.12, 0.18, 0.26 of the full range.",
        draw=lambda image, severity, rng: Changed(gaussian(image, DEVIATIONS[severity - 1], rng)),
    ),
    Change(
        key="shot_noise",
        name="Shot noise",
        group="noise",
        plain="Too few photons were counted, so that bright areas are grainy.",
        source=f"{OF_SAM_C} {_GRAIN} Counts are read from a table of 1,024 quantiles.",
        scale="60, 25, 18, 10, 5 photons at full white.",
        draw=lambda image, severity, rng: Changed(shot(image, PHOTONS[severity - 1], rng)),
    ),
    Change(
        key="impulse_noise",
        name="Impulse noise",
        group="noise",
        plain="Some values are lost: they are at their lowest or at their highest.",
        source=f"{OF_SAM_C} {_GRAIN}",
        scale="0.01, 0.03, 0.06, 0.09, 0.17 of the values, half of them 0 and half of them 255.",
        draw=lambda image, severity, rng: Changed(impulse(image, SHARES[severity - 1], rng)),
    ),
    Change(
        key="speckle_noise",
        name="Speckle noise",
        group="noise",
        plain="Every value is some per cent too high or too low, so that bright areas are grainier than dark ones.",
        source=f"{EXTRA_OF_SAM_C} {MEDMNIST_C}. {_GRAIN}",
        scale="Standard deviation 0.05, 0.15, 0.2, 0.35, 0.45 of the value itself.",
        draw=lambda image, severity, rng: Changed(speckle(image, SPECKLES[severity - 1], rng)),
    ),
)
