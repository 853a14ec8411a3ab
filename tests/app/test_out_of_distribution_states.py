"""Whatever others have opened before, a state of the page Out of distribution looks as it does when nothing is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from app.cache import rejection, results
from app.out_of_distribution import corrupted_images, head, near, score_tables, sets, tabs, who
from lesion_core.ood.policy import Policy, save_policy
from lesion_core.ood.scores import DEFAULT
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.hashes import sha256
from tests.literal import open_page, text

State = dict[str, str]
BASE: State = {"run": "small", "score": "confidence", "threshold": "0.3"}
ELSEWHERE: State = {"run": "other"}
SCORE: State = {"score": "scaled_confidence"}
LINE: tuple[State, ...] = ({}, {"threshold": "0.2"}, SCORE, ELSEWHERE)
SPLIT: State = {"on": "calibrate"}
PUBLISHED: State = {"threshold": "0.8"}
CHANGES: dict[str, tuple[State, ...]] = {
    "Who is rejected": (
        *LINE,
        *(SPLIT, {"moved": "calibrate"}, PUBLISHED),
        *({"who": who} for who in ("sex", "age", "site", "dataset")),
    ),
    "How to choose it": ({}, SCORE, ELSEWHERE, {"cost": "5"}, {"errors": "30"}, {"sure": "60"}),
    "All scores": (*LINE, {"scores_of": "other"}),
    "Corrupted images": LINE,
    "Calibration": ({}, ELSEWHERE),
    "Near the threshold": (*LINE, SPLIT),
    "Sets": ({}, ELSEWHERE, {"sure_set": "70"}, {"by_class": "true"}),
    "Save": tuple({**change, "moved": "calibrate"} for change in (*LINE, PUBLISHED)),
}
"""By tab: what is changed of `BASE`, one thing at a time, so that a part that forgets it would be caught."""
STATES = [{"tab": tab, **BASE, **change} for tab, changes in CHANGES.items() for change in changes]


@pytest.fixture
def runs(small_run: Run, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small run, and one that answers the same images differently and has no policy: it contradicts itself, for
    which it would not be opened."""
    monkeypatch.setattr("app.cache.runs.check_tables", lambda _: None)
    root = tmp_path / "runs"
    shutil.copytree(small_run.folder, root / "small")
    other = Path(shutil.copytree(small_run.folder, root / "other"))
    config = json.loads((other / "config.json").read_text())
    config["settings"]["name"] = "other"
    for name in ("predictions.parquet", "ood.parquet"):
        table = pd.read_parquet(other / name)
        logits = [column for column in table if column.startswith("logit_")]
        table[logits] *= np.linspace(0.2, 3, len(table))[:, None].astype(np.float32)
        table.to_parquet(other / name, index=False)
        config["files"][name] = sha256(other / name)
    (other / "config.json").write_text(json.dumps(config))
    (other / "policy.json").unlink(missing_ok=True)
    monkeypatch.setenv("LESION_RUNS", str(root))
    monkeypatch.setenv("LESION_DATA", str(data_root))
    return root


def shown(app: Any) -> list[tuple[str, str]]:
    """All that a page shows, its figures and widgets too."""
    assert not app.exception
    return [(element.type, str(element.proto)) for element in app.main]


def forget() -> None:
    """All that the page keeps, but the runs and their fitted scores."""
    for module in (corrupted_images, head, near, rejection, results, score_tables, sets, tabs, who):
        for kept in vars(module).values():
            if hasattr(kept, "clear") and hasattr(kept, "__wrapped__"):
                kept.clear()


@pytest.mark.slow
@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("tab", CHANGES)
def test_a_state_looks_the_same_whatever_was_opened_before(tab: str) -> None:
    states = [state for state in STATES if state["tab"] == tab]
    alone = []
    for state in states:
        forget()
        alone.append(shown(open_page("out_of_distribution", **state)))
    for i, one in enumerate(alone):
        assert one not in alone[:i], f"{states[i]} does not change what is shown, so nothing is tested"
    forget()
    for _ in range(2):  # the first time parts are made in another order, then all are there
        for state, expected in reversed(list(zip(states, alone, strict=True))):
            assert shown(open_page("out_of_distribution", **state)) == expected, state


@pytest.mark.slow
def test_a_policy_that_comes_changes_and_goes_is_seen_by_the_next_visitor(runs: Path) -> None:
    run = open_run(runs / "small")
    own = [tune(run, DEFAULT, "keep", TuningGoal(share=share)) for share in (0.5, 0.8)]
    visits: list[Policy | None] = [None, *own, None, *reversed(own)]
    seen: list[Any] = []
    for cold in (True, False):
        for policy in visits:
            (runs / "small" / "policy.json").unlink(missing_ok=True)
            if policy:
                save_policy(policy, run)
            if cold:
                forget()
            app = open_page("out_of_distribution", run="small", on="calibrate")
            seen.append(shown(app))
    first, warm = seen[: len(visits)], seen[len(visits) :]
    assert warm == first and first[1] != first[0] != first[2] != first[1]


@pytest.mark.slow
@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("tab", ["Who is rejected", "Your images", "Save"])
def test_what_a_visitor_brings_is_seen_by_no_other(tab: str, small_run: Run) -> None:
    """Images and a policy of one's own, between two visits of somebody else."""
    query = {**BASE, "tab": tab, "moved": "calibrate"}
    before = shown(open_page("out_of_distribution", **query))
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    app = open_page("out_of_distribution", **{**query, "tab": "Your images"})
    good = cv2.imencode(".png", pixels)[1].tobytes()
    app.session_state["own_policy"] = tune(small_run, "confidence", "keep", TuningGoal(share=0.5))
    app.file_uploader(key="ood_uploads_0").set_value([("mine.png", good, "image/png")]).run()
    own = shown(app)
    assert any("mine.png" in str(frame.value) for frame in app.dataframe)
    after = open_page("out_of_distribution", **query)
    assert shown(after) == before and own != before
    assert "mine.png" not in text(after) and not any("mine.png" in proto for _, proto in shown(after))
