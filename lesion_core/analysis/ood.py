"""Which pictures a model should not answer for: scores, thresholds, and the policy that a run ships with.

One convention everywhere: **a higher score means more out of distribution (OOD)**, OOD is the positive class,
and a picture is kept iff ``score <= threshold``, so one exactly on the threshold is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, field_validator

from lesion_core.analysis.intervals import Interval, share_interval, wilson
from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import auroc, ones, rank, ratio
from lesion_core.config import Settings
from lesion_core.errors import ConfigError, DataError, RunError
from lesion_core.runs import Run


@dataclass(frozen=True)
class Score:
    """One way to tell that a picture is not what the model was trained on.

    Attributes:
        key: The name in links, files and on the command line.
        name: The name on the screen.
        says: What it measures, one sentence.
        paper: Where it is from.
        formula: In TeX.
        quantity: What is shown to a person in place of the score, a noun.
        shown: The score as that quantity.
        rejected_side: Where the quantity of a rejected picture lies from that of the threshold.
        function: Logits (N, K) and temperature to scores (N,).
    """

    key: str
    name: str
    says: str
    paper: str
    formula: str
    quantity: str
    shown: Callable[[float], float]
    rejected_side: Literal["under", "over"]
    function: Callable[[ArrayLike, float], Floats]

    def __call__(self, logits: ArrayLike, temperature: float = 1.0) -> Floats:
        """Scores (N,) float64 of logits (N, K), higher = more OOD; N may be 0.

        Raises:
            DataError: Logits of another shape, or NaN or infinite ones.
            ConfigError: The temperature is not a positive number.
        """
        return self.function(logits, temperature)


SCORES: dict[str, Score] = {
    s.key: s
    for s in (
        Score("confidence", "Confidence",
              "How far the model's highest probability is from certainty.",
              "Hendrycks and Gimpel 2017 (arXiv:1610.02136), the maximum softmax probability",
              r"1 - \max_k \mathrm{softmax}(z / T)_k", "The model's confidence", lambda score: 1 - score, "under",
              lambda logits, temperature: 1 - softmax(logits, temperature).max(axis=1)),
    )
}
"""The scores by key."""


def score(key: str) -> Score:
    """The score of a key.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in SCORES:
        raise ConfigError(f"'{key}' is no known OOD score.", f"Known are {', '.join(SCORES)}.")
    return SCORES[key]


def _check_scores(scores: ArrayLike, what: str, *, some: bool = False) -> Floats:
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1 or (some and len(s) == 0):
        raise DataError(f"The {what} scores of shape {s.shape} are no list of scores.", "Give one number a picture.")
    bad = int((~np.isfinite(s)).sum())
    if bad:
        raise DataError(
            f"{bad} of {len(s)} {what} scores are NaN or infinite.",
            "Find their pictures: the model or its input went wrong there.",
        )
    return s


