"""Who sees which image: four roles, dealt by lesion, in a manifest with a fingerprint.

A role belongs to a lesion and hangs on nothing but its id and the seed; what a run was trained with is in its own table
(`Manifest.of_run`), and whatever measures the run takes roles from there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from lesion_core import files
from lesion_core.config import SplitSettings
from lesion_core.data.csv_tables import read_csv, some
from lesion_core.data.duplicates import group_ids
from lesion_core.data.tables import OFFICIAL_TEST, ROLES
from lesion_core.errors import DataError
from lesion_core.foreign_text import shown


@dataclass(frozen=True)
class Manifest:
    """A split.

    Attributes:
        table: Columns image_id, group, role; a row per image, sorted by image_id.
    """

    table: pd.DataFrame

    def __post_init__(self) -> None:
        if self.table.empty:
            raise DataError("The split has no rows.", "Make it again.")
        twice = self.table["image_id"][self.table["image_id"].duplicated()].unique()
        if len(twice):
            raise DataError(f"The split lists {len(twice):,} images more than once: {some(twice)}.", "Make it again.")
        roles = self.table.groupby("group")["role"].nunique()
        if (roles > 1).any():
            raise DataError(
                f"{int((roles > 1).sum()):,} lesions are in two roles: {some(roles.index[roles > 1])}.",
                "What was learned from cannot be tested on; make the split again.",
            )
        unknown = sorted(set(self.table["role"]) - set(ROLES))
        if unknown:
            raise DataError(f"The split has unknown roles: {some(unknown)}.", f"Choose one of {', '.join(ROLES)}.")

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with any image's group or role, whatever the order of rows."""
        rows = sorted(self.table[["image_id", "group", "role"]].itertuples(index=False, name=None))
        return hashlib.sha256("\n".join(",".join(row) for row in rows).encode()).hexdigest()[:16]

    @classmethod
    def of_run(cls, table: pd.DataFrame) -> Self:
        """The split that a run's own table tells.

        Args:
            table: A row per image with columns image_id, lesion_id, dataset, split, such as `Run.predictions` or
                `SegmenterRun.masks`; the official test set has no part in a split.

        Raises:
            DataError: The table is empty, or a lesion is in two roles.
        """
        rows = table[table["dataset"] != OFFICIAL_TEST]
        own = pd.DataFrame({"image_id": rows["image_id"], "group": rows["lesion_id"], "role": rows["split"]})
        return cls(own.sort_values("image_id", ignore_index=True))

    def write(self, path: Path) -> None:
        """Write a CSV, and its fingerprint into a file of the same name that ends in ``.fingerprint``."""
        with files.rewritten(path.parent, wait=True) as new:
            self.table[["image_id", "group", "role"]].to_csv(new / path.name, index=False)
            (new / path.with_suffix(".fingerprint").name).write_text(self.fingerprint + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            DataError: A file is missing, the rows do not fit the fingerprint, or a lesion is in two roles.
        """
        frame = read_csv(files.current(path.parent, path.name), ("image_id", "group", "role"))
        stated = files.current(path.parent, path.with_suffix(".fingerprint").name)
        if not stated.is_file():
            raise DataError(
                f"The split {shown(path.name)} has no {shown(stated.name)} beside it.", "Copy both, or make it again."
            )
        manifest = cls(frame[["image_id", "group", "role"]].sort_values("image_id", ignore_index=True))
        if manifest.fingerprint != stated.read_text(encoding="utf-8").strip():
            raise DataError(
                f"The split {shown(path.name)} was altered: its rows do not fit its fingerprint.", "Make it again."
            )
        return manifest


def roles_fingerprint(table: pd.DataFrame) -> str:
    """16 hex digits that change with any image's role in a catalog table, whatever the order of its rows."""
    return hashlib.sha256(repr(sorted(zip(table["image_id"], table["role"], strict=True))).encode()).hexdigest()[:16]


def assign_roles(groups: pd.Series[str], settings: SplitSettings) -> pd.Series[str]:
    """Deal groups to the four roles: each by a hash of its name, keyed with the seed, and by nothing else.

    So a group's role is the same in every table that holds it. What a rule gains by balancing (every diagnosis at its
    shares to an image) it pays with lesions that change their role when others are added; a rule that looks at one
    lesion alone deals independently, and the shares of n lesions vary as a binomial's do: about sqrt(p (1 - p) / n).
    The diagnosis is not part of the key: it would make nothing more even, and a corrected diagnosis would move the
    lesion. test takes the lowest numbers, so that other shares for the rest do not change who is in it.

    Args:
        groups: A group's name a row.
        settings: Shares and seed.

    Returns:
        A role per row, with the index of `groups`.

    Raises:
        DataError: There is no row.

    Examples:
        >>> roles = assign_roles(pd.Series(["a", "a", "b"]), SplitSettings())
        >>> bool(roles[0] == roles[1])
        True
    """
    if groups.empty:
        raise DataError("There are no images to split.", "Check that the data set's images are there.")
    bounds = np.cumsum([settings.test, settings.calibrate, settings.select])
    names = np.array(["test", "calibrate", "select", "train"])
    codes, unique = pd.factorize(groups)
    dealt = names[np.searchsorted(bounds, [_uniform(str(name), settings.seed) for name in unique], side="right")]
    return pd.Series(dealt[codes], index=groups.index, name="role", dtype="str")


def _uniform(name: str, seed: int) -> float:
    """A number in [0, 1) of 53 random bits: the same on every machine for a name and a seed."""
    digest = hashlib.blake2b(name.encode(), digest_size=8, key=str(seed).encode()).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def split(table: pd.DataFrame, settings: SplitSettings | None, known: Manifest | None = None) -> Manifest:
    """Group the images of a catalog table by lesion and give every group its role.

    Args:
        table: Catalog rows.
        settings: By which lesions are dealt that have no role yet; None: they get none and are left out.
        known: An earlier split: its images keep their groups and roles, and new images of its lesions inherit.

    Raises:
        DataError: The table is empty, or none of its lesions has a role.
        ImageError: An image without lesion id cannot be decoded.
    """
    group = group_ids(table, known=None if known is None else known.table)
    role = pd.Series(pd.NA, index=table.index, dtype="str")
    if known is not None:
        role = group.map(known.table.drop_duplicates("group").set_index("group")["role"])
    if settings is not None:
        role = role.fillna(assign_roles(group, settings))
    rows = table[["image_id"]].assign(group=group, role=role).dropna(subset=["role"])
    if rows.empty and not table.empty:
        raise DataError(
            f"None of the {len(table):,} images shows a lesion with a known role.",
            "Give a folder that holds some of the images of that split.",
        )
    return Manifest(rows.sort_values("image_id", ignore_index=True))
