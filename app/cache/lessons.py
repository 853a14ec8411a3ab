"""What the figures of lessons measure of a run, once for all visitors; for reading only."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.cache import explanation as explanations
from app.cache import rejection as rejections
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.cache.runs import BY_FINGERPRINT
from app.state import data_root
from lesion_core.analysis.changed_answers import ChangedAnswers, changed_answers
from lesion_core.analysis.confident import ConfidentAnswers, confident_answers, tells_right_from_wrong
from lesion_core.analysis.evaluation_sets import evaluation_data
from lesion_core.analysis.intervals import Interval, share_intervals
from lesion_core.analysis.map_numbers import Called, among_called, confidence_of, tells_right
from lesion_core.analysis.predictions import most_probable
from lesion_core.analysis.predictive_values import AlarmRates, alarm_rates, cheapest_threshold
from lesion_core.analysis.slices import slices
from lesion_core.analysis.subgroups import group_names
from lesion_core.data.artefact_labels import LABELLED, artefact_labels
from lesion_core.errors import RunError
from lesion_core.labels import BINARY
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.policy import Policy
from lesion_core.ood.thresholds import keep_share_threshold
from lesion_core.ood.turned_away import Price, price, price_at
from lesion_core.runs.classifier import Run

METHOD = "gradcam"
"""The maps that lessons speak of."""


@st.cache_resource(show_spinner="Measuring …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def confident(run: Run, view: str, at: float, code: str) -> dict[str, ConfidentAnswers]:
    """`confident_answers` of a view; errors as in `cached_results.answers_of`."""
    return confident_answers(run, cached_results.answers_of(run, view), at, code)


@st.cache_resource(show_spinner="Measuring …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def confidence_tells(run: Run) -> Interval:
    """The AUROC of the shown confidence for a right answer, on the test set."""
    data = cached_results.answers_of(run, "test")
    correct = most_probable(data.probabilities) == data.truth
    return tells_right_from_wrong(data.probabilities.max(axis=1), correct, data.groups)


def maps(run: Run) -> pd.DataFrame:
    """The run's evaluated maps of `METHOD`.

    Raises:
        RunError: There are none.
    """
    table = explanations.evaluation(run)
    own = None if table is None else table[table["method"] == METHOD]
    if own is None or own.empty:
        raise RunError(
            f"No maps of run {run.name} were measured.",
            f"Make them: `python -m lesion_core explain checkpoints/{run.name} --data DATA`.",
        )
    return own


def maps_tell(run: Run) -> dict[str, Interval]:
    """The AUROC of each number of `MAP_NUMBERS` for a right answer, and that of the confidence on the same images;
    errors as in `maps`."""
    maps(run)
    return _maps_tell(run, explanations.measured_at(run))


@st.cache_resource(show_spinner="Measuring …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def _maps_tell(run: Run, changed: int) -> dict[str, Interval]:  # noqa: ARG001
    table = maps(run)
    found = tells_right(table, confidence_of(run, table["image_id"]))
    columns = (found[name] for name in ("number", "value", "low", "high", "n", "lesions"))
    return {
        str(key): Interval(value, low, high, int(n), int(lesions))
        for key, value, low, high, n, lesions in zip(*columns, strict=True)
    }


def maps_when_called(run: Run, code: str) -> Called | None:
    """What a map and the lesion's size tell among the images that get one answer; errors as in `maps`."""
    maps(run)
    return _maps_when_called(run, explanations.measured_at(run), code)


