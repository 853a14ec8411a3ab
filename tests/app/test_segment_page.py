"""The page Segment: its tab is in the link, only the open one is drawn, and a test image has one figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.cache import images as cached_images
from lesion_core.analysis.segmentation import MASK_METRICS, count
from lesion_core.data.masks import read_mask
from lesion_core.imaging.decode import decode
from lesion_core.runs.segmenter import SegmenterRun
from lesion_core.serving.segmenter import SegmenterEngine
from tests.literal import open_page

pytestmark = pytest.mark.usefixtures("with_run")


def segment(**query: str) -> AppTest:
    """The page, opened by its link."""
    return open_page("segment", **query)


def captions(app: AppTest) -> str:
    return "\n".join(str(caption.value) for caption in app.caption)


def figure(app: AppTest) -> str:
    return str(next(metric.value for metric in app.metric if metric.label == "Jaccard"))


def test_the_link_opens_the_tab_and_only_that_one_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    thumbnail = cached_images.thumbnail

    def counted(sample: Any) -> bytes:
        drawn.append(sample)
        return bytes(thumbnail(sample))

    monkeypatch.setattr(cached_images, "thumbnail", counted)
    said = {
        tab: captions(segment(image="synthetic-BKL-1", **({"tab": tab} if tab else {})))
        for tab in ("", "The failures first", "What the mask says")
    }
    first, failures, description = said.values()
    assert (
        "each bar counts test images" in first
        and "with their Jaccard" not in first
        and "only describe the mask" not in first
    )
    assert (
        "with their Jaccard" in failures
        and "each bar counts" not in failures
        and "only describe the mask" not in failures
    )
    assert "only describe the mask" in description and "with their Jaccard" not in description
    here = len(drawn)
    assert here > 0, "of the open tab"
    segment(image="synthetic-BKL-1")
    assert len(drawn) == here


@pytest.mark.parametrize("clean", [True, False])
def test_a_test_picture_s_figure_is_the_one_that_the_run_measured(clean: bool, small_segmenter: SegmenterRun) -> None:
    variant = "clean" if clean else "raw"
    rows, counts = small_segmenter.counts("test", variant)
    query = {"image": str(rows["image_id"][0]), "clean": str(clean).lower()}
    stored = MASK_METRICS["jaccard"](counts)[0]
    app = segment(**query)
    assert not app.exception and figure(app) == f"{stored:.3f}"
    assert f"on the {counts[0].sum():,} px of the expert's mask" in captions(app)
    app = segment(**query, tab="The failures first")
    assert figure(app) == f"{stored:.3f}"


def test_at_another_threshold_it_is_counted_on_the_page(small_segmenter: SegmenterRun, trained_segmenter: Any) -> None:
    rows, _ = small_segmenter.counts("test")
    image_id = str(rows["image_id"][0])
    source = trained_segmenter.collection.table.set_index("image_id").loc[image_id]
    image = decode(Path(source["path"]))
    true = read_mask(Path(source["mask_path"]), image.shape[:2])
    app = segment(image=image_id, cut="0.3")
    found = SegmenterEngine(small_segmenter).segment(image).mask(0.3)
    assert figure(app) == f"{MASK_METRICS['jaccard']([count(found, true)])[0]:.3f}"
    assert f"at {image.shape[1]:,} × {image.shape[0]:,} px" in captions(app)
    app.slider(key="cut").set_value(0.5).run()
    assert "of the expert's mask." in captions(app)


def test_the_figure_is_the_stored_one_even_where_the_page_would_count_otherwise(
    small_segmenter: SegmenterRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SegmenterRun, "counts_of", lambda *_: np.array([70, 30, 0, 100]))
    rows, _ = small_segmenter.counts("test")
    assert figure(segment(image=str(rows["image_id"][0]))) == "0.700"
    assert figure(segment(image=str(rows["image_id"][0]), cut="0.3")) != "0.700"
    assert figure(segment(image="synthetic-BKL-1")) != "0.700"
