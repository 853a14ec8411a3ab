"""Does a map know? Whether any number of a map tells right answers from wrong ones, beside the confidence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.cache import explanation as explanations
from app.cache import map_numbers as cached
from app.cache import runs as cached_runs
from app.cache.drawn import drawn_once
from app.components import badges, choose, how_to_read
from app.figures.map_numbers import Dot, auroc_dots, in_words
from app.robustness import ten_maps
from lesion_core.analysis.map_numbers import CONFIDENCE, MAP_NUMBERS, Called
from lesion_core.explain.methods import METHODS
from lesion_core.foreign_text import for_people
from lesion_core.labels import diagnosis
from lesion_core.runs.classifier import Run

VIEWS = {
    "numbers": "Its numbers",
    "called": "Called the same",
    "all": "All models",
    "ten": "Ten maps to guess by",
}
SIZE = {
    "inside": "Energy inside the lesion",
    "size": "The lesion's size, without a map",
    "size_fitted": "Size, fitted on other lesions",
    "both_fitted": "Size and map, fitted on other lesions",
}
"""What stands beside each other among images that get one answer."""


def draw(run: Run) -> None:
    """The tab."""
    methods, changed = explanations.methods_of(run), explanations.measured_at(run)
    if not methods:
        st.caption("The maps of this run were not measured yet. This command measures them, with the data for DATA:")
        st.code(command(run), language=None)
        return
    left, right = st.columns([2, 5], vertical_alignment="bottom")
    with left:
        method = choose("Maps by", {key: METHODS[key].name for key in METHODS if key in methods}, state.MAP_METHOD)
    with right:
        view = choose("Show", VIEWS, state.MAP_VIEW, buttons=True)
    if view == "numbers":
        draw_numbers(run, changed, method)
    elif view == "called":
        draw_called(run, changed, method)
    elif view == "all":
        draw_all(tuple((one, at) for one in cached_runs.runs()[0] if (at := explanations.measured_at(one))))
    else:
        ten_maps.draw(run, changed, method)
    how_to_read(
        "An AUROC is how often, of a right and a wrong answer drawn at random, the right one has the higher number: 1 "
        "is always, 0.5 as often as a coin. In brackets: 95 % confidence interval (bootstrap over lesions).",
        "A map answers *which parts of the image speak for this answer*. Nothing in that says that the answer is "
        "right: a wrong answer has its reasons too, and they lie on the lesion as well.",
        "The figures are of this run's test images with a lesion mask, with the model's own answer to each. Many "
        "numbers were looked at, so one that is just beside 0.5 may be there by chance.",
    )


def command(run: Run) -> str:
    """What measures a run's maps."""
    return f"python -m lesion_core explain checkpoints/{run.name} --data DATA --method gradcam --method gradcam_pp"


@drawn_once("Measuring, with intervals …")
def draw_numbers(run: Run, changed: int, method: str) -> None:
    """Every number of one method's maps, beside the confidence.

    Args:
        run: The run.
        changed: When it was measured.
        method: A key of `METHODS` that was measured.
    """
    found = cached.signals(run, changed, method)
    if not any(np.isfinite(row["value"]) for row in found.values()):
        st.caption("All answers to these images are right, or none is: there is nothing to tell apart.")
        return
    st.markdown(answer(found, METHODS[method].name))
    dots = [
        Dot(
            "The shown confidence" if key == CONFIDENCE else MAP_NUMBERS[key].name,
            row["value"],
            row["low"],
            row["high"],
            int(row["n"]),
            key == CONFIDENCE,
        )
        for key, row in found.items()
    ]
    st.plotly_chart(
        auroc_dots(dots),
        config={"displayModeBar": False},
        alt="; ".join(f"{dot.name}: AUROC {dot.words}" for dot in dots),
    )
    st.caption("A dot right of the line tells right answers from wrong ones; on the line, as well as a coin.")
    with st.expander("What each number is"):
        known = [entry for key, entry in MAP_NUMBERS.items() if key in found]
        st.markdown("\n".join(f"- **{entry.name}.** {entry.description}" for entry in known))
    missing = [entry.name.lower() for key, entry in MAP_NUMBERS.items() if key not in found]
    if missing:
        st.caption(f"Not measured for this run yet: {', '.join(missing)}. This command measures it:")
        st.code(command(run), language=None)
    own = found[CONFIDENCE]
    fewer: dict[int, list[str]] = {}
    for key, row in found.items():
        if row["n"] < own["n"]:
            fewer.setdefault(int(row["n"]), []).append(MAP_NUMBERS[key].name.lower())
    badges(
        ("real dermoscopy", "blue"),
        ("test set, with a mask", "green"),
        (f"n = {own['n']:,} images, {own['lesions']:,} lesions", "gray"),
        (f"{own['right']:,} answers right, {own['n'] - own['right']:,} wrong", "gray"),
        *((f"of {n:,} images: {', '.join(names)}", "gray") for n, names in fewer.items()),
    )