@st.cache_resource(show_spinner="Measuring …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def _maps_when_called(run: Run, changed: int, code: str) -> Called | None:  # noqa: ARG001
    return among_called(maps(run), code)


@st.cache_resource(show_spinner="Measuring …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def changed(run: Run, code: str) -> dict[str, ChangedAnswers]:
    """`changed_answers`, with its errors."""
    return changed_answers(run, code)


@st.cache_resource(show_spinner="Measuring …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def recall_by_site(run: Run, code: str, by: str) -> dict[str, Interval]:
    """How much of a diagnosis is found in each group of people, the largest group first.

    Args:
        run: The run.
        code: The diagnosis.
        by: A key of `GROUPED_BY`.
    """
    data = cached_results.answers_of(run, "test")
    is_it = data.truth == data.classes.index(code)
    names = group_names(data.table, by)
    hit = most_probable(data.probabilities) == data.truth
    asked = {str(group): (hit, is_it & (names == group)) for group in pd.Series(names[is_it]).value_counts().index}
    return share_intervals(asked, data.groups)


def by_artefact(run: Run) -> pd.DataFrame | None:
    """`slices` of the test images whose artefacts people have labelled; None where no label is on this machine."""
    root = data_root()
    return None if root is None else _by_artefact(run, str(root))


@st.cache_resource(show_spinner="Measuring …", max_entries=8, hash_funcs=BY_FINGERPRINT)
def _by_artefact(run: Run, _root: str) -> pd.DataFrame | None:
    root = data_root()
    labels = None if root is None else artefact_labels(root)
    table = run.part("test")
    if labels is None or not (here := table["image_id"].isin(labels["image_id"])).any():
        return None
    data = evaluation_data(run, table[here], run.classes)
    assert data is not None  # the run's own classes
    own = labels.set_index("image_id").loc[data.table["image_id"]]
    return slices(data, {name: own[name].to_numpy(bool) for name in LABELLED})


@st.cache_resource(show_spinner="Measuring …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def confidence_price(run: Run, at: float) -> Price:
    """Who pays for a threshold on the plain confidence."""
    return price_at(rejections.judged(run, "confidence"), at)


@st.cache_resource(
    show_spinner="Measuring …", max_entries=16, hash_funcs={**BY_FINGERPRINT, Policy: Policy.fingerprint}
)
def policy_price(run: Run, policy: Policy) -> Price:
    """Who pays for a policy."""
    rejector = cached_runs.rejector(run, policy)
    evaluated = rejections.judged(run, policy.score)

    return price(evaluated, rejector.keeps(outputs_of(run, run.part("test"))), rejector.keeps(ood_outputs(run)))


@st.cache_resource(show_spinner="Measuring …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def kept_share_price(run: Run, key: str, share: float) -> Price:
    """Who pays for the threshold on a score that keeps a share of the calibration images."""
    evaluated = rejections.judged(run, key)
    limit = keep_share_threshold(evaluated.split("calibrate")["score"].to_numpy(float), share)
    test, out = evaluated.split("test")["score"].to_numpy(float), evaluated.ood_images["score"].to_numpy(float)
    return price(evaluated, test <= limit, out <= limit)


@st.cache_resource(show_spinner="Measuring …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def alarms(run: Run, prevalences: tuple[float, ...]) -> AlarmRates:
    """How well the run tells malignant from benign, on the test set at the threshold 0.5."""
    data = cached_results.answers_of(run, "binary")
    return alarm_rates(data.truth == 1, data.probabilities[:, 1] >= 0.5, data.groups, prevalences)


@st.cache_resource(show_spinner="Measuring …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def miss_costs(run: Run, costs: tuple[float, ...]) -> dict[float, tuple[Interval, Interval]]:
    """What is flagged, and what is found of the malignant, where a miss costs as much as so many false alarms.

    The threshold is chosen on the calibration set and read on the test set.

    Returns:
        By cost: the share of all test images that is flagged, and the share of the malignant that is found.

    Raises:
        RunError: The run has no calibration or test images, or its classes do not map onto two.
    """
    tables = [run.part(role) for role in ("calibrate", "test")]
    known, asked = (None if table.empty else evaluation_data(run, table, BINARY) for table in tables)
    if known is None or asked is None:
        raise RunError(f"Run {run.name} has no benign and malignant images to count.", "Choose another run.")
    found = {}
    for cost in costs:
        called = asked.probabilities[:, 1] >= cheapest_threshold(known.truth == 1, known.probabilities[:, 1], cost)
        ill = asked.truth == 1
        both = share_intervals({"flagged": (called, called | True), "found": (called, ill)}, asked.groups)
        found[cost] = both["flagged"], both["found"]
    return found
