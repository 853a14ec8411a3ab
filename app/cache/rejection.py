"""What the page Out of distribution computes once for all visitors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.cache.results import answers_of
from app.cache.runs import BOTH, BY_FINGERPRINT, predict, rejector, scorer
from app.out_of_distribution.line import line_bins, marks_of
from app.widgets.threshold import ThresholdBins
from lesion_core.analysis.conformal import Conformal, calibrate_sets, evaluate_sets
from lesion_core.imaging.arrays import Pixels
from lesion_core.ood.benchmark import scoreboard
from lesion_core.ood.evaluation import EvaluatedScore, TriedRule, evaluate_score, try_rules
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.policy import Policy
from lesion_core.ood.scores import offered
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run


@st.cache_resource(show_spinner="Scoring …", max_entries=32, hash_funcs={**BY_FINGERPRINT, Policy: Policy.fingerprint})
def answered(run: Run, view: str, policy: Policy) -> NDArray[np.bool_]:
    """(N,): the images of an evaluation set that a policy lets the model answer, in the order of `answers_of`."""
    return rejector(run, policy).keeps(outputs_of(run, answers_of(run, view).table))


# A resource, for reading only: a million rows are not copied.
@st.cache_resource(show_spinner="Scoring …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def judged(run: Run, key: str) -> EvaluatedScore:
    """A run's images under a score."""
    return evaluate_score(run, scorer(run), key)


@st.cache_resource(show_spinner="Scoring …", max_entries=64, hash_funcs=BY_FINGERPRINT)
def bins(run: Run, key: str, split: str, own: float | None) -> ThresholdBins | None:
    """What the threshold line of a score shows, for reading only.

    Args:
        run: The run.
        key: A key of `SCORES`.
        split: What is looked at.
        own: The threshold of the run's own policy, as a score; None where it has none on this score.

    Returns:
        None where the run has no images in the split.
    """
    evaluated = judged(run, key)
    return None if evaluated.split(split).empty else line_bins(evaluated, split, marks_of(evaluated, own))


# Resources, for reading only: what is frozen needs no copy for each visitor.
@st.cache_resource(show_spinner="Trying every way to choose …", max_entries=32, hash_funcs=BY_FINGERPRINT)
def ways_to_choose(run: Run, key: str, goal: TuningGoal) -> list[TriedRule]:
    """Every way to choose a threshold on a score, and what each does on test."""
    return try_rules(run, scorer(run), key, goal)


@st.cache_resource(show_spinner=False, max_entries=128, hash_funcs=BY_FINGERPRINT)
def tuned(run: Run, key: str, how: str, threshold: float | None) -> Policy:
    """A score's policy by a rule; `threshold`, as a score, is read by the rule *By eye* alone."""
    return tune(run, key, how, TuningGoal(threshold=threshold), scorer=scorer(run))


@st.cache_resource(show_spinner="Comparing the scores …", max_entries=8, hash_funcs=BY_FINGERPRINT)
def all_scores(run: Run) -> pd.DataFrame:
    """Every score's figures on test, as `scoreboard` gives them."""
    return scoreboard(run, scorer(run), n=200)


@st.cache_resource(show_spinner="Learning sets …", max_entries=16, hash_funcs=BY_FINGERPRINT)
def conformal_sets(run: Run, level: float, by_class: bool) -> pd.DataFrame:
    """What sets of diagnoses do on test, as `evaluate_sets` gives it."""
    return evaluate_sets(run, level, by_class)


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=BY_FINGERPRINT)
def _learned(run: Run, level: float, by_class: bool) -> Conformal:
    return calibrate_sets(run, level, by_class)


def set_of(
    run: Run, probabilities: NDArray[np.float64], level: float = 0.9, *, by_class: bool = True
) -> tuple[list[str], list[str]]:
    """The conformal set of one image, the most probable diagnosis first.

    Args:
        run: The run.
        probabilities: (K,) after the temperature.
        level: The chance that the truth is in the set, in (0, 1).
        by_class: Whether it holds for each diagnosis by itself.

    Returns:
        The codes in the set; and those, in it or not, that are too rare in the calibration set for the level to hold.

    Raises:
        DataError: The calibration set has too few images for the level.
    """
    learned = _learned(run, level, by_class)
    inside = learned.predict(probabilities[None])[0]
    held = [run.classes[i] for i in np.argsort(-probabilities, kind="stable") if inside[i]]
    return held, [run.classes[i] for i in learned.rare]


@st.cache_data(show_spinner="Scoring the image …", max_entries=64, hash_funcs=BOTH)
def scores_of(run: Run, image: Pixels) -> pd.DataFrame:
    """Every score of one image: name, quantity, value, and the share of calibration images that lie beyond it."""
    own, outputs = scorer(run), predict(run, image).outputs
    rows = []
    for key, measure in offered(run).items():
        value = float(own(key, outputs)[0])
        known = judged(run, key).split("calibrate")["score"].to_numpy(float)
        rows.append(
            (measure.name, measure.quantity.rstrip(","), measure.to_display(value), float((known > value).mean()))
        )
    return pd.DataFrame(rows, columns=["score", "quantity", "value", "beyond it"])
