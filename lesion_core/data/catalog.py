"""The data sets that can be read, each with its licence and source, and the table that a run is trained on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lesion_core.config import Forms
from lesion_core.data.csv_tables import column_names, some
from lesion_core.data.data_files import Files, fits, id_key, scan
from lesion_core.data.masks import CENTRE
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
from lesion_core.data.tables import COLUMNS, LEAK, OFFICIAL_TEST, Catalog
from lesion_core.errors import DataError, LesionError
from lesion_core.foreign_text import shown
from lesion_core.imaging.decode import frame_of

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
    "training_table",
]

VARIABLE = "LESION_DATA"
Roots = Path | Sequence[Path]
"""A data folder, or several."""
_INPUT_2019 = "ISIC_2019_Training_Input"


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
        clinical: Its images are taken without a dermatoscope: none to train on, and strangers to a classifier.
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
        for folder in (one, *_subfolders(one)):
            for name in _layouts_in(folder):
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
    for folder in _subfolders(root):
        own = [name for name in _layouts_in(folder) if not folder.is_relative_to(found[name])]
        for name in own:
            used = shown(found[name].name)
            notes.append(f"{_pictures_in(folder)} laid out as {name} too, and not used: the first, {used}, is.")
        if own or folder in found.values():
            continue
        deeper = [(below, name) for below in _subfolders(folder) for name in _layouts_in(below)]
        deeper = [(below, name) for below, name in deeper if name not in found or not below.is_relative_to(found[name])]
        for below, name in deeper:
            notes.append(
                f"{_pictures_in(below, root)} laid out as {name}, and not used: it lies a level too deep. Move it up, "
                f"or name the folder {shown(folder.name)} as the data folder."
            )
        read = whole or any(one.is_relative_to(folder) for one in found.values()) or fits(folder.name, (_INPUT_2019,))
        if not read and not deeper and any(map(is_picture, listing(folder))):
            notes.append(f"{_pictures_in(folder)} laid out as none of the known data sets, and not used.")
    if (root / "ood").is_dir():
        n = sum(map(is_picture, listing(root / "ood"))) - len(ood_pictures(root))
        if n:
            notes.append(
                f"Images in the folder ood that are not used, as they do not lie in ood/<kind>/ directly: {n:,}."
            )
    return notes


def _pictures_in(folder: Path, root: Path | None = None) -> str:
    n = sum(map(is_picture, listing(folder)))
    name = shown(folder.relative_to(root or folder.parent).as_posix(), 100)
    return f"The folder {name} ({n:,} image{'s' * (n != 1)}) is"


def _subfolders(folder: Path) -> list[Path]:
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


def _layouts_in(folder: Path) -> list[str]:
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
    folders = _subfolders(folder)
    if sum(folder_diagnosis(path.name) is not None for path in folders) > 1:
        return folder
    found = [own for path in folders if deeper and (own := _image_folder(path, deeper - 1))]
    return folder if len(found) > 1 else found[0] if found else None


def _one_sided(used: pd.Index[str], ham: pd.Index[str], listed: set[str]) -> list[str]:
    """Sentences on images of HAM10000 that only one of its own metadata and ISIC 2019 lists."""
    notes = []
    if len(lost := used.difference(ham)):
        notes.append(
            f"isic2019: {len(lost):,} of the {len(used):,} images of HAM10000 have no row in its own metadata, such as "
            f"{some(lost, 3)}: how their diagnosis was confirmed and where their mask is, is not known."
        )
    if len(more := ham.difference(list(listed))):
        notes.append(
            f"ham10000: {len(more):,} of the {len(ham):,} rows of its metadata are of images that ISIC 2019 does not "
            f"list, and not used, such as {some(more, 3)}."
        )
    return notes


def training_table(root: Roots, images: Forms = "first") -> Catalog:
    """The table that a run is trained on: the eight diagnoses of ISIC 2019 with every image that is there, and the
    dermoscopic images of MILK10k.

    Images are looked for beside the ISIC 2019 truth and under the folders of HAM10000 and ISIC 2017 in `root`.
    For images of HAM10000, how the diagnosis was confirmed, the finer site and the mask are joined in.

    Args:
        root: Data folders.
        images: Of an image that several folders of HAM10000 hold, the first folder's, or the finest: the one with the
            most detail, which may be the central square of its frame.

    Returns:
        A catalog whose table has only images that are there and have a diagnosis; `dataset` is 'ham10000',
        'isic2017', 'bcn20000' or 'msk' (the rest of ISIC 2019), or 'milk10k', and `missing` lists the absent.

    Raises:
        DataError: There is no ISIC 2019 truth in `root`, it is damaged, or not one of its images is there.
    """
    found = discover(root)
    named = some(folders_of(root), most=200)
    if "isic2019" not in found:
        raise DataError(
            f"There is no ISIC 2019 ground truth (ISIC_2019_Training_GroundTruth.csv) in {named} or a folder in it.",
            f"Download it from {LAYOUTS['isic2019'].source} into that folder.",
        )
    inputs = [f for one in folders_of(root) for f in _subfolders(one) if fits(f.name, (_INPUT_2019,))]
    folders = [found["isic2019"], *inputs]
    folders += [found[name] for name in ("ham10000", "isic2017") if name in found]
    whole = read("isic2019", found["isic2019"], image_roots=folders, mask_roots=folders)
    table = whole.table[whole.table["dataset"] != "isic2019_test"]
    missing = tuple(table["image_id"][table["path"].isna()])
    table = table[table["path"].notna() & table["diagnosis"].notna()].set_index("image_id")
    if table.empty:
        raise DataError(f"{named} has no training image of ISIC 2019.", "Add ISIC_2019_Training_Input, or HAM10000.")
    notes = [*left_out(root), *whole.notes]
    if "ham10000" in found:
        catalog = read("ham10000", found["ham10000"])
        notes += [note for note in catalog.notes if LEAK not in note]  # the lesion ids are those of ISIC 2019
        ham = catalog.table.set_index("image_id")
        notes += _one_sided(table.index[table["dataset"] == "ham10000"], ham.index, set(whole.table["image_id"]))
        ham = ham.reindex(table.index)
        for column in ("dx_type", "site", "mask_path"):
            table[column] = ham[column].fillna(table[column])
        if images == "finest":
            finer, cut, used = _finer(table["path"], _folders_like(root, found["ham10000"], "ham10000"))
            table["path"], table["mask_path"] = finer, table["mask_path"].mask(cut, table["mask_path"] + CENTRE)
            notes = [note for note in notes if not any(note.startswith(_pictures_in(folder)) for folder in used)]
            notes += [f"ham10000: of {n:,} images the finer form is used, in {shown(f.name)}." for f, n in used.items()]
    if "isic2017" in found:
        catalog = read("isic2017", found["isic2017"])
        notes += [note for note in catalog.notes if LEAK not in note]
        ids = catalog.table["image_id"]
        table["dataset"] = table["dataset"].mask((table["dataset"] == "msk") & table.index.isin(ids), "isic2017")
    tables = [table.reset_index()]
    if "milk10k" in found:
        catalog = read("milk10k", found["milk10k"])
        notes += catalog.notes
        tables.append(catalog.present[catalog.present["diagnosis"].notna()])
    return Catalog(
        pd.concat(tables, ignore_index=True)[list(COLUMNS)].sort_values("image_id", ignore_index=True),
        missing,
        tuple(dict.fromkeys(notes)),
    )


def _folders_like(root: Roots, used: Path, layout: str) -> list[Path]:
    """The folders of a layout beside the one that is used."""
    every = [folder for one in folders_of(root) for folder in (one, *_subfolders(one)) if folder != used]
    return [folder for folder in every if not used.is_relative_to(folder) and layout in _layouts_in(folder)]


def _finer(paths: pd.Series[str], folders: Sequence[Path]) -> tuple[pd.Series[str], pd.Series[bool], dict[Path, int]]:
    """The form of each image that has the most pixels on its short side.

    Args:
        paths: An image's file, by its id.
        folders: Where other forms of them are: of the same frame, or of its central square.

    Returns:
        The files, whether each is the central square of the first form, and of how many images a folder's is used.
    """
    frames = paths.map(_frame)
    chosen, sides = paths.copy(), frames.map(min)
    used = {}
    for folder in folders:
        others = scan([folder]).images
        known = paths.index.map(id_key)
        other = pd.Series([others.get(key) for key in known], index=paths.index, dtype=object).dropna()
        side = other.map(_frame).map(min)
        finer = side > sides[side.index]
        if finer.any():
            chosen.update(other[finer])
            sides.update(side[finer])
            used[folder] = int(finer.sum())
    cut = chosen.ne(paths) & chosen.map(_frame).map(_is_square) & ~frames.map(_is_square)
    return chosen, cut, used


def _frame(path: str) -> tuple[int, int]:
    try:
        return frame_of(Path(path))
    except (LesionError, OSError, ValueError, SyntaxError):  # told where it is decoded
        return 0, 0


def _is_square(frame: tuple[int, int]) -> bool:
    return frame[0] == frame[1]
