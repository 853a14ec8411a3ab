"""What one process saves, the others see: they share nothing but the run's files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.cache.runs import own_policy
from lesion_core.ood.policy import Policy, save_policy, write_policy
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import open_run

SAVES = """
import sys
from pathlib import Path
from lesion_core.ood.policy import read_policy, save_policy
from lesion_core.runs.classifier import open_run

run = open_run(Path(sys.argv[1]))
save_policy(read_policy(run, Path(sys.argv[2])), run)
"""


@pytest.mark.slow
def test_a_policy_that_another_process_saves_holds_at_once(run_copy: Path, tmp_path: Path) -> None:
    run, other = open_run(run_copy), open_run(run_copy)
    first, second, third = (tune(run, goal=TuningGoal(share=share)) for share in (0.6, 0.7, 0.8))

    def saved_elsewhere(policy: Policy) -> None:
        write_policy(policy, tmp_path / "chosen.json")
        command = [sys.executable, "-c", SAVES, str(run_copy), str(tmp_path / "chosen.json")]
        subprocess.run(command, check=True, timeout=120, cwd=Path(__file__).parents[2])

    assert own_policy(run) not in (first, second, third)
    saved_elsewhere(first)
    assert own_policy(run) == own_policy(other) == first
    save_policy(second, run)
    assert own_policy(run) == second
    saved_elsewhere(third)
    assert own_policy(run) == third
    (run_copy / "policy.json").unlink()
    assert own_policy(run) is None
