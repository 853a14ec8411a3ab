"""Figures of the lesson on people and models: what an alarm means, what a miss costs, and whose answers were right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from app.cache import lessons as measured
from app.figures import lessons as charts
from app.foreign_text import literal
from app.lessons.figures.calibration import NoArguments, guess_of, row
from app.lessons.given import Card, Committed, Given, Help
from app.lessons.shown import FEWEST, Number, Shown, share, share_number
from lesion_core.analysis.confident import SCALED
from lesion_core.analysis.intervals import Interval, clopper_pearson
from lesion_core.analysis.readers import balanced_accuracy_interval
from lesion_core.config import Settings
from lesion_core.errors import RunError
from lesion_core.runs.classifier import Run

SURE = 0.8
"""The confidence at which the model's own share of errors is told beside the planted one."""
RANKED_FROM = 30
"""Images of a diagnosis under which nobody is ranked."""
PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2)
REHEARSAL = (
    "These images are made by code and carry no truth about skin: this is a rehearsal. Real ones need a data folder: "
    "start with `LESION_DATA` set to it."
)
NOT_A_TEST = (
    "This is teaching and not a test of you. Whoever wants to publish such answers needs consent and an ethics vote."
)


class Prevalence(Settings):
    """How many of all are ill."""

    prevalence: Annotated[float, Field(gt=0, lt=1)] = 0.02


Cost = Annotated[float, Field(ge=0, le=1_000_000)]


class Costs(Settings):
    """How many false alarms a miss counts as, and which of them is asked about."""

    costs: tuple[Cost, ...] = Field(default=(1.0, 5.0, 10.0, 20.0, 50.0), min_length=1)
    asked: Cost = 20.0


def of_a_thousand(run: Run, arguments: Prevalence, given: Given) -> Shown:
    """1,000 people, and what happens to each of them."""
    p = arguments.prevalence
    found = measured.alarms(run, (p,))
    if not np.isfinite([found.sensitivity.value, found.specificity.value]).all():
        raise RunError(f"Run {run.name} has no malignant or no benign test images.", "Choose another run.")
    ill = round(1000 * p)
    hits = round(ill * found.sensitivity.value)
    false = round((1000 - ill) * (1 - found.specificity.value))
    predictive = found.predictive[p]
    guess = None if given.number is None else given.number / 100
    return Shown(
        f"Of 1,000 people **{ill}** are ill; the model flags **{hits + false}**, and **{hits}** of these are ill. It "
        f"misses **{ill - hits}**.",
        (
            share_number("An alarm is right in", predictive),
            share_number("It finds, of the malignant", found.sensitivity),
            share_number("It clears, of the benign", found.specificity),
        ),
        charts.thousand(hits, false, ill - hits, guess),
        "A dot is a person. The alarms come first: filled dots are ill and found, pale ones healthy and frightened.",
        f"1,000 dots: {hits} found, {false} false alarms, {ill - hits} missed.",
    )


def alarms_by_prevalence(run: Run, arguments: Prevalence, given: Given) -> Shown:
    """The chance that an alarm is right, from few who are ill to many."""
    prevalences = tuple(sorted({*PREVALENCES, arguments.prevalence}))
    found = measured.alarms(run, prevalences)
    asked = found.predictive[arguments.prevalence]
    rows = [
        charts.Row(
            f"{100 * p:g} of 100 are ill",
            (one.value, one.low, one.high),
            f"{share(one)}, n {one.n_images:,}",
            p != arguments.prevalence,
        )
        for p, one in found.predictive.items()
    ]
    return Shown(
        f"The same model with the same errors: where {100 * arguments.prevalence:g} of 100 are ill its alarm is right "
        f"in **{share(asked)}**.",
        (share_number("An alarm is right in", asked),),
        charts.intervals(
            rows,
            "chance that an alarm is right",
            guess=guess_of(given),
            others=[other / 100 for other in given.others],
        ),
        "A dot is the chance that someone who is called malignant is, its bar the 95 % confidence interval.",
        "Chance that an alarm is right, by how many are ill.",
    )


def price_of_a_miss(run: Run, arguments: Costs, given: Given) -> Shown:
    """How much must be flagged so that little is missed."""
    costs = tuple(sorted({*arguments.costs, arguments.asked}))
    found = measured.miss_costs(run, costs)
    flagged, hit = found[arguments.asked]
    rows = []
    for cost, (some, of_ill) in found.items():
        pale = cost != arguments.asked
        rows.append(row(f"a miss = {cost:g} false alarms: flagged", some, pale))
        rows.append(row("… and found of the malignant", of_ill, pale))
    return Shown(
        f"If a miss is as bad as {arguments.asked:g} false alarms, **{share(flagged)}** of all images are flagged, and "
        f"**{share(hit)}** of the malignant ones are found.",
        (share_number("Flagged", flagged), share_number("Found, of the malignant", hit)),
        charts.intervals(
            rows,
            "share",
            guess=guess_of(given),
            others=[other / 100 for other in given.others],
        ),
        "Each threshold is the cheapest on the calibration set; shares are of the test set, with 95 % confidence "
        "intervals over lesions.",
        "Share flagged and share found, by what a miss costs.",
    )


ARMS: dict[Help, str] = {"nothing": "alone", "answer": "with the answer", "map": "with answer and map"}


