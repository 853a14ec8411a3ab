"""The robustness evaluation: its rows are the engine's answers to changed images, whatever was interrupted before."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_core.analysis.robustness.severities import answers_under_changes
from lesion_core.data.collection import drawn_test
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import ConfigError, DataError, ModelError, RunError
from lesion_core.imaging.changes.registry import CHANGES, change
from lesion_core.imaging.changes.series import member
from lesion_core.imaging.decode import decode
from lesion_core.inference import inputs, robustness
from lesion_core.inference.robustness import evaluate_robustness, evaluate_series, work_folder
from lesion_core.ood.policy import keeps_changed, read_policy, save_policy
from lesion_core.ood.rejector import Rejector
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.robustness import CLEAN, FILE, KEY, SERIES, read_robustness, relative, write_robustness
from lesion_core.serving.classifier import Engine

ASKED = ("gaussian_noise", "hair")
STEPS = (1, 4)


@pytest.fixture(scope="module")
def images(trained: Any) -> pd.DataFrame:
    return drawn_test(trained.collection.table, 5)


@pytest.fixture(scope="module")
def found(small_run: Run, images: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    done = evaluate_robustness(small_run, images, ASKED, STEPS, work=tmp_path_factory.mktemp("work"))
    assert done is not None and (done.agreement, done.kept) == (1.0, 0)
    return done.table


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    texts = table.select_dtypes(exclude="number").columns
    return table.astype(dict.fromkeys(texts, str)).sort_values(KEY, ignore_index=True)[sorted(table.columns)]


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(ordered(found), ordered(expected), check_dtype=False, rtol=1e-2, atol=2e-2)


def test_a_row_is_what_the_engine_says_of_the_changed_image(
    found: pd.DataFrame, small_run: Run, images: pd.DataFrame, engine: Engine
) -> None:
    rejector = Rejector.open(small_run)
    assert rejector is not None
    assert len(found) == len(images) * (1 + len(ASKED) * len(STEPS)) and not found.duplicated(KEY).any()
    kept = keeps_changed(rejector.policy, found)
    assert kept is not None
    paths = images.set_index("image_id")["path"]
    for row, keeps in zip(found.itertuples(), kept, strict=True):
        image = decode(Path(paths[row.image_id]))
        if row.severity:
            image = change(image, row.change, row.severity, row.image_id).image
        told = engine.predict(image)
        assert row.answer == told.code and row.confidence == pytest.approx(told.confidence, abs=1e-3)
        logits = [getattr(row, f"logit_{code}") for code in small_run.classes]
        assert np.asarray(logits, float) == pytest.approx(relative(told.logits[None])[0].astype(float), abs=2e-2)
        decision = rejector.decide(told.outputs)[0]
        assert keeps == (not decision.rejected)
        for key, score in decision.scores.items():
            assert getattr(row, f"score_{key}") == pytest.approx(score, rel=1e-2, abs=1e-3)
    facts = found.drop_duplicates("image_id").set_index("image_id")[["lesion_id", "label", "dataset"]]
    expected = images.set_index("image_id")[["group", "diagnosis", "dataset"]]
    assert facts.loc[expected.index].to_numpy().tolist() == expected.to_numpy().tolist()


def test_changes_change_answers_scores_or_logits(found: pd.DataFrame) -> None:
    """A change that was not made would leave every logit as it is."""
    logits = [name for name in found.columns if name.startswith("logit_")]
    clean = found[found["change"] == CLEAN].set_index("image_id")[logits].astype(float)
    for _, rows in found[found["change"] != CLEAN].groupby(["change", "severity"]):
        moved = (rows.set_index("image_id")[logits].astype(float) - clean).abs().max(axis=1)
        assert (moved > 0).mean() > 0.5


def test_it_becomes_a_table_of_the_run(found: pd.DataFrame, run_copy: Path) -> None:
    run = open_run(run_copy)
    write_robustness(run, found)
    table = read_robustness(run)
    assert table is not None
    same(table, found)
    policy = read_policy(run)
    assert policy is not None
    answers = answers_under_changes(run, table, "test", keeps_changed(policy, table))
    assert set(answers) == set(ASKED) and answers["hair"].severities == (0, *STEPS)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "PART", 4)


def counting(monkeypatch: pytest.MonkeyPatch, stop_at: int = -1) -> list[int]:
    """Jobs of each part that is asked of the model; an interruption at one of them."""
    asked: list[int] = []
    own = robustness._Evaluation.outputs

    def outputs(self: Any, jobs: Any, progress: Any) -> Any:
        if len(asked) == stop_at:
            raise KeyboardInterrupt
        asked.append(len(jobs))
        return own(self, jobs, progress)

    monkeypatch.setattr(robustness._Evaluation, "outputs", outputs)
    return asked


@pytest.mark.usefixtures("small_parts")
def test_what_was_killed_goes_on(
    found: pd.DataFrame, small_run: Run, images: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        counting(patch, stop_at=2)
        evaluate_robustness(small_run, images, ASKED, STEPS, work=tmp_path)
    folder = work_folder(small_run, read_policy(small_run), "eager", tmp_path)
    parts = sorted(folder.glob("*.parquet"))
    assert len(parts) == 2
    parts[0].write_bytes(parts[0].read_bytes()[:200])  # as a power cut might leave it
    asked = counting(monkeypatch)
    done = evaluate_robustness(small_run, images, ASKED, STEPS, work=tmp_path)
    assert done is not None and sum(asked) == len(images) * len(ASKED) * len(STEPS) - 4
    same(done.table, found)


@pytest.mark.usefixtures("small_parts")
def test_what_is_there_stays_and_only_what_is_new_is_computed(
    found: pd.DataFrame, run_copy: Path, images: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(run_copy)
    first = evaluate_robustness(run, images.head(2), ("hair",), (4,), work=tmp_path)
    assert first is not None
    write_robustness(run, first.table)
    asked = counting(monkeypatch)
    done = evaluate_robustness(run, images, ASKED, STEPS, work=tmp_path, fresh=False)
    total = len(images) * len(ASKED) * len(STEPS)
    assert done is not None and done.kept == 2
    # Its parts were not deleted: what the first command found is there either way.
    assert sum(asked) == total - 2
    write_robustness(run, done.table)
    table = read_robustness(run)
    assert table is not None
    same(table, found)
    shutil.rmtree(work_folder(run, read_policy(run), "eager", tmp_path))
    asked.clear()
    again = evaluate_robustness(run, images, ASKED, STEPS, work=tmp_path)
    assert again is not None and again.kept == total and not asked, "all of it is in the run"
    fresh = evaluate_robustness(run, images, ASKED, STEPS, work=tmp_path, fresh=True)
    assert fresh is not None and fresh.kept == 0 and sum(asked) == total


def test_an_image_is_decoded_once_for_all_its_changes(
    small_run: Run, images: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    own = inputs.decode
    monkeypatch.setattr(inputs, "decode", lambda path: read.append(path) or own(path))
    done = evaluate_robustness(small_run, images, ("hair", "pixelate", "ink"), STEPS, work=tmp_path)
    assert done is not None and len(done.table) == 7 * len(images)
    assert Counter(read) == dict.fromkeys(map(Path, images["path"]), 2), "as it is, and for the changes"


def test_a_damaged_table_of_the_run_is_computed_anew(run_copy: Path, images: pd.DataFrame, tmp_path: Path) -> None:
    run = open_run(run_copy)
    (run_copy / FILE).write_bytes(b"PAR1 and nothing else")
    done = evaluate_robustness(run, images.head(1), ("hair",), (1,), work=tmp_path)
    assert done is not None and done.kept == 0 and len(done.table) == 2
    write_robustness(run, done.table)
    assert read_robustness(run) is not None


def test_another_policy_asks_for_other_scores(run_copy: Path, images: pd.DataFrame, tmp_path: Path) -> None:
    from lesion_core.ood.tuning import tune

    run = open_run(run_copy)
    first = evaluate_robustness(run, images.head(1), ("hair",), (1,), work=tmp_path)
    assert first is not None
    write_robustness(run, first.table)
    save_policy(tune(run, "entropy"), run)
    policy, table = read_policy(run), read_robustness(run)
    assert policy is not None and table is not None
    assert keeps_changed(policy, table) is None, "the table holds other scores"
    done = evaluate_robustness(run, images.head(1), ("hair",), (1,), work=tmp_path)
    assert done is not None and done.kept == 0 and "score_entropy" in done.table
    (run_copy / "policy.json").unlink()
    bare = evaluate_robustness(run, images.head(1), ("hair",), (1,), work=tmp_path)
    assert bare is not None and not [name for name in bare.table if name.startswith("score_")]


def drawn_of(collection: pd.DataFrame) -> pd.DataFrame:
    """Catalog rows: lesions with one to three images, a third of them of the official set."""
    rows = [
        (f"{i}-{j}", f"l{i}", OFFICIAL_TEST if i % 3 == 0 else "ham10000", "test", "NV", "x.jpg")
        for i in range(30)
        for j in range(1 + i % 3)
    ]
    table = pd.DataFrame(rows, columns=["image_id", "group", "dataset", "role", "diagnosis", "path"])
    return pd.concat([table, collection.assign(role="train")], ignore_index=True)


def test_the_sample_is_one_per_lesion_first_and_grows() -> None:
    table = drawn_of(pd.DataFrame({"image_id": ["t"], "group": ["t"], "dataset": ["ham10000"], "diagnosis": ["NV"]}))
    before: set[str] = set()
    for n in (1, 4, 10, 20, 25, 100):
        drawn = drawn_test(table, n)
        shuffled = drawn_test(table.sample(frac=1, random_state=3), n)
        assert drawn["image_id"].tolist() == shuffled["image_id"].tolist(), "whatever order the table has"
        assert before <= set(drawn["image_id"]) and drawn["image_id"].is_unique and (drawn["role"] == "test").all()
        for _, own in drawn.groupby(drawn["dataset"] == OFFICIAL_TEST):
            lesions = table["group"][table["dataset"] == own["dataset"].iloc[0]][table["role"] == "test"].nunique()
            assert own["group"].nunique() == min(len(own), lesions) and len(own) <= n
        before = set(drawn["image_id"])
    assert before == set(table["image_id"][table["role"] == "test"])
    with pytest.raises(DataError, match="No test image"):
        drawn_test(table.assign(role="train"), 3)


@pytest.mark.parametrize(
    ("changes", "severities"), [(("sepia",), (1,)), (("hair",), (6,)), (("hair",), (0,)), ((), (1,)), (("hair",), ())]
)
def test_what_is_not_known_is_refused(
    changes: tuple[str, ...], severities: tuple[int, ...], small_run: Run, images: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        evaluate_robustness(small_run, images, changes, severities, work=tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_images_of_those_ids_are_refused(small_run: Run, images: pd.DataFrame, tmp_path: Path) -> None:
    moved = images.assign(path=np.roll(images["path"].to_numpy(), 1))
    with pytest.raises(RunError, match="other images"):
        evaluate_robustness(small_run, moved, ("hair",), (1,), work=tmp_path)


def test_an_image_that_cannot_be_read_is_named(small_run: Run, images: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(b"no image")
    torn = images.assign(path=[*images["path"][:-1], str(tmp_path / "torn.jpg")])
    with pytest.raises(RunError, match=r"torn\.jpg cannot be scored"):
        evaluate_robustness(small_run, torn, ("hair",), (1,), work=tmp_path / "work")


def other_backend(turns: Callable[[int], bool]) -> Callable[..., Any]:
    """A backend that finds other features of the images that are said."""
    from lesion_core.models.backends import make_backend

    def made(_: str, model: Any, size: int) -> Any:
        own, seen = make_backend("eager", model, size), iter(range(10**6))

        def run(squares: Any) -> Any:
            layer3, last = own(squares)
            for place in range(len(last)):
                if turns(next(seen)):
                    last = last.clone()
                    last[place] = 50 - 3 * last[place]
            return layer3, last

        return run

    return made


def test_a_backend_with_other_answers_is_refused(
    small_run: Run, images: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robustness, "make_backend", other_backend(lambda _: True))
    with pytest.raises(ModelError, match=r"gives the answers of float32 on .* %.*eager"):
        evaluate_robustness(small_run, images, ("hair",), (1,), backend="openvino", work=tmp_path)


def test_a_backend_with_the_same_answers_is_told(
    small_run: Run, images: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robustness, "make_backend", other_backend(lambda _: False))
    done = evaluate_robustness(small_run, images, ("hair",), (1,), backend="openvino", work=tmp_path)
    assert done is not None and done.agreement == 1 and set(done.table["backend"]) == {"openvino"}


@pytest.mark.slow
def test_openvino_gives_nearly_the_same_rows(
    found: pd.DataFrame, small_run: Run, images: pd.DataFrame, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    done = evaluate_robustness(small_run, images, ASKED, STEPS, backend="openvino", work=tmp_path)
    assert done is not None and done.agreement >= robustness.AGREEMENT
    both = ordered(done.table).merge(ordered(found), on=KEY, suffixes=("", "_exact"))
    assert len(both) == len(found)
    for code in small_run.classes:
        assert np.abs(both[f"logit_{code}"] - both[f"logit_{code}_exact"]).max() < 0.6


def test_every_change_can_be_asked_about(small_run: Run, images: pd.DataFrame, tmp_path: Path) -> None:
    done = evaluate_robustness(small_run, images.head(1), severities=(5,), work=tmp_path)
    assert done is not None and set(done.table["change"]) == {CLEAN, *CHANGES}


def test_outputs_that_are_not_finite_are_refused(
    small_run: Run, images: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = robustness._Evaluation.outputs

    def broken(self: Any, jobs: Any, progress: Any) -> Any:
        outputs = own(self, jobs, progress)
        return replace(outputs, logits=outputs.logits * np.nan)

    monkeypatch.setattr(robustness._Evaluation, "outputs", broken)
    with pytest.raises(RunError, match="NaN or infinite"):
        evaluate_robustness(small_run, images, ("hair",), (1,), work=tmp_path)


def test_a_row_of_a_series_is_what_the_engine_says_of_that_member(
    small_run: Run, images: pd.DataFrame, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, asked = images.head(2), counting(monkeypatch)
    done = evaluate_series(small_run, own, ("symmetries",), work=tmp_path)
    assert done is not None and sum(asked) == 2 * 8
    again = evaluate_series(small_run, own, ("symmetries", "rotate"), work=tmp_path)
    assert again is not None and sum(asked) == 2 * (8 + 31), "what waits in the work folder is not computed again"
    assert not again.table.duplicated(SERIES.key).any() and len(again.table) == 2 * (1 + 8 + 31)
    paths = own.set_index("image_id")["path"]
    for row in again.table[again.table["place"] % 6 == 5].itertuples():
        told = engine.predict(member(decode(Path(paths[row.image_id])), row.series, row.place, row.image_id))
        assert row.answer == told.code and row.confidence == pytest.approx(told.confidence, abs=1e-3)
    logits = [name for name in again.table if name.startswith("logit_")]
    table = again.table.set_index(["series", "place", "image_id"])[logits].astype(float).sort_index()
    assert table.loc[("symmetries", 0)].to_numpy() == pytest.approx(table.loc[(CLEAN, 0)].to_numpy(), abs=2e-2)
    with pytest.raises(ConfigError):
        evaluate_series(small_run, own, ("sideways",), work=tmp_path)
    with pytest.raises(ConfigError):
        evaluate_series(small_run, own, (), work=tmp_path)
