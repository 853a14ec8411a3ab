"""Everything that one run is trained and scored on, from one data folder: tables, split, test set, strangers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lesion_core.config import SplitSettings
from lesion_core.data.catalog import discover, read, training_table
from lesion_core.data.corruptions import near_pictures
from lesion_core.data.masks import check_frame, read_mask
from lesion_core.data.splits import Manifest, split
from lesion_core.data.tables import IMAGE_SUFFIXES, OFFICIAL_TEST, read_csv
from lesion_core.errors import DataError
from lesion_core.imaging.decode import decode_listed

NEAR_PICTURES = 100
"""Test pictures of a run that are changed in each way of `data.near`, to see what becomes of them."""


@dataclass(frozen=True)
class Collection:
    """Pictures with their roles.

    Attributes:
        table: Catalog rows with their picture, and the columns `role` and `group`; the official ISIC 2018 test
            set, where it is there, has the data set name `OFFICIAL_TEST` and the role test.
        ood: Columns image_id, kind, source, path, mask_path: pictures that are no dermoscopy, and changed test
            pictures (source `NEAR`, see `data.near`), which are changed when they are read.
        manifest: The split of the rows that are not official.
        notes: Sentences on what was left out.
    """

    table: pd.DataFrame
    ood: pd.DataFrame
    manifest: Manifest
    notes: tuple[str, ...]


def collect(root: Path, settings: SplitSettings, *, strangers: Path | None = None, near: int = 0) -> Collection:
    """Read a data folder and split it.

    Args:
        root: Such as LESION_DATA names: data sets one level down, ``ood/<kind>/`` for strangers.
        settings: Shares and seed of the split.
        strangers: A folder with a ``manifest.csv`` of further pictures that are no lesions, such as `ood_samples/`.
        near: Test pictures that are changed in each way of `data.near`.

    Raises:
        DataError: There is no data set, or none of its pictures.
    """
    catalog = training_table(root)
    table = catalog.table[catalog.table["path"].notna()].reset_index(drop=True)
    manifest = split(table, settings)
    roles = manifest.table.set_index("image_id")
    table = table.assign(role=table["image_id"].map(roles["role"]), group=table["image_id"].map(roles["group"]))
    notes = list(catalog.notes)
    official = _official_test(root)
    if official is not None:
        shared = set(official["image_id"]) & set(table["image_id"])
        if shared:
            raise DataError(
                f"{len(shared)} images of the official test set are in the training table too.",
                "Take them out of the training data: what was learned from cannot be tested on.",
            )
        table = pd.concat([table, official], ignore_index=True)
    ood = _strangers(root, strangers)
    if near:
        ood = pd.concat([ood, near_pictures(table, near)], ignore_index=True)
    return Collection(table, ood, manifest, tuple(notes))


def check_pictures(
    paths: Sequence[str], masks: Sequence[str] = (), on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Decode pictures, and their masks where they are given: what cannot be measured must not be found out after hours
    of training.

    Args:
        paths: Picture files.
        masks: One a picture, or none at all.
        on_progress: Called with pictures done and pictures in all.

    Raises:
        DataError: A picture or a mask cannot be used; the message names it.
    """
    for i, path in enumerate(paths):
        image = decode_listed(path)
        if masks:
            check_frame(read_mask(Path(masks[i])), (image.shape[0], image.shape[1]), Path(masks[i]))
        if on_progress:
            on_progress(i + 1, len(paths))


def _official_test(root: Path) -> pd.DataFrame | None:
    """The ISIC 2018 Task 3 test set, if it is below `root`."""
    folder = discover(root).get("isic2018_task3")
    if folder is None:
        return None
    catalog = read("isic2018_task3", folder)
    test = catalog.table["dataset"] == "isic2018_task3_test"  # training and validation may lie beside it
    table = catalog.table[test & catalog.table["path"].notna() & catalog.table["diagnosis"].notna()]
    if table.empty:
        return None
    return table.assign(dataset=OFFICIAL_TEST, role="test", group=table["lesion_id"].fillna(table["image_id"]))


def _strangers(root: Path, shipped: Path | None) -> pd.DataFrame:
    rows: list[tuple[str, str, str, str, None]] = []
    if (root / "ood").is_dir():
        for path in sorted((root / "ood").glob("*/*")):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                rows.append((f"{path.parent.name}/{path.stem}", path.parent.name, "data folder", str(path), None))
    if shipped and (shipped / "manifest.csv").is_file():
        listed = read_csv(shipped / "manifest.csv", ("path", "kind"))
        rows += [
            (f"{kind}/{Path(path).stem}", kind, "ood_samples", str(shipped / path), None)
            for path, kind in zip(listed["path"], listed["kind"], strict=True)
        ]
    return pd.DataFrame(rows, columns=["image_id", "kind", "source", "path", "mask_path"])
