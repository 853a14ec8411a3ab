"""The files of a data set: its tables, and its images and masks by id. Names are compared without regard to case."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from heapq import nsmallest
from pathlib import Path

from lesion_core.data.csv_tables import read_csv, some
from lesion_core.data.masks import looks_like_mask
from lesion_core.data.pictures import MASK_ENDING, is_image, is_picture, listing
from lesion_core.errors import DataError
from lesion_core.foreign_text import shown
from lesion_core.imaging.formats import ENDINGS

DOWNSAMPLED_ENDING = "_downsampled"

_MASK_ENDINGS = re.compile(r"[_-](segmentation|seg|mask|gt|groundtruth|annotation|lesion)$", re.IGNORECASE)
"""How the names of masks end; the last as PH2 has it, where an image of the lesion may have it too."""
_LOOKED_AT = 4
"""Of a folder's JPEGs so many first, last and smallest are looked at (a mask's file is smaller than a photograph's);
where one is a mask, all of the folder are."""


@dataclass(frozen=True)
class Files:
    """The files of a data set.

    Attributes:
        roots: Folders of the tables.
        tables: What is not an image, in order.
        images: Images by `id_key`.
        masks: Masks of the lesion by `id_key` of their image.
        image_paths: All images, in order.
        image_roots: Folders of the images.
        mask_roots: Folders of the masks.
        spare: Further files of an id that `images` or `masks` has, by the file that is used in their place.
        notes: A sentence on what is not what its name says.
    """

    roots: tuple[Path, ...]
    tables: tuple[Path, ...]
    images: Mapping[str, str]
    masks: Mapping[str, str]
    image_paths: tuple[str, ...]
    image_roots: tuple[Path, ...]
    mask_roots: tuple[Path, ...]
    spare: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def find(self, *patterns: str) -> list[Path]:
        """The tables whose name fits one of the patterns, each name once (the first found)."""
        found: dict[str, Path] = {}
        for table in self.tables:
            if fits(table.name, patterns):
                found.setdefault(table.name.casefold(), table)
        return list(found.values())

    def require(self, what: str, *patterns: str) -> list[Path]:
        """As `find`, but none is an error.

        Raises:
            DataError: There is no such table.
        """
        if found := self.find(*patterns):
            return found
        raise DataError(
            f"There is no {what} ({' or '.join(patterns)}) under {some(self.roots, most=200)}.",
            "Unpack the download there, or name the folder that holds it.",
        )

    def unused(self, used: Sequence[Path], *patterns: str) -> list[str]:
        """A sentence on the tables that fit the patterns too and are not used, with their rows; none where all are."""
        others = [table for table in self.tables if fits(table.name, patterns) and table not in used]
        if not others:
            return []
        listed = some((f"{self.below_roots(table)} ({_rows(table)})" for table in others), 8, 200)
        return [
            f"Of {some(map(self.below_roots, used), 8, 200)} there are further tables, which are not used: {listed}."
        ]

    def found_twice(self, used: Iterable[str], name: str, what: str) -> list[str]:
        """A sentence on the files in use of whose id there are others, with how many are where.

        Args:
            used: Files.
            name: The data set, for the sentence.
            what: What the files are, in the plural.
        """
        chosen = [path for path in used if path in self.spare]
        if not chosen:
            return []
        taken = Counter(self._folder(path) for path in chosen)
        passed = Counter(self._folder(other) for path in chosen for other in self.spare[path])
        return [
            f"{name}: {what} that were found more than once: {len(chosen):,}. Used are those in {_places(taken)}; "
            f"not used are those in {_places(passed)}."
        ]

    def beside_tables(self, path: str) -> bool:
        """Whether a file lies below the folders of the tables."""
        return path.startswith(tuple(f"{root.absolute().as_posix()}/" for root in self.roots))

    def below_roots(self, path: str | Path) -> str:
        """A path below the folder that was searched, for a sentence."""
        path = Path(path)
        roots = list(dict.fromkeys(root.absolute() for root in (*self.roots, *self.image_roots, *self.mask_roots)))
        for root in roots:
            if path.is_relative_to(root):
                path = path.relative_to(root if len(roots) == 1 and path != root else root.parent)
                break
        return shown(path.as_posix(), 150)

    def _folder(self, path: str) -> str:
        return self.below_roots(Path(path).parent)


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name fits one of some patterns with ``*``, whatever its case."""
    small = name.casefold()
    return any(fnmatchcase(small, pattern.casefold()) for pattern in patterns)


def isic_id(stem: str) -> str:
    """The id that a file's stem stands for: without ISIC 2019's ``_downsampled``."""
    return stem[: -len(DOWNSAMPLED_ENDING)] if stem.casefold().endswith(DOWNSAMPLED_ENDING) else stem


def id_key(image_id: str) -> str:
    """What two spellings of an image's id have in common, in capitals or not, accents composed or not."""
    return unicodedata.normalize("NFC", isic_id(image_id).casefold())


