"""What a mask says of its lesion, on shapes whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from lesion_core.errors import ImageError
from lesion_core.imaging.lesion import clean_up, shape_of, suggested_crop
from tests import literal


def ellipse(axes: tuple[int, int], angle: float = 0, size: int = 200, at: tuple[int, int] = (100, 100)) -> np.ndarray:
    canvas = np.zeros((size, size), np.uint8)
    return cv2.ellipse(canvas, at, axes, angle, 0, 360, 1, -1) > 0


def painted(
    mask: np.ndarray, skin: tuple[int, int, int] = (220, 180, 160), lesion: tuple[int, int, int] = (90, 60, 50)
) -> np.ndarray:
    return np.where(mask[:, :, None], np.array(lesion, np.uint8), np.array(skin, np.uint8))


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_clean_up_keeps_the_largest_part_and_fills_it(mask: np.ndarray) -> None:
    found = clean_up(mask)
    if not mask.any():
        assert not found.any()
        return
    assert found.sum() >= 1 and (clean_up(found) == found).all(), "a second time changes nothing"
    sizes = np.bincount(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1].ravel())[1:]
    if (sizes == sizes.max()).sum() == 1:
        assert (found == literal.clean_up(mask)).all()


def test_the_suggested_crop_is_a_square_with_skin_around_it() -> None:
    mask = np.zeros((100, 200), bool)
    mask[40:60, 90:110] = True
    assert suggested_crop(mask) == (87.0, 37.0, 113.0, 63.0)


def test_the_suggested_crop_stays_inside_the_picture() -> None:
    mask = np.zeros((100, 200), bool)
    mask[0:30, 180:200] = True
    x0, y0, x1, y1 = suggested_crop(mask) or (0, 0, 0, 0)
    assert (y0, x1) == (0.0, 200.0) and x1 - x0 == pytest.approx(39) and y1 - y0 == pytest.approx(39)
    mask[:] = True
    assert suggested_crop(mask) == (0.0, 0.0, 200.0, 100.0)
    assert suggested_crop(np.zeros((5, 5), bool)) is None


def test_a_disc_is_round_full_and_symmetric() -> None:
    mask = ellipse((60, 60))
    shape = shape_of(mask, painted(mask))
    assert shape is not None
    assert shape.area == pytest.approx(np.pi * 60**2 / 200**2, rel=0.03)
    assert shape.irregularity == pytest.approx(1, abs=0.03)
    assert shape.solidity > 0.98 and shape.asymmetry < 0.03 and not shape.touches_edge
    assert shape.variegation == pytest.approx(0, abs=1e-3)
    lab = cv2.cvtColor(np.array([[(220, 180, 160), (90, 60, 50)]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    assert shape.contrast == pytest.approx(float(np.linalg.norm(lab[0] - lab[1])), rel=1e-3)


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 131])
def test_a_turned_ellipse_is_as_symmetric_and_as_ragged_as_a_straight_one(angle: float) -> None:
    mask = ellipse((70, 35), angle)
    shape = shape_of(mask, painted(mask))
    assert shape is not None and shape.asymmetry < 0.05 and shape.solidity > 0.97
    # Ramanujan's perimeter of an ellipse.
    a, b = 70.5, 35.5
    perimeter = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
    assert shape.irregularity == pytest.approx(perimeter**2 / (4 * np.pi * np.pi * a * b), rel=0.05)


def test_a_notch_and_a_bite_show() -> None:
    whole = ellipse((60, 60))
    bitten = whole & ~ellipse((40, 40), at=(150, 70))
    plain, shape = shape_of(whole, painted(whole)), shape_of(bitten, painted(bitten))
    assert plain is not None and shape is not None
    assert shape.asymmetry > plain.asymmetry + 0.05
    assert shape.solidity < plain.solidity - 0.05 and shape.irregularity > plain.irregularity + 0.1


def test_a_lesion_that_runs_out_of_the_picture_is_told() -> None:
    mask = ellipse((60, 60), at=(10, 100))
    shape = shape_of(mask, painted(mask))
    assert shape is not None and shape.touches_edge


def test_a_picture_without_skin_has_no_contrast() -> None:
    mask = np.ones((20, 30), bool)
    shape = shape_of(mask, painted(mask))
    assert shape is not None and np.isnan(shape.contrast) and shape.area == 1


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_any_mask_has_a_shape_in_range(mask: np.ndarray) -> None:
    mask = clean_up(mask)
    shape = shape_of(mask, np.full((*mask.shape, 3), 128, np.uint8))
    if shape is None:
        assert not mask.any()
        return
    assert 0 < shape.area <= 1 and shape.irregularity >= 1 and 0 <= shape.solidity <= 1 + 1e-9
    assert 0 <= shape.asymmetry <= 1 and shape.variegation >= 0


def test_a_mask_of_another_frame_is_refused() -> None:
    with pytest.raises(ImageError, match="does not fit"):
        shape_of(np.ones((4, 5), bool), np.zeros((5, 4, 3), np.uint8))


def test_a_large_picture_is_measured_as_fast_and_like_a_small_one() -> None:
    small = ellipse((60, 40), 20)
    large = cv2.resize(small.astype(np.uint8), (4000, 4000), interpolation=cv2.INTER_NEAREST) > 0
    a, b = shape_of(small, painted(small)), shape_of(large, painted(large))
    assert a is not None and b is not None
    assert b.area == pytest.approx(a.area, rel=1e-3)
    for name in ("irregularity", "solidity", "asymmetry", "contrast", "variegation"):
        assert getattr(b, name) == pytest.approx(getattr(a, name), rel=0.03, abs=0.03), name


def test_a_mask_too_thin_to_be_reduced_is_measured_as_it_is() -> None:
    mask = np.zeros((2000, 3), bool)
    mask[:, 1] = True
    assert shape_of(mask, painted(mask)) is not None


def test_asymmetry_is_the_mean_over_both_axes() -> None:
    """A half disc mirrors itself across one axis only, so mean and maximum are far apart."""
    mask = ellipse((70, 70))
    mask[:, :100] = False
    shape = shape_of(mask, painted(mask))
    rows, columns = np.nonzero(mask)
    outside = []
    for points, centre in ((rows, rows.mean()), (columns, columns.mean())):
        mirrored = np.rint(2 * centre - points).astype(int)
        pair = (mirrored, columns) if points is rows else (rows, mirrored)
        inside = [0 <= y < 200 and 0 <= x < 200 and mask[y, x] for y, x in zip(*pair, strict=True)]
        outside.append(1 - np.mean(inside))
    assert min(outside) < 0.03 and max(outside) > 0.1
    assert shape is not None and shape.asymmetry == pytest.approx(np.mean(outside), abs=0.02)


def test_colours_are_measured_by_their_means() -> None:
    """Half of the lesion and half of the skin are of another colour: no pixel has the mean of either."""
    mask = ellipse((50, 50))
    image = painted(mask)
    left = np.arange(200)[None, :] < 100
    image[mask & left], image[~mask & left] = (150, 110, 90), (235, 205, 190)
    shape = shape_of(mask, image)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).astype(float)
    lesion = [lab[y, x] for y, x in np.argwhere(mask)]
    ring = ellipse((50 + 13, 50 + 13)) & ~mask  # 0.15 of the lesion's root area is 13 pixels
    skin = [lab[y, x] for y, x in np.argwhere(ring)]
    middle = sum(lesion) / len(lesion)
    spread = (sum(((colour - middle) ** 2).sum() for colour in lesion) / len(lesion)) ** 0.5
    assert shape is not None and shape.variegation == pytest.approx(spread, rel=1e-4)
    assert shape.contrast == pytest.approx(float(np.linalg.norm(middle - sum(skin) / len(skin))), rel=0.02)
