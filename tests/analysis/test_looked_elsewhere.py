"""Which maps of a test set point away from the lesion, and in which order they are shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from lesion_core.analysis.attribution import looked_elsewhere

ROWS = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0.001, 1), st.booleans()),
    max_size=30,
)


@given(ROWS)
def test_only_maps_that_point_away_are_shown_the_furthest_first(rows: list[tuple[float, float, bool]]) -> None:
    table = pd.DataFrame(rows, columns=["inside", "area", "peak"]).astype(
        {"inside": float, "area": float, "peak": bool}
    )
    away = looked_elsewhere(table)
    assert not away["peak"].any() and (away["inside"] < 0.5).all()
    lift = (away["inside"] / away["area"]).to_numpy(np.float64)
    assert (np.diff(lift) >= 0).all()
    left_out = table.drop(away.index)
    assert (left_out["peak"] | (left_out["inside"] >= 0.5)).all()
