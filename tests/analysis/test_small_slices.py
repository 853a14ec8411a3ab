"""Slices that differ in nothing but chance, against the plain count and what probability theory says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom

from lesion_core.analysis.small_slices import random_slices
from lesion_core.errors import DataError


def test_the_draws_are_the_literal_ones() -> None:
    hits = np.arange(211) < 116
    found = random_slices(hits, 20, slices=3, draws=4, seed=0)
    rng = np.random.default_rng(0)
    for draw in range(4):
        shares = []
        for _ in range(3):
            chosen = rng.choice(211, 20, replace=False)
            assert len(set(chosen.tolist())) == 20
            shares.append(sum(bool(hits[i]) for i in chosen) / 20)
        assert found.shares[draw].tolist() == shares
        assert found.spreads[draw] == max(shares) - min(shares)


@pytest.mark.parametrize("size", [5, 50])
def test_a_slice_has_the_distribution_of_a_draw_without_replacement(size: int) -> None:
    hits = np.arange(100) < 60
    shares = random_slices(hits, size, slices=2, draws=1000).shares.ravel()
    law = hypergeom(100, 60, size)
    assert shares.mean() == pytest.approx(law.mean() / size, abs=4 * law.std() / size / np.sqrt(len(shares)))
    assert shares.std() == pytest.approx(law.std() / size, rel=0.1)


def test_larger_slices_lie_closer_and_the_whole_does_not_differ() -> None:
    hits = np.arange(60) < 30
    spreads = [random_slices(hits, size, draws=200).spread(0.5) for size in (5, 15, 40, 60)]
    assert spreads == sorted(spreads, reverse=True) and spreads[-1] == 0
    for size in (0, 61):
        with pytest.raises(DataError, match="cannot be drawn"):
            random_slices(hits, size)
