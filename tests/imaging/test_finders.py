"""Finders of artefacts, on images made by code with artefacts drawn by code."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_core.analysis.ranking import auroc, ones, rank
from lesion_core.errors import ConfigError, ImageError
from lesion_core.imaging.artefacts import add_artefact, noise, step
from lesion_core.imaging.finders.registry import FINDERS, find_artefact

DRAWN = {"dark_corner": "dark_corner", "hair": "hair", "ruler": "ruler", "ink": "ink", "gel_bubble": "bubbles"}
"""The finders whose artefact `add_artefact` draws."""


def skin(seed: int, height: int = 225, width: int = 300) -> np.ndarray:
    """Skin of some tone and texture with a brown lesion in the middle."""
    rng = np.random.default_rng([7, seed])
    tone = np.array([205.0, 160.0, 140.0]) * rng.uniform(0.75, 1.1)
    texture = 1 + 0.03 * noise(rng, (height, width), 8, 4)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    far = np.hypot((x - width / 2) / width, (y - height / 2) / height) + 0.02 * noise(rng, (height, width), 6, 2)
    size = rng.uniform(0.1, 0.25)
    lesion = step(far, size + 0.03, size - 0.03)
    image = tone * texture[..., None] * (1 - lesion[..., None] * np.array([0.45, 0.6, 0.65]))
    return np.clip(image, 0, 255).astype(np.uint8)


def with_patch(image: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A round sticker of a vivid colour that the right or the left side cuts off."""
    height, width = image.shape[:2]
    rng = np.random.default_rng([8, seed])
    canvas = np.zeros((height, width), np.uint8)
    centre = int(rng.choice([0, width])), int(rng.uniform(0.25, 0.75) * height)
    cv2.circle(canvas, centre, int(rng.uniform(0.15, 0.3) * height), 255, -1, cv2.LINE_AA)
    colour = np.array([(20, 120, 220), (240, 210, 40), (40, 170, 160), (230, 110, 20), (220, 30, 40)])[seed % 5]
    alpha = canvas[..., None] / 255
    return (image * (1 - alpha) + alpha * colour + 0.5).astype(np.uint8), canvas > 127


