"""Which artefacts dermoscopic images of ISIC 2017 show, labelled by hand.

Bissoto, Valle and Avila, Debiasing Skin Lesion Datasets and Models? Not So Fast, CVPR Workshops 2020. Their table comes
without a licence: it is read from the data folder and is not part of this project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.data.csv_tables import counted, known, read_csv, some
from lesion_core.data.data_files import DOWNSAMPLED_ENDING
from lesion_core.errors import DataError

LABELLED = ("dark_corner", "hair", "gel_border", "gel_bubble", "ruler", "ink", "patches")
"""The artefacts that the table has a column for."""

TABLE = "artefact_labels.csv"
LESIONS = "ISIC_2019_Training_Metadata.csv"
"""The table of ISIC 2019, which names the lesion of some of the images."""


def artefact_labels(root: Path) -> pd.DataFrame | None:
    """The labels of the table `TABLE` in a data folder, or in a folder of it.

    Args:
        root: The data folder.

    Returns:
        image_id, lesion_id (as ISIC 2019 names it where its table is there too; else the image's own id) and a bool
        column for each of `LABELLED`; None where there is no such table.

    Raises:
        DataError: A table is damaged, lacks a column, lists an image twice or holds something else than 0 and 1.
    """
    path = labels_path(root)
    if path is None:
        return None
    table = read_csv(path, ("image_id", *LABELLED))[["image_id", *LABELLED]]
    if (unnamed := int(known(table["image_id"]).isna().sum())) > 0:
        raise DataError(f"{TABLE} has {unnamed:,} rows without an image id.", "Name the image of each row.")
    if (twice := table["image_id"].duplicated()).any():
        raise DataError(f"{TABLE} lists images twice: {some(table['image_id'][twice])}.", "Keep one row per image.")
    for column in LABELLED:
        if not (fits := table[column].isin(("0", "1"))).all():
            raise DataError(f"{TABLE} has {counted(table[column][~fits])} in {column}.", "Give 0 or 1, 1 for present.")
        table[column] = table[column] == "1"
    lesions = _lesions(root)
    table.insert(1, "lesion_id", table["image_id"].map(lesions).fillna(table["image_id"]))
    return table


def labels_path(root: Path) -> Path | None:
    """Where `TABLE` lies in a data folder, None where it does not."""
    return _find(root, TABLE)


def held_out(lesion_ids: Iterable[str]) -> NDArray[np.bool_]:
    """Whether a lesion is of the half that no finder of artefacts was tuned on: by a hash of its id, (N,)."""
    return np.array([hashlib.sha256(lesion.encode()).digest()[0] % 2 == 1 for lesion in lesion_ids], dtype=np.bool_)


def _find(root: Path, name: str) -> Path | None:
    return next((path for path in (root / name, *sorted(root.glob(f"*/{name}"))) if path.is_file()), None)


def _lesions(root: Path) -> dict[str, str]:
    """Lesions by image id, of the images of ISIC 2019 that have one."""
    path = _find(root, LESIONS)
    if path is None:
        return {}
    table = read_csv(path, ("image", "lesion_id"))
    ids = table["image"].str.removesuffix(DOWNSAMPLED_ENDING)
    named = known(table["lesion_id"])
    return dict(zip(ids[named.notna()], named[named.notna()], strict=True))
