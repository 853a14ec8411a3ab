"""What the page Dataset says of a table, in numbers and sentences."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from app.figures.style import CODES, NOT_RECORDED, axis_name, percent
from lesion_core.analysis.intervals import Interval, share_interval
from lesion_core.config import ROLE_NAMES
from lesion_core.labels import diagnosis


def lesions(table: pd.DataFrame) -> pd.Series[str]:
    """The lesion of each image; an image whose lesion is not published counts as one of its own."""
    return table["lesion_id"].fillna(table["image_id"])


@dataclass(frozen=True)
class Facts:
    """A data set in numbers.

    Attributes:
        counts: A row per diagnosis, the largest first: code, images, missing, lesions.
        images: Images listed.
        lesions: Different lesions; images whose lesion is not published count as one each.
        without_lesion: Images whose lesion is not published.
        missing: Images that are listed and have no file.
        malignant: Share of malignant and premalignant images among those with a diagnosis.
    """

    counts: pd.DataFrame
    images: int
    lesions: int
    without_lesion: int
    missing: int
    malignant: Interval


def facts(table: pd.DataFrame, missing: tuple[str, ...] = ()) -> Facts:
    """Count a catalog's table.

    Args:
        table: The columns of `lesion_core.data.tables.COLUMNS`.
        missing: The ids that have no file.
    """
    rows = pd.DataFrame(
        {
            "code": table["diagnosis"].fillna(NOT_RECORDED),
            "lesion": lesions(table),
            "missing": table["image_id"].isin(missing),
        }
    )
    counts = (
        rows.groupby("code")
        .agg(images=("lesion", "size"), missing=("missing", "sum"), lesions=("lesion", "nunique"))
        .sort_values("images", ascending=False)
        .reset_index()
    )
    bad = {code for code in CODES if diagnosis(code).malignancy != "benign"}
    labelled = (rows["code"] != NOT_RECORDED).to_numpy(bool)
    malignant = share_interval(rows["code"].isin(bad).to_numpy(bool), labelled, rows["lesion"].to_numpy(str))
    return Facts(
        counts, len(table), rows["lesion"].nunique(), int(table["lesion_id"].isna().sum()), len(missing), malignant
    )


def missing_people(table: pd.DataFrame) -> str:
    """One sentence on who is in a data set and who is not."""
    age, said = table["age"].dropna(), []
    if len(age):
        young = float((age < 20).mean())
        said.append(f"{percent(young) if young else 'none'} of the images with an age are of people under 20")
    else:
        said.append("no age is recorded")
    sex = table["sex"].dropna()
    if len(sex):
        said.append(f"{percent((sex == 'female').mean())} of those with a sex are of women")
    else:
        said.append("no sex is recorded")
    return f"{said[0][0].upper()}{said[0][1:]}, {said[1]}; the colour of the skin is recorded for nobody."


def headline(table: pd.DataFrame, found: Facts) -> str:
    """The answer of the page: how much, of what, and who is missing."""
    known = found.counts[found.counts["code"] != NOT_RECORDED]
    total = int(known["images"].sum())
    if not total:
        return f"**{found.images:,} images** without a diagnosis. {missing_people(table)}"
    most, least = known.iloc[0], known.iloc[-1]
    if most["images"] == least["images"]:
        balance = f"each of {len(known)} diagnoses has {most['images']:,}"
    else:
        balance = (
            f"**{percent(most['images'] / total)}** show {_plain(most['code'])}, "
            f"{percent(least['images'] / total)} {_plain(least['code'])}"
        )
    return f"**{found.images:,} images** of {found.lesions:,} lesions: {balance}. {missing_people(table)}"


def _plain(code: str) -> str:
    return diagnosis(str(code)).name


def roles_table(table: pd.DataFrame, predictions: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """The images of a data set that a run knows, by the run's diagnosis and role; empty where it knows none.

    Args:
        table: A catalog's table.
        predictions: `Run.predictions`.
        classes: The run's classes.
    """
    known = predictions[predictions["image_id"].isin(table["image_id"])]
    if known.empty:
        return pd.DataFrame()
    counts = pd.crosstab(known["label"], known["split"])
    counts = counts.reindex(columns=[role for role in ROLE_NAMES if role in counts])
    counts = counts.reindex([code for code in classes if code in counts.index])
    counts = counts.rename(columns=ROLE_NAMES)
    counts["together"] = counts.sum(axis=1)
    counts.loc["together"] = counts.sum()
    counts.insert(0, "diagnosis", [c if c == "together" else axis_name(str(c)) for c in counts.index])
    return counts.reset_index(drop=True)
