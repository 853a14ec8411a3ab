"""The data sets that can be read, each with its licence and source, and the table that a run is trained on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesion_core.data.pictures import is_hidden
from lesion_core.data.readers import ham10000, isic_archive, isic_challenges
from lesion_core.data.readers.ham10000 import read_ham10000
from lesion_core.data.readers.image_folder import folder_diagnosis, read_image_folder
from lesion_core.data.readers.isic_archive import read_isic_archive
from lesion_core.data.readers.isic_challenges import (
    read_isic2017,
    read_isic2018_task1,
    read_isic2018_task3,
    read_isic2019,
)
from lesion_core.data.tables import COLUMNS, Catalog, Files, scan
from lesion_core.errors import DataError

__all__ = ["COLUMNS", "LAYOUTS", "Catalog", "Layout", "discover", "from_environment", "read", "training_table"]

VARIABLE = "LESION_DATA"


@dataclass(frozen=True)
class Layout:
    """A way that data sets are laid out in files.

    Attributes:
        name: Key of `LAYOUTS`, and the name in URLs, settings and the command line.
        description: What it holds, one sentence.
        licence: On what terms it may be used.
        source: Where it is officially got.
        reader: Makes the catalog of the files.
        signs: Patterns of a file or folder that only this layout has.
    """

    name: str
    description: str
    licence: str
    source: str
    reader: Callable[[Files], Catalog]
    signs: tuple[str, ...] = ()


_CHALLENGES = "https://challenge.isic-archive.com/data/"

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "ham10000",
            "10,015 dermoscopic images of seven diagnoses with lesion ids and lesion masks.",
            "CC BY-NC 4.0",
            "https://doi.org/10.7910/DVN/DBW86T",
            read_ham10000,
            ham10000.TABLES,
        ),
        Layout(
            "isic2017",
            "2,750 dermoscopic images of melanoma, nevus and seborrheic keratosis.",
            "CC0",
            f"{_CHALLENGES}#2017",
            read_isic2017,
            isic_challenges.TABLES_2017,
        ),
        Layout(
            "isic2018_task1",
            "3,694 dermoscopic images with a mask of the lesion, without diagnoses.",
            "CC BY-NC 4.0, in part CC0",
            f"{_CHALLENGES}#2018",
            read_isic2018_task1,
            ("ISIC2018_Task1_*_GroundTruth",),
        ),
        Layout(
            "isic2018_task3",
            "HAM10000 as training set, with the official validation and test sets.",
            "CC BY-NC 4.0",
            f"{_CHALLENGES}#2018",
            read_isic2018_task3,
            isic_challenges.TABLES_2018_TASK3,
        ),
        Layout(
            "isic2019",
            "25,331 dermoscopic images of eight diagnoses: HAM10000, BCN20000 and MSK.",
            "CC BY-NC 4.0",
            f"{_CHALLENGES}#2019",
            read_isic2019,
            isic_challenges.TABLES_2019,
        ),
        Layout(
            "isic_archive",
            "A download from the ISIC Archive with the metadata.csv that isic-cli writes.",
            "That of each image: CC0, CC BY or CC BY-NC; see copyright_license in the metadata",
            "https://github.com/ImageMarkup/isic-cli",
            read_isic_archive,
            isic_archive.TABLES,
        ),
        Layout(
            "image_folder",
            "Any folder that holds one folder of images for each diagnosis.",
            "That of its images",
            "Your own images",
            read_image_folder,
        ),
    )
}
"""The layouts that can be read, by name."""


def read(
    layout: str,
    root: Path | Sequence[Path],
    *,
    image_roots: Sequence[Path] = (),
    mask_roots: Sequence[Path] = (),
) -> Catalog:
    """Read a data set.

    Args:
        layout: A key of `LAYOUTS`.
        root: The folder or folders that hold the tables; everything under them is searched.
        image_roots: Folders that hold the images, if they are elsewhere.
        mask_roots: Folders that hold the lesion masks, if they are elsewhere.

    Raises:
        DataError: The layout is unknown, or its files are missing or damaged; the sentence says which.
    """
    if layout not in LAYOUTS:
        raise DataError(f"There is no layout '{layout}'.", f"Known are {', '.join(LAYOUTS)}.")
    roots = [root] if isinstance(root, Path) else list(root)
    return LAYOUTS[layout].reader(scan(roots, image_roots, mask_roots))


def from_environment() -> Path | None:
    """The data folder that the variable LESION_DATA names, or None where it is not set.

    Raises:
        DataError: It names no folder.
    """
    if not (value := os.environ.get(VARIABLE, "").strip()):
        return None
    root = Path(value)
    if not root.is_dir():
        raise DataError(f"{VARIABLE} is {value}, which is no folder.", "Correct it, or unset it to work without data.")
    return root


def discover(root: Path) -> dict[str, Path]:
    """The layouts found in a folder and the folders in it, each with the first folder that holds it.

    Raises:
        DataError: There is no such folder.
    """
    if not root.is_dir():
        raise DataError(f"There is no folder {root}.", "Check the path.")
    try:
        folders = [root, *sorted(path for path in root.iterdir() if path.is_dir() and not is_hidden(path.name))]
    except OSError as error:
        raise DataError(f"The folder {root} cannot be read ({error.strerror}).", "Check its permissions.") from None
    folders = [folder for folder in folders if os.access(folder, os.R_OK | os.X_OK)]  # such as lost+found
    found: dict[str, Path] = {}
    for folder in folders:
        for name, layout in LAYOUTS.items():
            signs = (sign for pattern in layout.signs for sign in folder.glob(pattern))
            if name not in found and next(signs, None):
                found[name] = folder
        named = [path for path in folder.iterdir() if path.is_dir() and folder_diagnosis(path.name)]
        if len(named) > 1:
            found.setdefault("image_folder", folder)
    return {name: found[name] for name in LAYOUTS if name in found}


def training_table(root: Path) -> Catalog:
    """The table that a run is trained on: the eight diagnoses of ISIC 2019 with every image that is there.

    Images are looked for beside the ISIC 2019 truth and under the folders of HAM10000 and ISIC 2017 in `root`.
    For images of HAM10000, how the diagnosis was confirmed, the finer site and the mask are joined in.

    Returns:
        A catalog whose table has only images that are there and have a diagnosis; `dataset` is 'ham10000',
        'isic2017', 'bcn20000' or 'msk' (the rest of ISIC 2019), and `missing` lists the absent.

    Raises:
        DataError: There is no ISIC 2019 truth in `root`, it is damaged, or not one of its images is there.
    """
    found = discover(root)
    if "isic2019" not in found:
        raise DataError(
            f"There is no ISIC 2019 ground truth (ISIC_2019_Training_GroundTruth.csv) in {root} or a folder in it.",
            f"Download it from {LAYOUTS['isic2019'].source} into {root}.",
        )
    folders = [found["isic2019"], *root.glob("ISIC_2019_Training_Input")]
    folders += [found[name] for name in ("ham10000", "isic2017") if name in found]
    whole = read("isic2019", found["isic2019"], image_roots=folders, mask_roots=folders)
    table = whole.table[whole.table["dataset"] != "isic2019_test"]
    missing = tuple(table["image_id"][table["path"].isna()])
    table = table[table["path"].notna() & table["diagnosis"].notna()].set_index("image_id")
    if table.empty:
        raise DataError(f"{root} has no training image of ISIC 2019.", "Add ISIC_2019_Training_Input, or HAM10000.")
    if "ham10000" in found:
        ham = read("ham10000", found["ham10000"]).table.set_index("image_id")
        ham = ham.reindex(table.index)
        for column in ("dx_type", "site", "mask_path"):
            table[column] = ham[column].fillna(table[column])
    if "isic2017" in found:
        ids = read("isic2017", found["isic2017"]).table["image_id"]
        table["dataset"] = table["dataset"].mask((table["dataset"] == "msk") & table.index.isin(ids), "isic2017")
    return Catalog(table.reset_index()[list(COLUMNS)], missing, whole.notes)