def _answered(given: Given) -> Iterator[tuple[Help, Committed, list[tuple[Card, str]]]]:
    """The visitor's dealt images by what was shown beside them."""
    for committed in given.steps.values():
        dealing = committed.dealing
        if dealing is not None and isinstance(committed.answer, tuple) and dealing.cards[0].truth:
            yield dealing.help, committed, list(zip(dealing.cards, map(str, committed.answer), strict=True))


def errors_of(run: Run) -> str:
    """How often the model is wrong over all, and where it is sure: what the planted share compares with."""
    found = measured.confident(run, "test", SURE, run.classes[0])[SCALED]
    over_all = measured.confidence_price(run, 0.0).wrong
    sure = found.right
    return (
        "Of the helped answers about three in ten were planted wrong ones. Over all the model is wrong in "
        f"{share(over_all)} of its test images (n {over_all.n_images:,}), and in {100 * (1 - sure.value):.0f} % where "
        f"it says {SURE:g} or more (n {sure.n_images:,})."
    )


def reader_study(run: Run, _arguments: NoArguments, given: Given) -> Shown:
    """The visitor's accuracy alone and with help, and how often a planted wrong answer was taken over."""
    rows, numbers, real, debriefing = [], [], True, []
    followed = planted = 0
    for help_, committed, pairs in _answered(given):
        assert committed.dealing is not None
        real &= committed.dealing.real
        right = sum(card.truth == said for card, said in pairs)
        interval = clopper_pearson(right, len(pairs))
        rows.append(row(f"you, {ARMS[help_]}", interval))
        if help_ != "nothing":
            good = sum(card.truth == card.answer for card, _ in pairs)
            rows.append(row(f"the model, on the images {ARMS[help_]}", clopper_pearson(good, len(pairs)), True))
        numbers.append(share_number(f"You, {ARMS[help_]}: {right} of {len(pairs)}", interval))
        planted += sum(card.planted for card, _ in pairs)
        followed += sum(card.planted and said == card.answer for card, said in pairs)
        debriefing += [f"{literal(card.image)}: {card.truth}" for card, _ in pairs]
    if not rows:
        return Shown("You have not read any images yet: go back to the steps with images.", notes=(NOT_A_TEST,))
    guess = "" if given.number is None else f" You had expected {given.number:.0f}."
    wrong = "" if planted == 0 else f"You also gave **{followed} of {planted}** planted wrong answers.{guess}"
    notes = [NOT_A_TEST]
    if not real:
        notes.insert(0, REHEARSAL)
    notes.append(f"The right answers: {'; '.join(debriefing)}.")
    notes.insert(0, errors_of(run))
    return Shown(
        wrong or "You have read images without help.",
        tuple(numbers[:3]),
        charts.intervals(rows, "share of right diagnoses"),
        "A dot is a share of the images that were read, its bar the exact 95 % confidence interval: with ten images it "
        "is wide. The model's answers beside them hold the planted errors, so they say nothing of its skill.",
        "Your accuracy alone and with help.",
        tuple(notes),
    )


def _balanced_told(found: Interval) -> str:
    return f"balanced accuracy {found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def human_against_model(_run: Run, _arguments: NoArguments, given: Given) -> Shown:
    """Own accuracy beside the model's on the same images, those that were read without help."""
    own = next((found for found in _answered(given) if found[0] == "nothing"), None)
    if own is None:
        return Shown("You have not read any images alone yet: go back to that step.")
    _, committed, pairs = own
    assert committed.dealing is not None
    truth = np.array([card.truth for card, _ in pairs])
    hits = {
        "you": np.array([card.truth == said for card, said in pairs]),
        "the model": np.array([card.truth == card.answer for card, _ in pairs]),
    }
    n = len(pairs)
    found = {who: clopper_pearson(int(hit.sum()), n) for who, hit in hits.items()}
    counts = np.unique(truth, return_counts=True)[1]
    balanced = {who: balanced_accuracy_interval(truth, hit) for who, hit in hits.items()}
    mine, its = hits["you"], hits["the model"]
    fewest = int(counts.min())
    notes = [] if committed.dealing.real else [REHEARSAL]
    if fewest < RANKED_FROM:
        notes.append(
            f"Nobody is ranked: that takes {RANKED_FROM} images of each diagnosis, and the rarest has {fewest}."
        )
    if n < FEWEST:
        notes.append("Too few images for a percentage.")
    return Shown(
        f"On the same {n} images only you were right on {int((mine & ~its).sum())}, only the model on "
        f"{int((its & ~mine).sum())}.",
        tuple(
            Number(
                f"{who.capitalize()}: {int(hits[who].sum())} of {n}",
                f"{100 * found[who].value:.0f} %",
                f"{100 * found[who].low:.0f} to {100 * found[who].high:.0f} %; {_balanced_told(balanced[who])}",
            )
            for who in hits
        ),
        charts.intervals(
            [
                row(f"{who}, {what}", of[who], who != "you")
                for what, of in (("accuracy", found), ("balanced accuracy", balanced))
                for who in hits
            ],
            "share of right diagnoses",
        ),
        "A dot is a share of the images that you read alone, its bar the 95 % confidence interval. Balanced "
        "accuracy counts each diagnosis alike, whatever the number of its images.",
        "Your accuracy and balanced accuracy, and the model's, on the same images.",
        tuple(notes),
    )
