"""How well the finders of artefacts agree with labels made by hand: python -m benchmarks.artefacts DATA [EVERY]

DATA is a data folder with the images of ISIC 2017, `artefact_labels.csv` (Bissoto, Valle and Avila 2020) and the
metadata of ISIC 2019, which names lesions. Only the half of the lesions that no finder was tuned on counts; EVERY takes
every so many-th image of it. Prints images, positives, AUROC with its 95 % interval (bootstrap over lesions) and the
time of one core per image. Hair and gel border look for the ruler too, and pay for it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lesion_core.analysis.intervals import bootstrap
from lesion_core.analysis.ranking import auroc, rank
from lesion_core.data.artefact_labels import LABELLED, artefact_labels, held_out
from lesion_core.imaging.decode import decode
from lesion_core.imaging.finders.registry import FINDERS, find_artefact


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
    """artefact, n, positives, value, low, high: the AUROC of each finder's score against its label."""
    rows = []
    for key in LABELLED:
        there = table[key].to_numpy(bool)
        ranking = rank(there, scores[key])
        found = bootstrap(lambda weights, r=ranking: auroc(r, weights), table["lesion_id"].to_numpy(str))
        rows.append((key, len(table), int(there.sum()), found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["artefact", "n", "positives", "value", "low", "high"])


def main() -> None:
    """Measure and print a table."""
    cv2.setNumThreads(1)
    data, every = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    table = held_out_images(data, every)
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
