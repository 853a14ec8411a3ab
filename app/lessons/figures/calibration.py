"""Figures of the lesson on calibration."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from app.cache import lessons as measured
from app.cache import results as cached_results
from app.figures import lessons as charts
from app.figures.results import reliability_diagram
from app.figures.style import name_of
from app.lessons.given import Given
from app.lessons.shown import FEWEST, Number, Shown, figure_number, share, share_number
from lesion_core.analysis.calibration import reliability_of
from lesion_core.analysis.confident import PLAIN, SCALED, both_probabilities
from lesion_core.analysis.intervals import Interval, clopper_pearson
from lesion_core.analysis.predictions import most_probable
from lesion_core.config import Settings
from lesion_core.runs.classifier import Run

NAMES = {PLAIN: "before the temperature", SCALED: "after it"}


class At(Settings):
    """A confidence, and the diagnosis whose misses are counted."""

    at: Annotated[float, Field(gt=0, lt=1)] = 0.9
    diagnosis: str = "MEL"


class NoArguments(Settings):
    """Nothing to choose."""


def guess_of(given: Given, unit: str = "%") -> charts.Guess | None:
    """The own number, in per cent, as a line."""
    number = given.number
    return None if number is None else charts.Guess(number / 100, f"your guess: {number:.0f} {unit}")


def row(name: str, interval: Interval, pale: bool = False) -> charts.Row:
    """A share as a dot; none where there are too few cases."""
    few = interval.n_images < FEWEST
    nothing = float("nan")
    ends = (nothing, nothing, nothing) if few else (interval.value, interval.low, interval.high)
    return charts.Row(name, ends, f"{share(interval)}{', too few' if few else f', n {interval.n_images:,}'}", pale)


def confident_right(run: Run, arguments: At, given: Given) -> Shown:
    """Of the answers with a confidence or more, how many are right."""
    found = measured.confident(run, "test", arguments.at, arguments.diagnosis)
    plain, scaled = found[PLAIN], found[SCALED]
    return Shown(
        f"Of the answers at {arguments.at:g} or more, **{share(plain.right)}** are right as the network says it, and "
        f"**{share(scaled.right)}** after its temperature; there are {plain.right.n_images:,} and "
        f"{scaled.right.n_images:,} such answers.",
        (
            share_number(f"Right, of those at {arguments.at:g} or more", plain.right, 1),
            share_number("Right, after the temperature", scaled.right, 1),
            share_number("Images with such an answer", plain.confident),
        ),
        charts.intervals(
            [row(f"right, {NAMES[name]}", found[name].right, name == SCALED) for name in NAMES],
            f"share that is right, of answers at {arguments.at:g} or more",
            (0.5, 1.0),
            guess=guess_of(given),
            others=[other / 100 for other in given.others],
        ),
        "A dot is the share that is right, its bar the 95 % confidence interval over lesions, on the test set.",
        f"Share of right answers among those with a confidence of {arguments.at:g} or more.",
    )


def confident_missed(run: Run, arguments: At, given: Given) -> Shown:
    """Of the missed images of a diagnosis, how many are missed with a confidence or more."""
    found = measured.confident(run, "test", arguments.at, arguments.diagnosis)
    name = name_of(arguments.diagnosis)
    plain, scaled = found[PLAIN].missed, found[SCALED].missed
    count = 0 if np.isnan(plain.value) else round(plain.value * plain.n_images)
    return Shown(
        f"**{count} of {plain.n_images}** images of {name} that are called something else are called so with "
        f"{arguments.at:g} or more.",
        (
            share_number(f"Missed with {arguments.at:g} or more", plain),
            share_number("After the temperature", scaled),
        ),
        charts.intervals(
            [row(NAMES[key], found[key].missed, key == SCALED) for key in NAMES],
            f"share of missed {name} images, at {arguments.at:g} or more",
            (0.0, 0.6),
            guess=guess_of(given),
            others=[other / 100 for other in given.others],
        ),
        "A dot is a share of the missed images, its bar the 95 % confidence interval over lesions, on the test set.",
        f"Share of the missed images of {name} that are missed with a confidence of {arguments.at:g} or more.",
    )


def temperature(run: Run, _arguments: NoArguments, _given: Given) -> Shown:
    """What one temperature changes: the diagnoses, or the confidences."""
    data = cached_results.answers_of(run, "test")
    both = both_probabilities(run, data)
    other = int((most_probable(both[PLAIN]) != most_probable(both[SCALED])).sum())
    before, after = reliability_of(run, data)
    return Shown(
        f"Dividing all logits by **{run.calibration.temperature:.2f}** changes **{other} of {len(data.truth):,}** "
        f"diagnoses, and moves the calibration error from **{before.error:.3f}** to **{after.error:.3f}**.",
        (
            Number("Diagnoses that change", f"{other:,}", f"n {len(data.truth):,} images"),
            *(
                Number(f"Calibration error {NAMES[key]}", f"{found.error:.3f}", f"n {len(data.truth):,} images")
                for key, found in ((PLAIN, before), (SCALED, after))
            ),
        ),
        reliability_diagram(before.table, after.table),
        "A dot on the dotted line is honest: of answers at 80 %, 80 % are right. Under it the model is too sure. Bars "
        "are 95 % confidence intervals over lesions; the temperature was fitted on the calibration set.",
        "Reliability diagram of the test set before and after the temperature.",
    )


def series_of_answers(run: Run, _arguments: NoArguments, given: Given) -> Shown:
    """How well the visitor told right answers from wrong ones by the confidence, beside how well it tells at all."""
    tells = measured.confidence_tells(run)
    return own_series(
        given,
        "by the confidence alone",
        [("confidence", tells)],
        f"{of_a_coin('The confidence', tells)} A temperature mends the number, not this.",
    )


def of_a_coin(what: str, found: Interval) -> str:
    """What an AUROC for "the answer is right" says, in a sentence."""
    if found.low <= 0.5 <= found.high:
        said = "no better than tossing a coin"
    else:
        said = "better than a coin" if found.low > 0.5 else "slightly the wrong way round"
    return f"{what} tells right answers from wrong ones with an AUROC of **{found.value:.3f}**: {said}."


def own_series(given: Given, what: str, aurocs: list[tuple[str, Interval]], sentence: str) -> Shown:
    """A visitor's score in a series, and the AUROC of what could be gone by.

    Args:
        given: The answers, and what was dealt.
        what: What the visitor went by.
        aurocs: Name and AUROC of each number, the first one in colour.
        sentence: What they say.
    """
    numbers = [figure_number(f"AUROC: {aurocs[0][0]}", aurocs[0][1])]
    own = given.own
    if own is not None and own.dealing is not None and isinstance(own.answer, tuple):
        cards = own.dealing.cards
        hits = sum(bool(said) == card.right for said, card in zip(own.answer, cards, strict=True))
        numbers.insert(0, share_number(f"You, {what}: {hits} of {len(cards)}", clopper_pearson(hits, len(cards))))
    return Shown(
        sentence,
        tuple(numbers),
        charts.intervals(
            [
                charts.Row(
                    name, (found.value, found.low, found.high), f"{found.value:.3f}, n {found.n_images:,}", i > 0
                )
                for i, (name, found) in enumerate(aurocs)
            ],
            "AUROC for “the answer is right”",
            (0.3, 1.0),
            per_cent=False,
            reference=charts.Guess(0.5, "tossing a coin"),
        ),
        "Further right tells right from wrong better; at 0.5 it is no better than tossing a coin. Bars are 95 % "
        "confidence intervals over lesions.",
        "AUROC for the answer being right, of " + ", ".join(name for name, _ in aurocs) + ".",
    )
