"""What a score, a policy and every way to choose a threshold do on a run's images: tables and shares with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.analysis.intervals import Interval, clopper_pearson, share_intervals
from lesion_core.analysis.subgroups import NOT_RECORDED, age_bands
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import LesionError, RunError
from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.labels import class_indices
from lesion_core.ood.model_outputs import ood_outputs, outputs_of
from lesion_core.ood.policy import Policy, keeps
from lesion_core.ood.score import Score
from lesion_core.ood.scores import Scorer, ood_score
from lesion_core.ood.threshold_rules import THRESHOLD_RULES, TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run

SPLITS = ("calibrate", "test")


@dataclass(frozen=True)
class EvaluatedScore:
    """A run's images under one score.

    Attributes:
        key: A key of `SCORES`.
        dermoscopy: A row per image of the calibrate and the test set: image_id, lesion_id, split, score, shown (the
            score as a person reads it), correct, answer (code), diagnosis, sex, age, site, dataset.
        official: image_id, shown and dataset of the official ISIC 2018 test set, where the run was scored on it.
        ood_images: A row per image that shows no lesion: image_id, kind, source, score, shown.
        corrupted: A row a changed test image: image_id (of the test image), kind, score, shown, diagnosis, correct,
            and correct_before, of the same image unchanged.
    """

    key: str
    dermoscopy: pd.DataFrame
    official: pd.DataFrame
    ood_images: pd.DataFrame
    corrupted: pd.DataFrame

    @property
    def measure(self) -> Score:
        """The score."""
        return ood_score(self.key)

    def split(self, name: str) -> pd.DataFrame:
        """The dermoscopy of a split, without rows where there is none."""
        return self._splits[name] if name in self._splits else self.dermoscopy.head(0)

    @cached_property
    def _splits(self) -> dict[str, pd.DataFrame]:
        return {str(name): rows.reset_index(drop=True) for name, rows in self.dermoscopy.groupby("split")}

    def rejected(self, shown: pd.Series[float], threshold: float) -> NDArray[np.bool_]:
        """Which values lie beyond a threshold, both as a person reads them."""
        values = shown.to_numpy(np.float64)
        return values < threshold if self.measure.rejected_side == "under" else values > threshold


def evaluate_score(run: Run, scorer: Scorer, key: str) -> EvaluatedScore:
    """A run's calibrate and test set and its OOD images under a score.

    Raises:
        RunError: The run has no test images.
        ConfigError: The score is unknown.
    """
    measure = ood_score(key)
    table = pd.concat([run.part(split) for split in SPLITS])
    if not (table["split"] == "test").any():
        raise RunError(f"Run {run.name} has no test images.", "Score it with `evaluate`, or choose another run.")
    outputs = outputs_of(run, table, reduced=measure.distances)
    answer = outputs.predicted
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
            "sex": facts["sex"].fillna(NOT_RECORDED),
            "age": age_bands(facts["age"]).to_numpy(str),
            "site": facts["site"].fillna(NOT_RECORDED),
            "dataset": facts["dataset"],
        }
    )
    elsewhere = run.part("test", OFFICIAL_TEST)
    official = elsewhere[["image_id", "lesion_id", "dataset"]].assign(
        shown=_shown(measure, scorer(key, outputs_of(run, elsewhere)))
    )
    strange = scorer(key, ood_outputs(run))
    ood_images = run.ood_images[["image_id", "kind", "source"]].assign(score=strange, shown=_shown(measure, strange))
    changed = ood_outputs(run, run.corrupted)
    scores = scorer(key, changed)
    corrupted = _of_corrupted(run, dermoscopy, changed.predicted).assign(score=scores, shown=_shown(measure, scores))
    return EvaluatedScore(
        key, dermoscopy, official.reset_index(drop=True), ood_images.reset_index(drop=True), corrupted
    )


def _of_corrupted(run: Run, dermoscopy: pd.DataFrame, answer: NDArray[np.int64]) -> pd.DataFrame:
    """The changed test images beside what is known of them unchanged."""
    of = run.corrupted["image_id"].str.split("/", n=1).str[1]
    known = dermoscopy[dermoscopy["image_id"].isin(of)].set_index("image_id")
    diagnoses = known["diagnosis"].reindex(of).to_numpy()
    return pd.DataFrame(
        {
            "image_id": of.to_numpy(str),
            "kind": run.corrupted["kind"].to_numpy(str),
            "diagnosis": diagnoses,
            "correct": answer == class_indices(diagnoses, run.classes),
            "correct_before": known["correct"].reindex(of).to_numpy(bool),
        }
    )


def _shown(measure: Score, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if measure.to_display is float:
        return values
    return np.fromiter((measure.to_display(value) for value in values.tolist()), np.float64, len(values))


def corrupted_shares(evaluated: EvaluatedScore, threshold: float) -> pd.DataFrame:
    """What becomes of corrupted test images, a row for each corruption, after the same images unchanged.

    Args:
        evaluated: The run's images under a score.
        threshold: As a person reads it.

    Returns:
        group (the corruption), n, share, low, high (rejected, exact 95 % interval), and right_before, right_after
        and right_answered (of what is still answered): shares with a right answer, NaN where there is no lesion.
    """
    beyond = evaluated.rejected(evaluated.corrupted["shown"], threshold)
    # The mask tells where there is no lesion: of what is made with it, none is left.
    no_lesion = [kind for kind, corruption in CORRUPTIONS.items() if corruption.needs_mask]
    same = evaluated.corrupted.loc[~evaluated.corrupted["kind"].isin(no_lesion), "image_id"]
    unchanged = evaluated.split("test").set_index("image_id").reindex(same.unique())
    rows = [
        _corrupted(
            "unchanged", evaluated.rejected(unchanged["shown"], threshold), unchanged["correct"], unchanged["correct"]
        )
    ]
    for kind, part in evaluated.corrupted.groupby("kind", sort=False):
        right = part["correct"].astype(float).where(~part["kind"].isin(no_lesion))
        rows.append(_corrupted(str(kind).replace("_", " "), beyond[part.index], part["correct_before"], right))
    return pd.DataFrame(rows)


def _corrupted(
    group: str,
    beyond: NDArray[np.bool_],
    before: pd.Series[bool],
    after: pd.Series[float],
) -> dict[str, object]:
    share = clopper_pearson(int(beyond.sum()), len(beyond))
    return {
        "group": group,
        "n": share.n_images,
        "share": share.value,
        "low": share.low,
        "high": share.high,
        "right_before": before.mean(),
        "right_after": after.mean(),
        "right_answered": after[~beyond].mean(),
    }


def policy_outcome(run: Run, scorer: Scorer, policy: Policy) -> dict[str, Interval]:
    """What a policy does on the test set and on the OOD images, as shares with 95 % intervals.

    Returns:
        answered (of the test images), right (of the answered), melanomas_missed (answered with another diagnosis),
        melanomas_to_a_person (of the melanomas) and ood_rejected.
    """
    table = run.part("test")
    outputs = outputs_of(run, table)
    own = scorer if policy.temperature == scorer.known.temperature else Scorer.of(run, policy.temperature)
    kept = keeps(policy, own.all(outputs, policy.parts))
    strange = keeps(policy, own.all(ood_outputs(run), policy.parts))
    truth = run.truth(table)
    correct = outputs.predicted == truth
    melanoma = (table["label"] == "MEL").to_numpy()
    lesions = table["lesion_id"].to_numpy(str)
    shares = share_intervals(
        {
            "answered": (kept, np.ones_like(kept)),
            "right": (correct, kept),
            "melanomas_missed": (kept & ~correct, melanoma),
            "melanomas_to_a_person": (~kept, melanoma),
        },
        lesions,
    )
    return {**shares, "ood_rejected": clopper_pearson(int((~strange).sum()), len(strange))}


@dataclass(frozen=True)
class TriedRule:
    """A threshold rule, tried.

    Attributes:
        name: What a person reads.
        policy: What it chose; None where it could not.
        description: How it chose, or why it could not.
        outcome: As `policy_outcome` gives it; empty where there is no policy.
    """

    name: str
    policy: Policy | None
    description: str
    outcome: dict[str, Interval]


def try_rules(run: Run, scorer: Scorer, key: str, goal: TuningGoal) -> list[TriedRule]:
    """Every rule that needs no hand, on the calibration set; a rule that is for one score only is tried on that one."""
    found = []
    for how, entry in THRESHOLD_RULES.items():
        if entry.by_hand:
            continue
        try:
            policy = tune(run, entry.only_for or key, how, goal, scorer=scorer)
        except LesionError as error:
            found.append(TriedRule(entry.name, None, f"{error.problem} {error.remedy}", {}))
            continue
        found.append(TriedRule(entry.name, policy, policy.chosen, policy_outcome(run, scorer, policy)))
    return found
