"""Figures of the lesson on rejection: a line, and who pays for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.cache import lessons as measured
from app.cache import rejection as rejections
from app.cache import runs as cached_runs
from app.figures import lessons as charts
from app.figures.style import name_of
from app.foreign_text import literal
from app.lessons.figures.calibration import guess_of, row
from app.lessons.given import Given
from app.lessons.shown import FEWEST, Shown, capital, share, share_number
from lesion_core.analysis.intervals import Interval, clopper_pearson
from lesion_core.config import Settings
from lesion_core.ood.scores import PUBLISHED_CONFIDENCE
from lesion_core.ood.sentences import kind_name
from lesion_core.ood.turned_away import Price
from lesion_core.runs.classifier import Run


class Line(Settings):
    """A place on the confidence, and the diagnoses that are told."""

    at: Annotated[float, Field(gt=0, lt=1)] = PUBLISHED_CONFIDENCE
    diagnosis: str = "MEL"


class Kind(Settings):
    """A kind of OOD images, and a place on the confidence."""

    at: Annotated[float, Field(gt=0, lt=1)] = PUBLISHED_CONFIDENCE
    kind: str = "chest_xray"


class Share(Settings):
    """The share of calibration images that each rule is to keep."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.95


def own_line(run: Run, arguments: Line, given: Given) -> Shown:
    """What the visitor's own line does on the test set, beside the published one."""
    at = arguments.at if given.number is None else given.number
    found = measured.confidence_price(run, at)
    evaluated = rejections.judged(run, "confidence")
    test = evaluated.split("test")
    right = test["correct"].to_numpy(bool)
    values = test["shown"].to_numpy(float)
    lines = [charts.Guess(arguments.at, f"{arguments.at:g}, as published")]
    if given.number is not None:
        lines.insert(0, charts.Guess(at, f"your line: {at:.2f}"))
    lines += [charts.Guess(other, "") for other in given.others]
    out = _all(found.let_through)
    return Shown(
        f"At **{at:.2f}** the model answers **{share(found.kept)}** of the test images; it turns away "
        f"**{share(found.turned_away[arguments.diagnosis])}** of the {name_of(arguments.diagnosis)} images and lets "
        f"**{share(out)}** of the OOD images through.",
        (
            share_number("Test images answered", found.kept),
            share_number(
                f"{capital(name_of(arguments.diagnosis))} turned away", found.turned_away[arguments.diagnosis]
            ),
            share_number("OOD images let through", out),
        ),
        charts.confidences(
            values[right],
            values[~right],
            lines,
            "confidence before the temperature",
            outside=evaluated.ood_images["shown"].to_numpy(float),
        ),
        "Left of a line the model says “unknown”. Bars count by confidence: test images, and OOD images, which the "
        "model was not made for.",
        "Confidences of right and wrong answers and of OOD images, with lines.",
    )


def _all(kinds: dict[str, Interval]) -> Interval:
    n = sum(one.n_images for one in kinds.values())
    return clopper_pearson(sum(round(one.value * one.n_images) for one in kinds.values()), n)


def let_through(run: Run, arguments: Kind, given: Given) -> Shown:
    """Which OOD images pass a confidence."""
    found = measured.confidence_price(run, arguments.at).let_through
    most = dict(list(found.items())[:6])
    asked = arguments.kind if arguments.kind in found else next(iter(found), "")
    if not asked:
        return Shown("This run was not asked about OOD images.", notes=(_ask(run),))
    surest = max(most, key=lambda kind: (most[kind].n_images >= FEWEST, most[kind].value))
    rest = {kind: one for kind, one in found.items() if kind not in most}
    rows = [row(kind_name(kind), one, kind != asked) for kind, one in most.items()]
    if rest:
        rows.append(row(f"{len(rest)} other kinds", _all(rest), True))
    notes = () if asked == arguments.kind else (f"This run was not asked about {kind_name(arguments.kind)} images.",)
    return Shown(
        f"**{share(found[asked])}** of the {literal(kind_name(asked))} images pass {arguments.at:g}; of the "
        f"{literal(kind_name(surest))} images "
        f"it is **{share(found[surest])}**.",
        (
            share_number(f"{capital(kind_name(asked))} images that pass", found[asked]),
            share_number("Of all kinds", _all(found)),
        ),
        charts.intervals(
            rows,
            f"share with a confidence of {arguments.at:g} or more",
            guess=guess_of(given, "of 100"),
            others=[other / 100 for other in given.others],
        ),
        "A dot is the share that would be answered, its bar the exact 95 % confidence interval.",
        f"Share of OOD images with a confidence of {arguments.at:g} or more, by kind.",
        notes,
    )


