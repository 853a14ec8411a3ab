"""Balanced errors under changes, and in the unit of AlexNet's published ones: what can be compared, and what cannot."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app.cache import robustness as measured
from app.cache.drawn import drawn_once
from app.foreign_text import literal
from app.robustness.sides import name_of
from lesion_core.analysis.robustness.references import REFERENCES, WEAK, benchmarks
from lesion_core.analysis.robustness.severities import Comparison
from lesion_core.foreign_text import for_people, visible
from lesion_core.labels import BINARY
from lesion_core.ood.policy import Policy
from lesion_core.runs.classifier import Run

MARK = "†"
"""Of a relative error over a small loss."""
NOTHING = ""
"""Where nothing was published."""
SUMMARY = {
    "mean_error": "mean balanced error",
    "mean_more": "mean rise",
    "mbe": "mBE",
    "median_be": "median BE",
    "mean_rbe": "mean rBE",
    "median_rbe": "median rBE",
}
"""Keys of `Comparison.summary`, and the head of their column."""
COMPARABLE = """
- **Comparable:** runs on this page with each other, image for image.
- **Not comparable:** a run with a published table. AlexNet saw other images, at another size, in other classes; and
  SAM-C does not publish its steps, so those of MedMNIST-C stand in for them.
- **Left empty:** what nobody published: hair, ruler, ink, gel, glare, white balance and focus. Nothing is borrowed.
"""
CONDITIONS = """
| | classes | image, px | the network's size, px | error | unit |
|---|---|---|---|---|---|
| SAM-C | 2 | 1000 x 667 | 448, squashed | balanced, threshold 0.5 | image |
| DermaMNIST-C | 7 | 224 | 224 | balanced, top answer | image |
| this page | 8, 7 or 2 | as published | the run's, cropped | balanced, top answer | lesion |
"""


@drawn_once("Measuring, with intervals …")
def draw(asked: tuple[tuple[Run, int, Policy | None], ...], view: str) -> None:
    """The table of the first run, a row per change; the means of all runs; what is comparable.

    Args:
        asked: Runs, when their files were written, and their policies, which do not matter here.
        view: A key of `VIEWS`.
    """
    run, changed, _ = asked[0]
    found = next(iter(measured.answers(run, changed, view, None).values()))
    names = benchmarks(found.classes == BINARY)
    own = {name: compared for name in names if (compared := measured.against(run, changed, view, name)) is not None}
    if not own:
        st.caption("No change was asked about in all five severities, which the published errors are means over.")
        return
    st.dataframe(
        for_people(by_change(own)),
        hide_index=True,
        height="content",
        alt=f"Balanced error, its rise, BE and rBE of {visible(run.name)} under each change",
    )
    some = next(iter(own.values()))
    st.caption(
        f"{literal(run.name)}: means over five severities, n = {some.n_images:,} images of {some.n_groups:,} lesions, "
        f"the same under every change. In brackets the 95 % confidence interval over lesions. {MARK} AlexNet loses "
        f"less than {WEAK} here: a lesion more or less moves this rBE by twenty times its weight. Empty: no error of "
        "AlexNet was published; none: AlexNet loses nothing."
    )
    left, right = st.columns(2, gap="large")
    with left:
        for name in names:
            table = means(asked, view, name)
            if table.empty:
                continue
            reference = REFERENCES[name]
            st.markdown(f"**{reference.name}**: {len(own[name].compared)} of its {len(reference.errors)} changes")
            st.dataframe(
                for_people(table), hide_index=True, alt=f"Means over the changes of {reference.name}, a column per run"
            )
        st.caption(
            "Means over the changes that AlexNet's error was published of. A change or two can decide the mean rBE, so "
            "its median stands beside it; no run is better than another by its mean rBE alone."
        )
    with right:
        st.markdown(COMPARABLE)
    st.markdown(CONDITIONS)


def by_change(own: dict[str, Comparison]) -> pd.DataFrame:
    """A row per change: balanced error, its rise, BE and rBE over the first benchmark that has it."""
    rows = []
    tables = {name: found.table.set_index(["change", "metric"]) for name, found in own.items()}
    first = next(iter(tables.values()))
    for change in dict.fromkeys(first.index.get_level_values("change")):
        over = next((name for name, found in own.items() if change in found.compared), None)
        be, rbe = NOTHING, NOTHING
        if over is not None:
            one = tables[over].loc[(change, "rbe")]
            be = with_interval(tables[over].loc[(change, "be")], 2)
            rbe = with_interval(one, 2) + (f" {MARK}" if one["weak"] and np.isfinite(one["value"]) else "")
        rows.append(
            {
                "change": name_of(change),
                "balanced error": with_interval(first.loc[(change, "error")]),
                "rise": with_interval(first.loc[(change, "more")]),
                "BE": be,
                "rBE": rbe,
            }
        )
    return pd.DataFrame(rows)


def means(asked: tuple[tuple[Run, int, Policy | None], ...], view: str, benchmark: str) -> pd.DataFrame:
    """A column per run: the means and medians of `SUMMARY`; runs without a change of the benchmark are left out, and
    others say over how many their means are, which can be compared only where these are the same."""
    columns = {}
    for run, changed, _ in asked:
        found = measured.against(run, changed, view, benchmark) if measured.answers(run, changed, view, None) else None
        if found is None or not found.compared:
            continue
        told = {str(row["metric"]): with_interval(row, 2) for _, row in found.summary.iterrows()}
        columns[run.name] = {"changes": f"{len(found.compared)}", **{head: told[key] for key, head in SUMMARY.items()}}
    return pd.DataFrame(columns).rename_axis("over the changes").reset_index() if columns else pd.DataFrame()


def with_interval(row: pd.Series, digits: int = 3) -> str:
    """A figure and its interval, with a true minus: a spreadsheet would compute a cell that begins with the key."""
    if not np.isfinite(row["value"]):
        return "none"
    value, low, high = (f"{row[end]:z.{digits}f}".replace("-", "\N{MINUS SIGN}") for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
