"""Figures of the lesson on shortcuts: what a map can tell, and how small slices mislead."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from app.cache import lessons as measured
from app.cache import results as cached_results
from app.figures import lessons as charts
from app.figures.style import name_of
from app.lessons.figures.calibration import NoArguments, of_a_coin, own_series, row
from app.lessons.given import Given
from app.lessons.shown import FEWEST, Number, Shown, figure_number, points, share, share_number, signed
from lesion_core.analysis.intervals import Interval, clopper_pearson
from lesion_core.analysis.map_numbers import CONFIDENCE, MAP_NUMBERS
from lesion_core.analysis.predictions import most_probable
from lesion_core.analysis.slices import random_slices
from lesion_core.config import Settings
from lesion_core.data.artefact_labels import TABLE
from lesion_core.imaging.corruptions import CORRUPTIONS
from lesion_core.runs.classifier import Run

ORDINARY = "This is the ordinary network, which nobody taught to look at rulers."


class Slices(Settings):
    """How many cases a slice has, and of which diagnosis."""

    size: Annotated[int, Field(ge=2, le=500)] = 20
    diagnosis: str = "MEL"


class Diagnosis(Settings):
    """A diagnosis."""

    diagnosis: str = "MEL"


class Groups(Settings):
    """What images are grouped by: artefacts that people labelled where they are here, else facts in the run's table."""

    by: Literal["artefact", "site", "age", "sex"] = "artefact"
    diagnosis: str = "MEL"


def series_of_maps(run: Run, _arguments: NoArguments, given: Given) -> Shown:
    """How well the visitor told right answers from wrong ones by the map, beside how well maps tell at all."""
    found = measured.maps_tell(run)
    names = {**{key: entry.name for key, entry in MAP_NUMBERS.items()}, CONFIDENCE: "The confidence, without a map"}
    order = [key for key in names if key in found]
    return own_series(
        given,
        "by the map alone",
        [(names[key], found[key]) for key in order],
        f"{of_a_coin('The share of a map that lies on the lesion', found['inside'])} The confidence, without any map: "
        f"**{found[CONFIDENCE].value:.3f}**.",
    )


def maps_when_called(run: Run, arguments: Diagnosis, _given: Given) -> Shown:
    """What the map tells among images with one answer, beside what the lesion's size tells without it."""
    name = name_of(arguments.diagnosis)
    found = measured.maps_when_called(run, arguments.diagnosis)
    if found is None:
        return Shown(f"All images called {name} are right, or none is: nothing can be told apart.")
    inside, size, gain = found.areas["inside"], found.areas["size"], found.gain
    titles = {
        "inside": "energy inside the lesion",
        "size": "the lesion's size alone, without a map",
        "size_fitted": "fitted on other lesions: the size",
        "both_fitted": "fitted on other lesions: size and map",
    }
    more = "" if gain is None else f" With both, the map adds **{signed(gain.value, 3)}** to the size."
    numbers = [figure_number("Energy inside", inside), figure_number("The lesion's size", size)]
    if gain is not None:
        numbers.append(figure_number("What the map adds to the size", gain, sign=True))
    return Shown(
        f"Among the {found.n_images:,} images called {name} the map has an AUROC of **{inside.value:.3f}**, and the "
        f"size alone, without a map, **{size.value:.3f}**.{more}",
        tuple(numbers),
        charts.intervals(
            [_auroc(titles[key], one, key != "inside") for key, one in found.areas.items() if key in titles],
            "AUROC for “the answer is right”",
            (0.3, 1.0),
            per_cent=False,
            reference=charts.Guess(0.5, "tossing a coin"),
        ),
        "Further right tells right from wrong better. Bars are 95 % confidence intervals over lesions.",
        f"AUROC among images called {name}, of the map and of the lesion's size.",
    )


def _auroc(name: str, found: Interval, pale: bool) -> charts.Row:
    return charts.Row(name, (found.value, found.low, found.high), f"{found.value:.3f}, n {found.n_images:,}", pale)


def drawn_changes(run: Run, arguments: Diagnosis, given: Given) -> Shown:
    """How many answers stay the same when code draws something over a test image."""
    found = {
        kind: change
        for kind, change in measured.changed(run, arguments.diagnosis).items()
        if kind not in CORRUPTIONS or not CORRUPTIONS[kind].needs_mask  # where nothing is left there is no answer
    }
    order = sorted(found, key=lambda kind: -found[kind].same.value)
    asked = "ruler" if "ruler" in found else order[0]
    shift = found[asked].shift
    titles = {kind: kind.replace("_", " ") + (" (your choice)" if given.choice == kind else "") for kind in order}
    return Shown(
        f"A {asked.replace('_', ' ')} that code draws leaves **{share(found[asked].same)}** of the answers as they "
        f"were; {order[-1].replace('_', ' ')} leaves **{share(found[order[-1]].same)}**.",
        (
            share_number(f"Same answer with a {asked.replace('_', ' ')}", found[asked].same),
            points(
                f"It moves the probability of {name_of(arguments.diagnosis)} by",
                (shift.value, shift.low, shift.high),
                f"n {shift.n_images:,}",
            ),
        ),
        charts.intervals(
            [row(titles[kind], found[kind].same, kind != asked and kind != given.choice) for kind in order],
            "share of test images with the same answer as before",
        ),
        "A dot is the share of images whose answer stays, its bar the exact 95 % confidence interval. The same test "
        "images are drawn over each time.",
        "Share of test images with the same answer after each change that code drew.",
        (ORDINARY,),
    )


