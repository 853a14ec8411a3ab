"""Data as somebody of their own has it: a table of images and diagnoses, masks beside the images."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from lesion_core.data.synthetic.lesions import make_lesion

CODES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
WORDS = {"MEL": "melanoma", "NV": "Common Nevus", "AK": "ACK", "BKL": "SEK"}


def own_set(folder: Path, n: int = 12, first: int = 5000, masks: bool = True) -> Path:
    """A data set of `n` lesions, all others than those of `synthesize`: image_1 ..., lesion_1 ..., the eight diagnoses
    in turn, in words where there are some."""
    folder.mkdir(parents=True)
    rows = [["image", "diagnosis", "lesion_id", "age", "sex"]]
    for i in range(n):
        code = CODES[i % len(CODES)]
        lesion = make_lesion(code, first + i, size=64)
        cv2.imwrite(str(folder / f"image_{i}.png"), cv2.cvtColor(lesion.image, cv2.COLOR_RGB2BGR))
        if masks:
            cv2.imwrite(str(folder / f"image_{i}_lesion.png"), lesion.mask.astype(np.uint8) * 255)
        rows.append([f"image_{i}", WORDS.get(code, code), f"lesion_{i}", str(lesion.age), lesion.sex])
    write(folder, rows)
    return folder


def write(folder: Path, rows: list[list[str]]) -> None:
    """The table of the set."""
    with (folder / "mine.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def rows(folder: Path) -> list[list[str]]:
    """The table of the set, its header first."""
    with (folder / "mine.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))
