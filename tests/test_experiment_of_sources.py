"""The experiment of sources: each is learned from alone and equally much, and all are tested on all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_core.config import RunSettings
from lesion_core.data.collection import Collection, collect
from lesion_core.data.tables import OFFICIAL_TEST, ROLES
from lesion_core.experiments import trainings
from lesion_core.experiments.registry import AT_HOME, COLUMNS, EXPERIMENTS, SOURCE_METRICS
from lesion_core.experiments.trainings import run_experiment
from lesion_core.findings import Finding, read_experiment, write_experiment
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.scores import Scorer
from lesion_core.runs.classifier import open_run
from tests.test_experiments import SETTINGS

SOURCES = ("ham10000", "isic2017", "milk10k")


@pytest.fixture
def three_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """The synthetic lesions as if they were of the three sources, every diagnosis of each in each role."""

    def dealt(*given: Any, **named: Any) -> Collection:
        found = collect(*given, **named)
        own = found.table[found.table["diagnosis"].isin(["MEL", "NV", "BKL"])]
        twelve = [(d, s, r) for d in ("MEL", "NV", "BKL") for s in SOURCES for r in ROLES]
        parts = []
        for k, (diagnosis, source, role) in enumerate(twelve):
            row = own[own["diagnosis"] == diagnosis].iloc[[k % 8]]
            name = f"{diagnosis} {source} {role}"
            parts.append(row.assign(dataset=source, role=role, image_id=name, group=name, lesion_id=name))
        few = own.head(6).assign(image_id=[f"more {i}" for i in range(6)], group=[f"more {i}" for i in range(6)])
        more = few.assign(dataset="ham10000", role="train", lesion_id=few["group"])
        official = own.iloc[::4].assign(dataset=OFFICIAL_TEST, role="test", image_id=lambda t: "o" + t["image_id"])
        others = found.table[found.table["diagnosis"] == "BCC"].assign(dataset="ham10000")
        table = pd.concat([*parts, more, official.assign(group=official["image_id"]), others], ignore_index=True)
        return replace(found, table=table)

    monkeypatch.setattr(trainings, "collect", dealt)


@pytest.mark.slow
@pytest.mark.usefixtures("three_sources")
def test_each_source_is_learned_from_alone_and_tested_on_all(data_root: Path, tmp_path: Path) -> None:
    table = run_experiment("sources", SETTINGS, data_root, tmp_path / "work", accelerator="cpu")
    assert list(table.columns) == list(COLUMNS) and list(dict.fromkeys(table["variant"])) == list(
        EXPERIMENTS["sources"].variants
    )
    whole = table[~table["view"].str.endswith(AT_HOME)]
    for _, own in whole.groupby("variant"):
        assert set(own["view"]) == {*SOURCES, OFFICIAL_TEST} and set(own["metric"]) == set(SOURCE_METRICS)
    learned = {}
    for folder in (tmp_path / "work").glob("*/run"):
        run = open_run(folder)
        assert run.classes == ("MEL", "NV", "BKL") == tuple(EXPERIMENTS["sources"].shared)
        assert set(run.predictions["label"]) == set(run.classes)
        rows = run.predictions[run.predictions["split"] == "train"]
        learned[tuple(sorted(rows["dataset"].unique())), len(rows)] = run
    assert {key for key, _ in learned} == {("ham10000",), ("isic2017",), ("milk10k",), tuple(sorted(SOURCES))}
    assert sorted(n for _, n in learned) == [3, 3, 3, 3, 15], "equal parts, and everything"
    run, home = (next(r for (key, n), r in learned.items() if key == (s,)) for s in ("ham10000", "milk10k"))
    part, there = (one.part("test", "milk10k") for one in (run, home))
    right = [
        float(np.mean(np.array(one.classes)[one.logits(rows).argmax(axis=1)] == rows["label"]))
        for one, rows in ((run, part), (home, there))
    ]
    told = table[table["variant"] == "ham10000"].set_index(["view", "metric"])["value"]
    assert told["milk10k", "accuracy"] == pytest.approx(right[0])
    assert told["milk10k" + AT_HOME, "balanced_accuracy"] == pytest.approx(right[0] - right[1]), "one image per class"
    outputs, known = outputs_of(run, part), outputs_of(run, run.part("calibrate"))
    scores, calibrate = (Scorer.of(run)("layer3_residual", one) for one in (outputs, known))
    assert told["milk10k", "rejected_layer3_residual"] == pytest.approx(np.mean(scores > calibrate.max()))
    assert not (table["view"] == "ham10000" + AT_HOME)[table["variant"] == "ham10000"].any()
    write_experiment("sources", Finding(table, SETTINGS), tmp_path / "out")
    again = read_experiment("sources", tmp_path / "out")
    assert again is not None and len(again.table) == len(table)


def test_the_settings_of_the_study_of_sources_are_ready() -> None:
    settings = RunSettings.read(Path(__file__).parents[1] / "experiments" / "sources.json")
    assert set(settings.model.classes) == set(EXPERIMENTS["sources"].shared)
    assert settings.preprocessing.detail.enabled, "else the sharpness of a file would tell its source"
