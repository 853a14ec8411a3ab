"""Whether a model should answer: a policy at work. It knows no model, only what one said."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lesion_core.errors import RunError
from lesion_core.ood.known_answer import read_known_answer
from lesion_core.ood.model_outputs import Outputs, outputs_of
from lesion_core.ood.policy import Decision, Policy, check_run, decide, keeps, read_policy
from lesion_core.ood.scores import Scorer
from lesion_core.runs.classifier import Run

ROUNDING = 0.001
"""How far rounding of other processors may move a score of a stored image, as a share of it; under 1 counts as 1."""


class Rejector:
    """A policy with the scores that it asks for, fitted; one serves all visitors.

    Args:
        run: The run whose outputs are judged.
        policy: What is rejected.
        scorer: The run's, where it is fitted already; another temperature than the policy's is not used.

    Raises:
        RunError: The policy was made for another run or does not keep what it says, or the run's tables are damaged
            or give other scores than when they were written.
    """

    def __init__(self, run: Run, policy: Policy, scorer: Scorer | None = None) -> None:
        check_run(policy, run)
        self.policy = policy
        fits = scorer is not None and scorer.known.temperature == policy.temperature
        self._scorer = scorer if scorer is not None and fits else Scorer.of(run, policy.temperature)
        for key in policy.parts:  # now, not while the first visitor waits
            self._scorer.function(key)
        self._check_shares(run)
        known = read_known_answer(run)
        if known.temperature == policy.temperature:
            known.check_scores(run, self._scorer, policy.parts)

    def _check_shares(self, run: Run) -> None:
        """Refuse thresholds that keep other shares of the run's calibration images than the policy says."""
        outputs = outputs_of(run, run.part("calibrate"))
        if not len(outputs):
            return
        scores = self._scorer.all(outputs, self.policy.parts)
        limits = self.policy.limits
        over = [(scores[limit.score] - limit.threshold) / max(1.0, abs(limit.threshold)) for limit in limits]
        told = [*(limit.kept_share for limit in limits), self.policy.kept_share]
        for share, beyond in zip(told, [*over, np.max(over, axis=0)], strict=True):
            if share is None or not (beyond <= -ROUNDING).mean() <= share <= (beyond <= ROUNDING).mean():
                said = "nothing" if share is None else f"{share:.1%}".replace("%", " %")
                raise RunError(
                    f"The policy says that it keeps {said} of the calibration images of {run.name}, and keeps "
                    f"{100 * (beyond <= 0).mean():.1f} %.",
                    "It was altered after it was chosen; choose thresholds with `python -m lesion_core ood tune`.",
                )

    @classmethod
    def open(cls, run: Run, path: Path | None = None) -> Self | None:
        """The rejector of the run's own policy, or of another file's; None where the run has none.

        Raises:
            RunError: The policy was made for another run.
            ConfigError: The file is not there, damaged, or altered.
        """
        policy = read_policy(run, path)
        return None if policy is None else cls(run, policy)

    def decide(self, outputs: Outputs) -> list[Decision]:
        """One decision for each image in the outputs."""
        return decide(self.policy, self._scorer.all(outputs, self.policy.parts))

    def keeps(self, outputs: Outputs) -> NDArray[np.bool_]:
        """(N,): which images in the outputs it keeps, without the words of `decide`."""
        return keeps(self.policy, self._scorer.all(outputs, self.policy.parts))
