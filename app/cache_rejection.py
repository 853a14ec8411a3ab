"""What the page Out of distribution computes once for all visitors, keyed by the run's fingerprint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import cache
from app.rejection import ChosenThreshold, EvaluatedScore, learned_sets, line, read_evaluated, sets, ways
from app.state import POLICY
from app.threshold import Mark, ThresholdBins
from lesion_core.ood.benchmark import scoreboard
from lesion_core.ood.policy import Policy, TuningGoal, decide
from lesion_core.ood.risk_control import Conformal
from lesion_core.ood.scores import SCORES, Scorer

if TYPE_CHECKING:
    from lesion_core.serving.classifier import Prediction


@st.cache_resource(show_spinner="Fitting the scores …", max_entries=8)
def _scorer(name: str, fingerprint: str) -> Scorer:  # noqa: ARG001
    return Scorer.of(cache.run(name))


def scorer(name: str) -> Scorer:
    """The OOD scores of a run, each fitted when it is first asked for, one for all visitors."""
    return _scorer(name, cache.run(name).fingerprint)


@st.cache_resource(show_spinner="Scoring …", max_entries=32)  # for reading only: a million rows are not copied
def _judged(name: str, fingerprint: str, key: str) -> EvaluatedScore:  # noqa: ARG001
    return read_evaluated(cache.run(name), scorer(name), key)


def judged(name: str, key: str) -> EvaluatedScore:
    """A run's pictures under a score."""
    return _judged(name, cache.run(name).fingerprint, key)


@st.cache_data(show_spinner=False, max_entries=32)
def _threshold_bins(name: str, fingerprint: str, key: str, split: str, marks: tuple[Mark, ...]) -> ThresholdBins:
    del fingerprint
    return line(judged(name, key), split, marks)


def bins(name: str, key: str, split: str, marks: tuple[Mark, ...], own: tuple[float, ...] = ()) -> ThresholdBins:
    """What the threshold line of a score shows, with a visitor's own values as ticks."""
    return replace(_threshold_bins(name, cache.run(name).fingerprint, key, split, marks), own=own)


@st.cache_data(show_spinner="Trying every way to choose …", max_entries=32)
def _ways(name: str, fingerprint: str, key: str, goal: TuningGoal) -> list[ChosenThreshold]:  # noqa: ARG001
    return ways(cache.run(name), scorer(name), key, goal)


def ways_to_choose(name: str, key: str, goal: TuningGoal) -> list[ChosenThreshold]:
    """Every way to choose a threshold on a score, and what each does on test."""
    return _ways(name, cache.run(name).fingerprint, key, goal)


@st.cache_data(show_spinner="Comparing the scores …", max_entries=8)
def _scoreboard(name: str, fingerprint: str) -> pd.DataFrame:  # noqa: ARG001
    return scoreboard(cache.run(name), scorer(name), n=200)


def all_scores(name: str) -> pd.DataFrame:
    """Every score's figures on test, as `scoreboard` gives them."""
    return _scoreboard(name, cache.run(name).fingerprint)


@st.cache_data(show_spinner="Learning sets …", max_entries=16)
def _sets(name: str, fingerprint: str, level: float, by_class: bool) -> pd.DataFrame:  # noqa: ARG001
    return sets(cache.run(name), level, by_class)


def conformal_sets(name: str, level: float, by_class: bool) -> pd.DataFrame:
    """What sets of diagnoses do on test, as `sets` gives it."""
    return _sets(name, cache.run(name).fingerprint, level, by_class)


@st.cache_resource(show_spinner=False, max_entries=16)
def _learned(name: str, fingerprint: str, level: float, by_class: bool) -> Conformal:  # noqa: ARG001
    return learned_sets(cache.run(name), level, by_class)


def set_of(name: str, probabilities: NDArray[np.float64], level: float = 0.9, *, by_class: bool = True) -> str:
    """The conformal set of one picture, in words.

    Raises:
        DataError: Calibrate has too few pictures for the level.
    """
    found = _learned(name, cache.run(name).fingerprint, level, by_class).predict(probabilities[None])[0]
    return ", ".join(code for code, inside in zip(cache.run(name).classes, found, strict=True) if inside) or "none fits"


@st.cache_data(show_spinner="Scoring the picture …", max_entries=64)
def _scores_of(name: str, fingerprint: str, image: NDArray[np.uint8]) -> pd.DataFrame:  # noqa: ARG001
    own, outputs = scorer(name), cache.predict(name, image).outputs
    rows = []
    for key, measure in SCORES.items():
        value = float(own(key, outputs)[0])
        known = judged(name, key).of("calibrate")["score"].to_numpy(float)
        rows.append(
            (measure.name, measure.quantity.rstrip(","), measure.to_display(value), float((known > value).mean()))
        )
    return pd.DataFrame(rows, columns=["score", "quantity", "value", "beyond it"])


def scores_of(name: str, image: NDArray[np.uint8]) -> pd.DataFrame:
    """Every score of one picture: name, quantity, value, and the share of calibrate pictures that lie beyond it."""
    return _scores_of(name, cache.run(name).fingerprint, image)


def decided(name: str, found: Prediction) -> Prediction:
    """A prediction under the visitor's own policy, if there is one for this run; else as it is."""
    policy: Policy | None = st.session_state.get(POLICY)
    if policy is None or policy.run != cache.run(name).fingerprint:
        return found
    own = scorer(name)
    if policy.temperature != own.known.temperature:
        own = Scorer.of(cache.run(name), policy.temperature)
    return replace(found, decision=decide(policy, own.all(found.outputs, policy.parts))[0])