def _check_in(score_in: ArrayLike, correct: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    s, r = _check_scores(score_in, "in-distribution", some=True), np.asarray(correct)
    if r.shape != s.shape or r.dtype != np.bool_:
        raise DataError(
            f"Results of shape {r.shape} and type {r.dtype} do not fit {len(s)} scores.",
            "Give one boolean a picture: is its prediction correct?",
        )
    return s, r


def threshold_table(
    score_in: ArrayLike, correct: ArrayLike, score_out: ArrayLike, thresholds: ArrayLike
) -> pd.DataFrame:
    """What each threshold keeps and rejects, one row each, in the order given.

    Args:
        score_in: (N,) scores of in-distribution pictures.
        correct: (N,) bool, whether the prediction of each is correct.
        score_out: (M,) scores of OOD pictures; M may be 0.
        thresholds: (T,), infinite ones keep all or none.

    Returns:
        threshold, coverage (share of in-distribution pictures kept), accuracy (of the kept; NaN where none is),
        n_kept, ood_rejected (share of OOD pictures rejected; NaN where there are none).

    Raises:
        DataError: There is no in-distribution picture, the arrays do not fit, or a score is NaN or infinite.
    """
    s, r = _check_in(score_in, correct)
    out = _check_scores(score_out, "OOD")
    t = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if t.ndim != 1 or np.isnan(t).any():
        raise ConfigError("The thresholds are no list of numbers.", "Give numbers, none of them NaN.")
    order = np.argsort(s, kind="stable")
    kept = np.searchsorted(s[order], t, side="right")
    right = np.append(0, np.cumsum(r[order]))[kept]
    rejected = len(out) - np.searchsorted(np.sort(out), t, side="right")
    return pd.DataFrame({
        "threshold": t, "coverage": kept / len(s), "accuracy": ratio(right.astype(float), kept.astype(float)),
        "n_kept": kept, "ood_rejected": ratio(rejected.astype(float), np.full(len(t), float(len(out)))),
    })


@dataclass(frozen=True)
class OperatingPoint:
    """One threshold, with intervals.

    Attributes:
        threshold: A picture is kept iff its score is at or under this.
        coverage: Share of the in-distribution pictures that are kept.
        accuracy: Share of the kept that are classified correctly.
        ood_rejected: Share of the OOD pictures that are rejected.
    """

    threshold: float
    coverage: Interval
    accuracy: Interval
    ood_rejected: Interval


def operating_point(
    score_in: ArrayLike, correct: ArrayLike, score_out: ArrayLike, threshold: float,
    groups: ArrayLike | None = None, n: int = 1000, seed: int = 0, level: float = 0.95,
) -> OperatingPoint:
    """Coverage, accuracy of the kept, and OOD pictures rejected at one threshold; NaN where nothing is counted.

    Args:
        score_in: (N,) scores of in-distribution pictures.
        correct: (N,) bool, whether the prediction of each is correct.
        score_out: (M,) scores of OOD pictures; M may be 0.
        threshold: Keep iff ``score <= threshold``.
        groups: (N,) lesion ids for intervals over lesions; None takes each picture as a case (Wilson's intervals).
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.
        level: Of the intervals, in (0, 1).

    Raises:
        DataError: As in `threshold_table`, or a lesion id is missing.
        ConfigError: The threshold is NaN, or `n` or `level` is out of range.
    """
    s, r = _check_in(score_in, correct)
    out = _check_scores(score_out, "OOD")
    if np.isnan(threshold):
        raise ConfigError("The threshold is NaN.", "Give a number.")
    kept = s <= threshold
    rejected = wilson(int((out > threshold).sum()), len(out), level)
    if groups is None:
        coverage = wilson(int(kept.sum()), len(s), level)
        accuracy = wilson(int(r[kept].sum()), int(kept.sum()), level)
    else:
        coverage = share_interval(kept, np.ones_like(kept), groups, n, seed, level)
        accuracy = share_interval(r, kept, groups, n, seed, level)
    return OperatingPoint(float(threshold), coverage, accuracy, rejected)


def keep_share_threshold(score_calibrate: ArrayLike, share: float = 0.95) -> float:
    """The lowest threshold that keeps at least `share` of the calibrate split.

    It is one of the scores; with ties it can keep more.

    Args:
        score_calibrate: (N,) scores of in-distribution pictures that no other choice was made on.
        share: In (0, 1].

    Raises:
        DataError: There are no scores, or one is NaN or infinite.
        ConfigError: The share is out of range.
    """
    s = np.sort(_check_scores(score_calibrate, "calibration", some=True))
    if not 0 < share <= 1:
        raise ConfigError(f"A share of {share} to keep is not in (0, 1].", "Give 0.95 to keep 95 %.")
    return float(s[np.searchsorted(np.arange(1, len(s) + 1) / len(s), share)])


def ood_auroc(score_in: ArrayLike, score_out: ArrayLike) -> float:
    """The chance that an OOD picture scores higher than an in-distribution one, ties count half (OOD is positive).

    NaN where one side is empty.

    Raises:
        DataError: A score is NaN or infinite.
    """
    s, out = _check_scores(score_in, "in-distribution"), _check_scores(score_out, "OOD")
    positive = np.arange(len(s) + len(out)) >= len(s)
    return float(auroc(rank(positive, np.concatenate([s, out])), ones(len(positive)))[0])


def fpr_at_95_tpr(score_in: ArrayLike, score_out: ArrayLike) -> float:
    """The share of in-distribution pictures flagged when at least 95 % of the OOD pictures are (OOD is positive).

    Papers that take in-distribution as positive mean another figure by this name. NaN where one side is empty.

    Raises:
        DataError: A score is NaN or infinite.
    """
    s, out = _check_scores(score_in, "in-distribution"), _check_scores(score_out, "OOD")
    if not len(s) or not len(out):
        return float("nan")
    lowest_flagged = -keep_share_threshold(-out, 0.95)
    return float((s >= lowest_flagged).mean())


class Policy(Settings):
    """What is rejected, and on what grounds; `policy.json` of a run folder holds it.

    A threshold is never chosen on the test split: `chosen_on` has no such value.
    """

    score: str = Field(description="key of `SCORES`")
    threshold: float = Field(allow_inf_nan=False, description="kept iff score <= threshold")
    temperature: float = Field(gt=0, allow_inf_nan=False)
    chosen: str = Field(min_length=1, description="how the threshold was chosen, one sentence")
    chosen_on: Literal["calibrate", "select", "published"]
    kept_share: float | None = Field(
        default=None, gt=0, le=1, description="share of the pictures it was chosen on that it keeps; null: unknown"
    )
    run: str = Field(min_length=1, description="fingerprint of the run's settings")

    @field_validator("score")
    @classmethod
    def _is_known(cls, key: str) -> str:
        if key not in SCORES:
            raise ValueError(f"'{key}' is no known OOD score, known are {', '.join(SCORES)}")
        return key


def read_policy(run: Run) -> Policy | None:
    """The run's rejection policy, None where it has none.

    Raises:
        RunError: The policy was made for another run.
        ConfigError: The file is damaged or has unknown fields.
    """
    path = run.folder / "policy.json"
    if not path.is_file():
        return None
    policy = Policy.read(path)
    if policy.run != run.fingerprint:
        raise RunError(
            f"policy.json of {run.name} was made for another run ({policy.run}).", "Choose a threshold for this run."
        )
    return policy


def keep_share_policy(
    key: str, logits: ArrayLike, run: str, temperature: float = 1.0, share: float = 0.95
) -> Policy:
    """The policy that keeps at least `share` of the calibrate split.

    Args:
        key: Of `SCORES`.
        logits: (N, K) of the calibrate split.
        run: Fingerprint of the run's settings.
        temperature: Of the run's calibration.
        share: In (0, 1].

    Raises:
        DataError: There are no logits, or one is NaN or infinite.
        ConfigError: The score is unknown, or a number is out of range.
    """
    scores = score(key)(logits, temperature)
    threshold = keep_share_threshold(scores, share)
    return Policy(
        score=key, threshold=threshold, temperature=temperature, chosen_on="calibrate", run=run,
        chosen=f"It is the lowest threshold that keeps {100 * share:g} % of the {len(scores)} calibration pictures.",
        kept_share=float((scores <= threshold).mean()),
    )


@dataclass(frozen=True)
class Decision:
    """What a policy says about one picture.

    Attributes:
        rejected: The model should not answer.
        score: The OOD score, higher = more OOD.
        reason: One plain sentence.
    """

    rejected: bool
    score: float
    reason: str


def _told_apart(a: float, b: float) -> tuple[str, str]:
    """Two numbers with two decimals, or as many more as show which is larger."""
    for digits in range(2, 9):
        if a == b or round(a, digits) != round(b, digits):
            return f"{a:.{digits}f}", f"{b:.{digits}f}"
    return repr(a), repr(b)


def _reason(policy: Policy, value: float) -> str:
    """One sentence: the picture's quantity, where it lies from the limit, and how common that is."""
    measure = SCORES[policy.score]
    mine, limit = _told_apart(measure.shown(value), measure.shown(policy.threshold))
    under = measure.rejected_side == "under"
    where = measure.rejected_side if value > policy.threshold else "at least" if under else "at most"
    sentence = f"{measure.quantity} {mine} is {where} {limit}"
    if policy.kept_share is None:
        return f"{sentence}."
    percent = np.floor(round(1000 * policy.kept_share, 6)) / 10  # never rounded up: 99.96 % is not all
    pictures = {"calibrate": "calibration", "select": "selection", "published": "published"}[policy.chosen_on]
    return f"{sentence}, which {percent:g} % of the {pictures} pictures {'reach' if under else 'stay within'}."


def decide(policy: Policy, logits: ArrayLike) -> list[Decision]:
    """Apply a policy to logits (N, K), one decision a picture: rejected iff ``score > threshold``.

    Raises:
        DataError: Logits of another shape, or NaN or infinite ones.
    """
    values = SCORES[policy.score](logits, policy.temperature).tolist()
    return [Decision(value > policy.threshold, value, _reason(policy, value)) for value in values]
