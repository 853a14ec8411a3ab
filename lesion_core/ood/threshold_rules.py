"""The rules that choose a threshold, each with its conditions; `tuning` makes a policy with one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.resampling import one_per_group
from lesion_core.config import ROLE_NAMES
from lesion_core.errors import ConfigError, DataError, RunError
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.risk_control import control_risk
from lesion_core.ood.scores import PUBLISHED_CONFIDENCE, Scorer
from lesion_core.ood.thresholds import cost_optimal_threshold, keep_share_threshold
from lesion_core.runs.classifier import Run


@dataclass(frozen=True)
class SplitScores:
    """The images of a split, as choosing a threshold needs them.

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

    @property
    def count_and_name(self) -> str:
        """How many images of which set, as in "1,088 calibration images"."""
        return f"{len(self.scores):,} {ROLE_NAMES[self.split].removesuffix(' set')} images"

    def within(self, kept: NDArray[np.bool_]) -> SplitScores:
        """Those of its images that another limit keeps."""
        return SplitScores(self.split, self.scores[kept], self.correct[kept], self.missed[kept], self.lesions[kept])


def split_scores(run: Run, scorer: Scorer, key: str, split: str) -> SplitScores:
    """A split of a run under a score.

    Raises:
        RunError: The run has no such images.
    """
    table = run.part(split)
    if table.empty:
        raise RunError(f"The {ROLE_NAMES[split]} of run {run.name} is empty.", "Score it again with `evaluate --data`.")
    outputs = outputs_of(run, table)
    truth = run.truth(table)
    correct = outputs.predicted == truth
    melanoma = (table["label"] == "MEL").to_numpy()
    return SplitScores(split, scorer(key, outputs), correct, melanoma & ~correct, table["lesion_id"].to_numpy(str))


@dataclass(frozen=True)
class TuningGoal:
    """What a threshold is to do; each rule reads what it needs.

    Attributes:
        share: Share of the images to keep, in (0, 1].
        cost: Referrals that one missed melanoma counts as, at least 0.
        error: Bound on the share of wrong answers among the kept, in (0, 1).
        confidence: Probability that this bound holds, in (0, 1).
        threshold: Threshold on the score that is set by hand; only the rule *By eye* reads it.
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
    return goal.threshold, (f"Set by hand on the {part.count_and_name}: it keeps {100 * kept:.1f} % of them.")


def _keep(part: SplitScores, _: SplitScores | None, goal: TuningGoal) -> tuple[float, str]:
    return keep_share_threshold(part.scores, goal.share), (
        f"The strictest threshold that keeps {100 * goal.share:g} % of the {part.count_and_name}."
    )


def _cost(part: SplitScores, _: SplitScores | None, goal: TuningGoal) -> tuple[float, str]:
    bill = cost_optimal_threshold(part.scores, part.missed, goal.cost)
    return bill.threshold, (
        f"Cheapest if one missed melanoma costs as much as {goal.cost:,g} referrals: {bill.referrals:,} of "
        f"{part.count_and_name} are referred, and {bill.missed:,} of the {int(part.missed.sum()):,} misclassified "
        "melanomas are still answered."
    )


def _guarantee(part: SplitScores, learn: SplitScores | None, goal: TuningGoal) -> tuple[float, str]:
    assert learn is not None  # `tune` sees to what the rule needs
    one = one_per_group(part.lesions)
    found = control_risk(learn.scores, part.scores[one], part.correct[one], goal.error, goal.confidence)
    if found.threshold is None:
        raise DataError(found.description, "Allow more errors or less confidence, or score more calibration images.")
    return found.threshold, found.description


def _published(*_: object) -> tuple[float, str]:
    return 1 - PUBLISHED_CONFIDENCE, (
        f"Unknown under a confidence of {PUBLISHED_CONFIDENCE:g}, the rule of many demonstrations, made without this "
        "model's data."
    )


@dataclass(frozen=True)
class ThresholdRule:
    """A way to choose a threshold, with what it needs and where it holds.

    Attributes:
        name: What a person reads.
        description: What it does, one sentence.
        choose: From a split, the validation set where the rule needs it, and the goal, to a threshold and a sentence.
        on_combined_score: It chooses one threshold on the score itself, also where that joins two. False: the first
            score gets the rule, and the limits on the others keep a share of the validation set.
        needs_validation: It takes its candidates from the validation set, so it is chosen on another split.
        only_for: The one score that it is a threshold on; None where it is for all.
        by_hand: The goal brings the threshold; nothing is chosen from data.
        from_data: False: the threshold is a published number, whatever the split.
    """

    name: str
    description: str
    choose: Callable[[SplitScores, SplitScores | None, TuningGoal], tuple[float, str]]
    on_combined_score: bool = False
    needs_validation: bool = False
    only_for: str | None = None
    by_hand: bool = False
    from_data: bool = True


THRESHOLD_RULES: dict[str, ThresholdRule] = {
    "keep": ThresholdRule(
        name="Keep a share",
        description="Keeps 95 % of dermoscopic images, or any share.",
        choose=_keep,
        on_combined_score=True,
    ),
    "cost": ThresholdRule(
        name="Best by cost",
        description="Weighs referrals against missed melanomas.",
        choose=_cost,
    ),
    "guarantee": ThresholdRule(
        name="Guaranteed",
        description="Bounds the error among the kept with a chosen confidence (Learn then Test).",
        choose=_guarantee,
        needs_validation=True,
    ),
    "eye": ThresholdRule(
        name="By eye",
        description="Set by hand, looking at calibrate.",
        choose=_eye,
        on_combined_score=True,
        by_hand=True,
    ),
    "published": ThresholdRule(
        name="As published",
        description=f"Unknown under a confidence of {PUBLISHED_CONFIDENCE:g}, before any temperature.",
        choose=_published,
        only_for="confidence",
        from_data=False,
    ),
}
"""The ways to choose a threshold by the key used in links, files and on the command line."""
