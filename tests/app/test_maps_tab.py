"""The tab "Does a map know?": what it says is what the table of the run gives, and its states are links."""

from __future__ import annotations

import shutil
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from streamlit.testing.v1 import AppTest

from app.figures.map_numbers import Dot, auroc_dots
from app.robustness.maps import VIEWS, answer, beside_size, command
from lesion_core.analysis.intervals import Interval
from lesion_core.analysis.map_numbers import CONFIDENCE, MAP_NUMBERS, Called
from lesion_core.runs.attribution import write_attribution
from lesion_core.runs.classifier import Run, open_run
from tests.literal import open_page, text

TAB = "Does a map know?"


@pytest.fixture
def run(small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_root: Path) -> Run:
    """A copy of the small run, which the dashboard shows; it has no table yet."""
    monkeypatch.setenv("LESION_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("LESION_DATA", str(data_root))
    return open_run(Path(shutil.copytree(small_run.folder, tmp_path / "runs" / "small")))


@pytest.fixture
def table(run: Run) -> pd.DataFrame:
    """A table of the run, as `explain` could have written it, of two methods."""
    own, rng = run.part("test"), np.random.default_rng(0)
    n = len(own)
    facts = {
        "image_id": own["image_id"].to_numpy(),
        "lesion_id": own["lesion_id"].to_numpy(),
        "label": own["label"].to_numpy(),
        "answer": [run.classes[k] for k in run.logits(own).argmax(axis=1)],
        "run": run.fingerprint,
    }
    tables = [
        pd.DataFrame(
            facts
            | {name: rng.uniform(0.1, 0.9, n) for name in ("inside", "area", "hair", "dark", "deletion", "maximum")}
            | {"method": method, "peak": rng.random(n) < 0.5}
        )
        for method in ("gradcam", "gradcam_pp")
    ]
    found = pd.concat(tables, ignore_index=True)
    every_other = np.arange(2 * n) % 2 == 0  # of so small a run no answer may be right
    found["label"] = np.where(every_other, found["answer"], np.where(found["answer"] == "NV", "MEL", "NV"))
    write_attribution(run, found)
    return found


def opened(**query: str) -> AppTest:
    app = open_page("robustness", tab=TAB, **query)
    assert not app.exception and not app.warning
    return app


def test_a_run_without_a_table_gets_the_command(run: Run) -> None:
    app = opened()
    assert "not measured yet" in text(app)
    (code,) = app.code
    assert code.value == command(run) and f"explain checkpoints/{run.name} --data DATA" in code.value


def test_every_number_is_what_the_table_gives(run: Run, table: pd.DataFrame) -> None:
    own = table[table["method"] == "gradcam_pp"]
    right = own["label"] == own["answer"]
    assert 0 < right.sum() < len(right)
    app = opened(map="gradcam_pp")
    inside = roc_auc_score(right, own["inside"])
    assert f"AUROC {inside:.3f} (" in text(app) and "Grad-CAM++" in text(app)
    for entry in MAP_NUMBERS.values():
        assert f"**{entry.name}.**" in text(app)
    for view in list(VIEWS)[1:3]:
        assert opened(map_view=view).main
    told = opened(map_view="all").dataframe[0].value
    assert set(told["method"]) == {"Grad-CAM", "Grad-CAM++"} and len(told) == 2
    assert told["deletion area"].iloc[0].startswith(f"{roc_auc_score(right, -table['deletion'][: len(right)]):.3f} (")
    del run


def test_ten_maps_are_guessed_first_and_counted_then(table: pd.DataFrame) -> None:
    app = opened(map_view="ten")
    guesses = [control for control in app.segmented_control if control.key.startswith("ten maps")]
    own = table[table["method"] == "gradcam"].drop_duplicates("lesion_id")
    right = own["label"] == own["answer"]
    assert len(guesses) == 2 * min(5, int(right.sum()), int((~right).sum()))
    button = next(one for one in app.button if one.label == "Compare with the truth")
    app = button.click().run()
    assert "Guess all" in text(app) and not [m for m in app.metric if m.label == "You"]
    for control in [one for one in app.segmented_control if one.key.startswith("ten maps")]:
        control.set_value("right")
    app = next(one for one in app.button if one.label == "Compare with the truth").click().run()
    assert not app.exception
    you = next(metric for metric in app.metric if metric.label == "You")
    assert you.value == f"{len(guesses) // 2} of {len(guesses)}", "half of the answers are right"
    assert sum("✓ You said right" in caption.value for caption in app.caption) == len(guesses) // 2
    assert not [one for one in app.segmented_control if one.key.startswith("ten maps")], "the guesses are locked"
    app = next(one for one in app.button if one.label == "Ten others").click().run()
    assert list(app.query_params["ten"]) == ["2"] and not [m for m in app.metric if m.label == "You"]


def row(value: float, low: float, high: float) -> dict[Hashable, float]:
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.46, 0.53, "no more than a coin"), (0.55, 0.6, "tells something"), (0.4, 0.48, "the wrong way")],
)
def test_the_answer_goes_by_the_interval(low: float, high: float, said: str) -> None:
    found = {"inside": row((low + high) / 2, low, high), CONFIDENCE: row(0.8, 0.77, 0.83)}
    told = answer(found, "Grad-CAM")
    assert said in told and "0.800 (0.770 to 0.830)" in told


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 200, 143)


@pytest.mark.parametrize(
    ("inside", "size", "gain", "said", "not_said"),
    [
        ((0.6, 0.7), (0.6, 0.7), (-0.05, 0.02), ("does tell", "size, without any map", "adds nothing"), ()),
        ((0.6, 0.7), (0.4, 0.6), (0.01, 0.05), ("does tell", "adds to the size"), ("without any map",)),
        ((0.6, 0.7), (0.6, 0.7), (-0.05, -0.02), ("does tell", "adds nothing"), ()),
        ((0.45, 0.55), (0.6, 0.7), (-0.05, 0.02), ("a coin",), ("does tell", "adds")),
        ((0.35, 0.45), (0.6, 0.7), None, ("the wrong way",), ("does tell",)),
    ],
)
def test_the_objection_is_answered_by_the_intervals(
    inside: tuple[float, float],
    size: tuple[float, float],
    gain: tuple[float, float] | None,
    said: tuple[str, ...],
    not_said: tuple[str, ...],
) -> None:
    areas = {"inside": interval(*inside), "size": interval(*size)}
    told = beside_size(Called("MEL", 200, 143, 116, areas, None if gain is None else interval(*gain)))
    assert all(words in told for words in (*said, "melanoma")) and not any(words in told for words in not_said)


def test_a_chart_holds_every_dot_and_the_coin() -> None:
    dots = [Dot("a", 0.2, 0.1, 0.3, 9), Dot("b", 0.8, 0.7, 0.9, 9, True), Dot("c", np.nan, np.nan, np.nan, 0)]
    figure = auroc_dots(dots)
    points = {(x, y) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True) if np.isfinite(x)}
    assert points == {(0.2, 0), (0.8, 1)}
    low, high = figure.layout.xaxis.range
    assert low < 0.1 and high >= 1 and figure.layout.shapes[0].x0 == figure.layout.shapes[0].x1 == 0.5
    assert "0.200 (0.100 to 0.300)" in {note.text for note in figure.layout.annotations}
