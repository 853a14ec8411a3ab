"""The tab The whole test set of the page Robustness: its figures are those of the run's file, its choices are links."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cache import robustness as measured
from app.figures import under_changes as figures
from app.figures.style import SMALLEST
from app.robustness import errors, whole
from lesion_core.analysis.robustness.references import REFERENCES
from lesion_core.analysis.robustness.severities import against_alexnet, answers_under_changes, by_severity
from lesion_core.analysis.robustness.sides import changed_sides, sensitivity_lost
from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES
from lesion_core.ood.policy import keeps_changed, read_policy
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.robustness import FILE, read_robustness, write_robustness
from tests.app.test_pages import add_run
from tests.literal import open_page, text
from tests.runs.tables import robustness_rows

TAB = "The whole test set"
ASKED = ("gaussian_noise", "pixelate", "hair")


@pytest.fixture(scope="module")
def prepared(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs, of which the first has answers to 24 images under three changes."""
    root = tmp_path_factory.mktemp("runs")
    shutil.copytree(small_run.folder, root / "small")
    add_run(root, small_run, "other", 2)
    run = open_run(root / "small")
    write_robustness(run, robustness_rows(run, 24, ASKED))
    return root


@pytest.fixture
def measured_run(prepared: Path, tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The first of copies of these, which the dashboard shows."""
    shutil.copytree(prepared, tmp_path / "runs")
    monkeypatch.setenv("LESION_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("LESION_DATA", str(data_root))
    return open_run(tmp_path / "runs" / "small")


def decoded(part: dict[str, Any]) -> Any:
    """Numbers that Plotly sends as bytes."""
    if set(part) >= {"dtype", "bdata"}:
        values = np.frombuffer(base64.b64decode(part["bdata"]), part["dtype"])
        return values.reshape([int(n) for n in part["shape"].split(",")] if "shape" in part else -1).tolist()
    return part


def figures_of(app: Any) -> list[dict[str, Any]]:
    return [json.loads(element.proto.spec, object_hook=decoded) for element in app.get("plotly_chart")]


def test_the_tab_says_what_the_file_says(measured_run: Run) -> None:
    app = open_page("robustness", tab=TAB, run="small", change="pixelate")
    assert not app.exception and not app.warning
    table = read_robustness(measured_run)
    policy = read_policy(measured_run)
    assert table is not None and policy is not None
    found = answers_under_changes(measured_run, table, "test", keeps_changed(policy, table))
    told = by_severity(found["pixelate"])
    curve, rejected, bars, heat = figures_of(app)
    for chart, metric in ((curve, "balanced_error"), (rejected, "rejected")):
        line = next(trace for trace in chart["data"] if trace.get("name") == "small")
        rows = told[told["metric"] == metric]
        assert line["x"] == rows["severity"].tolist() == [0, *SEVERITIES]
        assert line["y"] == pytest.approx(rows["value"].tolist())
    assert len(bars["data"]) == 4
    for place, (change, *_) in enumerate(bars["data"][0]["customdata"]):
        assert sum(trace["x"][place] for trace in bars["data"]) == pytest.approx(1), change
    worst = [bars["data"][1]["x"][place] for place in range(len(ASKED))]
    assert worst == sorted(worst, reverse=True), "the change that makes most images wrong comes first"
    lost = sensitivity_lost(found).set_index(["change", "class"])["lost"]
    assert np.nanmax(np.array(heat["data"][0]["z"], float)) == pytest.approx(lost.max())
    assert f"n = {len(found['pixelate'].truth)} images" in text(app)
    shown = text(app)
    assert "other yet: `python -m lesion_core robustness`" in shown, "a run beside it that has no file"
    assert CHANGES["pixelate"].plain in shown
    turned = changed_sides(found["pixelate"])
    n = (turned["outcome"] == "correct_then_wrong").sum()
    assert f"**Pixelate: {n} of {len(found['pixelate'].truth)} images**" in shown


def test_the_table_is_that_of_the_formulas(measured_run: Run) -> None:
    app = open_page(
        "robustness", tab=TAB, run="small", of="binary", change="hair", figure="error", sides="wrong_then_correct"
    )
    assert not app.exception and not app.warning
    table = read_robustness(measured_run)
    assert table is not None
    found = answers_under_changes(measured_run, table, "binary")
    beside = against_alexnet(found, REFERENCES["sam_c"])
    assert beside is not None
    frame = next(one.value for one in app.dataframe if "rBE" in one.value)
    own = frame.set_index("change")
    rows = beside.table.set_index(["change", "metric"])["value"]
    assert own.loc[CHANGES["hair"].name, "BE"] == own.loc[CHANGES["hair"].name, "rBE"] == "", "nothing was published"
    for change in ("gaussian_noise", "pixelate"):
        told = own.loc[CHANGES[change].name]
        for column, metric, digits in (("balanced error", "error", 3), ("BE", "be", 2), ("rBE", "rbe", 2)):
            assert told[column].startswith(f"{rows[change, metric]:z.{digits}f}".replace("-", "\N{MINUS SIGN}"))
    assert own.loc[CHANGES["pixelate"].name, "rBE"].endswith(errors.MARK), "AlexNet loses 0.008 there"
    assert errors.MARK not in own.loc[CHANGES["gaussian_noise"].name, "rBE"]
    assert "Not comparable" in text(app)


@pytest.mark.usefixtures("measured_run")
def test_without_a_file_it_says_how_to_make_it() -> None:
    app = open_page("robustness", tab=TAB, run="other")
    assert not app.exception and not app.warning
    assert [one.value for one in app.code] == ["python -m lesion_core robustness checkpoints/other --data DATA"]


def test_a_damaged_file_gets_its_sentence(measured_run: Run) -> None:
    path = measured_run.folder / FILE
    path.write_bytes(path.read_bytes()[:300])
    app = open_page("robustness", tab=TAB, run="small")
    assert not app.exception
    (warning,) = app.warning
    assert FILE in warning.value and "damaged" in warning.value and "Make it again" in warning.value
    app = open_page("robustness", tab=TAB, run="other")
    assert not app.exception and not app.warning, "another run's damage is told where that run is looked at"


@pytest.mark.usefixtures("measured_run")
def test_the_truth_stays_hidden() -> None:
    app = open_page("robustness", tab=TAB, run="small", hide="1")
    assert not app.exception
    assert any("tells the truth, which is hidden" in str(info.value) for info in app.info)
    assert not any("image" in one.value for one in app.dataframe)


def test_a_new_file_counts_at_once(measured_run: Run) -> None:
    before = measured.measured_at(measured_run)
    assert set(measured.answers(measured_run, before, "test", None)) == set(ASKED)
    write_robustness(measured_run, robustness_rows(measured_run, 24, ("ink",)))
    after = measured.measured_at(measured_run)
    assert after != before and set(measured.answers(measured_run, after, "test", None)) == {*ASKED, "ink"}


@pytest.mark.usefixtures("measured_run")
def test_nothing_is_drawn_anew_for_the_next_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    open_page("robustness", tab=TAB, run="small")
    made: list[str] = []
    for name in ("along_severity", "outcome_bars", "lost_by_class"):
        monkeypatch.setattr(figures, name, lambda *_, name=name, **__: made.append(name))
    monkeypatch.setattr(errors, "by_change", lambda *_: made.append("table"))
    assert not open_page("robustness", tab=TAB, run="small").exception and not made


def test_runs_look_alike_everywhere_and_few_images_are_told(measured_run: Run) -> None:
    table = read_robustness(measured_run)
    assert table is not None
    found = answers_under_changes(measured_run, table)
    rows = by_severity(found["hair"], 50)
    rows = rows[rows["metric"] == "error"]
    looks = [
        {trace.name: (trace.line.color, trace.line.dash, trace.marker.symbol) for trace in chart.data if trace.name}
        for chart in (
            figures.along_severity({"a": rows, "b": rows}, {"a": 0, "b": 1}, "error"),
            figures.along_severity({"b": rows}, {"a": 0, "b": 1}, "error"),
        )
    ]
    assert looks[0]["b"] == looks[1]["b"] and len(set(looks[0].values())) == 2
    heat = figures.lost_by_class(sensitivity_lost(found), {key: key for key in ASKED})
    counts = found["hair"].counts()
    for code, label in zip([code for code, n in counts.items() if n], heat.layout.xaxis.ticktext, strict=True):
        assert f"n {counts[code]}" in label and ("few" in label) == (counts[code] < SMALLEST)


def test_the_headline_is_of_the_table(measured_run: Run) -> None:
    changed = measured.measured_at(measured_run)
    together = measured.outcomes(measured_run, changed, "test")[""].set_index("outcome")
    said = whole.headline(measured_run, changed, "test")
    assert f"**{100 * together.loc['correct_then_wrong', 'share']:.0f} %**" in said
    lost = measured.lost(measured_run, changed, "test").groupby("change")["lost"].mean()
    assert CHANGES[lost.idxmax()].name in said
