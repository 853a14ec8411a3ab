"""A small data set of open dermoscopy: chosen once, fetched image by image, checked, and gone on with when stopped.

A folder holds `ids.csv` (what was chosen), `metadata.csv` (what is here: a row per image in the words of `isic-cli`,
with licence, attribution and hash), `images/` and `masks/`. Its rows are only of files that are whole.
"""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from lesion_core.archive import isic
from lesion_core.archive.isic import CC_0, SEARCHED, Record
from lesion_core.archive.web import Web
from lesion_core.data.csv_tables import read_csv
from lesion_core.data.masks import read_mask
from lesion_core.data.readers.isic_archive import LEVELS
from lesion_core.errors import ConfigError, DataError, ImageError, NotFetchedError
from lesion_core.files import folder_to_write, locked, written
from lesion_core.foreign_text import shown
from lesion_core.imaging.decode import Limits, decode
from lesion_core.imaging.formats import ENDINGS, signature
from lesion_core.labels import diagnosis

SHIPPED = Path(__file__).with_name("demo_ids.csv")
"""Ids of images of ISIC 2017 that are test images of the runs in `checkpoints/`, at most one per lesion: 30 melanomas,
30 nevi, 30 seborrheic keratoses. The challenge of 2017 is published under CC-0; each image's licence is asked for."""
PER_DIAGNOSIS = 25
"""Images of each diagnosis that no shipped id is of, found by a search."""
IDS, METADATA = "ids.csv", "metadata.csv"
PARTS = ("Training", "Validation", "Test_v2")
"""Of ISIC 2017, as the archives of its masks are named."""
FACTS = (
    *("isic_id", "attribution", "copyright_license", *LEVELS, "diagnosis_confirm_type", "age_approx", "sex"),
    *("anatom_site_general", "lesion_id", "patient_id", "image_type", "pixels_x", "pixels_y"),
)
OWN = ("page", "bytes", "sha256")
"""What stands in `metadata.csv` beside the archive's own facts: where the archive shows the image, and its file."""
_MOST_MASKS = 200 * 2**20
_ID = re.compile(r"ISIC_[0-9]{7}")


@dataclass
class Outcome:
    """What a download led to.

    Attributes:
        folder: Where the images are.
        rows: Of `metadata.csv`, by id.
        fetched: Ids of images that were fetched now.
        masks: Ids of images with a mask.
        left_out: Why an image, or a search, is not here, by id or diagnosis.
        notes: What else there is to tell.
    """

    folder: Path
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def by_diagnosis(self) -> dict[str, int]:
        """How many images there are of each diagnosis, by code."""
        counts = Counter(code for row in self.rows.values() if (code := isic.code_of(row)))
        return {code: counts[code] for code in SEARCHED if counts[code]}