def with_border(image: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gel over a part of the image: a little brighter inside of a smooth outline."""
    height, width = image.shape[:2]
    rng = np.random.default_rng([9, seed])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    far = np.hypot((x - width * rng.uniform(0.45, 0.55)) / width, (y - height * rng.uniform(0.45, 0.55)) / height)
    inside = step(far, 0.425, 0.41)
    line = np.abs(far - 0.4175) < 0.02
    return np.clip(image * (1 + 0.14 * inside[..., None]), 0, 255).astype(np.uint8), line


def drawn(image: np.ndarray, key: str, seed: int, strength: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """The image with the artefact of a finder, and where it is."""
    if key in DRAWN:
        return add_artefact(image, DRAWN[key], seed, strength)
    return (with_patch if key == "patches" else with_border)(image, seed)


@pytest.mark.parametrize("key", FINDERS)
def test_what_is_there_scores_higher_than_what_is_not(key: str) -> None:
    images = [skin(seed) for seed in range(20)]
    without = np.array([find_artefact(image, key).score for image in images])
    having = np.array([find_artefact(drawn(image, key, i)[0], key).score for i, image in enumerate(images)])
    scores = np.concatenate([having, without])
    area = auroc(rank(np.arange(40) < 20, scores), ones(40))[0]
    assert area >= 0.9, f"{key}: drawn {having.round(2)}, not drawn {without.round(2)}"
    assert (having >= without).mean() >= 0.9


@pytest.mark.parametrize("key", FINDERS)
def test_the_mask_lies_where_it_was_drawn(key: str) -> None:
    shares, areas = [], []
    for seed in range(10):
        image, where = drawn(skin(seed), key, seed, 0.8)
        mask = find_artefact(image, key).mask
        near = cv2.dilate(where.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        if mask.any():
            shares.append((mask & near).sum() / mask.sum())
            areas.append(near.mean())
    assert len(shares) >= 8, "nothing was marked in several images"
    assert np.mean(shares) > 0.5 and np.mean(shares) > 1.5 * np.mean(areas)


@pytest.mark.parametrize("key", FINDERS)
@pytest.mark.parametrize("value", [0, 3, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (31, 200), (32, 33), (97, 151), (33, 900), (300, 225)])
def test_nothing_is_in_an_even_image_of_any_shape(key: str, value: int, shape: tuple[int, int]) -> None:
    found = find_artefact(np.full((*shape, 3), value, np.uint8), key)
    assert found.score < 0.05
    assert found.mask.shape == shape and found.mask.dtype == np.bool_ and not found.mask.any()


@pytest.mark.parametrize("key", FINDERS)
def test_gray_and_dark_images_are_looked_at(key: str) -> None:
    colour = drawn(skin(3), "hair", 3)[0]
    gray = np.repeat(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    for image in (gray, colour // 8, 255 - colour):
        found = find_artefact(image, key)
        assert 0 <= found.score <= 1 and found.mask.shape == image.shape[:2]
    if key in ("ink", "patches"):
        assert find_artefact(gray, key).score < 0.05, "a gray image has no colours"


@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 2**31),
    key=st.sampled_from(sorted(FINDERS)),
)
@settings(max_examples=40, deadline=None)
def test_any_pixels_give_a_score_and_a_mask(shape: tuple[int, int], seed: int, key: str) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = image.copy()
    found, again = find_artefact(image, key), find_artefact(image, key)
    assert np.array_equal(image, before), "the image that was given has changed"
    assert 0 <= found.score <= 1 and found.mask.shape == shape and found.mask.dtype == np.bool_
    assert found.score == again.score and np.array_equal(found.mask, again.mask)


@pytest.mark.parametrize("key", FINDERS)
def test_the_size_of_the_file_matters_little(key: str) -> None:
    small, large = ([find_artefact(drawn(skin(s, n, n), key, s)[0], key).score for s in range(8)] for n in (256, 512))
    assert np.mean(small) == pytest.approx(np.mean(large), abs=0.15)


def test_bad_arguments() -> None:
    image = skin(0)
    with pytest.raises(ConfigError, match=r"'fog'.*dark_corner, hair, gel_border, gel_bubble, ruler, ink, patches"):
        find_artefact(image, "fog")
    for bad in (image[..., 0], image.astype(np.float32), np.dstack([image, image[..., :1]]), image[:0]):
        with pytest.raises(ImageError, match=r"not an RGB image"):
            find_artefact(bad, "hair")


def data_folder() -> Path:
    if not (root := os.environ.get("LESION_DATA")):
        pytest.skip("LESION_DATA is not set")
    return Path(root)


MEASURED = {
    "dark_corner": 0.973,
    "hair": 0.766,
    "gel_border": 0.676,
    "gel_bubble": 0.725,
    "ruler": 0.908,
    "ink": 0.869,
    "patches": 0.934,
}
"""AUROC against the labels by hand on all 1,065 held-out images, as `docs/results.md` has them."""

MARGIN = 0.08
"""An eighth of the images is 134, of which 7 to 77 show the artefact: that alone moves an AUROC by 0.05."""


@pytest.mark.real
@pytest.mark.slow
def test_finders_agree_with_labels_by_hand_as_well_as_measured() -> None:
    from benchmarks.artefacts import held_out_images, measured, scored

    table = held_out_images(data_folder(), every=8)
    if table is None or table.empty:
        pytest.skip("the data folder has no labels of artefacts")
    found = measured(table, scored(table)[0]).set_index("artefact")
    low = {
        key: round(found.loc[key, "value"], 3) for key in FINDERS if found.loc[key, "value"] < MEASURED[key] - MARGIN
    }
    assert not low, f"{low} are under what was measured by more than {MARGIN}"
