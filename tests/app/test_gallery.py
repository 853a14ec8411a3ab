"""The gallery: its pages share out all pictures, its orders are orders, its verdicts those of the policy."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from streamlit.testing.v1 import AppTest

from app.cache import runs as cached_runs
from app.gallery import LOOKS, MAP, OUTLINE, Order, large
from lesion_core.data.samples import synthetic_samples
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.rejector import Rejector
from lesion_core.ood.threshold_rules import TuningGoal
from lesion_core.ood.tuning import tune
from lesion_core.runs.classifier import Run
from tests.app.test_foreign_names import fields, messages
from tests.literal import open_page, text

PAGE = """
import numpy as np
from app.gallery import Entry, Order, pictures
from lesion_core.data.samples import synthetic_samples

samples = synthetic_samples()
values = np.arange(len(samples)) % 5
pictures(
    len(samples),
    lambda places: [Entry(samples[i].id, samples[i].id, samples[i], (str(values[i]),)) for i in places],
    key="all", label="All", a_page=7,
    orders=(Order("low", "lowest first", values), Order("high", "highest first", values, highest_first=True)),
)
"""


def gallery(app: AppTest) -> dict[str, Any]:
    """What the browser is given to draw."""
    assert not app.exception
    texts = [text for message in messages(app._tree) for _, field, text in fields(message) if field == "json"]
    found = [data for data in map(json.loads, texts) if "tiles" in data]
    assert len(found) == 1
    return dict(found[0])


def shown(**query: str) -> dict[str, Any]:
    """The gallery of the small page at a link."""
    app = AppTest.from_string(PAGE, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return gallery(app.run())


def image_of(tile: dict[str, Any]) -> str:
    return parse_qs(urlsplit(tile["href"]).query)["image"][0]


@given(st.lists(st.floats(width=32)), st.booleans())
def test_an_order_is_one(values: list[float], highest_first: bool) -> None:
    places = Order("x", "x", values, highest_first).places()
    assert sorted(places.tolist()) == list(range(len(values)))
    ordered = np.asarray(values, dtype=np.float64)[places]
    there = ordered[~np.isnan(ordered)]
    assert not np.isnan(ordered[: len(there)]).any()  # what is not a number is last
    assert (there[1:] <= there[:-1] if highest_first else there[1:] >= there[:-1]).all()


@pytest.mark.parametrize("order", ["low", "high"])
def test_the_pages_hold_each_picture_once_in_the_order(order: str) -> None:
    first = shown(order=order)
    assert first["page"] == 1 and first["order"] == order
    pages = [first, *(shown(order=order, page=str(page)) for page in range(2, first["pages"] + 1))]
    tiles = [tile for page in pages for tile in page["tiles"]]
    assert sorted(map(image_of, tiles)) == sorted(sample.id for sample in synthetic_samples())
    values = [int(tile["facts"][0]) for tile in tiles]
    assert values == sorted(values, reverse=order == "high")
    assert all(tile["src"].startswith("data:image/jpeg;base64,") for tile in tiles)


@pytest.mark.parametrize(
    ("page", "at"), [("0", 1), ("-1", 1), ("2", 2), ("99", 4), ("", 1), ("1e3", 1), ("²", 1), ("9" * 5000, 1)]
)
def test_a_link_to_a_page_that_is_not_there_shows_one_that_is(page: str, at: int) -> None:
    found = shown(page=page, order="no such order")
    assert (found["page"], found["order"]) == (at, "low")


def test_a_picture_is_enlarged_with_its_outline_and_its_map(small_run: Run) -> None:
    sample = synthetic_samples()[0]
    made = {look: large(sample, look, small_run) for look in LOOKS}
    assert len({found.src for found in made.values()}) == len(LOOKS)
    assert "Grad-CAM" in made[MAP].note and "mask" in made[OUTLINE].note


@pytest.mark.usefixtures("with_run")
@pytest.mark.parametrize("kept", [None, 0.5])
def test_a_cell_holds_its_images_the_surest_first_and_their_verdicts(
    kept: float | None, small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = None if kept is None else tune(small_run, goal=TuningGoal(share=kept))
    monkeypatch.setattr(cached_runs, "policy_of", lambda _: policy)
    table = small_run.part("test")
    logits, classes = small_run.logits(table), small_run.classes
    confidence = softmax(logits / small_run.calibration.temperature, axis=1).max(axis=1)
    answer = np.array(classes)[logits.argmax(axis=1)]
    truth = table["label"].to_numpy(str)
    cell = Counter(zip(truth, answer, strict=True)).most_common(1)[0][0]
    inside = np.flatnonzero((truth == cell[0]) & (answer == cell[1]))
    wanted = inside[np.argsort(-confidence[inside], kind="stable")]
    outputs = outputs_of(small_run, table)
    rejected = [d.rejected for d in Rejector(small_run, policy).decide(outputs)] if policy else [None] * len(table)
    right = "RIGHT" if cell[0] == cell[1] else "WRONG"

    link = {"cell": f"{cell[0]} as {cell[1]}", "run": small_run.name}
    first = gallery(open_page("compare", **link))
    pages = [first, *(gallery(open_page("compare", **link, page=str(n))) for n in range(2, first["pages"] + 1))]
    tiles = [tile for page in pages for tile in page["tiles"]]
    assert [image_of(tile) for tile in tiles] == table["image_id"].to_numpy(str)[wanted].tolist()
    for tile, row in zip(tiles, wanted, strict=True):
        assert tile["facts"] == [f"{cell[1]}, {100 * confidence[row]:.0f} %"]
        told = " ".join(word for word, _ in tile["words"])
        assert told.replace("✓ ", "").replace("✗ ", "").replace("? ", "") == (
            right if rejected[row] is None else "UNKNOWN" if rejected[row] else f"ANSWERED {right}"
        )


@pytest.mark.usefixtures("with_run")
def test_without_the_images_a_cell_shows_their_figures(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESION_DATA")
    table = small_run.part("test")
    code = np.array(small_run.classes)[small_run.logits(table).argmax(axis=1)][0]
    app = open_page("compare", cell=f"{table['label'].iloc[0]} as {code}", run=small_run.name)
    assert not app.exception and "set `LESION_DATA`" in text(app)
    assert any(
        str(table["image_id"].iloc[0]) in frame.value["image"].tolist()
        for frame in app.dataframe
        if "image" in frame.value
    )
