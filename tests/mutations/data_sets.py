"""Small data sets in the layouts as they are published, and the people that were made up for them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Rng = np.random.Generator
Table = list[list[str]]
N = 24
CODES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
WORDS_2018 = {"MEL": "mel", "NV": "nv", "BCC": "bcc", "AKIEC": "akiec", "BKL": "bkl", "DF": "df", "VASC": "vasc"}


@dataclass(frozen=True)
class Person:
    """One row: two pictures a lesion."""

    image: str
    lesion: str
    code: str
    age: str
    sex: str
    site: str


def people(rng: Rng, codes: tuple[str, ...]) -> list[Person]:
    start = int(rng.integers(10**5, 10**6))
    shift = int(rng.integers(len(codes)))
    return [
        Person(f"ISIC_{start + i:07d}", f"HAM_{start + i // 2:07d}", codes[(i // 2 + shift) % len(codes)],
               str(30 + 5 * (i // 2 % 10)), ("male", "female")[i // 2 % 2], ("back", "face", "hand")[i // 2 % 3])
        for i in range(N)
    ]  # fmt: skip


def pictures(rng: Rng, folder: Path, names: list[str], ending: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        small.resize((32, 24), Image.Resampling.NEAREST).save(folder / f"{name}{ending}")


def written(table: Table, separator: str = ",", **options: Any) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=options.pop("end", "\n"), **options).writerows(table)
    return out.getvalue()


@dataclass(frozen=True)
class DataSet:
    """A layout with its main table (and, of ISIC 2019, the one beside it) and the rows that are right."""

    layout: str
    path: str
    table: Table
    people: list[Person]
    sources: tuple[str, ...] = ("lesion_id", "age", "sex", "site")
    beside: tuple[str, Table] | None = None

    def put(self, rng: Rng, root: Path, main: str | bytes | None = None, beside: str | bytes | None = None) -> None:
        files = [(self.path, main, self.table)]
        if self.beside:
            files.append((self.beside[0], beside, self.beside[1]))
        for name, given, table in files:
            text = written(table) if given is None else given
            (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        pictures(rng, root / "pictures", [one.image for one in self.people])


def ham(rng: Rng) -> DataSet:
    rows = people(rng, tuple(WORDS_2018))
    head = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
    body = [[p.lesion, p.image, WORDS_2018[p.code], "histo", p.age, p.sex, p.site] for p in rows]
    return DataSet("ham10000", "HAM10000_metadata.csv", [head, *body], rows)


def isic2018(rng: Rng) -> DataSet:
    rows = people(rng, tuple(WORDS_2018))
    body = [[p.image, *("1.0" if p.code == code else "0.0" for code in WORDS_2018)] for p in rows]
    beside = [["image", "lesion_id", "diagnosis_confirm_type"], *([p.image, p.lesion, "histopathology"] for p in rows)]
    return DataSet("isic2018_task3", "ISIC2018_Task3_Training_GroundTruth.csv", [["image", *WORDS_2018], *body], rows,
                   ("lesion_id",), ("ISIC2018_Task3_Training_LesionGroupings.csv", beside))  # fmt: skip


def isic2019(rng: Rng) -> DataSet:
    rows = people(rng, CODES)
    body = [[p.image, *("1.0" if p.code == code else "0.0" for code in CODES)] for p in rows]
    beside = [["image", "age_approx", "anatom_site_general", "lesion_id", "sex"],
              *([p.image, p.age, p.site, p.lesion, p.sex] for p in rows)]  # fmt: skip
    return DataSet("isic2019", "ISIC_2019_Training_GroundTruth.csv", [["image", *CODES], *body], rows,
                   beside=("ISIC_2019_Training_Metadata.csv", beside))  # fmt: skip


def isic2017(rng: Rng) -> DataSet:
    rows = people(rng, ("MEL", "NV", "BKL"))
    head = ["image_id", "melanoma", "seborrheic_keratosis"]
    body = [[p.image, *("1.0" if p.code == code else "0.0" for code in ("MEL", "BKL"))] for p in rows]
    beside = [["image_id", "age_approximate", "sex"], *([p.image, p.age, p.sex] for p in rows)]
    return DataSet("isic2017", "ISIC-2017_Training_Part3_GroundTruth.csv", [head, *body], rows, ("age", "sex"),
                   ("ISIC-2017_Training_Data_metadata.csv", beside))  # fmt: skip


def archive(rng: Rng) -> DataSet:
    words = {"MEL": "melanoma", "NV": "nevus", "BCC": "basal cell carcinoma"}
    rows = people(rng, tuple(words))
    head = ["isic_id", "age_approx", "anatom_site_general", "diagnosis", "image_type", "lesion_id", "sex"]
    body = [[p.image, p.age, p.site, words[p.code], "dermoscopic", p.lesion, p.sex] for p in rows]
    return DataSet("isic_archive", "metadata.csv", [head, *body], rows)


def own(rng: Rng) -> DataSet:
    words = {"MEL": "melanoma", "NV": "Common Nevus", "BCC": "Basal cell carcinoma", "BKL": "SEK"}
    rows = people(rng, tuple(words))
    head = ["image", "lesion_id", "diagnosis", "age", "sex", "site"]
    body = [[p.image, p.lesion, words[p.code], p.age, p.sex, p.site] for p in rows]
    return DataSet("image_table", "mine.csv", [head, *body], rows)


SETS: tuple[Callable[[Rng], DataSet], ...] = (ham, isic2018, isic2019, archive, isic2017, own)


def any_set(rng: Rng) -> DataSet:
    return SETS[rng.integers(len(SETS))](rng)