def _ask(run: Run) -> str:
    return f"Ask it: `python -m lesion_core evaluate checkpoints/{run.name} --data DATA`."


def turned_away(run: Run, arguments: Line, given: Given) -> Shown:
    """Which diagnoses a confidence turns away."""
    found = measured.confidence_price(run, arguments.at).turned_away
    order = sorted(found, key=lambda code: -found[code].value if found[code].n_images >= FEWEST else 1)
    titles = {code: name_of(code) + (" (your choice)" if given.choice == code else "") for code in order}
    first = order[0]
    frequent = max(found, key=lambda code: found[code].n_images)
    return Shown(
        f"**{share(found[arguments.diagnosis])}** of the {name_of(arguments.diagnosis)} images are turned away, and "
        f"**{share(found[frequent])}** of the {name_of(frequent)} images, which are the most.",
        tuple(
            share_number(f"{capital(name_of(code))} turned away", found[code])
            for code in dict.fromkeys((arguments.diagnosis, frequent, first))
        ),
        charts.intervals(
            [row(titles[code], found[code], code != arguments.diagnosis) for code in order],
            f"share turned away: confidence under {arguments.at:g}",
        ),
        "A dot is the share that is sent to a person, its bar the 95 % confidence interval over lesions.",
        f"Share of each diagnosis with a confidence under {arguments.at:g}.",
    )


def rules(run: Run, arguments: Share, _given: Given) -> Shown:
    """Ways to reject beside each other: what is wrong among the answered, and what passes."""
    kept = f"{100 * arguments.share:g} % kept"
    ways: dict[str, tuple[str, Price]] = {
        "published": (
            f"confidence, {PUBLISHED_CONFIDENCE:g}",
            measured.confidence_price(run, PUBLISHED_CONFIDENCE),
        ),
        "confidence": (f"confidence, {kept}", measured.kept_share_price(run, "confidence", arguments.share)),
        "distance": (
            f"layer 3 residual, {kept}",
            measured.kept_share_price(run, "layer3_residual", arguments.share),
        ),
    }
    if policy := cached_runs.own_policy(run):
        ways["policy"] = ("the run's policy", measured.policy_price(run, policy))
    rows, notes = [], []
    for name, found in ways.values():
        rows.append(row(f"{name}: wrong", found.wrong))
        rows.append(row("… OOD images, let through", _all(found.let_through), True))
    if "policy" not in ways:
        notes.append(f"Run {run.name} has no policy: `python -m lesion_core ood tune checkpoints/{run.name}`.")
    notes.append("The distance was chosen with images of these kinds in sight.")
    everything = measured.confidence_price(run, 0.0).wrong
    by_confidence, by_distance = ways["published"][1], ways["distance"][1]
    return Shown(
        f"Without a rule **{share(everything)}** of the answers are wrong. The published confidence leaves "
        f"**{share(by_confidence.wrong)}** and lets **{share(_all(by_confidence.let_through))}** of the "
        f"OOD images through; the distance leaves **{share(by_distance.wrong)}** and lets "
        f"**{share(_all(by_distance.let_through))}** through.",
        (
            share_number(f"Wrong among the answered, {ways['published'][0]}", by_confidence.wrong),
            share_number(f"Wrong among the answered, {ways['distance'][0]}", by_distance.wrong),
            share_number(f"OOD images let through, {ways['distance'][0]}", _all(by_distance.let_through)),
        ),
        charts.intervals(rows, "share"),
        "Upper dots: wrong among the answered; lower ones: OOD images that are let through. Further left "
        "is better for both; bars are 95 % confidence intervals. Limits are chosen on the "
        "calibration set, shares are of the test set and of the OOD images.",
        "Wrong answers among the answered and OOD images that pass, by rule.",
        tuple(notes),
    )
