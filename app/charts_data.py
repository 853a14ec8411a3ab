"""What the pages of data and preprocessing count and draw: pure functions from tables to tables and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from lesion_core.analysis.intervals import Interval, share_interval
from lesion_core.imaging.preprocess import Preprocessed, Step
from lesion_core.labels import AKIEC, DIAGNOSES, diagnosis

Pixels = NDArray[np.uint8]

UNKNOWN = "unknown"
INK, ACCENT, PALE, NOTHING = "#1C2B2D", "#0B6E75", "#A9C6C4", "#D9DFDD"
SEXES = {"female": ACCENT, "male": PALE, UNKNOWN: NOTHING}
CONFIRMATIONS: dict[str, tuple[str, str]] = {
    "histo": ("histopathology", "#0B6E75"),
    "confocal": ("confocal microscopy", "#4C9296"),
    "follow_up": ("follow-up without change", "#8AB6B6"),
    "consensus": ("consensus of experts", "#C2D8D6"),
    "clinical": ("one clinician", "#E8D9B5"),
    "synthetic": ("made by code", "#B9A3D0"),
    UNKNOWN: (UNKNOWN, NOTHING),
}
"""How a diagnosis was confirmed: name and colour, the surest first."""
STEP_NAMES: dict[str, str] = {
    "reduce": "Reduction",
    "dark_corner": "Dark corners",
    "hair": "Hair removal",
    "color": "Colour constancy",
    "clahe": "Local contrast",
    "detail": "Equal detail",
    "resize": "Resize",
}
_CODES = (*DIAGNOSES, AKIEC.code)
_MARGIN = {"l": 0, "r": 8, "t": 8, "b": 8}
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": None, "traceorder": "normal"}


def codes(table: pd.DataFrame) -> list[str]:
    """The diagnoses of a catalog's table, in the order of `labels`."""
    return [code for code in _CODES if (table["diagnosis"] == code).any()]


def name_of(code: str) -> str:
    """A diagnosis as it is written at an axis."""
    return (
        "without diagnosis"
        if code == UNKNOWN
        else f"{diagnosis(code).name} ({code})"
        if code != "AKIEC"
        else "actinic k. or squamous cell c. (AKIEC)"
    )


def _colour(code: str) -> str:
    return NOTHING if code == UNKNOWN else diagnosis(code).colour


def lesions(table: pd.DataFrame) -> pd.Series[str]:
    """The lesion of each image; an image whose lesion is not published counts as one of its own."""
    return table["lesion_id"].fillna(table["image_id"])


# A data set ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """A data set in numbers.

    Attributes:
        counts: A row a diagnosis, the largest first: code, images, missing, lesions.
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
            "code": table["diagnosis"].fillna(UNKNOWN),
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
    bad = {code for code in _CODES if diagnosis(code).malignancy != "benign"}
    labelled = (rows["code"] != UNKNOWN).to_numpy(bool)
    malignant = share_interval(rows["code"].isin(bad).to_numpy(bool), labelled, rows["lesion"].to_numpy(str))
    return Facts(
        counts, len(table), rows["lesion"].nunique(), int(table["lesion_id"].isna().sum()), len(missing), malignant
    )


def missing_people(table: pd.DataFrame) -> str:
    """One sentence on who is in a data set and who is not."""
    age, said = table["age"].dropna(), []
    if len(age):
        young = float((age < 20).mean())
        said.append(f"{_percent(young) if young else 'none'} of the images with an age are of people under 20")
    else:
        said.append("no age is recorded")
    sex = table["sex"].dropna()
    if len(sex):
        said.append(f"{_percent((sex == 'female').mean())} of those with a sex are of women")
    else:
        said.append("no sex is recorded")
    return f"{said[0][0].upper()}{said[0][1:]}, {said[1]}; the colour of the skin is recorded for nobody."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def headline(table: pd.DataFrame, found: Facts) -> str:
    """The answer of the page: how much, of what, and who is missing."""
    known = found.counts[found.counts["code"] != UNKNOWN]
    total = int(known["images"].sum())
    if not total:
        return f"**{found.images:,} images** without a diagnosis. {missing_people(table)}"
    most, least = known.iloc[0], known.iloc[-1]
    if most["images"] == least["images"]:
        balance = f"each of {len(known)} diagnoses has {most['images']:,}"
    else:
        balance = (
            f"**{_percent(most['images'] / total)}** show {_plain(most['code'])}, "
            f"{_percent(least['images'] / total)} {_plain(least['code'])}"
        )
    return f"**{found.images:,} images** of {found.lesions:,} lesions: {balance}. {missing_people(table)}"


def _plain(code: str) -> str:
    return diagnosis(str(code)).name


