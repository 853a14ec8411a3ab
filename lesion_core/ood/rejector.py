"""Whether a model should answer: a policy at work. It knows no model, only what one said."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from lesion_core.ood.known_answer import read_known_answer
from lesion_core.ood.model_outputs import Outputs
from lesion_core.ood.policy import Decision, Policy, check_run, decide, read_policy
from lesion_core.ood.scores import Scorer
from lesion_core.runs.classifier import Run


class Rejector:
    """A policy with the scores that it asks for, fitted; one serves all visitors.

    Args:
        run: The run whose outputs are judged.
        policy: What is rejected.
        scorer: The run's, where it is fitted already; another temperature than the policy's is not used.

    Raises:
        RunError: The policy was made for another run, or the run's tables are damaged or give other scores than when
            they were written.
    """

    def __init__(self, run: Run, policy: Policy, scorer: Scorer | None = None) -> None:
        check_run(policy, run)
        self.policy = policy
        fits = scorer is not None and scorer.known.temperature == policy.temperature
        self._scorer = scorer if scorer is not None and fits else Scorer.of(run, policy.temperature)
        for key in policy.parts:  # now, not while the first visitor waits
            self._scorer.function(key)
        known = read_known_answer(run)
        if known.temperature == policy.temperature:
            known.check_scores(run, self._scorer, policy.parts)

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
