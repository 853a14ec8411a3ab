"""Whether a map stays where it was: by ranks that loops give, and along with pixels that move."""

from __future__ import annotations

import numpy as np
import pytest

from lesion_core.errors import DataError
from lesion_core.explain.maps import Attribution, Target
from lesion_core.explain.under_change import agreement_under_change, cell_means

SHAPE, BOX = (64, 96), (16.0, 0.0, 80.0, 64.0)


def made(raw: np.ndarray) -> Attribution:
    return Attribution(np.asarray(raw, np.float32), Target(0), "gradcam", "layer4", 64)


def literal_spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of mean ranks, which are counted one by one."""
    first, second = (
        np.array([sum(other < x for other in v) + (sum(other == x for other in v) - 1) / 2 for x in v])
        for v in (a.ravel(), b.ravel())
    )
    return float(np.corrcoef(first, second)[0, 1])


def test_it_is_the_rank_correlation_of_the_cells() -> None:
    rng = np.random.default_rng(0)
    for cells in (4, 7):
        a, b = np.round(rng.normal(size=(2, cells, cells)), 1)  # with ties
        found = agreement_under_change(made(a), made(b), SHAPE, (BOX, BOX))
        assert found == pytest.approx(literal_spearman(a, b))
    assert np.isnan(agreement_under_change(made(a), made(np.ones((7, 7))), SHAPE, (BOX, BOX)))
    with pytest.raises(DataError):
        agreement_under_change(made(a), made(np.ones((4, 4))), SHAPE, (BOX, BOX))


def test_a_map_that_moves_with_the_pixels_is_still_the_same() -> None:
    """The image turned by half: its map is turned too, and agrees only where the clean one is turned along."""
    raw = np.random.default_rng(1).normal(size=(4, 4))
    turned = made(raw[::-1, ::-1])
    boxes = BOX, BOX
    still = agreement_under_change(made(raw), turned, SHAPE, boxes)
    along = agreement_under_change(made(raw), turned, SHAPE, boxes, lambda array: array[::-1, ::-1])
    assert along == pytest.approx(1) and still < 0.9


def test_another_square_of_the_image_is_laid_where_it_is() -> None:
    """Evidence in the middle of the first square is all over a second one that is that middle, and not of a corner."""
    middle = np.zeros((8, 8))
    middle[2:6, 2:6] = 1 + np.random.default_rng(3).random((4, 4))
    clean, changed = made(middle), made(middle[2:6, 2:6])
    assert agreement_under_change(clean, changed, SHAPE, (BOX, (32.0, 16.0, 64.0, 48.0))) > 0.7
    assert agreement_under_change(clean, changed, SHAPE, (BOX, (16.0, 0.0, 48.0, 32.0))) < 0.3


def test_cells_are_means_of_their_pixels() -> None:
    field = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    found = cell_means(field, BOX, (4, 4))
    for row in range(4):
        for column in range(4):
            own = field[16 * row : 16 * (row + 1), 16 + 16 * column : 16 + 16 * (column + 1)]
            assert found[row, column] == pytest.approx(own.mean(), abs=1e-5)
