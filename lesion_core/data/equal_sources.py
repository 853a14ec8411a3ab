"""Training data of one source or several, with the same number of lesions of every diagnosis from each.

So that what differs between two trainings is where their images are from, not how many there are or of what.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd

from lesion_core.config import ROLE_NAMES
from lesion_core.data.catalog import TITLES
from lesion_core.errors import DataError

LEARNED = ("train", "select", "calibrate")
"""Roles whose images are drawn; test images all stay."""


def of_sources(table: pd.DataFrame, sources: Sequence[str], compared: Sequence[str]) -> pd.DataFrame:
    """Take what is learned from some sources alone, equally much of each diagnosis whatever the sources.

    In each role and diagnosis the source with the fewest lesions says how many are taken; where several sources are
    asked for, they share that number as evenly as it goes, each first in turn. A lesion gives one image. Which ones are
    taken is decided by a hash of their name, so by nothing else that is in the table.

    Args:
        table: Catalog rows with their role and group, each with a diagnosis.
        sources: Data sets to learn from.
        compared: All data sets that are compared, `sources` among them.

    Returns:
        Rows of the table, in its order.

    Raises:
        DataError: One of the sources that are compared has no lesion of a diagnosis in a role.

    Examples:
        >>> rows = [(f"{source}{i}", source, "MEL", "train") for source, n in (("a", 5), ("b", 2)) for i in range(n)]
        >>> table = pd.DataFrame(rows, columns=["image_id", "dataset", "diagnosis", "role"])
        >>> own = of_sources(table.assign(group=table["image_id"]), ["a"], ["a", "b"])
        >>> len(own), set(own["dataset"])
        (2, {'a'})
    """
    learned = table[table["role"].isin(LEARNED) & table["dataset"].isin(compared)]
    once = learned.sort_values("image_id").drop_duplicates("group")
    once = once.assign(place=once["group"].map(_place)).sort_values("place")
    counts = once.groupby(["role", "diagnosis", "dataset"]).size()
    taken: list[int] = []
    for turn, (role, diagnosis) in enumerate(sorted(set(zip(once["role"], once["diagnosis"], strict=True)))):
        few = {source: int(counts.get((role, diagnosis, source), 0)) for source in compared}
        rarest = min(few, key=lambda source: few[source])
        if not few[rarest]:
            raise DataError(
                f"{TITLES.get(rarest, rarest)} has no {diagnosis} in the {ROLE_NAMES[role]}: nothing can be compared.",
                "Give a data folder with more of its images.",
            )
        own = once[(once["role"] == role) & (once["diagnosis"] == diagnosis)]
        for i, source in enumerate(sources):
            share = few[rarest] // len(sources) + ((i - turn) % len(sources) < few[rarest] % len(sources))
            taken += own.index[own["dataset"] == source][:share].tolist()
    return table[(table["role"] == "test") | table.index.isin(taken)]


def _place(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()
