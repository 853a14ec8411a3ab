"""HAM10000 as Dataverse and Kaggle publish it."""

from __future__ import annotations

import pandas as pd

from lesion_core.data.tables import Catalog, Files, assemble, counted, read_csv
from lesion_core.errors import DataError
from lesion_core.labels import HAM10000, parse_diagnosis

TABLES = ("HAM10000_metadata", "HAM10000_metadata.csv", "HAM10000_metadata.tab")

_COLUMNS = {"image_id": "image_id", "lesion_id": "lesion_id", "dx_type": "dx_type", "age": "age", "sex": "sex",
            "localization": "site"}


def read_ham10000(files: Files) -> Catalog:
    """Read HAM10000 (Tschandl, Rosendahl and Kittler, Sci. Data 5:180161, 2018).

    Actinic keratoses and Bowen's disease are one class here, AKIEC.

    Raises:
        DataError: The metadata is missing or damaged, a diagnosis is unknown, or no image was found.
    """
    path = files.require("HAM10000 metadata", *TABLES)[0]
    frame = read_csv(path, ("dx", *_COLUMNS))
    facts = frame.rename(columns=_COLUMNS)
    facts["diagnosis"] = frame["dx"].map(parse_diagnosis)
    unknown = ~facts["diagnosis"].isin(HAM10000)
    if unknown.any():
        raise DataError(f"{path.name} has unknown diagnoses in {int(unknown.sum())} of {len(frame)} rows: "
                        f"{counted(frame['dx'][unknown])}.",
                        f"HAM10000 has {', '.join(code.lower() for code in HAM10000)}.")
    return assemble(pd.DataFrame(facts), files, "ham10000")
