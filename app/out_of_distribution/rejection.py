"""What the page Out of distribution shows of a run under one score. `app.cache` keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.widgets.threshold import Mark, ThresholdBins, threshold_bins
from lesion_core.analysis.conformal import Conformal, conformal
from lesion_core.analysis.intervals import share_intervals, wilson
from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.predictions import predict
from lesion_core.analysis.subgroups import UNKNOWN, age_bands
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import LesionError, RunError
from lesion_core.labels import class_indices
from lesion_core.ood.model_outputs import outputs_of, stranger_outputs
from lesion_core.ood.policy import Policy, keeps
from lesion_core.ood.scores import Score, Scorer, score
from lesion_core.ood.threshold_rules import THRESHOLD_RULES, TuningGoal, tune
from lesion_core.ood.thresholds import one_a_group
from lesion_core.runs.classifier import Run

SPLITS = ("calibrate", "test")


@dataclass(frozen=True)
class EvaluatedScore:
    """A run's pictures under one score.

    Attributes:
        key: Of the score.
        dermoscopy: A row an image of the calibrate and the test split: image_id, lesion_id, split, score, shown (the
            score as a person reads it), correct, answer (code), diagnosis, sex, age, site, dataset.
        official: image_id, shown and dataset of the official ISIC 2018 test set, where the run was scored on it.
        strangers: A row a picture that is no lesion: image_id, kind, source, score, shown.
        near: A row a changed test picture: image_id (of the test picture), kind, score, shown, diagnosis, correct,
            and correct_before, of the same picture unchanged.
    """

    key: str
    dermoscopy: pd.DataFrame
    official: pd.DataFrame
    strangers: pd.DataFrame
    near: pd.DataFrame

    @property
    def measure(self) -> Score:
        """The score."""
        return score(self.key)

    def of(self, split: str) -> pd.DataFrame:
        """The dermoscopy of a split."""
        return self._splits.get(split, self.dermoscopy.head(0))

    @cached_property
    def _splits(self) -> dict[str, pd.DataFrame]:
        return {str(name): rows.reset_index(drop=True) for name, rows in self.dermoscopy.groupby("split")}

    def rejected(self, shown: pd.Series[float], threshold: float) -> NDArray[np.bool_]:
        """Which values lie beyond a threshold, both as a person reads them."""
        values = shown.to_numpy(np.float64)
        return values < threshold if self.measure.rejected_side == "under" else values > threshold


def read_evaluated(run: Run, scorer: Scorer, key: str) -> EvaluatedScore:
    """A run's calibrate and test split and its strangers under a score.

    Raises:
        RunError: The run has no test images.
        ConfigError: The score is unknown.
    """
    measure = score(key)
    table = pd.concat([run.part(split) for split in SPLITS])
    if not (table["split"] == "test").any():
        raise RunError(f"Run {run.name} has no test images.", "Score it with `evaluate`, or choose another run.")
    outputs = outputs_of(run, table, reduced=measure.distances)
    answer = predict(softmax(outputs.logits))
    truth = run.truth(table)
    values = scorer(key, outputs)
    facts = table.reset_index(drop=True)  # its columns as they are: a million texts are not copied
    dermoscopy = facts[["image_id", "lesion_id", "split"]].assign(
        **{
            "score": values,
            "shown": _shown(measure, values),
            "correct": answer == truth,
            "answer": np.array([*run.classes, "undecided"])[answer],  # -1: undecided
            "diagnosis": facts["label"],
            "sex": facts["sex"].fillna(UNKNOWN),
            "age": age_bands(facts["age"]).to_numpy(str),
            "site": facts["site"].fillna(UNKNOWN),
            "dataset": facts["dataset"],
        }
    )
    elsewhere = run.part("test", OFFICIAL_TEST)
    official = elsewhere[["image_id", "lesion_id", "dataset"]].assign(
        shown=_shown(measure, scorer(key, outputs_of(run, elsewhere)))
    )
    strange = scorer(key, stranger_outputs(run))
    strangers = run.strangers[["image_id", "kind", "source"]].assign(score=strange, shown=_shown(measure, strange))
    near = _near(run, dermoscopy)
    changed = scorer(key, stranger_outputs(run, run.near))
    near = near.assign(score=changed, shown=_shown(measure, changed))
    return EvaluatedScore(key, dermoscopy, official.reset_index(drop=True), strangers.reset_index(drop=True), near)


def _near(run: Run, dermoscopy: pd.DataFrame) -> pd.DataFrame:
    """The changed test pictures beside what is known of them unchanged."""
    of = run.near["image_id"].str.split("/", n=1).str[1]
    known = dermoscopy[dermoscopy["image_id"].isin(of)].set_index("image_id")
    answer = predict(softmax(run.logits(run.near)))
    diagnoses = known["diagnosis"].reindex(of).to_numpy()
    return pd.DataFrame(
        {
            "image_id": of.to_numpy(str),
            "kind": run.near["kind"].to_numpy(str),
            "diagnosis": diagnoses,
            "correct": answer == class_indices(diagnoses, run.classes),
            "correct_before": known["correct"].reindex(of).to_numpy(bool),
        }
    )


def _shown(measure: Score, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if measure.to_display is float:
        return values
    return np.fromiter((measure.to_display(value) for value in values.tolist()), np.float64, len(values))


def line(judged: EvaluatedScore, split: str, marks: tuple[Mark, ...]) -> ThresholdBins:
    """What the threshold line needs: the split's dermoscopy and the strangers, counted."""
    table, strangers = judged.of(split), judged.strangers
    return threshold_bins(
        table["shown"].to_numpy(),
        table["correct"].to_numpy(bool),
        (table["diagnosis"] == "MEL").to_numpy(),
        strangers["shown"].to_numpy(),
        strangers["kind"].astype(str).str.replace("_", " ").to_numpy(object),
        reject=judged.measure.rejected_side,
        quantity=judged.measure.quantity.rstrip(","),
        marks=marks,
        span=(0.0, 1.0) if judged.measure.key in ("confidence", "scaled_confidence", "margin") else None,
    )


