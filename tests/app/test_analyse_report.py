"""What the page Analyse shows of the lesion, says of a rejected image, and hands out: the files of its buttons."""

from __future__ import annotations

import base64
import csv
import io
import re
import shutil
import threading
from collections.abc import Callable
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pytest
import reportlab.rl_config
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.testing.v1 import AppTest

from app.analyse.report_view import black_and_white, limits
from app.verdict import CAVEAT
from lesion_core.analysis.evaluation_sets import EvaluationSummary, view_summary
from lesion_core.data.samples import load, synthetic_samples
from lesion_core.labels import diagnosis
from lesion_core.ood.policy import NO_POLICY, write_policy
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run
from lesion_core.runs.segmenter import SegmenterRun
from lesion_core.serving.classifier import Engine
from lesion_core.serving.results import Segmentation
from lesion_core.serving.segmenter import SegmenterEngine
from tests.literal import disc, open_page, text

PICTURE = load(next(s for s in synthetic_samples() if s.id == "synthetic-MEL-1"))
HTML, PDF, CSV = "Report, one HTML file", "Report, PDF", "Download all as CSV"
REJECTS_ALL, KEEPS_ALL = -1.0, 1.0  # on one minus the confidence

Download = Callable[[AppTest, str], bytes]


def known(shape: tuple[int, int]) -> Segmentation:
    """A segmenter's answer that is known."""
    return Segmentation(disc((64, 64), (30, 34), 17.3).astype(np.float32), shape, 1.0)


MASK = known(PICTURE.image.shape[:2]).mask()


@pytest.fixture(autouse=True)
def _known_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SegmenterEngine, "segment", lambda _, image: known(image.shape[:2]))
    monkeypatch.delenv("LESION_DATA", raising=False)
    monkeypatch.setattr(reportlab.rl_config, "pageCompression", 0)


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch) -> Download:
    """What a click on a download button gives, made as the server makes it: in a thread that belongs to no page."""
    managers: list[MediaFileManager] = []

    class Kept(MediaFileManager):
        def __init__(self, storage: object) -> None:
            super().__init__(storage)  # type: ignore[arg-type]
            managers.append(self)

    monkeypatch.setattr("streamlit.testing.v1.app_test.MediaFileManager", Kept)

    def get(app: AppTest, label: str) -> bytes:
        file_id = next(b for b in app.download_button if b.label == label).proto.deferred_file_id
        made: list[bytes] = []

        def click() -> None:
            url = managers[-1].execute_deferred(file_id)
            made.append(managers[-1]._storage.get_file(url.rpartition("/")[2]).content)  # type: ignore[attr-defined]

        thread = threading.Thread(target=click)
        thread.start()
        thread.join()
        return made[0]

    return get


@pytest.fixture
def with_policy(
    small_run: Run, small_segmenter: SegmenterRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float | None], None]:
    """Shows a copy of the small run with a policy of its own at a threshold, or without one."""

    def show(threshold: float | None) -> None:
        folder = tmp_path / "shown" / small_run.name
        shutil.copytree(small_run.folder, folder)
        (tmp_path / "shown" / small_segmenter.name).symlink_to(small_segmenter.folder)
        (folder / "policy.json").unlink()
        if threshold is not None:
            policy = tune(small_run, "confidence", "eye", TuningGoal(threshold=threshold))
            write_policy(policy, folder / "policy.json")
        monkeypatch.setenv("LESION_RUNS", str(tmp_path / "shown"))

    return show


def analyse(**query: str) -> AppTest:
    """The page, opened by its link."""
    app = open_page("analyse", **{"image": PICTURE.id, **query})
    assert not app.exception
    return app


def pictures(page: str) -> dict[str, np.ndarray]:
    """The images of an HTML report by their caption."""
    found = re.findall(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]*)"', page)
    return {
        unescape(caption): cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)
        for caption, data in found
    }


def said_in_pdf(data: bytes) -> str:
    """The words of a PDF whose pages are not compressed, lines joined."""
    drawn = re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", data)
    return " ".join(re.sub(r"\\([()\\])", r"\1", line.decode("cp1252")) for line in drawn)


def squeezed(sentence: str) -> str:
    return " ".join(sentence.split())


