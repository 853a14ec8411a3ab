"""What the tests of pages share: no page sees what an earlier test cached."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st


@pytest.fixture(autouse=True)
def _fresh_caches() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def with_run(monkeypatch: pytest.MonkeyPatch, runs_root: Path, data_root: Path) -> None:
    """The dashboard has the small runs and the synthetic data."""
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.setenv("LESION_DATA", str(data_root))
