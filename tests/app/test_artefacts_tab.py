"""The tab Artefacts in the wild: slices by what people or finders saw, and slices drawn at random."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.cache import facts as cached_facts
from app.cache.artefacts import Sliced, seen_in, sliced
from app.figures.artefacts import slices as slices_figure
from app.figures.artefacts import spreads
from app.robustness.artefacts import BY, NAMES, TITLES, first_draw, missing, said, slice_table
from lesion_core.analysis.evaluation_sets import evaluation_data
from lesion_core.analysis.intervals import clopper_pearson
from lesion_core.analysis.slices import COLUMNS
from lesion_core.analysis.small_slices import random_slices
from lesion_core.data.artefact_labels import LABELLED, TABLE
from lesion_core.data.image_facts import COMMAND, SCORES, write_facts
from lesion_core.labels import HAM10000
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.rejector import Rejector
from lesion_core.runs.classifier import Run
from tests.literal import open_page, text


def scores_of(run: Run, leave: int = 0) -> pd.DataFrame:
    """Scores of the run's test images: every second shows the first artefact, every third the second ..."""
    images = run.part("test")["image_id"].tolist()[leave:]
    columns = {key: [0.9 if i % (k + 2) == 0 else 0.1 for i in range(len(images))] for k, key in enumerate(LABELLED)}
    return pd.DataFrame({"image_id": images, **columns})


def test_slices_are_counted_image_by_image(small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_facts, "FACTS", tmp_path)
    rejector = Rejector.open(small_run)
    assert rejector is not None
    assert sliced(small_run, rejector.policy, "finders", None, seen_in(None)) is None
    scores = scores_of(small_run, leave=1)
    write_facts(scores, tmp_path, SCORES)
    found = sliced(small_run, rejector.policy, "finders", None, seen_in(None))
    assert found is not None and (found.n_images, found.without) == (len(scores), 1)
    rows = small_run.part("test")[lambda t: t["image_id"].isin(scores["image_id"])]
    data, kept = evaluation_data(small_run, rows, HAM10000), rejector.keeps(outputs_of(small_run, rows))
    assert data is not None
    for key in LABELLED:
        has = dict(zip(scores["image_id"], scores[key] > 0.5, strict=True))
        counts = {(figure, side): [0, 0] for figure in TITLES for side in ("with", "without")}
        for image, truth, row, keep in zip(rows["image_id"], data.truth, data.probabilities, kept, strict=True):
            side, code = "with" if has[image] else "without", HAM10000[truth]
            called = HAM10000[row.argmax()] == "MEL"
            for figure, asked, hit in (
                ("recall", code == "MEL", called),
                ("nevi_called_melanoma", code == "NV", called),
                ("rejected", True, not keep),
            ):
                counts[figure, side][0] += asked
                counts[figure, side][1] += asked and hit
        assert found.present[key] == sum(has.values())
        for (figure, side), (n, hits) in counts.items():
            told = found.table[(found.table["artefact"] == key) & (found.table["figure"] == figure)]
            if len(told):
                assert told[f"{side}_n"].item() == n
                assert told[f"{side}_value"].item() == pytest.approx(hits / n if n else np.nan, nan_ok=True)
    labelled = scores.assign(**{key: (scores[key] > 0.5).astype(int) for key in LABELLED})
    labelled.to_csv(tmp_path / TABLE, index=False)
    assert sliced(small_run, rejector.policy, "labels", tmp_path, seen_in(tmp_path)) is None, (
        "the run has no image of ISIC 2017"
    )


@pytest.mark.usefixtures("with_run")
def test_the_tab_opens_with_tables_and_says_what_is_missing_without(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_facts, "FACTS", tmp_path)
    app = open_page("robustness", tab="Artefacts in the wild")
    assert not app.exception and not app.warning
    assert text(app).count(COMMAND) == 2 and "LESION_DATA" in text(app)
    write_facts(scores_of(small_run), tmp_path, SCORES)
    app.run()
    n = len(small_run.part("test"))
    assert not app.exception and f"how many of the {n} images show it" in text(app)
    people = open_page("robustness", tab="Artefacts in the wild", seen_by="labels")
    assert not people.exception and TABLE in text(people)


def table_of(p: dict[str, float]) -> pd.DataFrame:
    rows = [
        (key, figure, "MEL", 40, 30, 0.5, 0.3, 0.7, 60, 50, 0.25, 0.1, 0.4, 0.25, 0.02, 0.48, value, value, True)
        for key, value in p.items()
        for figure in ("recall",)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_only_what_is_left_after_the_correction_is_called_a_difference() -> None:
    nothing = said(Sliced(table_of({"hair": 0.6, "ink": 0.2}), 100, 0, {}), "labels")
    assert "Of 2 differences looked at, none is left" in nothing[0] and "melanomas found and ink" in nothing[0]
    some = said(Sliced(table_of({"hair": 0.6, "ink": 0.0004}), 100, 0, {}), "finders")
    assert "Of 2 differences looked at, 1 is left" in some[0]
    assert some[1] == (
        "- Melanomas found and ink: 50 % of 40 images with it, 25 % of 60 without it; difference +25 points (+2 to "
        "+48), corrected p under 0.001."
    )
    assert "The finders err" in some[-1] and "The finders err" not in nothing[-1]
    assert "nothing can be compared" in said(Sliced(table_of({"hair": np.nan}), 9, 0, {}), "labels")[0]
    table = slice_table(table_of({"hair": 0.6}))
    assert table.loc[0, ["artefact", "with it", "p"]].tolist() == ["Hair", "50 % (30 % to 70 %), n 40", "0.60"]
    assert all(missing(by) for by in BY)


def test_each_side_of_a_slice_is_drawn_where_its_artefact_stands() -> None:
    table = table_of({"ink": 0.5, "hair": 0.5}).assign(enough=[True, False])
    drawn = slices_figure(table, {key: NAMES[key] for key in ("hair", "ink")}, {"recall": "Melanomas found"})
    dots = {
        (round(float(y)), float(x)) for one in drawn.data for y, x in zip(one.y, one.x, strict=True) if x is not None
    }
    assert dots == {(0, 0.5), (0, 0.25), (1, 0.5), (1, 0.25)}
    colours = {one.marker.color for one in drawn.data if len(one.x)}
    assert [one.name for one in drawn.data if one.showlegend] == ["with it", "without it"]
    assert len(colours) == 3, "what has too few lesions is grey"


def test_the_trap_shows_the_draws() -> None:
    found = random_slices(np.arange(60) < 33, 20, draws=100)
    bars = spreads(found).data[0]
    assert sum(bars.y) == pytest.approx(1)
    for at, share in zip(bars.x, bars.y, strict=True):
        inside = [s for s in found.spreads if at - 0.025 < s - 1e-9 <= at + 0.025 or (s == 0 and at < 0.05)]
        assert share == pytest.approx(len(inside) / 100)
    first = first_draw(found)
    expected = clopper_pearson(round(20 * found.shares[0, 3]), 20)
    assert first.loc[3, ["share", "low", "high"]].tolist() == [expected.value, expected.low, expected.high]
    assert re.fullmatch("slice 4", first.loc[3, "group"])
