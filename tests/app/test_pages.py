"""Every page by its link, as Streamlit runs it: with a run and data, without data, without a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import streamlit as st

from app import state
from app.navigation import GROUPS
from lesion_core.analysis.metrics import METRICS, softmax
from lesion_core.data.splits import roles_fingerprint
from lesion_core.explain.methods import METHODS
from lesion_core.inference.records import write_known_answer
from lesion_core.ood.scores import DEFAULT, offered
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.hashes import sha256
from lesion_core.runs.segmenter import SegmenterRun
from lesion_core.serving.results import Segmentation
from lesion_core.serving.segmenter import SegmenterEngine
from tests.literal import ROOT, on_the_line, open_page, text

STEMS = [stem for entries in GROUPS.values() for stem, _, _ in entries]
NEED_A_RUN = {"analyse", "compare", "explain", "out_of_distribution", "robustness"}


def add_run(root: Path, small_run: Run, name: str, factor: float) -> None:
    """The small run under another name and with another temperature."""
    other = Path(shutil.copytree(small_run.folder, root / name))
    config = json.loads((other / "config.json").read_text())
    calibration = json.loads((other / "calibration.json").read_text())
    calibration["temperature"] *= factor
    part = small_run.part("calibrate")
    probabilities = softmax(small_run.logits(part), calibration["temperature"])
    calibration["log_loss_after"] = METRICS["log_loss"](small_run.truth(part), probabilities)
    (other / "calibration.json").write_text(json.dumps(calibration))
    config["settings"]["name"] = name
    config["files"]["calibration.json"] = sha256(other / "calibration.json")
    (other / "config.json").write_text(json.dumps(config))
    (other / "policy.json").unlink(missing_ok=True)
    write_known_answer(open_run(other))


@pytest.fixture
def two_runs(small_run: Run, with_run: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small run, and one that differs from it in the temperature."""
    del with_run
    shutil.copytree(small_run.folder, tmp_path / "runs" / "small")
    add_run(tmp_path / "runs", small_run, "other", 2)
    monkeypatch.setenv("LESION_RUNS", str(tmp_path / "runs"))


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("stem", STEMS)
def test_a_page_opens_with_a_question_and_no_exception(stem: str) -> None:
    app = open_page(stem)
    assert not app.exception
    assert not app.warning
    assert len(app.title) == 1
    assert app.title[0].value.endswith("?")


@pytest.mark.parametrize("stem", STEMS)
def test_a_page_opens_without_the_real_data(stem: str, monkeypatch: pytest.MonkeyPatch, runs_root: Path) -> None:
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.delenv("LESION_DATA", raising=False)
    app = open_page(stem)
    assert not app.exception
    assert app.title[0].value.endswith("?")


@pytest.mark.parametrize("stem", STEMS)
def test_without_a_run_a_page_says_what_to_do(stem: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LESION_RUNS", str(tmp_path))
    monkeypatch.delenv("LESION_DATA", raising=False)
    app = open_page(stem)
    assert not app.exception
    assert any("There is no run" in warning.value for warning in app.warning) == (stem in NEED_A_RUN)
    assert any("There is no segmenter" in warning.value for warning in app.warning) == (stem == "segment")
    assert "No run is here yet" in text(app)


def test_a_data_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, small_run: Run) -> None:
    monkeypatch.setenv("LESION_RUNS", str(small_run.folder.parent))
    monkeypatch.setenv("LESION_DATA", "no-such-folder")
    app = open_page("analyse")
    assert not app.exception
    assert "no-such-folder" in text(app)


def test_what_is_left_out_of_the_data_is_told(
    monkeypatch: pytest.MonkeyPatch, data_root: Path, runs_root: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(data_root, tmp_path / "data"))
    images = root / "synthetic" / "HAM10000_images"
    for folder in (root / "more _of_ them", root / "synthetic" / "twice"):
        folder.mkdir()
        for picture in sorted(images.iterdir())[:3]:
            shutil.copy(picture, folder)
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.setenv("LESION_DATA", str(root))
    shown = text(open_page("dataset", data="ham10000"))
    assert "(3 images) is laid out as none of the known data sets" in shown
    assert "images that were found more than once: 3" in shown and "twice (3)" in shown


