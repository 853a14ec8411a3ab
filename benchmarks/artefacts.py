"""How well the finders of artefacts agree with labels made by hand: python -m benchmarks.artefacts DATA [EVERY | RUN]

DATA is a data folder with the images of ISIC 2017, `artefact_labels.csv` (Bissoto, Valle and Avila 2020) and the
metadata of ISIC 2019, which names lesions. Only the half of the lesions that no finder was tuned on counts; EVERY takes
every so many-th image of it. Prints images, positives, AUROC with its 95 % interval (bootstrap over lesions) and the
time of one core per image. Hair and gel border look for the ruler too, and pay for it.

With the folder of a RUN instead, it compares the run's answers on its labelled test images with each artefact (as the
labels have it) and without it: recall of melanoma, then the five smallest p values of all figures.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lesion_core.analysis.evaluation_sets import EvaluationData, view_data
from lesion_core.analysis.intervals import bootstrap
from lesion_core.analysis.ranking import auroc, rank
from lesion_core.analysis.slices import slices
from lesion_core.data.artefact_labels import LABELLED, artefact_labels, held_out
from lesion_core.imaging.decode import decode
from lesion_core.imaging.finders.registry import FINDERS, find_artefact
from lesion_core.runs.classifier import open_run


def held_out_images(data: Path, every: int = 1) -> pd.DataFrame | None:
    """The labelled images that no finder was tuned on, with their path; None without labels."""
    labels = artefact_labels(data)
    if labels is None:
        return None
    paths = {path.stem: str(path) for path in sorted(data.glob("isic2017/images/*.jpg"))}
    table = labels[held_out(labels["lesion_id"])].assign(path=lambda t: t["image_id"].map(paths))
    return table[table["path"].notna()].sort_values("image_id", ignore_index=True).iloc[::every]


def scored(table: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """By finder: the score of each image, and the milliseconds of one core per image without decoding."""
    scores: dict[str, list[float]] = {key: [] for key in FINDERS}
    seconds = dict.fromkeys(FINDERS, 0.0)
    for path in table["path"]:
        image = decode(Path(path))
        for key in FINDERS:
            start = time.process_time()
            scores[key].append(find_artefact(image, key).score)
            seconds[key] += time.process_time() - start
    return {key: np.array(s) for key, s in scores.items()}, {k: 1000 * s / len(table) for k, s in seconds.items()}


def measured(table: pd.DataFrame, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """artefact, n, lesions, positives, value, low, high: the AUROC of each finder's score against its label."""
    rows, lesions = [], table["lesion_id"].nunique()
    for key in LABELLED:
        there = table[key].to_numpy(bool)
        ranking = rank(there, scores[key])
        found = bootstrap(lambda weights, r=ranking: auroc(r, weights), table["lesion_id"].to_numpy(str))
        rows.append((key, len(table), lesions, int(there.sum()), found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["artefact", "n", "lesions", "positives", "value", "low", "high"])


def sliced(data: Path, run: Path) -> pd.DataFrame:
    """The slices of a run's labelled test images, by the labels."""
    labels, view = artefact_labels(data), view_data(open_run(run), "test")
    if labels is None or view is None:
        sys.exit(f"There are no labels of artefacts under {data}, or {run} has no test images.")
    labels = labels.set_index("image_id")
    shared = view.table["image_id"].isin(labels.index).to_numpy(bool)
    part = EvaluationData(
        view.table[shared], view.truth[shared], view.probabilities[shared], view.groups[shared], view.classes
    )
    own = labels.loc[part.table["image_id"]]
    return slices(part, {key: own[key].to_numpy(bool) for key in LABELLED})


def print_slices(table: pd.DataFrame) -> None:
    """Recall of melanoma by artefact, and what differs most."""
    melanoma = table[(table["figure"] == "recall") & (table["diagnosis"] == "MEL")]
    for rows in (melanoma, table.nsmallest(5, "p")):
        print("| artefact | figure | with it (n) | without it (n) | difference (95 %) | p | corrected | enough |")
        print("|---|---|---|---|---|---|---|---|")
        for row in rows.itertuples():
            name = FINDERS[str(row.artefact)].name
            shares = f"{_shown(row.with_value)} ({row.with_n:,}) | {_shown(row.without_value)} ({row.without_n:,})"
            ends = f"{_shown(row.difference, '+.2f')} ({_shown(row.low, '+.2f')} to {_shown(row.high, '+.2f')})"
            said = f"{_shown(row.p, '.3f')} | {_shown(row.p_corrected)} | {'yes' if row.enough else 'no'}"
            print(f"| {name} | {str(row.figure).replace('_', ' ')} {row.diagnosis} | {shares} | {ends} | {said} |")


def _shown(value: float, form: str = ".2f") -> str:
    """A number, or a dash where there is none; what rounds to nothing has no sign."""
    return (
        "-"
        if np.isnan(value)
        else format(round(value, 3) + 0.0, form).replace("-0.00", "0.00").replace("+0.00", "0.00")
    )


def main() -> None:
    """Measure and print a table."""
    cv2.setNumThreads(1)
    data, more = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "1"
    if not more.isdigit():
        print_slices(sliced(data, Path(more)))
        return
    table = held_out_images(data, int(more))
    if table is None or table.empty:
        sys.exit(f"There are no images with labels of artefacts under {data}.")
    scores, cost = scored(table)
    print("| artefact | images | with it | AUROC (95 %) | ms per image |\n|---|---|---|---|---|")
    for row in measured(table, scores).itertuples():
        area = f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
        print(
            f"| {FINDERS[str(row.artefact)].name} | {row.n:,} | {row.positives:,} | {area} | {cost[row.artefact]:.1f} |"
        )


if __name__ == "__main__":
    main()