def download_demo(
    folder: Path,
    web: Web,
    *,
    api: str = isic.API,
    challenges: str = isic.CHALLENGES,
    ids: Path | None = None,
    masks: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Fetch the images that a folder lacks.

    Args:
        folder: New, empty, or begun by an earlier call, whose choice then stands.
        web: Reaches the archive.
        api: Where its API begins, with a slash at the end.
        challenges: Where the masks of its challenges are, with a slash at the end.
        ids: A table with a column isic_id in place of the shipped ids and the search; a column sha256 is compared, a
            column part (one of `PARTS`) says where a mask is.
        masks: Whether to fetch masks too.
        on_progress: Called with the number of images that are done with, and of all.

    Raises:
        ConfigError: The folder cannot be written to, or holds other things.
        DataError: The table of ids cannot be read, or has none.
        DownloadError: A server cannot be reached; what is whole is kept.
        BusyError: Another process is writing the folder.
        OSError: The disk is full.
    """
    folder = folder_to_write(folder, "--out")
    if not (folder / IDS).exists() and folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
        raise ConfigError(
            f"The folder {shown(str(folder), 200)} holds other things.", "Name a new or empty one with --out."
        )
    wanted = None if ids is None else _chosen(ids)
    with locked(folder):
        outcome = Outcome(folder)
        if wanted is None:
            wanted = _chosen(folder / IDS if (folder / IDS).exists() else SHIPPED)
            if any(row.get("code") for row in wanted.values()):  # else they are a person's own
                wanted |= _found(web, api, {row.get("code") for row in wanted.values()}, outcome)
        _write(folder / IDS, ("isic_id", "code", "part", "sha256"), wanted.values())
        kept, outcome.notes = _kept(folder, outcome.notes)
        for done, (name, row) in enumerate(wanted.items()):
            if on_progress:
                on_progress(done, len(wanted))
            if name in kept:
                outcome.rows[name] = kept[name]
                continue
            try:
                outcome.rows[name] = _fetch(web, api, folder, name, row.get("sha256", ""))
            except NotFetchedError as error:
                outcome.left_out[name] = error.problem
                continue
            outcome.fetched.append(name)
            _write(folder / METADATA, (*FACTS, *OWN), {**kept, **outcome.rows}.values())
        if on_progress:
            on_progress(len(wanted), len(wanted))
        if outcome.rows:
            _write(folder / METADATA, (*FACTS, *OWN), outcome.rows.values())
        if masks:
            _fetch_masks(web, challenges, wanted, outcome)
    return outcome


def _found(web: Web, api: str, there: set[str | None], outcome: Outcome) -> dict[str, dict[str, str]]:
    """Of each diagnosis that is not there, the lowest ids that a search for CC-0 dermoscopy finds, at most one per
    lesion. One whose search is refused is looked for again by the next call."""
    chosen: dict[str, dict[str, str]] = {}
    for code, words in SEARCHED.items():
        if code in there:
            continue
        try:
            query = f'copyright_license:"{CC_0}" AND image_type:dermoscopic AND {words}'
            found = sorted(isic.search(web, api, query), key=lambda one: one.isic_id)
        except NotFetchedError as error:
            outcome.left_out[code] = error.problem
            continue
        one_each: dict[str, Record] = {}
        for one in found:
            if one.code == code and not one.refused:
                one_each.setdefault(one.fact("lesion_id") or one.isic_id, one)
        taken = list(one_each.values())[:PER_DIAGNOSIS]
        if len(taken) < PER_DIAGNOSIS:
            outcome.notes.append(f"The archive has {len(taken)} lesions of {diagnosis(code).name} under {CC_0}.")
        chosen |= {one.isic_id: {"isic_id": one.isic_id, "code": code} for one in taken}
    return chosen


def _chosen(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a table of ids, by id; of one that is listed twice the first."""
    frame = read_csv(path, ("isic_id",))
    rows: dict[str, dict[str, str]] = {}
    for row in frame.to_dict("records"):
        rows.setdefault(str(row["isic_id"]), {str(key): str(value) for key, value in row.items()})
    if wrong := [name for name in rows if not _ID.fullmatch(name)]:
        raise DataError(
            f"{shown(path.name)} has ids that the archive has not, such as {shown(wrong[0])}.",
            "An id looks like ISIC_0012345.",
        )
    return rows


def _kept(folder: Path, notes: list[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The rows of images that are here as they were fetched, and sentences on those that are not."""
    if not (folder / METADATA).exists():
        return {}, notes
    kept, changed = {}, []
    for name, row in _chosen(folder / METADATA).items():
        path = image_path(folder, name)
        if path is None:
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() == row.get("sha256"):
            kept[name] = row
        else:
            changed.append(name)
    if changed:
        notes = [
            *notes,
            f"Images whose content is no longer what was fetched: {len(changed):,}, such as {changed[0]}; they are "
            "fetched again.",
        ]
    return kept, notes


def image_path(folder: Path, name: str) -> Path | None:
    """The file of an image in a folder of `download_demo`, or None."""
    paths = (folder / "images" / f"{name}{endings[0]}" for endings in ENDINGS.values())
    return next((path for path in paths if path.is_file()), None)


def _fetch(web: Web, api: str, folder: Path, name: str, expected: str) -> dict[str, str]:
    """Fetch an image whole, and return its row."""
    found = isic.record(web, api, name)
    if found.refused:
        raise NotFetchedError(found.refused)

    def checked(data: bytes) -> tuple[bytes, str]:
        decode(data)
        return data, hashlib.sha256(data).hexdigest()

    data, digest = web.get(found.files.full.url, Limits().max_bytes, checked)
    if expected and digest != expected:
        raise NotFetchedError("Its content is not what the table of ids names: the archive has changed it.")
    if old := image_path(folder, name):
        old.unlink()
    path = folder / "images" / f"{name}{ENDINGS[signature(data) or 'JPEG'][0]}"
    with written(path) as new:
        new.write_bytes(data)
    facts = {column: found.fact(column) for column in FACTS}
    facts["anatom_site_general"] = facts["anatom_site_general"] or found.fact("anatom_site_1")
    return {
        **facts,
        "isic_id": name,
        "attribution": " ".join(found.attribution.split()),
        "copyright_license": found.copyright_license,
        "page": f"https://api.isic-archive.com/images/{name}/",
        "bytes": str(len(data)),
        "sha256": digest,
    }


def _fetch_masks(web: Web, challenges: str, wanted: Mapping[str, Mapping[str, str]], outcome: Outcome) -> None:
    """Fetch the masks that ISIC 2017 has of the images that are here: a ZIP archive per part, of which only they are
    kept."""
    folder = outcome.folder / "masks"
    for part in PARTS:
        names = [name for name in outcome.rows if wanted[name].get("part") == part]
        lacking = [name for name in names if not (folder / f"{name}_segmentation.png").is_file()]
        if lacking:
            url = f"{challenges}2017/ISIC-2017_{part}_Part1_GroundTruth.zip"
            try:
                found = web.get(url, _MOST_MASKS, lambda data: _masks_in(data, lacking))  # noqa: B023
            except NotFetchedError as error:
                outcome.left_out[f"the masks of {part}"] = error.problem
                found = {}
            for name, data in found.items():
                _write_mask(folder / f"{name}_segmentation.png", data, outcome)
        outcome.masks += [name for name in names if (folder / f"{name}_segmentation.png").is_file()]


def _masks_in(data: bytes, names: Sequence[str]) -> dict[str, bytes]:
    """The files ``<id>_segmentation.png`` of an archive, by id, in whatever folder of it.

    Raises:
        DataError: It is damaged, or not an archive.
    """
    wanted, found, limit = set(names), {}, Limits().max_bytes
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            for entry in archive.infolist():
                name = entry.filename.rpartition("/")[2].removesuffix("_segmentation.png")
                if name in wanted and entry.filename.endswith(".png") and entry.file_size <= limit:
                    found[name] = archive.read(entry)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        raise DataError("It is not a ZIP archive, or a damaged one.") from None
    return found


def _write_mask(path: Path, data: bytes, outcome: Outcome) -> None:
    name = path.name.removesuffix("_segmentation.png")
    image = image_path(outcome.folder, name)
    try:
        with TemporaryDirectory() as aside:  # under its own name, for what is told of it
            (Path(aside) / path.name).write_bytes(data)
            read_mask(Path(aside) / path.name, decode(image).shape[:2] if image else None)
    except (DataError, ImageError) as error:
        outcome.left_out[f"the mask of {name}"] = error.problem
        return
    with written(path) as new:
        new.write_bytes(data)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    with written(path) as new, new.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
