"""What runs answer to test images under changes and in other poses, from their files: read and measured once for all.

What is given here is for reading only. `changed` tells when a run's file was written, as `measured_at` gives it.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from app.cache import results as cached_results
from app.cache.runs import BY_FINGERPRINT, policy_of
from lesion_core.analysis.evaluation_sets import rows_of_view
from lesion_core.analysis.robustness.consistency import (
    Members,
    consistency,
    errors_of_averages,
    flip_rates,
    members_of,
    repeated_images,
)
from lesion_core.analysis.robustness.references import REFERENCES
from lesion_core.analysis.robustness.severities import (
    VIEWS,
    Answers,
    Comparison,
    against_alexnet,
    answers_under_changes,
    by_severity,
    common,
    outcome_shares,
    turned_away_shares,
)
from lesion_core.analysis.robustness.sides import changed_sides, sensitivity_lost
from lesion_core.errors import LesionError
from lesion_core.files import current
from lesion_core.imaging.changes.poses import POSES
from lesion_core.imaging.changes.registry import CHANGES
from lesion_core.imaging.changes.sequences import SEQUENCES
from lesion_core.labels import BINARY
from lesion_core.ood.policy import Policy, keeps_changed
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import file_state
from lesion_core.runs.robustness import CLEAN, FILE, SERIES, read_robustness

BY_POLICY = {**BY_FINGERPRINT, Policy: Policy.fingerprint}


def measured_at(run: Run, file: str = FILE) -> int:
    """Changes with a table beside the run; 0 where there is none."""
    inode, *_, changed = file_state(current(run.folder, file))
    return inode and changed


def policy_if_any(run: Run) -> Policy | None:
    """The policy that holds for this visitor; None where there is none, or it cannot be used, which the verdict on an
    image says."""
    try:
        return policy_of(run)
    except LesionError:
        return None


# Resources, for reading only: a hundred thousand rows are not copied.
@st.cache_resource(show_spinner="Reading the answers …", max_entries=8, hash_funcs=BY_FINGERPRINT)
def table(run: Run, changed: int) -> pd.DataFrame | None:  # noqa: ARG001
    """The rows of a run's file; None where they are of other weights. Errors as in `read_robustness`."""
    return read_robustness(run)


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_FINGERPRINT)
def views(run: Run, changed: int) -> tuple[str, ...]:
    """The keys of `VIEWS` that a run has answers for."""
    rows = table(run, changed)
    if rows is None:
        return ()
    clean = rows[rows["change"] == CLEAN]  # one row per image: the others are read for the view that is looked at
    return tuple(key for key in VIEWS if rows_of_view(run, clean, key)[1] is not None)


@st.cache_resource(show_spinner="Reading the answers …", max_entries=16, hash_funcs=BY_POLICY)
def answers(run: Run, changed: int, view: str, policy: Policy | None) -> Mapping[str, Answers]:
    """A run's answers by change, in the order of `CHANGES`; empty where it has none of this set of images.

    Args:
        run: The run.
        changed: When its file was written.
        view: A key of `VIEWS`.
        policy: Says which images are kept; where it looks at other scores than the file holds, none says so.
    """
    rows = table(run, changed)
    if rows is None:
        return {}
    found = answers_under_changes(run, rows, view, keeps_changed(policy, rows) if policy else None)
    return {key: found[key] for key in (*CHANGES, *sorted(set(found) - set(CHANGES))) if key in found}


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=256, hash_funcs=BY_POLICY)
def figures(run: Run, changed: int, view: str, policy: Policy | None, change: str) -> pd.DataFrame | None:
    """`by_severity` under a change; None where it was not asked about."""
    found = answers(run, changed, view, policy)
    return by_severity(found[change]) if change in found else None


@st.cache_resource(show_spinner=False, max_entries=256, hash_funcs=BY_POLICY)
def turned_away(run: Run, changed: int, view: str, policy: Policy | None, change: str) -> pd.DataFrame | None:
    """`turned_away_shares` under a change; None where the file does not say what is kept."""
    own = answers(run, changed, view, policy)[change]
    return None if own.kept is None else turned_away_shares(own)


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def against(run: Run, changed: int, view: str, benchmark: str) -> Comparison | None:
    """`against_alexnet` for a key of `REFERENCES`."""
    return against_alexnet(answers(run, changed, view, None), REFERENCES[benchmark])


@st.cache_resource(show_spinner="Counting …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def outcomes(run: Run, changed: int, view: str) -> Mapping[str, pd.DataFrame]:
    """`outcome_shares` of each change by itself and, under an empty key, of all together over the images that they
    share; that one is left out where they share none."""
    found = answers(run, changed, view, None)
    each = {key: outcome_shares({key: own}) for key, own in found.items()}
    together = common(found)
    if together and len(next(iter(together.values())).truth):
        each[""] = outcome_shares(together)
    return each


@st.cache_resource(show_spinner="Counting …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def lost(run: Run, changed: int, view: str) -> pd.DataFrame:
    """`sensitivity_lost` of every change."""
    return sensitivity_lost(answers(run, changed, view, None))


@st.cache_resource(show_spinner=False, max_entries=128, hash_funcs=BY_POLICY)
def sides(run: Run, changed: int, view: str, policy: Policy | None, change: str) -> pd.DataFrame:
    """`changed_sides` under a change."""
    return changed_sides(answers(run, changed, view, policy)[change])


@st.cache_resource(show_spinner="Reading the answers …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def members(run: Run, changed: int, view: str) -> Mapping[str, Members]:  # noqa: ARG001
    """A run's answers to series of test images, as `members_of` gives them. Errors as in `read_robustness`."""
    rows = read_robustness(run, SERIES)
    return {} if rows is None else members_of(run, rows, view)


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def held(run: Run, changed: int, view: str) -> Mapping[tuple[str, bool], pd.DataFrame]:
    """`consistency` of each set of poses that a run was asked about, by its key and by whether each pose was averaged
    with its flips."""
    found = members(run, changed, view)
    return {
        (key, flips): consistency(found[key].averaged(entry.flips) if flips else found[key], entry.shown)
        for key, entry in POSES.items()
        if key in found
        for flips in (False, True)
    }


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def averages(run: Run, changed: int, view: str, key: str) -> pd.DataFrame | None:
    """`errors_of_averages` of a set of poses; None where the run was not asked about it."""
    found = members(run, changed, view)
    return errors_of_averages(found[key], POSES[key].flips[0]) if key in found else None


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def photographs(run: Run, view: str) -> pd.DataFrame | None:
    """`repeated_images` of all test images of a view; None where no lesion has several. It needs no file."""
    data = cached_results.answers(run, view)
    return None if data is None else repeated_images(data)


@st.cache_resource(show_spinner="Measuring, with intervals …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def sequences(run: Run, changed: int, view: str, extra: bool) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """`flip_rates` of SAM-P's sequences, or of its extras; None where the run was asked about none."""
    found = members(run, changed, view)
    own = {key: found[key] for key, one in SEQUENCES.items() if key in found and one.extra == extra}
    two = bool(own) and next(iter(own.values())).classes == BINARY
    return flip_rates(own, REFERENCES["sam_p_extra" if extra else "sam_p"] if two else None)
