"""Make the tables of facts that ship with the dashboard: python -m benchmarks.facts DATA [DATA ...]

Of each data folder that has what a table needs: which images of MILK10k show one lesion, in which form and on which
skin; how well the finders of artefacts agree with labels made by hand, on lesions that none was tuned on; and what the
finders say of every test image of the default split and of the runs in `checkpoints/`, the official test set's too,
each in the finest form that is there.

Scores of images go on where they were stopped; where a finder has changed, all are made anew. Tables are written into
`facts/`, or into the folder that `--out` names.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import pandas as pd

from benchmarks.artefacts import held_out_images, measured, scored
from lesion_core.analysis.sources import test_images
from lesion_core.config import SplitSettings
from lesion_core.data.artefact_labels import LABELLED
from lesion_core.data.catalog import discover
from lesion_core.data.collection import collect
from lesion_core.data.data_files import scan
from lesion_core.data.image_facts import FINDERS, FORMS, SCORES, artefact_scores, write_facts
from lesion_core.data.readers.milk10k import read_forms
from lesion_core.errors import DataError
from lesion_core.runs.classifier import list_runs

OUT = Path(__file__).parents[1] / "facts"
RUNS = Path(__file__).parents[1] / "checkpoints"
A_PART = 100
"""Images between two savings."""
COMPARED = 5
"""Images whose stored scores are made again, to see whether the finders are still the same."""


def write_forms(data: list[Path], out: Path) -> str:
    """MILK10k's lesions."""
    folder = discover(data).get("milk10k")
    if folder is None:
        return "There is no MILK10k in these folders: its table stays as it is."
    table = read_forms(scan([folder]))
    return f"{len(table):,} images of {table['lesion_id'].nunique():,} lesions: {write_facts(table, out, FORMS)}"


def write_finders(data: list[Path], out: Path) -> str:
    """The finders against labels made by hand."""
    for folder in data:
        table = held_out_images(folder)
        if table is not None and len(table):
            found = measured(table, scored(table)[0])
            return f"AUROC on {len(table):,} images that no finder was tuned on: {write_facts(found, out, FINDERS)}"
    return "There are no labels of artefacts in these folders: the finders' AUROC stays as it is."


def write_scores(data: list[Path], out: Path, runs: Path = RUNS) -> str:
    """What the finders say of the test images of the default split and of the runs that ship."""
    table = collect(data, SplitSettings(), images="finest").table
    tested = {image for run in list_runs(runs)[0] for image in test_images(run)["image_id"]}
    asked = (table["role"] == "test") | table["image_id"].isin(tested)
    test = table.loc[asked, ["image_id", "path"]].sort_values("image_id", ignore_index=True)
    known = _known(test, out)
    others = known[~known["image_id"].isin(test["image_id"])]  # of a data folder that is not here
    missing = test[~test["image_id"].isin(known["image_id"])]
    started = time.monotonic()
    for first in range(0, len(missing), A_PART):
        part = missing.iloc[first : first + A_PART]
        found = pd.DataFrame({"image_id": part["image_id"].to_numpy(), **scored(part)[0]}).round(3)
        known = pd.concat([known, found], ignore_index=True).sort_values("image_id", ignore_index=True)
        write_facts(known[["image_id", *LABELLED]], out, SCORES)
        done = first + len(part)
        left = (time.monotonic() - started) / done * (len(missing) - done)
        print(f"{done:,} of {len(missing):,} images, about {left:.0f} s left", file=sys.stderr)
    return f"Scores of {len(known):,} test images, {len(others):,} of them not in these folders: {out / SCORES}"


def _known(test: pd.DataFrame, out: Path) -> pd.DataFrame:
    """The scores that are there, none where a finder says something else today."""
    nothing = pd.DataFrame(columns=["image_id", *LABELLED])
    try:
        known = artefact_scores(out)
    except DataError as error:
        print(error, file=sys.stderr)
        return nothing
    if known is None:
        return nothing
    both = test[test["image_id"].isin(known["image_id"])].iloc[:: max(1, len(test) // COMPARED)]
    again = pd.DataFrame({"image_id": both["image_id"].to_numpy(), **scored(both)[0]}) if len(both) else nothing
    stored = known.set_index("image_id").loc[again["image_id"], list(LABELLED)].to_numpy(float)
    same = abs(stored - again[list(LABELLED)].to_numpy(float)).max(initial=0) < 2e-3
    return known if same else nothing


def main() -> None:
    """Write every table that the data allow."""
    cv2.setNumThreads(1)
    given = sys.argv[1:]
    out = OUT
    if "--out" in given:
        at = given.index("--out")
        out = Path(given[at + 1])
        del given[at : at + 2]
    if not given:
        sys.exit(__doc__)
    data = [Path(one) for one in given]
    for write in (write_forms, write_finders, write_scores):
        try:
            print(write(data, out))
        except DataError as error:
            print(error)


if __name__ == "__main__":
    main()
