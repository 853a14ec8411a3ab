"""The table of artefacts labelled by hand, whole and damaged."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from lesion_core.data.artefact_labels import LABELLED, LESIONS, TABLE, artefact_labels, held_out
from lesion_core.errors import DataError

HEADER = "image_id," + ",".join(LABELLED)


def write(root: Path, *rows: str, header: str = HEADER) -> Path:
    (root / "isic2017").mkdir(exist_ok=True)
    (root / "isic2017" / TABLE).write_text("\n".join([header, *rows]) + "\n")
    return root


def test_without_a_table_there_are_none(tmp_path: Path) -> None:
    assert artefact_labels(tmp_path) is None
    assert artefact_labels(tmp_path / "nowhere") is None


def test_labels_are_booleans_and_lesions_are_joined(tmp_path: Path) -> None:
    write(tmp_path, "ISIC_1,0,1,0,0,1,0,0", "ISIC_2,1,0,0,0,0,0,1", "ISIC_3,0,0,0,0,0,0,0")
    (tmp_path / "isic2019").mkdir()
    (tmp_path / "isic2019" / LESIONS).write_text("image,lesion_id\nISIC_1_downsampled,L7\nISIC_2,\nISIC_9,L8\n")
    table = artefact_labels(tmp_path)
    assert table is not None
    assert list(table.columns) == ["image_id", "lesion_id", *LABELLED]
    assert table["lesion_id"].tolist() == ["L7", "ISIC_2", "ISIC_3"]
    assert all(table[column].dtype.kind == "b" for column in LABELLED)
    assert table["hair"].tolist() == [True, False, False] and table["patches"].tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["ISIC_1,0,1,0,0,1,0,0"] * 2, HEADER, "lists images twice: ISIC_1"),
        (["ISIC_1,0,2,0,0,1,0,0"], HEADER, r"'2' \(1\) in hair"),
        (["ISIC_1,0,,0,0,1,0,0"], HEADER, "in hair"),
        ([",0,1,0,0,1,0,0"], HEADER, "1 rows without an image id"),
        (["ISIC_1,0,1,0,0,1,0"], HEADER.removesuffix(",patches"), "no column patches"),
        ([], HEADER, "no rows"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, rows: list[str], header: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        artefact_labels(write(tmp_path, *rows, header=header))


def test_the_halves_are_of_lesions_and_do_not_change() -> None:
    ids = [f"ISIC_{i:07d}" for i in range(2000)]
    half = held_out(ids)
    assert half.dtype == np.bool_ and 0.45 < half.mean() < 0.55
    order = np.random.default_rng(0).permutation(2000)
    assert np.array_equal(held_out([ids[i] for i in order]), half[order])
    assert half[3] == (int(sha256(b"ISIC_0000003").hexdigest()[:2], 16) % 2 == 1)
