"""What a map says about a lesion."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lesion_core.errors import DataError
from lesion_core.explain.maps import Attribution, Target, energy_inside, peak_inside


def test_energy_by_hand() -> None:
    heat = np.array([[1.0, 3.0], [0.0, -5.0]])
    mask = np.array([[False, True], [False, True]])
    assert energy_inside(heat, mask) == 0.75
    assert peak_inside(heat, mask)
    assert not peak_inside(heat, ~mask)


def test_an_empty_map_is_nowhere() -> None:
    mask = np.ones((3, 3), dtype=bool)
    assert energy_inside(np.zeros((3, 3)), mask) == 0
    assert not peak_inside(np.zeros((3, 3)), mask)


@given(arrays(np.float64, (5, 7), elements=st.floats(0, 10)), arrays(np.bool_, (5, 7)))
def test_inside_and_outside_make_all(heat: np.ndarray, mask: np.ndarray) -> None:
    total = energy_inside(heat, mask) + energy_inside(heat, ~mask)
    assert total == pytest.approx(1.0 if heat.sum() > 0 else 0.0)
    assert energy_inside(heat, np.ones_like(mask)) == pytest.approx(1.0 if heat.sum() > 0 else 0.0)


def test_another_frame_is_refused() -> None:
    with pytest.raises(DataError, match="not show the same frame"):
        energy_inside(np.zeros((2, 2)), np.zeros((2, 3), dtype=bool))


@pytest.mark.parametrize(("cells", "size"), [(1, 8), (4, 128), (7, 224), (12, 384), (16, 10), (32, 32)])
def test_a_map_is_enlarged_as_torch_does(cells: int, size: int) -> None:
    raw = np.random.default_rng(cells).normal(size=(cells, cells)).astype(np.float32)
    bilinear = torch.nn.functional.interpolate(torch.from_numpy(raw)[None, None], (size, size), mode="bilinear")
    found = Attribution(raw, Target(0), "gradcam", "layer4", size)
    assert found.upsampled.dtype == np.float32
    np.testing.assert_allclose(found.upsampled, bilinear[0, 0].numpy(), atol=1e-5)
