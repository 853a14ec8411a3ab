"""A shipped run whose files do not fit each other: every page says so, shows none of its figures, and goes on.

The damage that tempts most is tried: test predictions replaced by the truth, so that every figure would be perfect.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.navigation import GROUPS
from app.state import HISTORY
from lesion_core.runs.classifier import open_run, write_config
from tests.literal import ROOT, open_page, text

STEMS = [stem for entries in GROUPS.values() for stem, _, _ in entries]
DAMAGED, INTACT, SEGMENTER = "resnet50-isic2019", "resnet101-isic2019", "unet-ham10000"

pytestmark = pytest.mark.slow


def answers_are_the_truth(folder: Path) -> None:
    """Every test prediction becomes right and sure; `config.json` keeps the hash of what was there."""
    table = pd.read_parquet(folder / "predictions.parquet")
    test = table["split"] == "test"
    for column in [name for name in table.columns if name.startswith("logit_")]:
        table.loc[test, column] = 20.0 * (table["label"] == column.removeprefix("logit_"))
    table.to_parquet(folder / "predictions.parquet", index=False)


def a_file_is_missing(folder: Path) -> None:
    (folder / "features.safetensors").unlink()


DAMAGE = {
    answers_are_the_truth: "predictions.parquet of run resnet50-isic2019 was altered",
    a_file_is_missing: "Run resnet50-isic2019 lacks features.safetensors",
}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of one shipped run to damage, and another run and the segmenter as they are."""
    shutil.copytree(ROOT / "checkpoints" / DAMAGED, tmp_path / DAMAGED)
    for name in (INTACT, SEGMENTER):
        (tmp_path / name).symlink_to(ROOT / "checkpoints" / name)
    monkeypatch.setenv("LESION_RUNS", str(tmp_path))
    monkeypatch.delenv("LESION_DATA", raising=False)
    return tmp_path


def shown(app: AppTest) -> list[str]:
    """All words, figures and tables of a page but for what the sidebar says of the damaged run."""
    tables = [frame.value.to_csv() for frame in app.dataframe]
    figures = [f"{metric.label} {metric.value} {metric.delta}" for metric in app.metric]
    return [line for line in text(app).splitlines() if "cannot be opened" not in line] + figures + tables


NEEDS_NO_RUN = ("dataset", "room")


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("stem", STEMS)
def test_a_damaged_run_is_told_and_not_replaced_until_another_is_chosen(
    stem: str, damage: Callable[[Path], None], runs: Path
) -> None:
    damage(runs / DAMAGED)
    app = open_page(stem, run=DAMAGED)
    assert not app.exception
    assert f"Run {DAMAGED} cannot be opened. {DAMAGE[damage]}" in text(app)
    assert app.selectbox(key="run").options == [INTACT] and app.selectbox(key="run").value is None
    if stem not in NEEDS_NO_RUN:
        assert any(DAMAGE[damage] in warning.value for warning in app.warning) and not app.metric
    app.selectbox(key="run").set_value(INTACT).run()
    assert not app.exception and shown(app) == shown(open_page(stem, run=INTACT))
    assert not any(DAMAGED in line for line in shown(app))


@pytest.mark.parametrize("stem", STEMS)
def test_a_run_that_is_damaged_while_a_visitor_looks_at_it_is_told(stem: str, runs: Path) -> None:
    app = open_page(stem, run=DAMAGED)
    assert not app.exception and app.selectbox(key="run").value == DAMAGED
    answers_are_the_truth(runs / DAMAGED)
    app.run()
    assert not app.exception
    assert f"Run {DAMAGED} cannot be opened. {DAMAGE[answers_are_the_truth]}" in text(app)
    assert app.selectbox(key="run").options == [INTACT] and app.selectbox(key="run").value is None
    app.selectbox(key="run").set_value(INTACT).run()
    if stem == "analyse":  # what it said of an image while it was sound stays in the visitor's own history
        assert sum(DAMAGED in line for line in shown(app)) == 2
        app.session_state[HISTORY] = []
        app.run()
    kept = {box.key: box.value for box in app.selectbox if box.key == "image"}  # what the visitor looked at stays
    assert not app.exception and shown(app) == shown(open_page(stem, run=INTACT, **kept))


def test_the_card_of_a_run_is_what_its_tables_say(runs: Path) -> None:
    """No hash covers the file, so the page does not read it."""
    path = runs / DAMAGED / "card.md"
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace("| Accuracy | 0.", "| Accuracy | 1."), encoding="utf-8")
    app = open_page("compare", run=DAMAGED, tab="Model card")
    run = open_run(runs / DAMAGED)
    table = run.part("test")
    right = (run.logits(table).argmax(axis=1) == run.truth(table)).mean()
    assert not app.exception and f"| Accuracy | {right:.3f} |" in text(app) and "| Accuracy | 1." not in text(app)


def test_a_run_whose_hashes_were_made_to_fit_is_told_too(runs: Path) -> None:
    answers_are_the_truth(runs / DAMAGED)
    write_config(runs / DAMAGED, open_run(runs / DAMAGED, verify=False).config)
    app = open_page("compare", run=DAMAGED)
    assert not app.exception and f"Run {DAMAGED} cannot be opened." in text(app)
    assert "contradicts itself" in text(app) and app.selectbox(key="run").options == [INTACT]
