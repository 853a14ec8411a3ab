"""Everything that is computed once for all visitors: the only place with st.cache_*.

Models are resources, loaded on first use. Everything else is data, keyed by the run's fingerprint and the
picture's content, and bounded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.state import OOD_SAMPLES, data_root, runs_root
from lesion_core.data.catalog import Catalog, discover, read, training_table
from lesion_core.data.samples import Picture, Sample, load, real_samples, stranger_samples, synthetic_samples
from lesion_core.errors import RunError
from lesion_core.imaging.decode import content_hash
from lesion_core.runs import Run, list_runs

if TYPE_CHECKING:
    from lesion_core.engine import Engine, Prediction
    from lesion_core.explain.gradcam import Attribution

Pixels = NDArray[np.uint8]
BY_CONTENT = {np.ndarray: content_hash}


def runs() -> tuple[list[Run], dict[str, RunError]]:
    """All runs, and the folders that cannot be opened with the reason. A new run appears within a minute."""
    return _runs(runs_root())


@st.cache_resource(ttl=60, show_spinner=False)
def _runs(root: Path) -> tuple[list[Run], dict[str, RunError]]:
    return list_runs(root)


def run(name: str) -> Run:
    """The run of a name.

    Raises:
        RunError: There is none.
    """
    found, broken = runs()
    for candidate in found:
        if candidate.name == name:
            return candidate
    if name in broken:
        raise broken[name]
    raise RunError(f"There is no run '{name}'.", "Choose one in the sidebar.")


def data_sets() -> dict[str, Path]:
    """The data sets that are on this machine: layout to folder; empty where there is no data folder."""
    root = data_root()
    return _discover(root) if root else {}


@st.cache_data(show_spinner=False, max_entries=4)
def _discover(root: Path) -> dict[str, Path]:
    return discover(root)


@st.cache_data(show_spinner="Reading the tables …", max_entries=8)
def catalog(layout: str, root: Path) -> Catalog:
    """A data set's table."""
    return read(layout, root)


@st.cache_data(show_spinner="Reading the tables …", max_entries=2)
def _training_table(root: Path) -> pd.DataFrame:
    return training_table(root).table


@st.cache_data(show_spinner=False, max_entries=8)
def samples(fingerprint: str | None, run_name: str | None, root: Path | None) -> dict[str, Sample]:
    """Samples by id: real ones of the run's test split where the data is, synthetic lesions, strangers.

    Args:
        fingerprint: The run's; the samples change with it.
        run_name: Its name; without a run there are no real samples.
        root: The data folder, if there is one.
    """
    found: list[Sample] = []
    if run_name and root:
        table = _training_table(root)
        test = run(run_name).part("test")
        rows = table[table["image_id"].isin(test["image_id"]) & table["path"].notna()]
        # As many of each diagnosis, those with a mask first, so that a list of real pictures is no list of nevi.
        rows = rows.sort_values(["mask_path", "image_id"]).groupby("diagnosis", sort=False).head(6)
        found += real_samples(rows)
    found += synthetic_samples()
    found += stranger_samples(OOD_SAMPLES)
    return {sample.id: sample for sample in found}


@st.cache_data(show_spinner=False, max_entries=8)
def all_real_samples(root: Path) -> dict[str, Sample]:
    """Every picture of the data folder by id, for links to any of them."""
    return {sample.id: sample for sample in real_samples(_training_table(root))}


@st.cache_data(show_spinner=False, max_entries=256)
def picture(sample: Sample) -> Picture:
    """A sample's pixels and mask."""
    return load(sample)


# The engine imports torch; the pages of tables open without it.


@st.cache_resource(show_spinner="Loading the model …", max_entries=4)
def _engine(folder: Path, fingerprint: str) -> Engine:  # noqa: ARG001 (a retrained run is another engine)
    from lesion_core.engine import Engine

    return Engine.open(folder)


def engine(name: str) -> Engine:
    """The run's model, loaded on first use, one for all visitors."""
    found = run(name)
    return _engine(found.folder, found.fingerprint)


@st.cache_data(show_spinner=False, max_entries=2048, hash_funcs=BY_CONTENT)
def _predict(name: str, fingerprint: str, image: Pixels) -> Prediction:  # noqa: ARG001
    return engine(name).predict(image)


def predict(name: str, image: Pixels) -> Prediction:
    """What the run says of a picture."""
    return _predict(name, run(name).fingerprint, image)


@st.cache_data(show_spinner=False, max_entries=1024, hash_funcs=BY_CONTENT)
def _explain(name: str, fingerprint: str, image: Pixels, target: str, layer: str) -> Attribution:  # noqa: ARG001
    return engine(name).explain(image, target, layer)


def explain(name: str, image: Pixels, target: str, layer: str) -> Attribution:
    """The run's Grad-CAM of a class."""
    return _explain(name, run(name).fingerprint, image, target, layer)
