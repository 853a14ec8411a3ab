"""A run's figures, measured once for all visitors and shared by them: for reading only."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.cache.runs import BY_FINGERPRINT
from app.foreign_text import literal
from app.state import EXPERIMENTS
from lesion_core.analysis.curves import roc_by_class
from lesion_core.analysis.evaluation_sets import EvaluationData, EvaluationSummary, paired_differences, view_data
from lesion_core.analysis.evaluation_sets import view_summary as compute_view_summary
from lesion_core.analysis.segmentation import mask_summary
from lesion_core.analysis.summaries import per_class_summary
from lesion_core.errors import RunError
from lesion_core.findings import Finding, experiment_state, read_experiment
from lesion_core.reports.classifier_card import card
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import FileState
from lesion_core.runs.segmenter import SegmenterRun


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=64, hash_funcs=BY_FINGERPRINT)
def view_summary(run: Run, view: str) -> EvaluationSummary | None:
    """A run's metrics with intervals on an evaluation set, None where it has no such images."""
    return compute_view_summary(run, view)


@st.cache_resource(show_spinner="Comparing, with intervals …", max_entries=64, hash_funcs=BY_FINGERPRINT)
def paired(run: Run, other: Run, view: str) -> pd.DataFrame | None:
    """The figures of another run minus a run's, as `evaluation_sets.paired_differences` gives them."""
    return paired_differences(run, other, view)


@st.cache_resource(show_spinner="Reading the results …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def answers(run: Run, view: str) -> EvaluationData | None:
    """An evaluation set's images and what the run says of them, None where it has no such images."""
    return view_data(run, view)


def answers_of(run: Run, view: str) -> EvaluationData:
    """`answers`, where there are some.

    Raises:
        RunError: The run has no images for the evaluation set.
    """
    found = answers(run, view)
    if found is None:
        raise RunError(f"Run {run.name} has no images for the view '{view}'.", "Choose another view.")
    return found


@st.cache_resource(show_spinner="Measuring each class, with intervals …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def per_class(run: Run, view: str) -> pd.DataFrame:
    """Figures of each class with intervals, as `per_class_summary` gives them; errors as in `answers_of`."""
    data = answers_of(run, view)
    return per_class_summary(data.truth, data.probabilities, data.groups, data.classes)


@st.cache_resource(show_spinner="Drawing the curves …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def roc_curves(run: Run, view: str) -> pd.DataFrame:
    """The ROC curve of each class against the rest: class, threshold, fpr, tpr; errors as in `answers_of`."""
    data = answers_of(run, view)
    return roc_by_class(data.truth, data.probabilities, data.classes)


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def mask_figures(run: SegmenterRun, variant: str) -> pd.DataFrame:
    """A segmenter's figures on its test set with intervals, as `mask_summary` gives them."""
    rows, counts = run.counts("test", variant)
    return mask_summary(counts, rows["lesion_id"])


@st.cache_resource(show_spinner=False, max_entries=8)
def _finding(key: str, state: tuple[FileState, ...]) -> Finding | None:  # noqa: ARG001
    return read_experiment(key, EXPERIMENTS)


def finding_state(key: str) -> tuple[FileState, ...] | None:
    """What changes with the files of an experiment; None where it was not made."""
    return experiment_state(key, EXPERIMENTS)


def finding(key: str) -> Finding | None:
    """What an experiment found, None where it was not made; errors as in `read_experiment`."""
    state = finding_state(key)
    return None if state is None else _finding(key, state)


@st.cache_data(show_spinner="Measuring, with intervals …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def card_of(run: Run) -> str:
    """What a run's `card.md` says while nobody has altered it."""
    return card(run, literal)
