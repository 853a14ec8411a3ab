"""How a threshold is chosen: the rules, what each is asked for, and the policy that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.predictions import Floats, predict
from lesion_core.errors import ConfigError, DataError, RunError
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.policy import Limit, Policy
from lesion_core.ood.risk_control import control_risk
from lesion_core.ood.scores import DEFAULT, SCORES, Scorer, score
from lesion_core.ood.thresholds import (
    PUBLISHED_CONFIDENCE,
    cost_optimal_threshold,
    keep_share_threshold,
    one_a_group,
)
from lesion_core.runs.classifier import Run


@dataclass(frozen=True)
class SplitScores:
    """The pictures of a split, as choosing a threshold needs them.

    Attributes:
        split: Its name.
        scores: (N,) of the score in question.
        correct: (N,) bool, whether the prediction is the truth.
        missed: (N,) bool, a melanoma that the model takes for something else.
        lesions: (N,) lesion ids.
    """

    split: str
    scores: Floats
    correct: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    lesions: NDArray[np.str_]

    def within(self, kept: NDArray[np.bool_]) -> SplitScores:
        """Those of its pictures that another limit keeps."""
        return SplitScores(self.split, self.scores[kept], self.correct[kept], self.missed[kept], self.lesions[kept])


def split_scores(run: Run, scorer: Scorer, key: str, split: str) -> SplitScores:
    """A split of a run under a score.

    Raises:
        RunError: The run has no such pictures.
    """
    table = run.part(split)
    if table.empty:
        raise RunError(f"Run {run.name} has no {split} pictures.", "Score it again with `evaluate --data`.")
    outputs = outputs_of(run, table)
    truth = run.truth(table)
    correct = predict(softmax(outputs.logits)) == truth
    melanoma = (table["label"] == "MEL").to_numpy()
    return SplitScores(split, scorer(key, outputs), correct, melanoma & ~correct, table["lesion_id"].to_numpy(str))


@dataclass(frozen=True)
class TuningGoal:
    """What a threshold is to do; each way to choose reads its own.

    Attributes:
        share: To keep, in (0, 1].
        cost: Referrals that a missed melanoma is worth.
        error: Bound on the share of wrong answers among the kept, in (0, 1).
        confidence: In that bound, in (0, 1).
        threshold: On the score, set by hand.
    """

    share: float = 0.95
    cost: float = 20.0
    error: float = 0.1
    confidence: float = 0.9
    threshold: float | None = None


def _eye(part: SplitScores, _: SplitScores | None, goal: TuningGoal) -> tuple[float, str]:
    if goal.threshold is None or not np.isfinite(goal.threshold):
        raise ConfigError("A threshold by eye needs its number.", "Give the threshold on the score.")
    kept = float((part.scores <= goal.threshold).mean())
    return goal.threshold, (
        f"It was set by hand on the {len(part.scores):,} {part.split} pictures and keeps {100 * kept:.1f} % of them."
    )


def _keep(part: SplitScores, _: SplitScores | None, goal: TuningGoal) -> tuple[float, str]:
    return keep_share_threshold(part.scores, goal.share), (
        f"The strictest that keeps {100 * goal.share:g} % of the {len(part.scores):,} {part.split} pictures."
    )


def _cost(part: SplitScores, _: SplitScores | None, goal: TuningGoal) -> tuple[float, str]:
    bill = cost_optimal_threshold(part.scores, part.missed, goal.cost)
    return bill.threshold, (
        f"It is the cheapest where a missed melanoma costs {goal.cost:g} referrals: of {len(part.scores)} "
        f"{part.split} pictures {bill.referrals} are referred, and {bill.missed} of {int(part.missed.sum())} melanomas "
        "that the model takes for something else are answered."
    )


def _guarantee(part: SplitScores, learn: SplitScores | None, goal: TuningGoal) -> tuple[float, str]:
    if learn is None:
        raise ConfigError(
            "A guarantee is tested on calibrate and takes its thresholds from select.", "Choose it on calibrate."
        )
    one = one_a_group(part.lesions)
    found = control_risk(learn.scores, part.scores[one], part.correct[one], goal.error, goal.confidence)
    if found.threshold is None:
        raise DataError(found.description, "Allow more errors or less confidence, or score more calibration pictures.")
    return found.threshold, found.description


def _published(*_: object) -> tuple[float, str]:
    return 1 - PUBLISHED_CONFIDENCE, (
        f"Unknown under a confidence of {PUBLISHED_CONFIDENCE:g}, the rule of many demonstrations, made without this "
        "model's data."
    )


@dataclass(frozen=True)
class ThresholdRule:
    """A way to choose a threshold.

    Attributes:
        name: What a person reads.
        description: What it does, one sentence.
        choose: Of a split, of the select split if it is another, and of a wish, to a threshold and a sentence.
    """

    name: str
    description: str
    choose: Callable[[SplitScores, SplitScores | None, TuningGoal], tuple[float, str]]


THRESHOLD_RULES: dict[str, ThresholdRule] = {
    "keep": ThresholdRule("Keep a share", "Keeps 95 % of dermoscopy, or any share.", _keep),
    "cost": ThresholdRule("Best by cost", "Weighs referrals against missed melanomas.", _cost),
    "guarantee": ThresholdRule(
        "Guaranteed", "Bounds the error among the kept with a chosen confidence (Learn then Test).", _guarantee
    ),
    "eye": ThresholdRule("By eye", "Set by hand, looking at calibrate.", _eye),
    "published": ThresholdRule(
        "As published", "Unknown under a confidence of 0.8, before any temperature.", _published
    ),
}
"""The ways to choose a threshold by the key used in links, files and on the command line."""


def tune(
    run: Run,
    key: str = DEFAULT,
    how: str = "keep",
    goal: TuningGoal | None = None,
    on: str = "calibrate",
    scorer: Scorer | None = None,
) -> Policy:
    """Choose the thresholds of a score for a run.

    Args:
        run: The run.
        key: Of `SCORES`.
        how: Of `THRESHOLD_RULES`.
        goal: What the threshold is to do.
        on: The split to choose on, calibrate or select.
        scorer: The run's, where it is already fitted.

    Raises:
        ConfigError: The score or the way is unknown, the split is another (test among them), the way does not go
            with the score or the split, or a number is out of range.
        DataError: Nothing can be promised with so few pictures.
        RunError: The run lacks the pictures.
    """
    measure = score(key)
    if how not in THRESHOLD_RULES:
        raise ConfigError(f"'{how}' is no known way to choose a threshold.", f"Known are {', '.join(THRESHOLD_RULES)}.")
    if on not in ("calibrate", "select"):
        raise ConfigError(
            f"A threshold is not chosen on {on}.",
            "What is chosen on test is flattered by test. Choose on calibrate or select; test is to look at.",
        )
    if how == "published" and key != "confidence":
        raise ConfigError(f"There is no published threshold for {key}.", "It is for the score 'confidence'.")
    own = scorer or Scorer.of(run)
    asked = goal or TuningGoal()
    first, *rest = measure.parts
    if how in ("keep", "eye"):  # one threshold on the score itself, also where it joins two
        threshold, sentence = THRESHOLD_RULES[how].choose(split_scores(run, own, key, on), None, asked)
        thresholds = own.limits(key, threshold)
    else:
        # Distance says nothing of mistakes: its limit keeps a share of select, and the first score does the rest.
        thresholds = {k: keep_share_threshold(split_scores(run, own, k, "select").scores, asked.share) for k in rest}
        part, learn = (
            split_scores(run, own, first, split).within(
                np.all([split_scores(run, own, k, split).scores <= t for k, t in thresholds.items()], axis=0)
                if rest
                else np.ones(len(run.part(split)), dtype=bool)
            )
            for split in (on, "select")
        )
        thresholds[first], sentence = THRESHOLD_RULES[how].choose(part, learn if on == "calibrate" else None, asked)
        if rest:
            sentence += (
                f" This is among the pictures within the limit on {SCORES[rest[0]].name.lower()}, which keeps "
                f"{100 * asked.share:g} % of the select pictures."
            )
    outputs = outputs_of(run, run.part("calibrate"))
    within = {part_key: own(part_key, outputs) <= t for part_key, t in thresholds.items()}
    shares = {part_key: float(w.mean()) if len(w) else None for part_key, w in within.items()}
    return Policy(
        score=key,
        temperature=own.known.temperature,
        how=how,
        chosen=sentence,
        run=run.fingerprint,
        chosen_on="published" if how == "published" else "calibrate" if on == "calibrate" else "select",
        limits=tuple(Limit(score=k, threshold=thresholds[k], kept_share=shares[k]) for k in measure.parts),
        kept_share=float(np.all(list(within.values()), axis=0).mean()) if len(outputs) else None,
    )