def diagnosis_bars(counts: pd.DataFrame, height: int = 340) -> go.Figure:
    """Images by diagnosis in the diagnosis colours, those without a file paler, with their number of lesions."""
    rows = counts.iloc[::-1]
    names, colours = [name_of(c) for c in rows["code"]], [_colour(c) for c in rows["code"]]
    present = rows["images"] - rows["missing"]
    text = [f"{i:,} images, {n:,} lesions" for i, n in zip(rows["images"], rows["lesions"], strict=True)]
    some_missing = bool(rows["missing"].any())
    here = go.Bar(
        x=present,
        y=names,
        orientation="h",
        marker_color=colours,
        name="with file",
        text=None if some_missing else text,
        hovertemplate="%{y}: %{x:,} with file<extra></extra>",
    )
    bars = [here]
    if some_missing:
        bars.append(
            go.Bar(
                x=rows["missing"],
                y=names,
                orientation="h",
                marker_color=colours,
                marker_opacity=0.3,
                name="file missing",
                text=text,
                hovertemplate="%{y}: %{x:,} listed, file missing<extra></extra>",
            )
        )
    figure = go.Figure(bars)
    figure.data[-1].update(textposition="outside", cliponaxis=False)
    figure.update_layout(
        height=height,
        margin=_MARGIN,
        bargap=0.3,
        barmode="stack",
        showlegend=False,
        xaxis={"title": None, "range": [0, 1.45 * max(1, rows["images"].max())], "tickformat": ","},
        yaxis={"title": None},
    )
    return figure


