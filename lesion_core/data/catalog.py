"""The data sets that can be read, each with its licence and source, and where they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesion_core.data.csv_tables import column_names
from lesion_core.data.data_files import Files, fits, scan
from lesion_core.data.pictures import is_hidden, is_picture, listing, ood_pictures
from lesion_core.data.readers import ham10000, isic_archive, isic_challenges, milk10k, pad_ufes_20
from lesion_core.data.readers.ham10000 import read_ham10000
from lesion_core.data.readers.image_folder import folder_diagnosis, read_image_folder
from lesion_core.data.readers.image_table import is_image_table, read_image_table
from lesion_core.data.readers.isic_archive import read_isic_archive
from lesion_core.data.readers.isic_challenges import (
    read_isic2017,
    read_isic2018_task1,
    read_isic2018_task3,
    read_isic2019,
)
from lesion_core.data.readers.milk10k import read_milk10k, read_milk10k_close_ups
from lesion_core.data.readers.pad_ufes_20 import read_pad_ufes_20
from lesion_core.data.tables import COLUMNS, OFFICIAL_TEST, Catalog
from lesion_core.errors import DataError
from lesion_core.foreign_text import shown

__all__ = [
    "COLUMNS",
    "LAYOUTS",
    "TITLES",
    "Catalog",
    "Layout",
    "discover",
    "from_environment",
    "left_out",
    "read",
]

VARIABLE = "LESION_DATA"
Roots = Path | Sequence[Path]
"""A data folder, or several."""
INPUT_2019 = "ISIC_2019_Training_Input"


@dataclass(frozen=True)
class Layout:
    """A way that data sets are laid out in files.

    Attributes:
        name: Key of `LAYOUTS`, and the name in URLs, settings and the command line.
        title: What a person reads.
        description: What it holds, one sentence.
        licence: On what terms it may be used.
        source: Where it is officially got.
        reader: Makes the catalog of the files.
        markers: Patterns of a file or folder that only this layout has.
        columns: Those that a marked table must have, where others give theirs the same name.
        clinical: Its images are taken without a dermatoscope: none to train on, and not for a classifier to answer.
    """

    name: str
    title: str
    description: str
    licence: str
    source: str
    reader: Callable[[Files], Catalog]
    markers: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    clinical: bool = False


_CHALLENGES = "https://challenge.isic-archive.com/data/"

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            name="ham10000",
            title="HAM10000",
            description="10,015 dermoscopic images of seven diagnoses with lesion ids and lesion masks.",
            licence="CC BY-NC 4.0",
            source="https://doi.org/10.7910/DVN/DBW86T",
            reader=read_ham10000,
            markers=ham10000.TABLES,
        ),
        Layout(
            name="isic2017",
            title="ISIC 2017",
            description="2,750 dermoscopic images of melanoma, nevus and seborrheic keratosis.",
            licence="CC0",
            source=f"{_CHALLENGES}#2017",
            reader=read_isic2017,
            markers=isic_challenges.TABLES_2017,
        ),
        Layout(
            name="isic2018_task1",
            title="ISIC 2018 Task 1",
            description="3,694 dermoscopic images with a mask of the lesion, without diagnoses.",
            licence="CC BY-NC 4.0, in part CC0",
            source=f"{_CHALLENGES}#2018",
            reader=read_isic2018_task1,
            markers=("ISIC2018_Task1_*_GroundTruth",),
        ),
        Layout(
            name="isic2018_task3",
            title="ISIC 2018 Task 3",
            description="HAM10000 as training set, with the official validation and test sets.",
            licence="CC BY-NC 4.0",
            source=f"{_CHALLENGES}#2018",
            reader=read_isic2018_task3,
            markers=isic_challenges.TABLES_2018_TASK3,
        ),
        Layout(
            name="isic2019",
            title="ISIC 2019",
            description="25,331 dermoscopic images of eight diagnoses: HAM10000, BCN20000 and MSK.",
            licence="CC BY-NC 4.0",
            source=f"{_CHALLENGES}#2019",
            reader=read_isic2019,
            markers=isic_challenges.TABLES_2019,
        ),
        Layout(
            name="milk10k",
            title="MILK10k",
            description="5,240 lesions of eleven diagnoses, the dermoscopic image of each.",
            licence="CC BY-NC 4.0",
            source="https://doi.org/10.34970/648456",
            reader=read_milk10k,
            markers=milk10k.TABLES,
        ),
        Layout(
            name="milk10k_close_ups",
            title="MILK10k close-ups",
            description="The lesions of MILK10k without a dermatoscope, the clinical image of each.",
            licence="CC BY-NC 4.0",
            source="https://doi.org/10.34970/648456",
            reader=read_milk10k_close_ups,
            markers=milk10k.TABLES,
            clinical=True,
        ),
        Layout(
            name="pad_ufes_20",
            title="PAD-UFES-20",
            description="2,298 smartphone photographs of lesions of six diagnoses, with patient ids.",
            licence="CC BY 4.0",
            source="https://doi.org/10.17632/zr7vgbcyr2.1",
            reader=read_pad_ufes_20,
            markers=pad_ufes_20.TABLES,
            columns=pad_ufes_20.COLUMNS,
            clinical=True,
        ),
        Layout(
            name="isic_archive",
            title="ISIC Archive",
            description="A download from the ISIC Archive with the metadata.csv that isic-cli writes.",
            licence="That of each image: CC0, CC BY or CC BY-NC; see copyright_license in the metadata",
            source="https://github.com/ImageMarkup/isic-cli",
            reader=read_isic_archive,
            markers=isic_archive.TABLES,
        ),
        Layout(
            name="image_table",
            title="Own table",
            description="Images beside a CSV table with a column image and a column diagnosis.",
            licence="That of its images",
            source="Your own images",
            reader=read_image_table,
        ),
        Layout(
            name="image_folder",
            title="Own folders",
            description="Any folder that holds one folder of images for each diagnosis.",
            licence="That of its images",
            source="Your own images",
            reader=read_image_folder,
        ),
    )
}
"""The layouts that can be read, by name."""

TITLES: dict[str, str] = {
    **{layout.name: layout.title for layout in LAYOUTS.values()},
    "bcn20000": "BCN20000",
    "msk": "MSK",
    OFFICIAL_TEST: "official ISIC 2018 test",
    "synthetic": "Synthetic",
}
"""What a person reads for a layout, and for what stands in the column `dataset`. Own data sets have no title."""


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
        raise DataError(f"There is no layout '{shown(layout)}'.", f"Choose one of {', '.join(LAYOUTS)}.")
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
        raise DataError(
            f"{VARIABLE} is {shown(value, 200)}, which is not a folder.",
            "Correct it, or unset it to work without data.",
        )
    return root


def folders_of(root: Roots) -> tuple[Path, ...]:
    """The data folders, each once."""
    return (root,) if isinstance(root, Path) else tuple(dict.fromkeys(root))


def discover(root: Roots) -> dict[str, Path]:
    """The layouts found in a folder and the folders in it, each with the first folder that holds it; of several data
    folders, that of the first.

    Images in folders of diagnoses are found one level deeper too; where several folders hold such folders (``Train``
    and ``Test``), what they lie in is the data set. What is not used is told by `left_out`.

    Raises:
        DataError: There is no such folder.
    """
    found: dict[str, Path] = {}
    for one in folders_of(root):
        for folder in (one, *subfolders(one)):
            for name in layouts_in(folder):
                found.setdefault(name, folder)
        if own := _image_folder(one):
            found.setdefault("image_folder", own)
    return {name: found[name] for name in LAYOUTS if name in found}


def left_out(root: Roots) -> tuple[str, ...]:
    """A sentence on each folder of a data folder that looks like a data set, or holds images, and is not used.

    Raises:
        DataError: There is no such folder.
    """
    found = discover(root)
    return tuple(note for one in folders_of(root) for note in _left_out(one, found))


def _left_out(root: Path, found: dict[str, Path]) -> list[str]:
    whole = root in found.values()  # what is anywhere below is then searched by the reader, which tells for itself
    notes = []
    for folder in subfolders(root):
        own = [name for name in layouts_in(folder) if not folder.is_relative_to(found[name])]
        for name in own:
            used = shown(found[name].name)
            notes.append(f"{pictures_in(folder)} laid out as {name} too, and not used: the first, {used}, is.")
        if own or folder in found.values():
            continue
        deeper = [(below, name) for below in subfolders(folder) for name in layouts_in(below)]
        deeper = [(below, name) for below, name in deeper if name not in found or not below.is_relative_to(found[name])]
        for below, name in deeper:
            notes.append(
                f"{pictures_in(below, root)} laid out as {name}, and not used: it lies a level too deep. Move it up, "
                f"or name the folder {shown(folder.name)} as the data folder."
            )
        read = whole or any(one.is_relative_to(folder) for one in found.values()) or fits(folder.name, (INPUT_2019,))
        if not read and not deeper and any(map(is_picture, listing(folder))):
            notes.append(f"{pictures_in(folder)} laid out as none of the known data sets, and not used.")
    if (root / "ood").is_dir():
        n = sum(map(is_picture, listing(root / "ood"))) - len(ood_pictures(root))
        if n:
            notes.append(
                f"Images in the folder ood that are not used, as they do not lie in ood/<kind>/ directly: {n:,}."
            )
    return notes


def pictures_in(folder: Path, root: Path | None = None) -> str:
    n = sum(map(is_picture, listing(folder)))
    name = shown(folder.relative_to(root or folder.parent).as_posix(), 100)
    return f"The folder {name} ({n:,} image{'s' * (n != 1)}) is"


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder that may be read and are not hidden, in order, but for that of images without a lesion.

    Raises:
        DataError: The folder is not there or cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {shown(str(folder), 200)}.", "Check the path.")
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name))
    except OSError as error:
        what = f"The folder {shown(str(folder), 200)} cannot be read ({error.strerror})."
        raise DataError(what, "Check its permissions.") from None
    folders = [folder / name for name in names if name != "ood"]
    return [path for path in folders if os.access(path, os.R_OK | os.X_OK)]  # such as lost+found


def layouts_in(folder: Path) -> list[str]:
    """The layouts whose markers are in a folder; where there are none, a table of images and diagnoses is one."""
    paths = sorted(folder.iterdir())
    found = [layout.name for layout in LAYOUTS.values() if any(_marks(path, layout) for path in paths)]
    if "pad_ufes_20" in found:
        found.remove("isic_archive")  # the same name for another table
    if found not in ([], ["isic_archive"]):
        return found
    tables = [path for path in paths if is_image_table(path)]
    # metadata.csv is a name that others give their tables too.
    archives = [path for path in paths if fits(path.name, isic_archive.TABLES) and isic_archive.is_archive(path)]
    return ["image_table"] if tables and not archives else found


def _marks(path: Path, layout: Layout) -> bool:
    """Whether a file or folder is one that only a layout has."""
    if not fits(path.name, layout.markers):
        return False
    return not layout.columns or set(layout.columns) <= {name.strip().casefold() for name in column_names(path)}


def _image_folder(folder: Path, deeper: int = 2) -> Path | None:
    """The folder of several folders of diagnoses, at most `deeper` levels below; if there are several, of them all."""
    folders = subfolders(folder)
    if sum(folder_diagnosis(path.name) is not None for path in folders) > 1:
        return folder
    found = [own for path in folders if deeper and (own := _image_folder(path, deeper - 1))]
    return folder if len(found) > 1 else found[0] if found else None
