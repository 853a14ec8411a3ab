"""Facts of images that ship beside the dashboard, read once for all visitors, and again when their file changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from app.state import FACTS
from lesion_core.data import image_facts
from lesion_core.data.artefact_labels import artefact_labels, labels_path
from lesion_core.runs.hashes import FileState, file_state

_READ: dict[str, Callable[[Path], pd.DataFrame | None]] = {
    image_facts.FORMS: image_facts.lesion_forms,
    image_facts.SCORES: image_facts.artefact_scores,
    image_facts.FINDERS: image_facts.finder_figures,
}


@st.cache_resource(show_spinner=False, max_entries=8)
def _facts(folder: Path, name: str, state: FileState | None) -> pd.DataFrame | None:  # noqa: ARG001
    return _READ[name](folder)


def facts(name: str) -> pd.DataFrame | None:
    """A table of `lesion_core.data.image_facts` by its file name, for reading only; None where it is not there.

    Raises:
        DataError: It is damaged.
    """
    return _facts(FACTS, name, facts_state(name))


def facts_state(name: str) -> FileState:
    """What changes with a table of `facts`: for what is kept of it."""
    return file_state(FACTS / name)


@st.cache_resource(show_spinner="Reading the labels …", max_entries=4)
def _labels(root: Path, state: FileState | None) -> pd.DataFrame | None:  # noqa: ARG001
    return artefact_labels(root)


def labels(root: Path) -> pd.DataFrame | None:
    """The artefacts that people saw in images of a data folder, for reading only; None where it has no such table.

    Raises:
        DataError: The table is damaged.
    """
    return _labels(root, labels_state(root))


def labels_state(root: Path | None) -> FileState | None:
    """What changes with the table of `labels`: for what is kept of it."""
    path = labels_path(root) if root else None
    return None if path is None else file_state(path)
