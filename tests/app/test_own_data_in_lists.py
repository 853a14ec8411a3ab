"""With somebody's own data in LESION_DATA the lists of images offer it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from app.cache import images
from tests.literal import open_page, text
from tests.own_set import own_set, rows, write


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, runs_root: Path, tmp_path: Path) -> Path:
    folder = own_set(tmp_path / "data" / "mine", 9)
    table = rows(folder)
    table[1][1] = "Lichen planus"
    write(folder, table)
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.setenv("LESION_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_the_list_begins_with_ones_own_images(own: Path, small_run: Any) -> None:
    for run in (small_run, None):
        found = images.samples(run, own)
        ids = list(found)
        assert set(ids[:9]) == {f"image_{i}" for i in range(9)}
        assert all(found[name].origin == "real" and found[name].mask_path for name in ids[:9])
        assert found["image_0"].title == "image_0, Lichen planus" and found["image_0"].truth is None
        assert found["image_1"].truth == "NV", "Common Nevus"
        assert {sample.origin for sample in list(found.values())[9:]} == {"synthetic", "ood"}


def test_a_page_shows_an_image_of_it_by_link_and_offers_the_others(own: Path) -> None:  # noqa: ARG001
    app = open_page("preprocessing", run="small", image="image_0")
    assert not app.exception
    options = next(box.options for box in app.selectbox if any("image_0" in option for option in box.options))
    assert sum(option.startswith("image_") for option in options) == 9


def test_images_of_a_runs_own_test_set_are_still_the_first(with_run: None, small_run: Any, data_root: Path) -> None:  # noqa: ARG001
    found = [sample for sample in images.samples(small_run, data_root).values() if sample.origin == "real"]
    assert {sample.id for sample in found} <= set(small_run.part("test")["image_id"]) and found


def test_overview_names_whose_an_image_of_the_archive_is(
    monkeypatch: pytest.MonkeyPatch, runs_root: Path, tmp_path: Path
) -> None:
    """Beside each real image, as its table tells; such an image is not called one of the test set."""
    folder = tmp_path / "demo"
    (folder / "images").mkdir(parents=True)
    lines = ["isic_id,attribution,copyright_license,diagnosis_3,image_type"]
    for at, (words, whose) in enumerate((("Nevus", "A *clinic*"), ("Basal cell carcinoma", "B")), start=1):
        pixels = np.random.default_rng(at).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"ISIC_900000{at}.jpg"), pixels)
        lines.append(f"ISIC_900000{at},{whose},CC-0,{words},dermoscopic")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("LESION_RUNS", str(runs_root))
    monkeypatch.setenv("LESION_DATA", str(folder))
    app = open_page("overview")
    assert not app.exception
    captions = [element.proto.imgs[0].caption for element in app.get("image")]
    assert captions[:2] == ["melanocytic nevus (NV)  \nA \\*clinic\\*, CC-0", "basal cell carcinoma (BCC)  \nB, CC-0"]
    assert "never trained on" in text(app)
