"""Who sees which image: four roles, dealt by lesion, in a manifest with a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from lesion_core.config import SplitSettings
from lesion_core.data.duplicates import group_ids
from lesion_core.data.tables import ROLES, read_csv, some
from lesion_core.errors import DataError


@dataclass(frozen=True)
class Manifest:
    """A split.

    Attributes:
        table: Columns image_id, group, role; a row an image, sorted by image_id.
    """

    table: pd.DataFrame

    def __post_init__(self) -> None:
        if self.table.empty:
            raise DataError("The split has no rows.", "Make it again.")
        twice = self.table["image_id"][self.table["image_id"].duplicated()].unique()
        if len(twice):
            raise DataError(f"The split lists {len(twice)} images more than once: {some(twice)}.", "Make it again.")
        roles = self.table.groupby("group")["role"].nunique()
        if (roles > 1).any():
            raise DataError(
                f"{int((roles > 1).sum())} lesions are in two roles: {some(roles.index[roles > 1])}.",
                "What was learned from cannot be tested on; make the split again.",
            )
        unknown = sorted(set(self.table["role"]) - set(ROLES))
        if unknown:
            raise DataError(f"The split has unknown roles: {some(unknown)}.", f"Known are {', '.join(ROLES)}.")

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with any image's group or role, whatever the order of rows."""
        rows = sorted(self.table[["image_id", "group", "role"]].itertuples(index=False, name=None))
        return hashlib.sha256("\n".join(",".join(row) for row in rows).encode()).hexdigest()[:16]

    def write(self, path: Path) -> None:
        """Write a CSV, and its fingerprint into a file of the same name that ends in ``.fingerprint``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.table[["image_id", "group", "role"]].to_csv(path, index=False)
        path.with_suffix(".fingerprint").write_text(self.fingerprint + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            DataError: A file is missing, the rows do not fit the fingerprint, or a lesion is in two roles.
        """
        frame = read_csv(path, ("image_id", "group", "role"))
        stated = path.with_suffix(".fingerprint")
        if not stated.is_file():
            raise DataError(f"The split {path.name} has no {stated.name} beside it.", "Copy both, or make it again.")
        manifest = cls(frame[["image_id", "group", "role"]].sort_values("image_id", ignore_index=True))
        if manifest.fingerprint != stated.read_text(encoding="utf-8").strip():
            raise DataError(
                f"The split {path.name} was altered: its rows do not fit its fingerprint.", "Make it again."
            )
        return manifest


def roles_fingerprint(table: pd.DataFrame) -> str:
    """16 hex digits that change with any picture's role in a catalog table, whatever the order of its rows."""
    return hashlib.sha256(repr(sorted(zip(table["image_id"], table["role"], strict=True))).encode()).hexdigest()[:16]


def assign_roles(table: pd.DataFrame, settings: SplitSettings) -> pd.Series[str]:
    """Deal the groups to the four roles, stratified by diagnosis and data set.

    The groups are taken stratum by stratum (a group's rarest diagnosis and its data set), shuffled within it, and each
    goes to the role that is furthest behind its share of the images dealt so far. So shares hold for images in every
    stratum, a group is never divided, and its role does not depend on how many images it has.

    Args:
        table: Columns image_id, group, diagnosis, dataset.
        settings: Shares and seed.

    Returns:
        A role a row, with the table's index. The same for any order of the rows.

    Raises:
        DataError: The table is empty.
    """
    if table.empty:
        raise DataError("There is no picture to split.", "Check that the data set's pictures are there.")
    share = {"select": settings.select, "calibrate": settings.calibrate, "test": settings.test}
    shares = np.array([1 - sum(share.values()), *(share[role] for role in ROLES[1:])])
    frequency = table["diagnosis"].value_counts()
    rows = table.assign(rarity=table["diagnosis"].map(frequency).fillna(0)).sort_values(["rarity", "image_id"])
    groups = rows.groupby("group", sort=True).agg(
        diagnosis=("diagnosis", "first"), dataset=("dataset", "first"), size=("image_id", "size")
    )
    role = pd.Series(index=groups.index, dtype="str")
    generator = np.random.default_rng(settings.seed)
    filled = np.zeros(len(ROLES))
    for _, stratum in groups.groupby(["dataset", "diagnosis"], sort=True, dropna=False):
        for i in generator.permutation(len(stratum)):
            # By the images dealt so far, never by this group's own size: a rule that looks at it deals the
            # lesions of many images to train and leaves single images to the rest.
            chosen = int(np.argmax(shares * filled.sum() - filled))
            filled[chosen] += stratum["size"].iloc[i]
            role[stratum.index[i]] = ROLES[chosen]
    return pd.Series(role.loc[table["group"]].to_numpy(str), index=table.index, name="role", dtype="str")


def split(table: pd.DataFrame, settings: SplitSettings) -> Manifest:
    """Group the pictures of a catalog table by lesion and deal the groups to the roles.

    Raises:
        DataError: The table is empty.
        ImageError: A picture without lesion id cannot be decoded.
    """
    grouped = table.assign(group=group_ids(table))
    rows = grouped.assign(role=assign_roles(grouped, settings))[["image_id", "group", "role"]]
    return Manifest(rows.sort_values("image_id", ignore_index=True))
