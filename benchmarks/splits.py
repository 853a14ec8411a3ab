"""How even the split by a keyed hash is, overall and in each diagnosis, from the tables alone:
python -m benchmarks.splits DATA [seed]."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd

from lesion_core.config import SplitSettings
from lesion_core.data.catalog import discover, read
from lesion_core.data.splits import assign_roles
from lesion_core.data.tables import ROLES


def shares(table: pd.DataFrame, settings: SplitSettings) -> pd.DataFrame:
    """Lesions, images and the share of images in each role, a row per diagnosis and one for all.

    An image without lesion id counts as its own lesion here: no image is read.
    """
    lesion = table["lesion_id"].fillna(table["image_id"])
    rows = table.assign(lesion=lesion, role=assign_roles(lesion, settings))
    found = {}
    for name, part in [("all", rows), *rows.groupby("diagnosis")]:
        dealt = part["role"].value_counts(normalize=True).reindex(ROLES, fill_value=0)
        found[name] = {"lesions": part["lesion"].nunique(), "images": len(part), **(100 * dealt).round(1)}
    return pd.DataFrame(found).T.astype({"lesions": int, "images": int})


def main() -> None:
    """Print a table for each data set."""
    settings = SplitSettings(seed=int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    found = discover(Path(sys.argv[1]))
    for name in ("ham10000", "isic2019"):
        if name in found:
            table = read(name, found[name], image_roots=list(found.values())).table
            table = table[~table["dataset"].str.endswith("_test") & table["diagnosis"].notna()]
            start = time.perf_counter()
            result = shares(table, settings)
            print(f"{name}, seed {settings.seed}, % of images ({time.perf_counter() - start:.2f} s)\n{result}\n")


if __name__ == "__main__":
    main()
