"""Charts of what is in a data set."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from app.figures.style import CODES, MARGIN, NOT_RECORDED, PALE, SEXES, axis_colour, axis_name, styled
from app.foreign_text import chart_text


def diagnosis_bars(counts: pd.DataFrame, height: int = 340) -> go.Figure:
    """Images by diagnosis in the diagnosis colours, those without a file paler, with their number of lesions."""
    rows = counts.iloc[::-1]
    names, colours = [axis_name(c) for c in rows["code"]], [axis_colour(c) for c in rows["code"]]
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
    styled(
        figure,
        height,
        margin=MARGIN,
        bargap=0.3,
        barmode="stack",
        showlegend=False,
        xaxis={"title": None, "range": [0, 1.7 * max(1, rows["images"].max())], "tickformat": ","},
        yaxis={"title": None},
    )
    return figure


def age_histogram(table: pd.DataFrame, height: int = 320) -> go.Figure:
    """Images by age in steps of five years, a bar per sex."""
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
            if ((sex := rows["sex"].fillna(NOT_RECORDED)) == value).any()
        ]
    )
    styled(
        figure,
        height,
        margin=MARGIN,
        bargap=0.25,
        barmode="group",
        xaxis={"title": "age, years", "dtick": 10},
        yaxis={"title": "images", "tickformat": ",", "dtick": 1 if len(rows) < 20 else None},
    )
    return figure


def share_bars(table: pd.DataFrame, column: str, names: Mapping[str, tuple[str, str]], height: int = 320) -> go.Figure:
    """For each diagnosis, the shares of the values of a column: bars of 100 %, n behind the name.

    Args:
        table: A catalog's table.
        column: Its column; NA counts as not recorded.
        names: Value to name and colour, in order; other values keep their own name, in grey.
        height: Pixels.
    """
    values = table[column].fillna(NOT_RECORDED).astype(str)
    counts = pd.crosstab(table["diagnosis"].fillna(NOT_RECORDED), values)
    counts = counts.reindex([c for c in (NOT_RECORDED, *reversed(CODES)) if c in counts.index])
    totals = counts.sum(axis=1)
    axis = [f"{axis_name(str(code))}, n = {totals[code]:,}" for code in counts.index]
    present = [str(value) for value in counts]
    order = [*(v for v in names if v in present), *(v for v in present if v not in names)]
    figure = go.Figure(
        [
            go.Bar(
                x=counts[value] / totals,
                y=axis,
                orientation="h",
                name=chart_text(names.get(value, (value, ""))[0]),
                marker_color=names.get(value, ("", PALE))[1],
                customdata=counts[value],
                hovertemplate="%{y}<br>%{fullData.name}: %{x:.1%} (%{customdata:,})<extra></extra>",
            )
            for value in order
        ]
    )
    styled(
        figure,
        height,
        margin=MARGIN,
        bargap=0.3,
        barmode="stack",
        xaxis={"title": None, "tickformat": ".0%", "range": [0, 1.02]},
        yaxis={"title": None},
    )
    return figure


def site_bars(table: pd.DataFrame) -> go.Figure:
    """Images by site of the body, the most frequent first, in the diagnosis colours."""
    counts = pd.crosstab(table["site"].fillna(NOT_RECORDED), table["diagnosis"].fillna(NOT_RECORDED))
    order = counts.sum(axis=1).sort_values()
    rows = counts.loc[order.index]
    places = list(range(len(rows)))
    names = [chart_text(str(site)) for site in rows.index]
    figure = go.Figure(
        [
            go.Bar(
                x=rows[code],
                y=places,
                orientation="h",
                name=code,
                marker_color=axis_colour(code),
                customdata=names,
                hovertemplate=f"%{{customdata}}, {axis_name(code)}: %{{x:,}}<extra></extra>",
            )
            for code in (*CODES, NOT_RECORDED)
            if code in rows
        ]
    )
    styled(
        figure,
        max(220, 26 * len(rows) + 70),
        margin=MARGIN,
        bargap=0.25,
        barmode="stack",
        xaxis={"title": "images", "tickformat": ","},
        yaxis={"title": None, "tickvals": places, "ticktext": names},
    )
    return figure
