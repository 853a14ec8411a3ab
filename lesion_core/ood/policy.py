"""The policy that a run ships with: what it rejects, why, and what a rejected person is told.

`policy.json` holds a `Policy` and a check over it. It names its run; a threshold is never chosen on the test set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, field_validator, model_validator

from lesion_core import files
from lesion_core.analysis.predictions import Floats, check_scores
from lesion_core.config import Settings
from lesion_core.errors import ConfigError, DataError, RunError
from lesion_core.foreign_text import shown
from lesion_core.ood.scores import SCORES
from lesion_core.ood.sentences import plain_reason, reason
from lesion_core.ood.threshold_rules import THRESHOLD_RULES
from lesion_core.runs.beside import as_opened, rewriting
from lesion_core.runs.classifier import Run
from lesion_core.runs.hashes import FileState, file_state
from lesion_core.runs.listing import POLICY
from lesion_core.runs.small_files import is_there, read_small

NO_POLICY = "This run has no rejection policy, so nothing was rejected."
"""The reason of every answer that no policy looked at."""


class Limit(Settings):
    """The threshold on one score."""

    score: str = Field(description="key of `SCORES`, one that joins no others")
    threshold: float = Field(description="kept iff score <= threshold")
    kept_share: float | None = Field(default=None, ge=0, le=1, description="share of calibration images within it")


class Policy(Settings):
    """What is rejected, and on what grounds: an image is kept iff every score is within its limit."""

    score: str = Field(description="key of `SCORES`")
    limits: tuple[Limit, ...] = Field(min_length=1, description="one for each part of the score, in its order")
    temperature: float = Field(gt=0, description="that probabilities are computed with")
    how: str = Field(description="key of `THRESHOLD_RULES`")
    chosen: str = Field(min_length=1, description="how the threshold was chosen, one sentence")
    chosen_on: Literal["calibrate", "select", "published"]
    kept_share: float | None = Field(default=None, ge=0, le=1, description="share of calibration images kept")
    run: str = Field(min_length=1, description="fingerprint of the run")

    @field_validator("score")
    @classmethod
    def _is_known(cls, key: str) -> str:
        if key not in SCORES:
            raise ValueError(f"'{key}' is not a known OOD score; choose one of {', '.join(SCORES)}")
        return key

    @field_validator("how")
    @classmethod
    def _is_a_way(cls, key: str) -> str:
        if key not in THRESHOLD_RULES:
            raise ValueError(
                f"'{key}' is not a known way to choose a threshold; choose one of {', '.join(THRESHOLD_RULES)}"
            )
        return key

    @model_validator(mode="after")
    def _fits(self) -> Self:
        parts = SCORES[self.score].parts
        if tuple(limit.score for limit in self.limits) != parts:
            raise ValueError(f"{self.score} needs limits on {' and '.join(parts)}, in this order")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """The scores that `decide` asks for."""
        return SCORES[self.score].parts

    def limit(self, key: str) -> Limit | None:
        """The limit on a score, None where the policy does not look at it."""
        return next((limit for limit in self.limits if limit.score == key), None)


class PolicyFile(Settings):
    """`policy.json`: a policy, and a check that tells whether it was altered since it was chosen."""

    policy: Policy
    check: str = Field(description="fingerprint of the policy")


def write_policy(policy: Policy, path: Path) -> None:
    """Write a policy with its check, whole or not at all: others may be reading the file.

    Raises:
        ConfigError: The path is none of a file that can be written, as `files.file_to_write` says.
    """
    with files.written(path) as new:
        new.write_text(PolicyFile(policy=policy, check=policy.fingerprint()).to_json(), encoding="utf-8")


def save_policy(policy: Policy, run: Run) -> Path:
    """Make a policy the run's own, in place of the one that it has.

    Returns:
        The file's path.

    Raises:
        RunError: The policy is another run's, the folder holds another run by now, or the disk did not take it.
        BusyError: Another process is writing the run.
    """
    check_run(policy, run)
    try:
        with rewriting(run) as new:
            write_policy(policy, new / POLICY)
    except OSError as error:  # on a page there is nobody else to tell it
        raise RunError(
            f"The policy could not be written: {error.strerror or 'the disk refused it'}.",
            "Make room on the server's disk, or save the file policy.json on your own.",
        ) from error
    return run.folder / POLICY


def policy_state(run: Run) -> FileState:
    """Changes with the run's `policy.json`, which a person may replace at any time."""
    return file_state(files.current(run.folder, POLICY))