def slices_at_random(run: Run, arguments: Slices, given: Given) -> Shown:
    """Ten slices that are drawn at random and differ all the same."""
    data = cached_results.answers_of(run, "test")
    is_it = data.truth == data.classes.index(arguments.diagnosis)
    found = (most_probable(data.probabilities) == data.truth)[is_it]
    draws = random_slices(found, arguments.size)
    spread = np.ptp(draws, axis=1)
    typical = draws[int(np.abs(spread - np.median(spread)).argmin())]  # a draw as wide as half of them are
    rows = [
        row(f"slice {i}", clopper_pearson(round(value * arguments.size), arguments.size), True)
        for i, value in enumerate(np.sort(typical), start=1)
    ]
    name = name_of(arguments.diagnosis)
    guess = given.number
    return Shown(
        f"Ten slices of {arguments.size} {name} images, drawn at random from the {len(found):,} of the test set: "
        f"between the best and the worst lie **{100 * np.median(spread):.0f} points** in half of all draws, and "
        "nothing tells them apart.",
        (
            Number(
                "Best minus worst of ten, in half of all draws",
                f"{100 * np.median(spread):.0f} points",
                f"{len(draws):,} draws; {100 * np.quantile(spread, 0.95):.0f} points or more in one of twenty",
            ),
            Number("Found in all", f"{100 * found.mean():.0f} %", f"n {len(found):,} images"),
        ),
        charts.intervals(
            rows,
            f"share of the {name} images that is found",
            guess=None
            if guess is None
            else charts.Guess(float(typical.min()) + guess / 100, f"your guess: {guess:.0f} points over the worst"),
            others=[float(typical.min()) + other / 100 for other in given.others],
            reference=charts.Guess(float(found.mean()), "all of them"),
        ),
        f"A dot is a slice of {arguments.size} images, its bar the exact 95 % confidence interval.",
        f"Share found in ten slices of {arguments.size} images that were drawn at random.",
    )


def real_slices(run: Run, arguments: Groups, _given: Given) -> Shown:
    """A figure in slices that mean something: with and without an artefact, or by site, age or sex."""
    table = measured.by_artefact(run) if arguments.by == "artefact" else None
    if table is not None:
        return _artefacts(table, arguments.diagnosis)
    by = "site" if arguments.by == "artefact" else arguments.by
    found = measured.recall_by_site(run, arguments.diagnosis, by)
    name = name_of(arguments.diagnosis)
    ordered = sorted(found.items(), key=lambda pair: -pair[1].n_images)[:9]
    told = [one for _, one in ordered if one.n_images >= FEWEST]
    wide = max((one.high - one.low for one in told), default=float("nan"))
    notes = () if arguments.by != "artefact" else (_no_labels(),)
    return Shown(
        f"Each {by} has its own share, and the intervals are up to **{100 * wide:.0f} points** wide.",
        tuple(share_number(f"{group} ({by})", one) for group, one in ordered[:3]),
        charts.intervals([row(group, one) for group, one in ordered], f"share of the {name} images that is found"),
        "A dot is the share of images that is found, its bar the 95 % confidence interval over lesions. Groups with "
        "under 5 images have no dot.",
        f"Share of {name} images that is found, by {by}.",
        notes,
    )


def _no_labels() -> str:
    return (
        f"Labels of rulers and ink are not on this machine, so the slices are body sites: put `{TABLE}` into the data "
        "folder and start with `LESION_DATA` set to it."
    )


def _artefacts(table: pd.DataFrame, code: str) -> Shown:
    own = table[(table["figure"] == "false_alarms") & (table["diagnosis"] == code)].sort_values("p")
    rows, name = [], name_of(code)
    for _, one in own.iterrows():
        text = f"p {_p(one['p'])}, corrected {_p(one['p_corrected'])}" if np.isfinite(one["p"]) else "too few"
        label, ends = (
            f"{_plain(one['artefact'])}, n {one['with_n']:,}",
            [one[end] for end in ("difference", "low", "high")],
        )
        rows.append(charts.Row(label, (float(ends[0]), float(ends[1]), float(ends[2])), text, not one["enough"]))
    first, smallest = own.iloc[0], table.sort_values("p").iloc[0]
    figure = str(smallest["figure"]).replace("_", " ")
    return Shown(
        f"Of {int(table['p'].notna().sum())} comparisons the smallest p value is **{_p(smallest['p'])}** ({figure} of "
        f"{name_of(str(smallest['diagnosis']))}, {_plain(smallest['artefact'])}); corrected for all of them it is "
        f"**{_p(smallest['p_corrected'])}**.",
        (
            points(
                f"Called {name} with {_plain(first['artefact'])} minus without",
                (first["difference"], first["low"], first["high"]),
                f"n {int(first['with_n']):,} with, {int(first['without_n']):,} without",
            ),
        ),
        charts.intervals(
            rows,
            f"called {name} though it is another diagnosis: with the artefact minus without",
            (-0.3, 0.3),
            reference=charts.Guess(0.0, "no difference"),
        ),
        "A dot is the difference of two shares, its bar the 95 % confidence interval of that difference by itself; "
        "pale: under 20 lesions on a side. Right of 0, the artefact goes with more false alarms.",
        f"Difference of the false alarms for {name} with and without each artefact.",
        ("An association is not a cause: images with a ruler may come from another clinic.",),
    )


def _plain(artefact: object) -> str:
    return str(artefact).replace("_", " ")


def _p(value: float) -> str:
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.3f}" if value >= 0.001 else "under 0.001"
