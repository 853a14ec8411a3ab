"""The tab Consistency of the page Robustness: what it says is what the engine and the run's table say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.robustness.held import sentence
from lesion_core.analysis.evaluation_sets import view_data
from lesion_core.analysis.robustness.consistency import consistency, errors_of_averages, members_of, repeated_images
from lesion_core.data.samples import load, synthetic_samples
from lesion_core.imaging.changes.poses import POSES, pose
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.robustness import SERIES, read_robustness, write_robustness
from lesion_core.serving.classifier import Engine
from tests.app.test_robustness_test_set import figures_of
from tests.literal import open_page, text
from tests.runs.tables import series_rows

TAB = "Consistency"


@pytest.fixture
def with_series(run_copy: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The dashboard with a run whose test images were asked about in series."""
    run = open_run(run_copy)
    write_robustness(run, series_rows(run, 20, ("symmetries", "rotate")), SERIES)
    monkeypatch.setenv("LESION_RUNS", str(run_copy.parent))
    monkeypatch.setenv("LESION_DATA", str(data_root))
    return run


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("key", ["rotations", "crops"])
def test_each_pose_says_what_the_engine_says(small_run: Run, key: str) -> None:
    picture, entry = load(synthetic_samples()[0]), POSES[key]
    app = open_page("robustness", tab=TAB, image=picture.id, poses=key)
    assert not app.exception and not app.warning
    engine = Engine(small_run)
    every = [engine.predict(pose(picture.image, key, i)).probabilities for i in range(len(entry.names))]
    told = [caption.value for caption in app.caption]
    for i in entry.shown:
        plain, flips = every[i], np.mean([every[j] for j in entry.flips[i]], axis=0)
        (own,) = [one for one in told if one.startswith(f"**{entry.names[i]}**")]
        for p in (plain, flips):
            assert f"{small_run.classes[p.argmax()]} {100 * p.max():.0f} %" in own
    shown = text(app)
    averaged = np.stack([np.mean([every[j] for j in own], axis=0) for own in entry.flips])
    assert sentence(entry, small_run.classes, np.stack(every), averaged) in shown
    assert [one.value for one in app.code] == [
        f"python -m lesion_core consistency checkpoints/{small_run.name} --data DATA"
    ]


def test_the_sentence_counts_the_poses_that_are_shown() -> None:
    entry, classes = POSES["symmetries"], ("MEL", "NV")
    plain = np.tile([0.9, 0.1], (8, 1))
    assert sentence(entry, classes, plain, plain).startswith("**All 8 poses get the same answer**, melanoma")
    plain[:3] = [0.2, 0.8]
    said = sentence(entry, classes, plain, np.tile([0.6, 0.4], (8, 1)))
    assert said.startswith("**5 of 8 poses agree** on melanoma") and "(3)" in said and "all of 8 agree" in said


def test_the_test_set_is_that_of_the_table(with_series: Run) -> None:
    app = open_page("robustness", tab=TAB, measure="pairs", image="synthetic-MEL-1")
    assert not app.exception and not app.warning
    table, data = read_robustness(with_series, SERIES), view_data(with_series, "test")
    assert table is not None and data is not None
    own, entry = members_of(with_series, table)["symmetries"], POSES["symmetries"]
    expected = [consistency(one, entry.shown) for one in (own, own.averaged(entry.flips))]
    photographs = repeated_images(data)
    expected += [] if photographs is None else [photographs]
    values = [one.set_index("metric").loc["pairs", "value"] for one in expected]
    (chart,) = figures_of(app)
    (dots,) = chart["data"]
    assert dots["x"] == pytest.approx(values)
    frames = [frame.value for frame in app.dataframe]
    averages = next(frame for frame in frames if "balanced error" in frame)
    errors = errors_of_averages(own, entry.flips[0])["value"]
    for shown, value in zip(averages["balanced error"], errors, strict=True):
        assert shown.startswith(f"{value:.3f} (")
    flips = next(frame for frame in frames if "sequence" in frame)
    assert flips["sequence"].tolist() == ["Rotate"]
    assert not any("over AlexNet" in name for name in flips), "AlexNet's flips are of two classes"
    two = open_page("robustness", tab=TAB, of="binary", image="synthetic-MEL-1")
    assert any("over AlexNet" in name for frame in two.dataframe for name in frame.value)
    assert "mFR" in text(two)


def test_a_damaged_table_gets_its_sentence(with_series: Run) -> None:
    path = with_series.folder / SERIES.file
    path.write_bytes(path.read_bytes()[:300])
    app = open_page("robustness", tab=TAB, image="synthetic-MEL-1")
    assert not app.exception
    (warning,) = app.warning
    assert SERIES.file in warning.value and "damaged" in warning.value