def read_policy(run: Run, path: Path | None = None) -> Policy | None:
    """The run's rejection policy, None where it has none; `path` names another file of the same run.

    What is there and cannot be read is never as if there were none.

    Raises:
        RunError: The policy was made for another run, or the folder holds another run by now.
        ConfigError: The file named is not there; or it, or the run's own, cannot be read, is damaged, altered by hand,
            or has unknown fields.
    """
    with as_opened(run):
        return _read_policy(run, path)


def _read_policy(run: Run, path: Path | None) -> Policy | None:
    file = files.current(run.folder, POLICY) if path is None else path
    try:
        if path is None and not is_there(file):
            return None
        text = read_small(file)
    except OSError as error:
        raise ConfigError(
            f"{f'{POLICY} of {run.name}' if path is None else file} cannot be read ({error.strerror}), so nobody knows "
            "what is to be rejected.",
            "Put a readable policy.json there; `python -m lesion_core ood tune` makes one.",
        ) from None
    found = PolicyFile.from_json(text, file.name)
    if found.check != found.policy.fingerprint():
        raise ConfigError(
            f"{file.name} was altered after it was chosen: its check does not fit.",
            "Choose thresholds with `python -m lesion_core ood tune`.",
        )
    check_run(found.policy, run, file.name)
    return found.policy


def check_run(policy: Policy, run: Run, called: str = "The policy") -> None:
    """Refuse a policy of another run: its thresholds mean nothing here.

    Raises:
        RunError: It was made for another run.
    """
    if policy.run != run.fingerprint:
        raise RunError(
            f"{called} was made for another run ({shown(policy.run)}), not for {run.name} ({run.fingerprint}).",
            "Choose thresholds for this run with `python -m lesion_core ood tune`.",
        )


@dataclass(frozen=True)
class Decision:
    """What a policy says about one image.

    Attributes:
        rejected: The model should not answer.
        scores: The scores that it looked at, by key; higher = more OOD.
        reason: A sentence with figures for each limit that is passed, or for each that is kept.
        plain: The same without figures, in one sentence.
    """

    rejected: bool
    scores: dict[str, float]
    reason: str
    plain: str = ""


def decide(policy: Policy, scores: Mapping[str, ArrayLike]) -> list[Decision]:
    """Apply a policy to images, one decision each: rejected iff a score is over its limit.

    Args:
        policy: The policy.
        scores: (N,) of each of the policy's `parts`, by key, at the policy's temperature; others are ignored.

    Raises:
        DataError: A score is missing, of another length, or NaN or infinite.

    Examples:
        >>> from lesion_core.runs.classifier import open_run
        >>> policy = read_policy(open_run(Path("checkpoints/resnet50-isic2019")))
        >>> strange = {key: [100.0] for key in policy.parts}
        >>> decide(policy, strange)[0].rejected
        True
    """
    missing = [key for key in policy.parts if key not in scores]
    if missing:
        raise DataError(f"The policy looks at {missing[0]}, which is not there.", "Give the scores of its parts.")
    values = {key: check_scores(scores[key], key) for key in policy.parts}
    if len({len(v) for v in values.values()}) > 1:
        raise DataError("The scores are not of the same images.", "Give one score of each part per image.")
    decisions = []
    for row in zip(*(values[key].tolist() for key in policy.parts), strict=True):
        over = [value > limit.threshold for limit, value in zip(policy.limits, row, strict=True)]
        said = [
            reason(limit.score, value, limit.threshold, limit.kept_share)
            for limit, value, is_over in zip(policy.limits, row, over, strict=True)
            if is_over or not any(over)
        ]
        passed = [limit.score for limit, is_over in zip(policy.limits, over, strict=True) if is_over]
        plain = plain_reason(passed, policy.parts)
        decisions.append(Decision(any(over), dict(zip(policy.parts, row, strict=True)), " ".join(said), plain))
    return decisions


def keeps(policy: Policy, scores: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """(N,): which images a policy keeps; arguments as in `decide`, without the words."""
    return np.asarray(np.all([scores[limit.score] <= limit.threshold for limit in policy.limits], axis=0))


def keeps_changed(policy: Policy, table: pd.DataFrame) -> NDArray[np.bool_] | None:
    """(N,): which rows of a run's robustness table a policy keeps; None where the table holds other scores than those
    that it looks at: another policy was the run's when it was made.

    Args:
        policy: The policy.
        table: Rows of `runs.robustness`.
    """
    columns = [f"score_{key}" for key in policy.parts]
    if not set(columns) <= set(table.columns) or not np.isclose(table["temperature"], policy.temperature).all():
        return None
    return keeps(policy, {key: table[f"score_{key}"].to_numpy(np.float64) for key in policy.parts})