def masked_id(path: str) -> str:
    """The id of the image that a mask's file is of."""
    return isic_id(_MASK_ENDINGS.sub("", isic_id(_stem(path))))


def scan(roots: Sequence[Path], image_roots: Sequence[Path] = (), mask_roots: Sequence[Path] = ()) -> Files:
    """List the files of a data set, each folder once. Where an id is found twice, the first file wins.

    What is a mask by its pixels, or by its name beside an image (``<id>_mask``), is never taken for an image; only
    ``<id>_lesion`` is one where it is not black and white. So as not
    to decode whole data sets, JPEGs are looked at where their id is found twice, and else a few of each folder.

    Args:
        roots: Folders of the tables, and of all else that is not named.
        image_roots: Folders of the images.
        mask_roots: Folders of the lesion masks, ``<id>_segmentation.png``.

    Raises:
        DataError: A folder is not there.
    """
    listings = {root: listing(Path(root).absolute()) for root in dict.fromkeys((*roots, *image_roots, *mask_roots))}

    def below(folders: Sequence[Path]) -> list[str]:
        return list(dict.fromkeys(path for root in folders for path in listings[root]))

    tables = tuple(Path(path) for path in below(roots) if not is_image(path))
    pictures = [path for path in below(image_roots or roots) if is_picture(path)]
    unnamed, misnamed = _masks_among(pictures)
    pictures = [path for path in pictures if path not in unnamed and path not in misnamed]
    named = [
        path for path in below(mask_roots or roots) if is_image(path) and _stem(path).casefold().endswith(MASK_ENDING)
    ]
    images, spare_images = _by_id((id_key(_stem(path)), path) for path in pictures)
    masks, spare_masks = _by_id(
        (id_key(masked_id(path)), path)
        for path in [*named, *(path for path in unnamed if id_key(masked_id(path)) in images)]
    )
    files = Files(
        tuple(roots),
        tables,
        images,
        masks,
        tuple(pictures),
        tuple(image_roots or roots),
        tuple(mask_roots or roots),
        {**spare_images, **spare_masks},
    )
    notes = []
    if unnamed:
        used = len(unnamed.keys() & set(masks.values()))
        notes.append(
            f"Images that are black and white, or nearly, so they count as masks: {len(unnamed):,}, in "
            f"{_places(Counter(files._folder(path) for path in unnamed))}; used as the masks of images: {used:,}."
        )
    if misnamed:
        notes.append(
            f"Images that are named as the masks of others and are not black and white, so they are not used: "
            f"{len(misnamed):,}, in {_places(Counter(files._folder(path) for path in misnamed))}."
        )
    return replace(files, notes=tuple(notes))


def _masks_among(pictures: Sequence[str]) -> tuple[dict[str, None], set[str]]:
    """Those that are masks by their pixels, in order, and those that are named as another's mask and are not."""
    ids, folders = Counter(id_key(_stem(path)) for path in pictures), defaultdict(list)
    named = {path for path in pictures if (own := id_key(masked_id(path))) != id_key(_stem(path)) and own in ids}
    for path in pictures:
        folders[path[: path.rfind("/")]].append(path)
    found: dict[str, None] = {}
    for inside in folders.values():
        jpegs = [path for path in inside if path.lower().endswith(ENDINGS["JPEG"])]
        few = {*jpegs[:_LOOKED_AT], *jpegs[-_LOOKED_AT:], *nsmallest(_LOOKED_AT, jpegs, _size)}
        rest = [path for path in jpegs if path not in few | named and ids[id_key(_stem(path))] == 1]
        alone = set(rest)
        masks = {path for path in inside if path not in alone and looks_like_mask(Path(path))}
        if masks & set(jpegs):
            masks |= {path for path in rest if looks_like_mask(Path(path))}
        found |= dict.fromkeys(path for path in inside if path in masks)
    misnamed = {path for path in named - found.keys() if not _stem(path).casefold().endswith("lesion")}
    return found, misnamed


def _by_id(found: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """The first file of each id, and by it the others that are not the same file under another name."""
    first: dict[str, str] = {}
    others: dict[str, tuple[str, ...]] = {}
    for key, path in found:
        used = first.setdefault(key, path)
        if used != path and os.path.realpath(used) != os.path.realpath(path):
            others[used] = (*others.get(used, ()), path)
    return first, others


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:  # such as a link to nowhere
        return 0


def _stem(path: str) -> str:
    return path[path.rfind("/") + 1 : path.rfind(".")]


def _places(counts: Counter[str]) -> str:
    """Folders and how many files are in each, for a sentence."""
    return some((f"{folder} ({n:,})" for folder, n in counts.most_common()), 4, 200)


def _rows(table: Path) -> str:
    try:
        return f"{len(read_csv(table, ())):,} rows"
    except DataError:
        return "not readable"
