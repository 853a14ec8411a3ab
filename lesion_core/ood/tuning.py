"""A policy out of a rule: the thresholds of a score, chosen on a run's calibration or validation set."""

from __future__ import annotations

import numpy as np

from lesion_core.errors import ConfigError
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.policy import Limit, Policy
from lesion_core.ood.scores import SCORES, Scorer, default_score, ood_score
from lesion_core.ood.threshold_rules import THRESHOLD_RULES, SplitScores, ThresholdRule, TuningGoal, split_scores
from lesion_core.ood.thresholds import keep_share_threshold
from lesion_core.runs.classifier import Run

SPLITS = ("calibrate", "select")
"""The splits that a threshold may be chosen on: the calibration set and the validation set."""

VALIDATION = "select"
"""The validation set: where candidates, and the limits on the other scores of a pair, come from."""


def tune(
    run: Run,
    key: str = "",
    how: str = "keep",
    goal: TuningGoal | None = None,
    on: str = "calibrate",
    scorer: Scorer | None = None,
) -> Policy:
    """Choose the thresholds of a score for a run.

    Args:
        run: The run.
        key: A key of `SCORES`; empty: the run's default.
        how: A key of `THRESHOLD_RULES`.
        goal: What the threshold is to do.
        on: The set to choose on, `calibrate` or `select`.
        scorer: The run's, where it is already fitted.

    Raises:
        ConfigError: The score or the rule is unknown, the split is another (test among them), the rule does not go
            with the score or the split, or a number is out of range.
        DataError: Nothing can be guaranteed with so few images.
        RunError: The run lacks the images.

    Examples:
        >>> from pathlib import Path
        >>> from lesion_core.runs.classifier import open_run
        >>> run = open_run(Path("checkpoints/resnet50-isic2019"))
        >>> policy = tune(run, "confidence", "keep", TuningGoal(share=0.95))
        >>> 0.95 <= policy.kept_share < 0.96
        True
    """
    key = key or default_score(run)
    measure = ood_score(key)
    rule = _rule(how, key, on)
    own, asked = scorer or Scorer.of(run), goal or TuningGoal()
    if rule.on_combined_score:
        threshold, sentence = rule.choose(split_scores(run, own, key, on), None, asked)
        thresholds = own.limits(key, threshold)
    else:
        thresholds, sentence = _first_by_rule(run, own, measure.parts, rule, asked, on)
    outputs = outputs_of(run, run.part("calibrate"))
    within = {part: own(part, outputs) <= t for part, t in thresholds.items()}
    shares = {part: float(w.mean()) if len(w) else None for part, w in within.items()}
    return Policy(
        score=key,
        temperature=own.known.temperature,
        how=how,
        chosen=sentence,
        run=run.fingerprint,
        chosen_on=on if rule.from_data else "published",  # type: ignore[arg-type]  # one of SPLITS
        limits=tuple(Limit(score=k, threshold=thresholds[k], kept_share=shares[k]) for k in measure.parts),
        kept_share=float(np.all(list(within.values()), axis=0).mean()) if len(outputs) else None,
    )


def _rule(how: str, key: str, on: str) -> ThresholdRule:
    """The rule of a key, if its conditions hold."""
    if how not in THRESHOLD_RULES:
        raise ConfigError(
            f"'{how}' is not a known way to choose a threshold.", f"Choose one of {', '.join(THRESHOLD_RULES)}."
        )
    rule = THRESHOLD_RULES[how]
    if on not in SPLITS:
        raise ConfigError(
            f"A threshold cannot be chosen on '{on}'.",
            "Choose it on calibrate or select: one chosen on the test set looks better there than it is.",
        )
    if rule.only_for not in (None, key):
        raise ConfigError(f"There is no {how} threshold for {key}.", f"It is for the score '{rule.only_for}'.")
    if rule.needs_validation and on == VALIDATION:
        raise ConfigError(
            "A guarantee is tested on the calibration set; its thresholds come from the validation set.",
            "Choose it on calibrate.",
        )
    return rule


def _first_by_rule(
    run: Run, scorer: Scorer, parts: tuple[str, ...], rule: ThresholdRule, goal: TuningGoal, on: str
) -> tuple[dict[str, float], str]:
    """A threshold on each part: the first by the rule, among the images that the others keep.

    Distance says nothing of mistakes: its limit keeps a share of the validation set, and the first score does the rest.
    """
    first, *rest = parts
    thresholds = {k: keep_share_threshold(split_scores(run, scorer, k, VALIDATION).scores, goal.share) for k in rest}

    def within(split: str) -> SplitScores:
        found = split_scores(run, scorer, first, split)
        kept = np.ones(len(found.scores), dtype=bool)
        for key, limit in thresholds.items():
            kept = kept & (split_scores(run, scorer, key, split).scores <= limit)
        return found.within(kept)

    threshold, sentence = rule.choose(within(on), within(VALIDATION) if rule.needs_validation else None, goal)
    if rest:
        names = " and on ".join(SCORES[key].name.lower() for key in rest)
        limits, keep = ("limit", "which keeps") if len(rest) == 1 else ("limits", "each of which keeps")
        sentence += (
            f" This is among the images within the {limits} on {names}, {keep} {100 * goal.share:g} % of the "
            "validation images."
        )
    return {**thresholds, first: threshold}, sentence
