"""A policy at work: it decides as `decide` does on the run's own scores, and is refused where it does not belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lesion_core.errors import ConfigError, RunError
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.policy import decide, read_policy, write_policy
from lesion_core.ood.rejector import Rejector
from lesion_core.ood.scores import Scorer
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run, open_run


@pytest.mark.parametrize("key", ["energy", "mahalanobis", "knn", "vim", "confidence_or_mahalanobis"])
def test_another_policy_is_obeyed(key: str, run_copy: Path, small_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    made = tune(small_run, key, goal=TuningGoal(share=0.5))
    write_policy(made, path)
    (run_copy / "policy.json").unlink()
    found = Rejector.open(open_run(run_copy), path)
    assert found is not None and found.policy == made
    outputs = outputs_of(small_run, small_run.predictions)
    decisions = found.decide(outputs)
    assert decisions == decide(made, Scorer.of(small_run, made.temperature).all(outputs, made.parts))
    assert {d.rejected for d in decisions} == {True, False}
    assert all(tuple(d.scores) == made.parts and "calibration" in d.reason for d in decisions)


def test_a_fitted_scorer_of_another_temperature_is_not_used(small_run: Run) -> None:
    policy = tune(small_run, "entropy", goal=TuningGoal(share=0.5))
    other = Scorer.of(small_run, 3 * policy.temperature)
    outputs = outputs_of(small_run, small_run.part("test"))
    assert Rejector(small_run, policy, other).decide(outputs) == Rejector(small_run, policy).decide(outputs)
    # ... which matters: at the other temperature the scores are others.
    assert not np.allclose(other("entropy", outputs), Scorer.of(small_run)("entropy", outputs))


def test_a_policy_of_another_run_is_refused(run_copy: Path) -> None:
    config = run_copy / "config.json"
    config.write_text(config.read_text().replace("start at random", "began at random"))
    with pytest.raises(RunError, match="made for another run"):
        Rejector.open(open_run(run_copy))


def test_a_policy_of_another_run_in_memory_is_refused_too(small_run: Run) -> None:
    foreign = tune(small_run, "confidence", "keep", TuningGoal()).model_copy(update={"run": "0" * 16})
    with pytest.raises(RunError, match="made for another run"):
        Rejector(small_run, foreign)


def test_a_run_without_policy_has_no_rejector(run_copy: Path) -> None:
    (run_copy / "policy.json").unlink()
    assert Rejector.open(open_run(run_copy)) is None


def test_a_damaged_policy_is_told(run_copy: Path) -> None:
    (run_copy / "policy.json").write_text("{")
    with pytest.raises(ConfigError, match=r"policy\.json"):
        Rejector.open(open_run(run_copy))


def test_a_failed_write_leaves_the_old_policy_and_nothing_beside_it(
    run_copy: Path, small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_policy(small_run)
    assert before is not None

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    listed = sorted(run_copy.iterdir())
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="space"):
        write_policy(before, run_copy / "policy.json")
    assert sorted(run_copy.iterdir()) == listed
    assert read_policy(open_run(run_copy)) == before
