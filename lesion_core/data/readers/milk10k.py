"""MILK10k as the ISIC challenge of 2025 publishes it: of each lesion a dermoscopic image and a clinical close-up."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from lesion_core.data.csv_tables import known, read_csv, renamed, some
from lesion_core.data.data_files import Files, id_key, isic_id
from lesion_core.data.image_facts import CLOSE_UP, DERMOSCOPY
from lesion_core.data.tables import Catalog, assemble, named_diagnoses, truth_from_one_hot, without_lesion
from lesion_core.errors import DataError

TABLES = ("MILK10k_*_GroundTruth.csv",)
CLASSES = ("AKIEC", "BCC", "BEN_OTH", "BKL", "DF", "INF", "MAL_OTH", "MEL", "NV", "SCCKA", "VASC")
"""AKIEC is actinic keratosis here, as squamous cell carcinoma and keratoacanthoma have their own class; the ends of
INF, BEN_OTH and MAL_OTH are in none of the eight diagnoses: inflammatory, other benign and other malignant lesions."""

_WORDS = {
    "AKIEC": "AK",
    "SCCKA": "SCC",
    "INF": "inflammatory or infectious",
    "BEN_OTH": "other benign",
    "MAL_OTH": "other malignant",
}
_COLUMNS = {"isic_id": "image_id", "age_approx": "age", "site": "site", "sex": "sex"}


def read_milk10k(files: Files) -> Catalog:
    """Read the dermoscopic images of MILK10k (Tschandl et al., J. Invest. Dermatol. 2025).

    Raises:
        DataError: A table is missing or damaged, a row has not one diagnosis, or no image was found.
    """
    return _read(files, "milk10k", dermoscopic=True)


def read_milk10k_close_ups(files: Files) -> Catalog:
    """Read the clinical close-ups of MILK10k: the same lesions without a dermatoscope.

    Raises:
        DataError: As `read_milk10k`.
    """
    return _read(files, "milk10k_close_ups", dermoscopic=False)


def read_forms(files: Files) -> pd.DataFrame:
    """Which lesion each image shows, in which form and on which skin, whether or not its file is there.

    Returns:
        image_id, lesion_id, form (`image_facts.DERMOSCOPY` or `CLOSE_UP`), skin_tone (text: 0, very dark, to 5, very
        light; empty where it is not recorded), in the order of image_id.

    Raises:
        DataError: The table is missing or damaged.
    """
    metadata = files.require("MILK10k metadata", "MILK10k_*_Metadata.csv")[0]
    frame = read_csv(metadata, ("isic_id", "lesion_id", "image_type", "skin_tone_class"))
    dermoscopic = frame["image_type"].str.casefold() == "dermoscopic"
    table = pd.DataFrame(
        {
            "image_id": frame["isic_id"].map(isic_id),
            "lesion_id": frame["lesion_id"],
            "form": dermoscopic.map({True: DERMOSCOPY, False: CLOSE_UP}),
            "skin_tone": known(frame["skin_tone_class"]).fillna("").str.removesuffix(".0"),
        }
    )
    return table.sort_values("image_id", ignore_index=True)


def _read(files: Files, name: str, *, dermoscopic: bool) -> Catalog:
    (path, *_) = used = files.require("MILK10k ground truth", *TABLES)
    truth = read_csv(path, ("lesion_id", *CLASSES))
    truth = truth.assign(word=truth_from_one_hot(truth, CLASSES, path.name).replace(_WORDS))
    if (twice := truth["lesion_id"].duplicated()).any():
        raise DataError(
            f"{path.name} lists {int(twice.sum()):,} lesions more than once ({some(truth['lesion_id'][twice])}).",
            "Keep one row for each lesion.",
        )
    part = path.name.split("_")[1]
    metadata = files.require("MILK10k metadata", f"MILK10k_{part}_Metadata.csv")[0]
    frame = read_csv(metadata, ("lesion_id", "image_type", *_COLUMNS))
    wanted = (frame["image_type"].str.casefold() == "dermoscopic") == dermoscopic
    others = set(frame["isic_id"][~wanted].map(id_key))  # listed too, and another layout's
    files = replace(files, images={key: path for key, path in files.images.items() if key not in others})
    frame = frame[wanted].reset_index(drop=True)
    if frame.empty:
        raise DataError(f"{metadata.name} lists no such image.", "Download it again.")
    words = frame["lesion_id"].map(truth.set_index("lesion_id")["word"])
    notes = []
    if (lost := words.isna()).any():
        notes.append(
            f"{name}: {int(lost.sum()):,} of the {len(frame):,} images show a lesion that {path.name} does not list, "
            f"such as {some(frame['isic_id'][lost], 3)}."
        )
    diagnoses, said = named_diagnoses(words.fillna(""), name)
    facts = renamed(frame, _COLUMNS)[["lesion_id", *_COLUMNS.values()]].assign(**diagnoses)
    facts["dx_type"] = _confirmed(files, f"MILK10k_{part}_Supplement.csv", facts["image_id"])
    facts["site"] = facts["site"].str.replace("_", " ")
    return assemble(
        facts,
        files,
        name,
        notes=[*files.unused(used[:1], *TABLES), *notes, *said, *without_lesion(facts, name)],
    )


def _confirmed(files: Files, table: str, images: pd.Series[str]) -> pd.Series[str] | str:
    """How each diagnosis was confirmed, where the table that tells it is there."""
    if not (found := files.find(table)):
        return ""
    frame = read_csv(found[0], ("isic_id", "diagnosis_confirm_type"))
    once = frame.drop_duplicates("isic_id")
    return images.map(id_key).map(once.set_index(once["isic_id"].map(id_key))["diagnosis_confirm_type"]).fillna("")
