"""The table that a run is trained on, joined from every data set that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lesion_core.config import Forms
from lesion_core.data.catalog import (
    INPUT_2019,
    LAYOUTS,
    Roots,
    discover,
    folders_of,
    layouts_in,
    left_out,
    pictures_in,
    read,
    subfolders,
)
from lesion_core.data.csv_tables import some
from lesion_core.data.data_files import fits, id_key, scan
from lesion_core.data.masks import CENTRE
from lesion_core.data.tables import COLUMNS, LEAK, Catalog
from lesion_core.errors import DataError, LesionError
from lesion_core.foreign_text import shown
from lesion_core.imaging.decode import frame_of


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
    inputs = [f for one in folders_of(root) for f in subfolders(one) if fits(f.name, (INPUT_2019,))]
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
            notes = [note for note in notes if not any(note.startswith(pictures_in(folder)) for folder in used)]
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
    every = [folder for one in folders_of(root) for folder in (one, *subfolders(one)) if folder != used]
    return [folder for folder in every if not used.is_relative_to(folder) and layout in layouts_in(folder)]


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