def test_a_broken_run_is_reported_and_the_others_are_offered(
    monkeypatch: pytest.MonkeyPatch, run_copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "runs" / "half").mkdir()
    (tmp_path / "runs" / "half" / "config.json").write_text("{")
    monkeypatch.setenv("LESION_RUNS", str(run_copy.parent))
    monkeypatch.delenv("LESION_DATA", raising=False)
    app = open_page("overview")
    assert not app.exception
    assert app.selectbox(key="run").options == ["small"]
    assert "Run half cannot be opened" in text(app)


@pytest.mark.usefixtures("with_run")
def test_the_link_chooses_picture_class_and_layer() -> None:
    app = open_page("explain", image="synthetic-BCC-2", target="DF", layer="layer2")
    assert app.selectbox(key="image").value == "synthetic-BCC-2"
    assert app.selectbox(key="target").value == "DF"
    assert app.selectbox(key="layer").value == "layer2"
    assert not app.exception


@pytest.mark.usefixtures("with_run")
def test_a_link_to_nothing_is_told_and_what_is_shown_in_its_place() -> None:
    app = open_page("explain", image="synthetic-MEL-1", target="XYZ", layer="layer9")
    assert not app.exception
    assert app.selectbox(key="layer").value == "layer4" and app.selectbox(key="target").value == "predicted"
    assert "asks for XYZ, which is not here" in text(app) and "asks for layer9, which is not here" in text(app)


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("stem", ["overview", "compare", "out_of_distribution"])
def test_a_run_that_is_not_here_is_never_replaced(stem: str) -> None:
    app = open_page(stem, run="nobody")
    assert not app.exception and app.title and app.selectbox(key="run").value is None
    assert "There is no run 'nobody'" in text(app) and not app.metric


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("stem", ["analyse", "explain", "segment", "preprocessing"])
def test_an_image_or_a_run_that_is_not_here_is_never_replaced(stem: str) -> None:
    app = open_page(stem, image="elsewhere")
    assert not app.exception and app.selectbox(key="image").value is None
    assert "There is no image elsewhere here" in text(app) and not app.metric and not app.get("imgs")
    app.selectbox(key="image").set_value("synthetic-NV-1").run()
    assert not app.exception and "There is no image" not in text(app)
    app = open_page(stem, run="nobody")
    assert not app.exception and app.selectbox(key="run").value is None
    assert "There is no run 'nobody'" in text(app) and not app.metric and app.title