@pytest.mark.parametrize("threshold", [KEEPS_ALL, REJECTS_ALL, None], ids=["accepted", "rejected", "no policy"])
def test_the_buttons_hand_out_what_the_page_says(
    threshold: float | None,
    with_policy: Callable[[float | None], None],
    download: Download,
    small_run: Run,
    small_segmenter: SegmenterRun,
) -> None:
    with_policy(threshold)
    app = analyse()
    prediction = Engine(small_run).predict(PICTURE.image)
    top, rejected = diagnosis(prediction.code), threshold == REJECTS_ALL
    page = download(app, HTML).decode()
    pdf = download(app, PDF)
    shown, in_html, in_pdf = text(app), squeezed(unescape(re.sub("<[^>]*>", " ", page))), squeezed(said_in_pdf(pdf))

    drawn = pictures(page)
    assert len(drawn) == 4 and pdf.count(b"/Subtype /Image") == 4
    assert np.array_equal(drawn["The image"], PICTURE.image)
    mask = next(image for caption, image in drawn.items() if caption.startswith("Its mask, the lesion in white"))
    assert np.array_equal(mask, black_and_white(MASK)) and 0 < MASK.mean() < 1

    summary = view_summary(small_run, "test")
    assert summary is not None
    for sentence in limits(small_run, summary, rejects=threshold is not None):
        assert sentence in in_html and sentence in in_pdf, sentence
    assert small_run.fingerprint in in_html and small_segmenter.fingerprint in in_html

    answer = "UNKNOWN. The model should not answer." if rejected else f"{top.name.capitalize()} ({top.code})"
    term = f"The rejected best guess, {top.name}" if rejected else top.name.capitalize()
    for said in (in_html, in_pdf):
        assert answer in said
        assert f"{term} ({top.malignancy}): {top.plain}" in said
        assert (CAVEAT in said) == rejected
        assert (NO_POLICY in said) == (threshold is None)
        assert ("the run's own policy: Set by hand" in said) == (threshold is not None)
        assert (f"Grad-CAM for {top.code}, the rejected best guess" in said) == rejected
    assert f"**{term}** ({top.malignancy}): {top.plain}" in shown
    assert (CAVEAT in shown) == rejected
    assert (NO_POLICY in shown) == (threshold is None)
    crop = next(image.proto.imgs[0].caption for image in app.get("image") if "crop" in image.proto.imgs[0].caption)
    assert ("if this is a dermoscopic image of a lesion" in crop) == rejected


def test_the_mask_is_a_click_away_and_the_history_a_table(
    with_policy: Callable[[float | None], None],
    download: Download,
) -> None:
    with_policy(KEEPS_ALL)

    def captions(app: AppTest) -> list[str]:
        return [image.proto.imgs[0].caption for image in app.get("image")]

    app = analyse()
    assert any("contour in orange" in caption for caption in captions(app))
    app.segmented_control(key="show").set_value("mask").run()
    assert not app.exception
    assert any("lesion in white" in caption for caption in captions(app))
    assert not any("contour in orange" in caption for caption in captions(app))
    assert any("lesion in white" in caption for caption in captions(analyse(show="mask")))

    assert not [b for b in app.download_button if b.label == CSV], "one image is not a table"
    app.selectbox(key="image").set_value("synthetic-NV-1").run()
    table = download(app, CSV)
    assert table.startswith(b"\xef\xbb\xbf"), "a spreadsheet reads it as UTF-8"
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))
    assert [row["image"] for row in rows] == ["Synthetic melanocytic nevus 1", PICTURE.title]
    assert all(row["answer"] == row["most_probable"] and row["reason"] for row in rows)
    assert next(f.value["image"].tolist() for f in app.dataframe) == [row["image"] for row in rows]
    assert "Synthetic melanocytic nevus 1" in download(app, HTML).decode()


def test_an_empty_mask_is_told_and_left_out(
    with_policy: Callable[[float | None], None], download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_policy(KEEPS_ALL)
    monkeypatch.setattr(
        SegmenterEngine, "segment", lambda _, image: Segmentation(np.zeros((64, 64), np.float32), image.shape[:2], 1.0)
    )
    app = analyse(show="mask")
    assert "the mask is empty" in text(app) and not app.segmented_control
    assert list(pictures(download(app, HTML).decode())) == [
        "The image",
        next(c for c in pictures(download(app, HTML).decode()) if c.startswith("Grad-CAM")),
    ]


def test_a_visitors_own_policy_is_named(
    with_policy: Callable[[float | None], None], download: Download, small_run: Run
) -> None:
    with_policy(None)
    app = analyse()
    app.session_state["own_policy"] = tune(small_run, "confidence", "eye", TuningGoal(threshold=REJECTS_ALL))
    app.run()
    page = unescape(download(app, HTML).decode())
    assert "a visitor's own policy: Set by hand" in page and NO_POLICY not in page
    assert "UNKNOWN." in page and NO_POLICY not in text(app)


def test_limits_say_what_is_known(small_run: Run) -> None:
    summary = view_summary(small_run, "test")
    assert summary is not None
    accuracy = summary.table.set_index("metric").loc["accuracy"]
    said = " ".join(limits(small_run, summary, rejects=True))
    trained = small_run.part("train")
    assert f"trained on {len(trained):,} images of " in said
    told = f"{accuracy['value']:.3f} (95 % confidence interval {accuracy['low']:.3f} to {accuracy['high']:.3f})"
    assert f" an accuracy of {told}" in said
    assert f"{summary.n_images:,} images of {summary.n_groups:,} lesions" in said
    assert "unless it is rejected" in said and "research and teaching only" in said

    few = EvaluationSummary(summary.table.assign(low=np.nan, high=np.nan), summary.n_images, summary.n_groups)
    assert "too few lesions for an interval" in " ".join(limits(small_run, few, rejects=True))
    own = small_run.with_predictions(small_run.predictions.assign(dataset="clinic"))
    said = " ".join(limits(own, None, rejects=False))
    assert "not measured" in said and "nothing is rejected" in said
    assert "clinic (" in said and "licences of these data sets" in said and "CC BY-NC" not in said