def outcome(run: Run, scorer: Scorer, policy: Policy) -> dict[str, object]:
    """What a policy does on the test split and on the strangers, as shares with 95 % intervals.

    Returns:
        By column name: texts and `Interval`s.
    """
    table = run.part("test")
    outputs = outputs_of(run, table)
    own = scorer if policy.temperature == scorer.known.temperature else Scorer.of(run, policy.temperature)
    kept = keeps(policy, own.all(outputs, policy.parts))
    strange = keeps(policy, own.all(stranger_outputs(run), policy.parts))
    truth = run.truth(table)
    correct = predict(softmax(outputs.logits)) == truth
    melanoma = (table["label"] == "MEL").to_numpy()
    lesions = table["lesion_id"].to_numpy(str)
    shares = share_intervals(
        {
            "answered": (kept, np.ones_like(kept)),
            "right": (correct, kept),
            "melanomas missed": (kept & ~correct, melanoma),
            "melanomas to a person": (~kept, melanoma),
        },
        lesions,
    )
    return {**shares, "strangers rejected": wilson(int((~strange).sum()), len(strange))}


@dataclass(frozen=True)
class ChosenThreshold:
    """A way to choose a threshold, tried.

    Attributes:
        name: What a person reads.
        policy: What it chose; None where it could not.
        description: How it chose, or why it could not.
        outcome: As `outcome` gives it; empty where there is no policy.
    """

    name: str
    policy: Policy | None
    description: str
    outcome: dict[str, object]


def ways(run: Run, scorer: Scorer, key: str, goal: TuningGoal) -> list[ChosenThreshold]:
    """Every way to choose but by eye, on calibrate; the published rule is one on the plain confidence."""
    found = []
    for how, entry in THRESHOLD_RULES.items():
        if how == "eye":
            continue
        try:
            policy = tune(run, "confidence" if how == "published" else key, how, goal, scorer=scorer)
        except LesionError as error:
            found.append(ChosenThreshold(entry.name, None, f"{error.problem} {error.remedy}", {}))
            continue
        found.append(ChosenThreshold(entry.name, policy, policy.chosen, outcome(run, scorer, policy)))
    return found


def _one_a_lesion(run: Run, split: str) -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.int64]]:
    """Rows, probabilities and class indices of a split, one picture a lesion."""
    table = run.part(split)
    table = table.iloc[one_a_group(table["lesion_id"].to_numpy(str))]
    truth = run.truth(table)
    return table, softmax(run.logits(table), run.calibration.temperature), truth


def learned_sets(run: Run, level: float, by_class: bool) -> Conformal:
    """Conformal sets of a run, learned on calibrate.

    Raises:
        DataError: Calibrate has too few pictures for the level.
    """
    _, probabilities, truth = _one_a_lesion(run, "calibrate")
    return conformal(probabilities, truth, level, by_class=by_class)


def sets(run: Run, level: float, by_class: bool) -> pd.DataFrame:
    """What conformal sets do on the test split: a row a diagnosis, and one for all.

    Learned on calibrate and shown on test, both with one picture a lesion: the promise speaks of these.

    Returns:
        diagnosis, n, covered (share whose set holds the truth), low, high, size (mean), one (share of sets of one
        diagnosis), none (share of empty sets), promised (bool: enough calibration pictures).

    Raises:
        DataError: Calibrate has too few pictures for the level.
    """
    learned = learned_sets(run, level, by_class)
    test, q, truth = _one_a_lesion(run, "test")
    found = learned.predict(q)
    holds = found[np.arange(len(truth)), truth]
    lesions, size = test["lesion_id"].to_numpy(str), found.sum(axis=1)
    rows = []
    asked = {"all": np.ones(len(truth), bool), **{c: truth == i for i, c in enumerate(run.classes)}}
    shares = share_intervals({name: (holds, among) for name, among in asked.items()}, lesions)
    for name, among in asked.items():
        covered = shares[name]
        rows.append(
            {
                "diagnosis": name,
                "n": int(among.sum()),
                "covered": covered.value,
                "low": covered.low,
                "high": covered.high,
                "size": float(size[among].mean()) if among.any() else float("nan"),
                "one": float((size[among] == 1).mean()) if among.any() else float("nan"),
                "none": float((size[among] == 0).mean()) if among.any() else float("nan"),
                "promised": name == "all" or run.classes.index(name) not in learned.unbounded,
            }
        )
    return pd.DataFrame(rows)
