"""Facts of images: what is written is read back, damage is told, and what ships is what its command makes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import facts as command
from lesion_core.data.artefact_labels import LABELLED
from lesion_core.data.image_facts import (
    CLOSE_UP,
    DERMOSCOPY,
    FINDERS,
    FORMS,
    SCORES,
    artefact_scores,
    finder_figures,
    lesion_forms,
    write_facts,
)
from lesion_core.errors import DataError
from lesion_core.imaging.decode import decode
from lesion_core.imaging.finders.registry import FINDERS as REGISTRY
from lesion_core.imaging.finders.registry import find_artefact
from tests.data.test_elsewhere import LESIONS, milk

SHIPPED = Path(__file__).parents[2] / "facts"
TABLES: dict[str, tuple[Callable[[Path], pd.DataFrame | None], pd.DataFrame]] = {
    FORMS: (
        lesion_forms,
        pd.DataFrame(
            {
                "image_id": ["i1", "i2", "i3"],
                "lesion_id": ["l1", "l1", "l2"],
                "form": [DERMOSCOPY, CLOSE_UP, DERMOSCOPY],
                "skin_tone": [0.0, 5.0, np.nan],
            }
        ),
    ),
    SCORES: (
        artefact_scores,
        pd.DataFrame({"image_id": ["i1", "i2"], **{key: [0.25, 1.0] for key in LABELLED}}),
    ),
    FINDERS: (
        finder_figures,
        pd.DataFrame(
            {
                **{"artefact": ["hair", "ink"], "n": [9, 9], "lesions": [8, 8], "positives": [3, 4]},
                **{"value": [0.75, 0.5], "low": [0.5, 0.25], "high": [1.0, 0.75]},
            }
        ),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    read, table = TABLES[name]
    assert read(tmp_path) is None
    write_facts(table, tmp_path, name)
    found = read(tmp_path)
    assert found is not None
    pd.testing.assert_frame_equal(found, table, check_dtype=False)


@pytest.mark.parametrize("name", TABLES)
def test_what_cannot_be_is_told_with_the_command(name: str, tmp_path: Path) -> None:
    read, table = TABLES[name]
    wrong = {"form": "painting", "skin_tone": 6, "hair": 1.01, "ink": -0.1, "value": 2, "n": 0.5, "artefact": "snow"}
    damaged = [table.astype(object).assign(**{key: wrong[key]}) for key in wrong if key in table]
    damaged += [pd.concat([table, table[:1]]), table.astype(object).assign(**{table.columns[-1]: "x"})]
    for one in damaged:
        write_facts(one, tmp_path, name)
        with pytest.raises(DataError, match=r"benchmarks\.facts|no column"):
            read(tmp_path)


def test_the_command_makes_what_the_data_allow(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "data", tmp_path / "facts"
    out.mkdir()
    milk(root / "milk")
    assert "no labels" in command.write_finders([root], out) and not (out / FINDERS).exists()
    command.write_forms([root], out)
    forms = lesion_forms(out)
    assert forms is not None and len(forms) == 2 * len(LESIONS) and set(forms["skin_tone"]) == {3}
    assert forms.groupby("lesion_id")["form"].apply(sorted).tolist() == [[CLOSE_UP, DERMOSCOPY]] * len(LESIONS)
    command.write_scores([data_root], out, tmp_path)
    first = artefact_scores(out)
    assert first is not None and len(first)
    for row in first.itertuples():
        path = next(data_root.rglob(f"{row.image_id}.*"))
        for key in LABELLED:
            assert getattr(row, key) == pytest.approx(find_artefact(decode(path), key).score, abs=6e-4)
    # What was scored is not scored again, unless a finder says something else today.
    write_facts(first[1:], out, SCORES)
    capsys.readouterr()
    command.write_scores([data_root], out, tmp_path)
    assert "1 of 1 images" in capsys.readouterr().err
    write_facts(first.assign(ink=0.123), out, SCORES)
    command.write_scores([data_root], out, tmp_path)
    again = artefact_scores(out)
    assert again is not None
    pd.testing.assert_frame_equal(again, first)


def test_what_ships_covers_the_finders_and_every_lesion_twice_or_once() -> None:
    forms, scores, figures = lesion_forms(SHIPPED), artefact_scores(SHIPPED), finder_figures(SHIPPED)
    assert forms is not None and scores is not None and figures is not None
    assert not forms.duplicated(["lesion_id", "form"]).any()
    assert figures["artefact"].tolist() == list(REGISTRY) == list(scores.columns[1:])
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 2**20


@pytest.mark.real
def test_the_scores_that_ship_are_those_of_the_finders() -> None:
    scores = artefact_scores(SHIPPED)
    assert scores is not None
    if not (root := os.environ.get("LESION_DATA")):
        pytest.skip("LESION_DATA is not set")
    folder = Path(root) / "isic2018_test"
    paths = {path.stem: path for path in folder.rglob("*.jpg")}
    own = scores[scores["image_id"].isin(list(paths))].iloc[::100]
    assert len(own) > 5
    for row in own.itertuples():
        image = decode(paths[str(row.image_id)])
        for key in LABELLED:
            assert getattr(row, key) == pytest.approx(find_artefact(image, key).score, abs=2e-3), (row.image_id, key)
