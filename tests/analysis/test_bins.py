"""Bins: exact at their edges, whatever the scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesion_core.analysis.bins import MOST, bin_edges, binned
from lesion_core.errors import ConfigError, DataError


@settings(max_examples=60)
@given(st.lists(st.integers(-9, 9).map(float), min_size=1, max_size=60), st.integers(2, 40), st.integers(0, 99))
def test_what_an_edge_keeps_is_what_a_threshold_keeps(scores, bins, seed):
    s = np.array(scores)
    right = np.random.default_rng(seed).random(len(s)) < 0.6
    for edges in (bin_edges(s, bins), np.unique(s)):
        table = binned(s, {"right": right, "wrong": ~right}, edges)
        assert sum(c.sum() for c in table.counts.values()) == len(s)
        for i, edge in enumerate(edges):
            assert table.kept["right"][i] == (right & (s <= edge)).sum() == table.kept_at(edge)["right"]
        assert table.kept_at(np.inf) == {"right": right.sum(), "wrong": (~right).sum()}
        assert table.kept_at(edges[0] - 1e-9) == {"right": 0, "wrong": 0}


def test_edges():
    rng = np.random.default_rng(0)
    edges = bin_edges(np.append(rng.normal(0, 1, 10000), 1e6), 200)
    assert len(edges) == 199 and edges[-1] < 4 and np.allclose(np.diff(edges), edges[1] - edges[0])
    assert binned([1e6], {"far": [True]}, edges).counts["far"][-1] == 1
    assert bin_edges([2.0, 2.0], 3).tolist() == [1.5, 2.5]


def test_bad_input_is_refused():
    for bins in (1, MOST + 1):
        with pytest.raises(ConfigError, match="bins"):
            bin_edges([1.0], bins)
    for edges in ([], [1.0, 1.0], [2.0, 1.0], np.arange(MOST + 0.0)):
        with pytest.raises(ConfigError, match="Edges"):
            binned([1.0], {}, edges)
    for bad in (np.nan, np.inf):
        with pytest.raises(DataError, match="1 of 2 binned"):
            binned([1.0, bad], {}, [0.0])
    with pytest.raises(DataError, match="fit 1 scores"):
        binned([1.0], {"x": [True, False]}, [0.0])
    with pytest.raises(DataError):
        bin_edges([])
