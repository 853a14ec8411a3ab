"""Images to try a model on: real ones where the data is, synthetic lesions and OOD images everywhere."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.data.csv_tables import read_csv
from lesion_core.data.masks import read_mask
from lesion_core.data.pictures import ood_pictures
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.data.synthetic.ood_images import OOD_KINDS
from lesion_core.errors import ConfigError, DataError
from lesion_core.foreign_text import shown
from lesion_core.imaging.decode import decode
from lesion_core.imaging.preprocess import reduce_large
from lesion_core.labels import DIAGNOSES, diagnosis, parse_diagnosis

SYNTHETIC, OOD = "synthetic-", "stranger-"
"""How the ids of images that code made and of OOD images begin."""
HIDDEN = re.compile("case-[0-9a-f]{6}")
"""What `without_truth` gives in place of an id that tells."""
Origin = Literal["real", "synthetic", "ood", "upload"]


@dataclass(frozen=True)
class Sample:
    """An image that can be named in a link.

    Attributes:
        id: Its name in links: an ISIC id, ``synthetic-<code>-<seed>`` or ``stranger-<file>``.
        title: What a person reads in a list.
        origin: Real dermoscopy, synthetic dermoscopy, or no lesion at all.
        truth: The diagnosis, if there is one.
        path: The file, None for synthetic lesions: they are made when asked for.
        mask_path: The lesion's mask, if there is one.
    """

    id: str
    title: str
    origin: Origin
    truth: str | None = None
    path: Path | None = None
    mask_path: Path | None = None


def without_truth(name: str) -> str:
    """Another id for an image whose own tells what it shows, always the same: one that names a folder, which is that of
    a diagnosis, or has a diagnosis among its words.

    Examples:
        >>> without_truth("synthetic-MEL-1").startswith("case-"), without_truth("ISIC_0024310")
        (True, 'ISIC_0024310')
        >>> [without_truth(name).startswith("case-") for name in ("melanoma_12", "Lichen planus/3")]
        [True, True]
    """
    if HIDDEN.fullmatch(name):
        return name
    words = re.split(r"[\W\d_]+", name)
    if not name.startswith((SYNTHETIC, OOD)) and "/" not in name and not any(map(parse_diagnosis, words)):
        return name
    return f"case-{hashlib.blake2b(name.encode(), digest_size=3).hexdigest()}"


@dataclass(frozen=True)
class Picture:
    """A sample (or an upload) in memory; its arrays become read-only, as many visitors look at them.

    Attributes:
        id: As in `Sample`; ``upload`` for an upload.
        title: What a person reads.
        origin: Where it is from.
        image: (H, W, 3) uint8 RGB.
        truth: The diagnosis, if it is known.
        mask: (H, W) bool, the lesion, if it is known.
        frame: Height and width of the file, where the image is reduced from it.
    """

    id: str
    title: str
    origin: Origin
    image: NDArray[np.uint8]
    truth: str | None = None
    mask: NDArray[np.bool_] | None = None
    frame: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for array in (self.image, self.mask):
            if array is not None:
                array.flags.writeable = False


def synthetic_samples(per_class: int = 3) -> list[Sample]:
    """Synthetic lesions of every diagnosis, numbered from 1."""
    return [
        Sample(f"{SYNTHETIC}{code}-{seed}", f"Synthetic {entry.name} {seed}", "synthetic", code)
        for seed in range(1, per_class + 1)
        for code, entry in DIAGNOSES.items()
    ]


def ood_samples(root: Path) -> list[Sample]:
    """The images of `ood_samples/`; none where there is no manifest. Bare skin, which a policy may well accept, comes
    first, then what others photographed, then what code drew, each as the manifest lists them."""
    manifest = root / "manifest.csv"
    if not manifest.is_file():
        return []
    rows = read_csv(manifest, ("path",))
    kinds = rows["path"].str.split("/").str[0]
    rows = rows.iloc[
        np.argsort(np.where(kinds == "skin", 0, np.where(kinds.isin(list(OOD_KINDS)), 2, 1)), kind="stable")
    ]
    return [
        Sample(
            f"{OOD}{Path(path).stem}",
            f"Not a lesion: {Path(path).stem.replace('_', ' ')}",
            "ood",
            path=root / path,
        )
        for path in rows["path"]
    ]


def folder_ood_samples(root: Path) -> list[Sample]:
    """The images that show no lesion in a data folder, ``ood/<kind>/<file>``."""
    return [
        Sample(
            f"{OOD}{path.parent.name}-{path.stem}",
            f"Not a lesion: {path.parent.name}, {path.stem}",
            "ood",
            path=path,
        )
        for path in ood_pictures(root)
    ]


def real_samples(table: pd.DataFrame) -> list[Sample]:
    """Samples for catalog rows whose image is there, in the table's order; a diagnosis that is none of ours is told in
    the data set's own word."""
    there = table[table["path"].notna()]

    def title(row: Any) -> str:
        if isinstance(row.diagnosis, str):
            return f"{row.image_id}, {diagnosis(row.diagnosis).name}"
        return (
            f"{row.image_id}, {shown(row.other_diagnosis)}"
            if isinstance(row.other_diagnosis, str)
            else str(row.image_id)
        )

    return [
        Sample(
            str(row.image_id),
            title(row),
            "real",
            row.diagnosis if isinstance(row.diagnosis, str) else None,
            Path(str(row.path)),
            Path(str(row.mask_path)) if isinstance(row.mask_path, str) else None,
        )
        for row in there.itertuples()
    ]


def evenly(samples: Iterable[Sample], most: int) -> list[Sample]:
    """At most so many samples of each diagnosis, those with a mask first, so that a list of real images is not a list
    of nevi; what is none of ours counts by its own word."""
    taken: Counter[str] = Counter()
    found = []
    for sample in sorted(samples, key=lambda sample: (sample.mask_path is None, sample.id)):
        kind = sample.truth or sample.title.removeprefix(sample.id)
        taken[kind] += 1
        if taken[kind] <= most:
            found.append(sample)
    return found


def load(sample: Sample) -> Picture:
    """Read or make the image, large ones at the size that every pipeline reduces them to first.

    Raises:
        ImageError: The file cannot be decoded.
        DataError: The mask does not fit, or a synthetic id is malformed.
    """
    if sample.path is None:
        try:
            _, code, seed = sample.id.split("-")
            lesion = make_lesion(code, int(seed), size=384)
        except (ValueError, ConfigError):
            raise DataError(f"'{sample.id}' is not a synthetic lesion.", "Ids look like synthetic-MEL-1.") from None
        return Picture(sample.id, sample.title, sample.origin, lesion.image, sample.truth, lesion.mask)
    image, frame = reduced(decode(sample.path))
    mask = read_mask(sample.mask_path, image.shape[:2]) if sample.mask_path else None
    return Picture(sample.id, sample.title, sample.origin, image, sample.truth, mask, frame)


def reduced(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[int, int] | None]:
    """An image at the size that every pipeline reduces it to first, and, where that is smaller, the frame it had."""
    small = reduce_large(image)
    return small, None if small.shape == image.shape else (image.shape[0], image.shape[1])
