"""Changed test images: the same ones for every run, the change and nothing else, no lesion where there is none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesion_core.config import SplitSettings
from lesion_core.data.collection import collect
from lesion_core.data.corruptions import corrupted_images
from lesion_core.data.masks import read_mask
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.data.tables import CORRUPTED
from lesion_core.errors import ConfigError, DataError
from lesion_core.imaging.corruptions import CORRUPTIONS, SMALLEST_SKIN, bare_square, corrupt
from lesion_core.imaging.decode import decode

LESION = make_lesion("NV", seed=3, size=128)


@pytest.mark.parametrize("kind", [kind for kind, entry in CORRUPTIONS.items() if not entry.needs_mask])
def test_a_change_is_the_same_each_time_and_another_for_another_picture(kind: str) -> None:
    before = LESION.image.copy()
    first = corrupt(LESION.image, kind, "a")
    assert first.shape == before.shape and first.dtype == np.uint8 and (first != before).any()
    np.testing.assert_array_equal(first, corrupt(LESION.image, kind, "a"))
    np.testing.assert_array_equal(LESION.image, before)
    others = [corrupt(LESION.image, kind, str(i)) for i in range(6)]
    assert kind in ("out_of_focus", "compressed") or any((other != first).any() for other in others)


def largest_free_square(free: np.ndarray) -> int:
    """Side of the largest square of odd side inside `free`, by trying all."""
    best = 0
    for half in range(min(free.shape) // 2):
        side = 2 * half + 1
        fits = any(
            free[y : y + side, x : x + side].all()
            for y in range(free.shape[0] - side + 1)
            for x in range(free.shape[1] - side + 1)
        )
        best = side if fits else best
    return best


@pytest.mark.parametrize("seed", range(4))
def test_bare_skin_is_the_largest_square_without_lesion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((40, 56), bool)
    y, x = rng.integers(0, 30, 2)
    mask[y : y + 10, x : x + 14] = True
    image = np.full((*mask.shape, 3), 180, np.uint8)
    image[:, :4] = 5  # a dark corner is not a skin
    found = bare_square(image, mask)
    free = ~mask & (image.max(axis=2) > 60)
    assert found is not None
    top, left, side = found
    assert top >= 0 and left >= 0 and free[top : top + side, left : left + side].shape == (side, side)
    assert free[top : top + side, left : left + side].all() and side == largest_free_square(free)


def test_a_lesion_that_fills_the_picture_leaves_no_skin() -> None:
    mask = np.ones((50, 50), bool)
    mask[:, : round(SMALLEST_SKIN * 50) - 2] = False
    assert bare_square(np.full((50, 50, 3), 180, np.uint8), mask) is None
    with pytest.raises(DataError, match="too little skin"):
        corrupt(LESION.image, "bare_skin", "a")


def test_an_unknown_change_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="white_balance"):
        corrupt(LESION.image, "upside_down", "a")


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_mask_of_another_image_is_refused(kind: str) -> None:
    with pytest.raises(DataError, match="The mask is"):
        corrupt(LESION.image, kind, "a", np.zeros((3, 5), bool))


def test_near_pictures_are_of_test_alone_and_one_a_lesion(data_root: Path) -> None:
    collection = collect(data_root, SplitSettings(), corrupted_per_kind=5)
    table, corrupted = collection.table, collection.ood[collection.ood["source"] == CORRUPTED]
    assert set(corrupted["kind"]) == set(CORRUPTIONS)
    sizes, there = corrupted.groupby("kind").size(), table.loc[table["role"] == "test", "group"].nunique()
    assert (sizes.drop("bare_skin") == min(5, there)).all() and 1 <= sizes["bare_skin"] <= 5
    known = table.set_index("image_id").loc[corrupted["image_id"].str.split("/").str[1]]
    assert set(known["role"]) == {"test"} and (known["path"].to_numpy() == corrupted["path"].to_numpy()).all()
    assert (
        not pd.Series(known["group"].to_numpy())
        .groupby(corrupted["kind"].to_numpy())
        .apply(lambda groups: groups.duplicated().any())
        .any()
    )
    for row in corrupted[corrupted["kind"] == "bare_skin"].itertuples():
        image = decode(Path(row.path))
        side = corrupt(image, "bare_skin", "x", read_mask(Path(row.mask_path), image.shape[:2])).shape[0]
        assert side >= SMALLEST_SKIN * min(image.shape[:2])
    pd.testing.assert_frame_equal(corrupted_images(table, 5), corrupted.reset_index(drop=True), check_dtype=False)


def test_without_masks_there_is_no_bare_skin(data_root: Path) -> None:
    table = collect(data_root, SplitSettings()).table.assign(mask_path=None)
    assert set(corrupted_images(table, 3)["kind"]) == set(CORRUPTIONS) - {"bare_skin"}


def test_a_change_has_words() -> None:
    for entry in CORRUPTIONS.values():
        assert entry.plain.endswith(".") and dataclasses.is_dataclass(entry)