@pytest.mark.usefixtures("with_run")
def test_the_mask_on_the_page_is_the_segmenters(small_segmenter: SegmenterRun) -> None:
    from lesion_core.analysis.segmentation import MASK_METRICS, count
    from lesion_core.data.samples import load, synthetic_samples

    picture = load(next(s for s in synthetic_samples() if s.id == "synthetic-BKL-1"))
    found = SegmenterEngine(small_segmenter).segment(picture.image)
    assert picture.mask is not None
    for cut, clean in ((0.5, True), (0.3, False)):
        app = open_page("segment", image="synthetic-BKL-1", cut=str(cut), clean=str(clean).lower())
        assert not app.exception
        jaccard = MASK_METRICS["jaccard"]([count(found.mask(cut, clean=clean), picture.mask)])[0]
        assert f"**{jaccard:.2f}**" in text(app)
        assert app.metric[0].label == "Jaccard" and app.metric[0].value == f"{jaccard:.3f}"


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("show", ["contour", "probability", "mask"])
def test_an_empty_mask_is_told(show: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as sees_nothing:
        sees_nothing.setattr(
            SegmenterEngine,
            "segment",
            lambda _, image: Segmentation(np.zeros((64, 64), np.float32), image.shape[:2], 1.0),
        )
        app = open_page("segment", image="synthetic-NV-1", show=show)
        assert not app.exception and "the mask is empty" in text(app)
    st.cache_data.clear()
    app = open_page("segment", image="synthetic-NV-1", show=show, cut="0.95")
    assert not app.exception
    app.slider(key="cut").set_value(0.05).run()
    assert not app.exception and "covers" in text(app)


def test_a_damaged_segmenter_is_named(
    small_run: Run, small_segmenter: SegmenterRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (small_run.folder, small_segmenter.folder):
        shutil.copytree(folder, tmp_path / folder.name)
    (tmp_path / small_segmenter.folder.name / "masks.parquet").unlink()
    monkeypatch.setenv("LESION_RUNS", str(tmp_path))
    monkeypatch.delenv("LESION_DATA", raising=False)
    for stem in ("segment", "analyse"):
        app = open_page(stem, image="synthetic-NV-1")
        assert not app.exception and "lacks masks.parquet" in text(app)
        assert "There is no segmenter" not in text(app) and "evaluate --data" not in text(app)
        warned = "\n".join(str(warning.value) for warning in app.warning)  # by the page, not only by the sidebar
        assert ("lacks masks.parquet" in warned) == (stem == "segment")


@pytest.mark.usefixtures("with_run")
def test_the_answer_on_the_page_is_the_engines(small_run: Run) -> None:
    from lesion_core.data.samples import load, synthetic_samples
    from lesion_core.ood.rejector import Rejector
    from lesion_core.serving.classifier import Engine

    sample = next(s for s in synthetic_samples() if s.id == "synthetic-VASC-1")
    prediction = Engine(small_run).predict(load(sample).image)
    judge = Rejector.open(small_run)
    assert judge
    decision = judge.decide(prediction.outputs)[0]
    opened = open_page("analyse", image=sample.id)
    said = text(opened)
    expected = "UNKNOWN" if decision.rejected else prediction.code
    assert expected in said and decision.plain in said
    assert any(decision.reason in element.help for element in opened.markdown)


@pytest.mark.usefixtures("with_run")
def test_an_upload_is_analysed_and_a_broken_one_is_refused_in_a_sentence() -> None:
    app = open_page("analyse")
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    good = cv2.imencode(".png", pixels)[1].tobytes()
    app.file_uploader(key="upload_file").set_value(("mine.png", good, "image/png")).run()
    assert not app.exception
    assert app.selectbox(key="image").value == "upload"
    app = open_page("analyse")
    app.file_uploader(key="upload_file").set_value(("broken.png", good[:200], "image/png")).run()
    assert not app.exception
    assert len(app.warning) == 1


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("key", ["confidence", "mahalanobis", "confidence_or_layer3"])
def test_the_threshold_in_the_link_decides_what_is_kept(key: str, small_run: Run) -> None:
    from lesion_core.ood.evaluation import evaluate_score
    from lesion_core.ood.scores import Scorer

    judged = evaluate_score(small_run, Scorer.of(small_run), key)
    middle = float(judged.split("test")["shown"].median())
    app = open_page("out_of_distribution", score=key, threshold=f"{middle:.3f}")
    assert not app.exception
    at = app.number_input(key="threshold").value
    (given,) = (json.loads(element.proto.json) for element in app.main if element.type == "bidi_component")
    edges = np.array(json.loads(given["bins"])["edges"])
    assert abs(at - middle) <= np.abs(edges - middle).min() + 1e-3, "the nearest edge: the line stands on no other"
    line, counts = on_the_line(app)
    assert line == at
    test = judged.split("test")
    for name in ("right", "wrong"):
        among = test[test["correct"] == (name == "right")]["shown"]
        assert counts[name] == (int((~judged.rejected(among, at)).sum()), len(among))


@pytest.mark.usefixtures("with_run")
def test_a_threshold_moved_on_test_is_marked_and_not_saved() -> None:
    app = open_page("out_of_distribution", score="confidence", threshold="0.123", tab="Save")
    assert not app.exception
    assert any("looks better than it is" in error.value for error in app.error)
    # Looking at calibrate afterwards does not make it honest; having moved it there does.
    app = open_page("out_of_distribution", score="confidence", threshold="0.123", tab="Save", on="calibrate")
    assert any("looks better than it is" in error.value for error in app.error)
    app = open_page("out_of_distribution", score="confidence", threshold="0.123", tab="Save", moved="calibrate")
    assert not app.exception and not app.error
    assert "Set by hand on the" in text(app)


@pytest.mark.slow
@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize(
    "tab",
    [
        "Who is rejected",
        "How to choose it",
        "All scores",
        "Corrupted images",
        "Calibration",
        "Near the threshold",
        "Sets",
        "Your images",
        "Save",
    ],
)
def test_every_tab_of_the_threshold_page_opens(tab: str) -> None:
    app = open_page("out_of_distribution", tab=tab)
    assert not app.exception


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize(
    ("former", "shown"),
    [
        ("Who pays", "sent to a person more often"),
        ("Ways to choose", "*As published* is a rule"),
        ("Something wrong", "with one thing wrong"),
        ("The borderline", "The nearest to the threshold first"),
        ("Your pictures", "They stay in memory"),
    ],
)
def test_links_with_the_former_title_of_a_tab_still_open_it(former: str, shown: str) -> None:
    app = open_page("out_of_distribution", tab=former)
    assert not app.exception and shown in text(app)
    app.run()
    assert shown in text(app)


@pytest.mark.usefixtures("with_run")
def test_typing_a_threshold_remembers_on_which_split() -> None:
    app = open_page("out_of_distribution", score="confidence", on="calibrate", tab="Save")
    app.number_input(key="threshold").set_value(0.321).run()
    assert not app.exception and not app.error
    assert "calibrate" in app.query_params["moved"] and "Set by hand" in text(app)


@pytest.mark.usefixtures("with_run")
def test_own_pictures_are_marked_and_counted_nowhere() -> None:
    app = open_page("out_of_distribution", tab="Your images")
    before = on_the_line(app)
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    good = cv2.imencode(".png", pixels)[1].tobytes()
    app.file_uploader(key="ood_uploads_0").set_value([("mine.png", good, "image/png")]).run()
    assert not app.exception
    assert "mine.png" in app.dataframe[0].value["image"].tolist()
    assert on_the_line(app) == before
    next(button for button in app.button if button.label == "Forget them").click().run()
    assert not app.exception and not app.dataframe and not app.session_state["own_pictures"]
    app.file_uploader(key="ood_uploads_1").set_value([(f"{i}.png", good, "image/png") for i in range(22)]).run()
    assert not app.exception and "The first 20 of 22 images" in text(app)


@pytest.mark.usefixtures("two_runs")
def test_another_score_and_another_run_have_a_threshold_of_their_own() -> None:
    app = open_page("out_of_distribution", run="small", score="confidence", threshold="0.3", moved="calibrate")
    assert app.number_input(key="threshold").value == pytest.approx(0.3)
    app.selectbox(key="score").set_value("entropy").run()
    assert not app.exception and "moved" not in app.query_params
    entropy = app.number_input(key="threshold").value
    assert entropy != pytest.approx(0.3)
    app.number_input(key="threshold").set_value(entropy / 2).run()
    app.selectbox(key="run").set_value("other").run()
    assert not app.exception and app.number_input(key="threshold").value != pytest.approx(entropy / 2)
    app = open_page("out_of_distribution", tab="All scores", score="confidence", threshold="0.5")
    assert any(list(frame.value.get("run", [])) == ["other", "small"] for frame in app.dataframe)


@pytest.mark.usefixtures("two_runs")
@pytest.mark.parametrize("runs", [3, 5])
def test_up_to_four_runs_are_side_by_side(small_run: Run, tmp_path: Path, runs: int) -> None:
    for number in range(3, runs + 1):
        add_run(tmp_path / "runs", small_run, f"run-{number}", number)
    app = open_page("compare", run="small", tab="Metrics")
    assert not app.exception and not app.error
    shown = app.multiselect(key="with").value
    assert len(shown) == min(runs, 4)
    n = f", n = {len(small_run.part('test')):,}"
    metrics, less = app.dataframe[-2].value, app.dataframe[-1].value
    assert {f"{name}{n}" for name in shown} <= set(metrics.columns)
    assert {f"{name}{n}" for name in shown if name != "small"} == set(less.columns) - {"metric"}


@pytest.mark.usefixtures("two_runs")
def test_runs_that_were_split_alike_are_compared_unasked(small_run: Run) -> None:
    app = open_page("compare", run="small")
    assert not app.exception and "Difference to small" in text(app)
    less = app.dataframe[-1].value.set_index("metric")["other, n = " + f"{len(small_run.part('test')):,}"]
    assert less["Accuracy"].startswith("0.000 (0.000 to 0.000)"), "a temperature changes no answer"
    assert less["Log loss"].endswith("*") or not less["Log loss"].startswith("0.000")
    app = open_page("compare", run="small", view="binary")
    assert not app.exception and "AUROC" in app.dataframe[0].value["metric"].tolist()
    app.selectbox(key="run").set_value("other").run()
    assert not app.exception and "Difference to other" in text(app), "the sidebar's choice keeps them side by side"
    app.multiselect(key="with").set_value([]).run()
    assert not app.exception and "Difference to" not in text(app)


@pytest.mark.usefixtures("two_runs")
def test_a_threshold_on_a_score_that_is_no_more_was_not_chosen_on_calibrate() -> None:
    app = open_page("out_of_distribution", run="small", score="odin", threshold="0.123", moved="calibrate")
    assert not app.exception and app.selectbox(key="score").value == DEFAULT
    assert "moved" not in app.query_params


@pytest.mark.usefixtures("two_runs")
def test_an_own_policy_of_another_run_is_said_not_to_be_obeyed(small_run: Run) -> None:
    app = open_page("analyse", run="other", image="synthetic-MEL-1")
    app.session_state["own_policy"] = tune(small_run, goal=TuningGoal(share=0.9))
    app.run()
    assert not app.exception and "made for another run" in text(app)


@pytest.mark.usefixtures("with_run")
def test_who_pays_compares_data_sets() -> None:
    app = open_page("out_of_distribution", who="dataset")
    assert not app.exception and "unusual, not wrong" in text(app)


@pytest.mark.usefixtures("with_run")
def test_a_picture_has_a_set_and_every_score(small_run: Run) -> None:
    from app.cache.rejection import set_of

    sure = np.array([0.98, 0.005, 0.004, 0.003, 0.002, 0.002, 0.002, 0.002])
    held, rare = set_of(small_run, sure, 0.6, by_class=False)
    assert held[0] == "MEL" and not rare
    app = open_page("analyse", image="synthetic-MEL-1")
    app.toggle(key="every_score").set_value(True).run()
    assert not app.exception and any(len(frame.value) == len(offered(small_run)) for frame in app.dataframe)


def test_an_altered_policy_is_told_and_the_page_that_can_replace_it_opens(
    monkeypatch: pytest.MonkeyPatch, run_copy: Path
) -> None:
    path = run_copy / "policy.json"
    path.write_text(path.read_text().replace("calibration images", "many images"))
    monkeypatch.setenv("LESION_RUNS", str(run_copy.parent))
    monkeypatch.delenv("LESION_DATA", raising=False)
    app = open_page("out_of_distribution", tab="Save")
    assert not app.exception
    assert any("was altered after it was chosen" in warning.value for warning in app.warning)
    counts = on_the_line(app)[1]
    assert counts["right"][1] + counts["wrong"][1] > 0


def test_a_run_without_test_pictures_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch, run_copy: Path) -> None:
    table = pd.read_parquet(run_copy / "predictions.parquet")
    table.assign(split=table["split"].replace({"test": "train"})).to_parquet(run_copy / "predictions.parquet")
    config = json.loads((run_copy / "config.json").read_text())
    config["counts"] = {"ood": config["counts"]["ood"]}
    roles = pd.read_parquet(run_copy / "predictions.parquet").rename(columns={"split": "role"})
    config["split_fingerprint"] = roles_fingerprint(roles)
    config["files"]["predictions.parquet"] = sha256(run_copy / "predictions.parquet")
    (run_copy / "config.json").write_text(json.dumps(config))
    (run_copy / "policy.json").unlink()
    monkeypatch.setenv("LESION_RUNS", str(run_copy.parent))
    monkeypatch.delenv("LESION_DATA", raising=False)
    app = open_page("out_of_distribution")
    assert not app.exception
    assert any("has no test images" in warning.value for warning in app.warning)


@pytest.mark.usefixtures("with_run")
def test_a_policy_that_is_used_is_obeyed_on_analyse(small_run: Run) -> None:
    app = open_page("analyse", image="synthetic-NV-1")
    said = []
    for threshold in (-1.0, 1.0):  # on one minus the confidence: rejects all, keeps all
        app.session_state["own_policy"] = tune(small_run, "confidence", "eye", TuningGoal(threshold=threshold))
        app.run()
        assert not app.exception
        said.append("UNKNOWN" in [words for words in ("UNKNOWN", "ANSWERED") if f": {words}" in text(app)])
        assert "Set by hand" in text(app)
    assert said == [True, False]
    next(b for b in app.button if b.label == "Back to the run's policy").click().run()
    assert "own_policy" not in app.session_state and "Set by hand" not in text(app)


def test_a_data_folder_without_isic_2019_still_gives_its_pictures(
    monkeypatch: pytest.MonkeyPatch, small_run: Run, data_root: Path, tmp_path: Path
) -> None:
    for name in ("HAM10000_metadata.csv", "HAM10000_images", "HAM10000_segmentations"):
        (tmp_path / "ham").mkdir(exist_ok=True)
        (tmp_path / "ham" / name).symlink_to(data_root / "synthetic" / name)
    monkeypatch.setenv("LESION_RUNS", str(small_run.folder.parent))
    monkeypatch.setenv("LESION_DATA", str(tmp_path))
    app = open_page("analyse")
    assert not app.exception
    assert app.selectbox(key="image").value.startswith("SYN_")


@pytest.mark.slow
@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize(
    "query",
    [
        {"method": "gradcam_pp", "layer": "layer3"},
        {"method": "guided_gradcam", "against": "NV", "signed": "true"},
        {"method": "integrated_gradients", "baseline": "blurred"},
        {"method": "smoothgrad"},
        {"beside": "models"},
        {"beside": "classes", "signed": "true"},
        {"beside": "methods"},
        {"tab": "Is it true to the model?"},
        {"tab": "Change the image"},
        {"tab": "The whole test set"},
        {"tab": "Numbers and download"},
        {"target": "BCC", "against": "BCC"},
        {"method": "magic", "layer": "conv1", "baseline": "white"},
    ],
    ids=str,
)
def test_every_way_to_explain_opens_by_its_link(query: dict[str, str]) -> None:
    app = open_page("explain", image="synthetic-MEL-1", **query)
    assert not app.exception and not app.error
    if query.get("method") in {name for name, entry in METHODS.items() if entry.slow}:
        next(button for button in app.button if button.label == "Compute the map").click().run()
        assert not app.exception and not app.error
    assert "inside the lesion" in text(app)


@pytest.mark.usefixtures("with_run")
def test_the_sanity_check_shows_a_map_for_every_stage() -> None:
    app = open_page("explain", image="synthetic-MEL-1", tab="Sanity check")
    before = len(app.get("image"))
    app.button(key="ask sanity").click().run()
    assert not app.exception and len(app.get("image")) == before + 7


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("change", ["hair", "add_ruler"])
def test_a_changed_picture_is_asked_about_again(change: str) -> None:
    app = open_page("explain", image="synthetic-MEL-1", tab="Change the image")
    app.selectbox(key="change").set_value(change).run()
    assert not app.exception
    assert any("of the evidence is on what was added" in image.proto.imgs[0].caption for image in app.get("image")) == (
        change == "add_ruler"
    )
    assert any("after" in frame.value.columns for frame in app.dataframe)


@pytest.mark.usefixtures("with_run")
def test_the_whole_test_set_is_shown_where_it_was_measured(small_run: Run, trained: Any) -> None:
    from lesion_core.inference.attribution import evaluate_attribution
    from lesion_core.runs.attribution import FILE, write_attribution

    table = trained.collection.table
    test = table[table["role"] == "test"].head(5)
    write_attribution(small_run, evaluate_attribution(small_run, test, ["gradcam", "gradcam_pp"]))
    try:
        app = open_page("explain", image="synthetic-MEL-1", tab="The whole test set")
        assert not app.exception and "Where it looked elsewhere" in text(app)
        assert any(list(frame.value.get("method", [])) == ["Grad-CAM", "Grad-CAM++"] for frame in app.dataframe)
    finally:
        (small_run.folder / FILE).unlink()


def test_a_variable_that_is_empty_names_no_folder_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LESION_RUNS", "")
    assert state.runs_root() == ROOT / "checkpoints"
