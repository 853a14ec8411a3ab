"""The figures that synthetic and real dermoscopy are compared by, and how near the drawing is to HAM10000."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic import OCTAVES, compare, lesions
from lesion_core.data.synthetic.appearance import (
    FIGURES,
    SIDE,
    distance,
    measure,
    octaves,
    pigments,
    square_mask,
    table,
)
from lesion_core.data.synthetic.canvas import ABSORPTION, ALBEDO, texture
from lesion_core.data.synthetic.typical import typical
from lesion_core.labels import ISIC2019

NEAREST, MEAN = 1.3, 0.75
"""Largest distance of a figure, and mean distance, over diagnoses, in standard deviations of the real images."""


def painted(amounts: np.ndarray) -> np.ndarray:
    """An even image (SIDE, SIDE, 3) with amounts of the three pigments, by Beer and Lambert's law."""
    colour = ALBEDO * np.exp(-amounts @ ABSORPTION)
    return np.broadcast_to(np.round(colour), (SIDE, SIDE, 3)).astype(np.uint8)


def disc(radius: float, x: float = SIDE / 2) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.hypot(rows - SIDE / 2, columns - x) < radius


def test_pigments_are_those_that_were_painted() -> None:
    for amounts in np.random.default_rng(0).uniform(0, 0.6, (20, 3)):
        assert np.allclose(pigments(painted(amounts)).mean((1, 2)), amounts, atol=0.03)


def test_a_disc_measures_as_a_disc() -> None:
    skin, more = np.array([0.05, 0.2, 0.1]), np.array([0.5, 0.2, -0.05])
    mask = disc(30)
    image = np.where(mask[..., None], painted(skin + more), painted(skin))
    found = measure(image, mask)
    assert found is not None
    assert np.allclose(found["skin"], skin, atol=0.02) and np.allclose(found["lesion"], more, atol=0.06)
    assert float(found["area"]) == pytest.approx(np.pi * 30**2 / SIDE**2, rel=0.02)
    assert float(found["aspect"]) == pytest.approx(1, abs=0.02)
    assert float(found["irregularity"]) == pytest.approx(1, abs=0.25)
    assert abs(float(found["softness"])) < 0.02 and abs(float(found["vignette"])) < 0.01
    assert set(table([found])) == set(FIGURES)


def test_what_cannot_be_measured_is_left_out() -> None:
    image = painted(np.array([0.05, 0.2, 0.1]))
    assert measure(image, disc(200)) is None and measure(image, disc(2)) is None


def test_octaves_add_up_and_part_by_size() -> None:
    rng = np.random.default_rng(0)
    planes = rng.normal(0, 1, (3, SIDE, SIDE))
    bands = octaves(planes)
    assert len(bands) == OCTAVES
    strength = []
    for octave in range(OCTAVES):
        factors = np.zeros((OCTAVES, 3, 3))
        factors[octave] = np.eye(3)
        drawn = texture(np.random.default_rng(octave), (SIDE, SIDE), factors).astype(float)
        strength.append([band.var() for band in octaves(drawn)])
    assert (np.abs(np.argmax(strength, axis=1) - np.arange(OCTAVES)) <= 1).all(), "an octave is measured where it is"


def test_the_mask_is_cut_as_the_image_is() -> None:
    mask = np.zeros((100, 200), bool)
    mask[:, 50:150] = True
    assert square_mask(mask).all() and not square_mask(~mask).any()


def test_distance_is_in_deviations_of_the_real_ones() -> None:
    real = np.random.default_rng(0).normal(0, 3, 4000)
    assert distance(real, real) == 0 and distance(real + 6, real) == pytest.approx(2, abs=0.1)


def test_typical_figures_are_of_every_diagnosis() -> None:
    for code in ISIC2019:
        t = typical(code)
        assert t.colour.shape == (6,) and t.colour_spread.shape == (6, 6) and t.texture.shape == (2, OCTAVES, 3, 3)
        assert np.allclose(t.colour_spread, np.tril(t.colour_spread))


@pytest.mark.real
@pytest.mark.slow
def test_figures_are_near_those_of_ham10000() -> None:
    """Against images that nothing was fitted to, on seeds that nothing was tuned on."""
    if not (root := os.environ.get("LESION_DATA")):
        pytest.skip("LESION_DATA is not set")
    found = compare(lesions(96, 910_000), Path(root), most=30)
    assert found["distance"].max() < NEAREST, found.round(2)
    assert found["distance"].mean() < MEAN, found.round(2)