def age_histogram(table: pd.DataFrame, height: int = 320) -> go.Figure:
    """Images by age in steps of five years, a bar a sex."""
    rows = table[table["age"].notna()]
    bins = (rows["age"] // 5 * 5).astype(int)
    ages = list(range(0, max(90, int(bins.max()) + 5 if len(bins) else 90), 5))
    figure = go.Figure(
        [
            go.Bar(
                x=ages,
                y=bins[sex == value].value_counts().reindex(ages, fill_value=0),
                name=value,
                marker_color=colour,
                hovertemplate=f"%{{x}} to under %{{customdata}} years, {value}: %{{y:,}}<extra></extra>",
                customdata=[age + 5 for age in ages],
            )
            for value, colour in SEXES.items()
            if ((sex := rows["sex"].fillna(UNKNOWN)) == value).any()
        ]
    )
    figure.update_layout(
        height=height,
        margin=_MARGIN,
        bargap=0.25,
        legend=_LEGEND,
        barmode="group",
        xaxis={"title": "age, years", "dtick": 10},
        yaxis={"title": "images", "tickformat": ",", "dtick": 1 if len(rows) < 20 else None},
    )
    return figure


def share_bars(table: pd.DataFrame, column: str, names: Mapping[str, tuple[str, str]], height: int = 320) -> go.Figure:
    """For each diagnosis, the shares of the values of a column: bars of 100 %, n behind the name.

    Args:
        table: A catalog's table.
        column: Its column; NA counts as unknown.
        names: Value to name and colour, in order; other values keep their own name, in grey.
        height: Pixels.
    """
    values = table[column].fillna(UNKNOWN).astype(str)
    counts = pd.crosstab(table["diagnosis"].fillna(UNKNOWN), values)
    counts = counts.reindex([c for c in (UNKNOWN, *reversed(_CODES)) if c in counts.index])
    totals = counts.sum(axis=1)
    axis = [f"{name_of(str(code))}, n = {totals[code]:,}" for code in counts.index]
    present = [str(value) for value in counts]
    order = [*(v for v in names if v in present), *(v for v in present if v not in names)]
    figure = go.Figure(
        [
            go.Bar(
                x=counts[value] / totals,
                y=axis,
                orientation="h",
                name=names.get(value, (value, ""))[0],
                marker_color=names.get(value, ("", "#8A9496"))[1],
                customdata=counts[value],
                hovertemplate="%{y}<br>%{fullData.name}: %{x:.1%} (%{customdata:,})<extra></extra>",
            )
            for value in order
        ]
    )
    figure.update_layout(
        height=height,
        margin=_MARGIN,
        bargap=0.3,
        barmode="stack",
        legend=_LEGEND,
        xaxis={"title": None, "tickformat": ".0%", "range": [0, 1.02]},
        yaxis={"title": None},
    )
    return figure


def site_bars(table: pd.DataFrame) -> go.Figure:
    """Images by site of the body, the most frequent first, in the diagnosis colours."""
    counts = pd.crosstab(table["site"].fillna(UNKNOWN), table["diagnosis"].fillna(UNKNOWN))
    order = counts.sum(axis=1).sort_values()
    rows = counts.loc[order.index]
    figure = go.Figure(
        [
            go.Bar(
                x=rows[code],
                y=list(rows.index),
                orientation="h",
                name=code,
                marker_color=_colour(code),
                hovertemplate=f"%{{y}}, {name_of(code)}: %{{x:,}}<extra></extra>",
            )
            for code in (*_CODES, UNKNOWN)
            if code in rows
        ]
    )
    figure.update_layout(
        height=max(220, 26 * len(rows) + 70),
        margin=_MARGIN,
        bargap=0.25,
        barmode="stack",
        legend=_LEGEND,
        xaxis={"title": "images", "tickformat": ","},
        yaxis={"title": None},
    )
    return figure


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
    counts = counts.reindex(columns=[r for r in ("train", "select", "calibrate", "test") if r in counts])
    counts = counts.reindex([code for code in classes if code in counts.index])
    counts["together"] = counts.sum(axis=1)
    counts.loc["together"] = counts.sum()
    counts.insert(0, "diagnosis", [c if c == "together" else name_of(str(c)) for c in counts.index])
    return counts.reset_index(drop=True)


# Preprocessing -------------------------------------------------------------------------------------------------


def step_table(original: Pixels, result: Preprocessed) -> pd.DataFrame:
    """A row a step: step, milliseconds, changed (mean difference in grey levels from the step before; NaN where the
    step changes the frame), size, found (a sentence)."""
    rows, before = [], original
    for step in result.steps:
        same = step.image.shape == before.shape
        change = float(np.abs(step.image.astype(np.int16) - before).mean()) if same else float("nan")
        height, width = step.image.shape[:2]
        rows.append(
            {
                "step": STEP_NAMES[step.name],
                "milliseconds": step.milliseconds,
                "changed": change,
                "size": f"{width} x {height}",
                "found": _found(step.name, step, before),
            }
        )
        before = step.image
    return pd.DataFrame(rows)


def _found(name: str, step: Step, before: Pixels) -> str:
    mask, gains, box = step.mask, step.gains, step.box
    if mask is not None:
        return f"hair on {_percent(mask.mean())} of the picture" if mask.any() else "no hair"
    if gains is not None:
        return "red × {:.2f}, green × {:.2f}, blue × {:.2f}".format(*gains)
    if box is not None:
        height, width = before.shape[:2]
        area = (min(box[2], width) - max(box[0], 0)) * (min(box[3], height) - max(box[1], 0)) / (width * height)
        if name == "dark_corner" and area > 0.999:
            return "no dark corners"
        return f"keeps {_percent(area)} of the area"
    if name == "detail":
        was, now = (min(image.shape[:2]) for image in (before, step.image))
        return f"short side {was} to {now} px, compressed" if now < was else "compressed"
    return ""


def rgb_histograms(before: Pixels, after: Pixels, height: int = 260) -> go.Figure:
    """The share of pixels at each level of red, green and blue: grey before, coloured after."""
    figure = make_subplots(1, 3, subplot_titles=("Red", "Green", "Blue"), shared_yaxes=True, horizontal_spacing=0.03)
    levels = np.arange(0, 256, 4)
    for c, colour in enumerate(("#B5442C", "#1E7B4F", "#2B62A8")):
        shares = [np.bincount(p[..., c].ravel() // 4, minlength=64) / p[..., c].size for p in (before, after)]
        figure.add_trace(
            go.Scatter(
                x=levels,
                y=shares[0],
                name="original",
                line={"color": "#9AA5A6", "width": 1},
                fill="tozeroy",
                fillcolor="rgba(154,165,166,0.35)",
                showlegend=c == 0,
                hovertemplate="%{x}: %{y:.1%} before<extra></extra>",
            ),
            1,
            c + 1,
        )
        figure.add_trace(
            go.Scatter(
                x=levels,
                y=shares[1],
                name="processed",
                line={"color": colour, "width": 2.5},
                showlegend=c == 0,
                hovertemplate="%{x}: %{y:.1%} after<extra></extra>",
            ),
            1,
            c + 1,
        )
    figure.update_layout(
        height=height, margin={**_MARGIN, "t": 30}, legend={"orientation": "h", "y": -0.15, "title": None}
    )
    figure.update_yaxes(tickformat=".0%", title=None)
    figure.update_xaxes(range=[0, 255], dtick=64, title=None)
    return figure


def change_of_answer(before: pd.Series[float], after: pd.Series[float], top: int = 5, height: int = 260) -> go.Figure:
    """The most probable diagnoses: an open circle for the picture as it is, a full one after the steps.

    Args:
        before: Probability by code.
        after: The same codes.
        top: How many diagnoses, by the larger of the two.
        height: Pixels.
    """
    chosen = pd.concat([before, after], axis=1).max(axis=1).nlargest(top).index[::-1]
    figure = go.Figure()
    for code in chosen:
        entry, x = diagnosis(str(code)), [before[code], after[code]]
        figure.add_trace(
            go.Scatter(
                x=x,
                y=[name_of(entry.code)] * 2,
                mode="lines+markers",
                line={"color": entry.colour, "width": 3},
                marker={"size": 15, "color": ["#FFFFFF", entry.colour], "line": {"color": entry.colour, "width": 3}},
                customdata=["as it is", "after the steps"],
                showlegend=False,
                hovertemplate="%{y}, %{customdata}: %{x:.1%}<extra></extra>",
            )
        )
    figure.update_layout(
        height=height,
        margin={**_MARGIN, "r": 20},
        xaxis={"range": [-0.02, 1.02], "tickformat": ".0%", "title": None},
        yaxis={"title": None},
    )
    return figure