def answer(found: cached.Signals, method: str) -> str:
    """Whether the energy inside the lesion tells right from wrong, in two sentences.

    Args:
        found: Of each number.
        method: Name of the method.
    """
    inside, shown = found["inside"], found[CONFIDENCE]
    if not inside["low"] <= 0.5 <= inside["high"]:
        said = (
            "**tells something** of whether the answer is right"
            if inside["low"] > 0.5
            else "**points the wrong way**: it is more often on the lesion where the answer is wrong"
        )
    else:
        said = "**tells no more than a coin** whether the answer is right"
    return (
        f"Whether the evidence by {method} lies on the lesion {said}. AUROC "
        f"{in_words(inside['value'], inside['low'], inside['high'])}; of the shown confidence "
        f"{in_words(shown['value'], shown['low'], shown['high'])}."
    )


def draw_called(run: Run, changed: int, method: str) -> None:
    """What an objection finds: among images that get one answer the map may tell, and so may the lesion's size."""
    own = cached.rows(run, method)
    counts = own["answer"].value_counts()
    titles = {
        str(code): f"{diagnosis(str(code)).name} ({code}), n = {counts[code]:,}"
        for code in ("MEL", *counts.index.drop("MEL", errors="ignore"))
        if code in counts.index
    }
    left, _ = st.columns([2, 5])
    with left:
        code = choose("Images that are called", titles, state.CALLED)
    draw_called_one(run, changed, method, code)


@drawn_once("Measuring, with intervals …")
def draw_called_one(run: Run, changed: int, method: str, code: str) -> None:
    """The energy inside the lesion and the lesion's size among images that get one answer.

    Args:
        run: The run.
        changed: When it was measured.
        method: A key of `METHODS` that was measured.
        code: The answer.
    """
    found = cached.called(run, changed, method, code)
    if found is None:
        st.caption("All of these answers are right, or none is: there is nothing to tell apart.")
        return
    st.markdown(beside_size(found))
    dots = [
        Dot(SIZE[key], one.value, one.low, one.high, one.n_images, key.startswith("size"))
        for key, one in found.areas.items()
    ]
    st.plotly_chart(
        auroc_dots(dots),
        config={"displayModeBar": False},
        alt="; ".join(f"{dot.name}: AUROC {dot.words}" for dot in dots),
    )
    st.caption(
        "Diamonds need no map. *Fitted on other lesions*: a logistic regression on nine tenths of these lesions, asked "
        "about the tenth, ten times."
        if found.gain
        else "Diamonds need no map. There are too few lesions here to fit size and map together."
    )
    badges(
        ("real dermoscopy", "blue"),
        ("test set, with a mask", "green"),
        (f"n = {found.n_images:,} images, {found.n_groups:,} lesions", "gray"),
        (f"{found.right:,} answers right, {found.n_images - found.right:,} wrong", "gray"),
    )


def beside_size(found: Called) -> str:
    """Whether the map says more than the lesion's size, in words."""
    inside, size = found.areas["inside"], found.areas["size"]
    name = f"the {found.n_images:,} images called {diagnosis(found.answer).name}"
    if not inside.low > 0.5:
        wrong_way = inside.high < 0.5
        return (
            f"Among {name} the energy inside the lesion "
            + ("points **the wrong way**" if wrong_way else "is **a coin**")
            + f": AUROC {in_words(inside.value, inside.low, inside.high)}."
        )
    said = (
        f"Among {name} the energy inside the lesion **does tell something**: AUROC "
        f"{in_words(inside.value, inside.low, inside.high)}."
    )
    if size.low > 0.5:
        said += (
            f" But so does **the lesion's size, without any map**: {in_words(size.value, size.low, size.high)}. A "
            "larger lesion catches more of any map."
        )
    if found.gain is None:
        return said
    gain = f"{found.gain.value:+.3f} ({found.gain.low:+.3f} to {found.gain.high:+.3f})"
    if found.gain.low > 0:
        return f"{said} The map **adds to the size**: AUROC {gain}."
    return f"{said} To the size the map **adds nothing**: AUROC {gain}."


@drawn_once("Measuring, with intervals …")
def draw_all(measured: tuple[tuple[Run, int], ...]) -> None:
    """Every model and method that was measured: the runs, and when each was."""
    rows = []
    for run, changed in measured:
        there = explanations.methods_of(run)
        for method in (key for key in METHODS if key in there):
            found = cached.signals(run, changed, method)
            if not found:
                continue
            n = found[CONFIDENCE]["n"]
            told = {
                key: in_words(row["value"], row["low"], row["high"]) + (f", n {row['n']:,}" if row["n"] < n else "")
                for key, row in found.items()
            }
            rows.append(
                {
                    "model": run.name,
                    "method": METHODS[method].name,
                    "n (lesions)": f"{n:,} ({found[CONFIDENCE]['lesions']:,})",
                    "shown confidence": told[CONFIDENCE],
                }
                | {entry.name.lower(): told[key] for key, entry in MAP_NUMBERS.items() if key in told}
            )
    st.markdown("The AUROC for a right answer of every number that was measured, beside the shown confidence's.")
    table = pd.DataFrame(rows).fillna("not measured")
    st.dataframe(for_people(table), hide_index=True, alt="AUROC for a right answer by model, method and number")
    if len({row["n (lesions)"] for row in rows}) > 1:
        st.caption(
            "Where there are fewer images they are a sample: the first of the test images in an order that is drawn "
            "with seed 0, one per lesion as long as there are other lesions."
        )
