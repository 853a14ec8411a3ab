"""The command robustness: a run's answers to test images under every change, and what becomes of its figures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesion_core.cli.drawn_images import (
    BACKEND_NAMES,
    BackendOption,
    ImagesOption,
    draw_images,
    join_processes,
    keep,
)
from lesion_core.cli.options import (
    DataOption,
    DevicesOption,
    FreshOption,
    JsonOption,
    NodesOption,
    ResamplesOption,
    StrategyOption,
    WorkOption,
    counted,
    new_table,
    print_json,
    print_table,
    records,
    say,
)
from lesion_core.cli.progress import Steps

if TYPE_CHECKING:
    import pandas as pd

    from lesion_core.analysis.intervals import Mask
    from lesion_core.analysis.robustness.severities import Answers, Comparison
    from lesion_core.runs.classifier import Run

UNIT = (
    "BE, rBE and mBE divide by AlexNet's published errors on other images and classes: a unit in which runs can be "
    "compared with each other, not a place in a published table."
)
WEAK_LOSS = (
    "* AlexNet hardly loses here (under 0.05), so a lesion more or less moves this rBE far: not to be relied on."
)
EXPLORATION = "Intervals are of each figure by itself: of many that were looked at, some stand out by chance."


def robustness(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: DataOption,
    changes: Annotated[
        list[str] | None, typer.Option("--change", help="A change; may be repeated. All if none is named.")
    ] = None,
    severities: Annotated[
        list[int] | None, typer.Option("--severity", min=1, max=5, help="1 to 5; may be repeated. All if none.")
    ] = None,
    images: ImagesOption = 300,
    backend: BackendOption = BACKEND_NAMES[0],
    work: WorkOption = Path("scratch"),
    fresh: FreshOption = False,
    devices: DevicesOption = "auto",
    nodes: NodesOption = 1,
    strategy: StrategyOption = "auto",
    as_json: JsonOption = False,
    resamples: ResamplesOption = 1000,
) -> None:
    """Measure how much it takes to change a model's answers, and keep them beside the run.

    Test images are drawn at random with seed 0, one per lesion as long as there are other lesions, and changed: noise,
    blur, light, compression, hair, rulers, ink ... in five severities each. A command that was stopped goes on; one
    with more images, changes or severities computes only what is new. Errors by severity, how many answers change, and
    whether the policy rejects before the answer goes wrong are printed with 95 % intervals by lesion.

    Test images are those of the run's own test lesions, whatever folder is given."""
    from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES, known_change
    from lesion_core.ood.policy import keeps_changed
    from lesion_core.runs.robustness import CHANGED

    asked, steps = list(dict.fromkeys(changes or CHANGES)), sorted(set(severities or SEVERITIES))
    for key in asked:
        known_change(key)
    drawn = draw_images(run, data, images, backend, work)
    sample = f"{drawn.sample}, under {counted(len(asked), 'change')} at severity {', '.join(map(str, steps))}."
    join_processes(devices, nodes, strategy, [*drawn.notes, sample], drawn.policy)
    from lesion_core.inference.robustness import evaluate_robustness

    opened = drawn.run
    with Steps() as step:
        found = evaluate_robustness(
            opened, drawn.images, asked, steps, backend=backend, work=work, fresh=fresh, on_step=step
        )
    if found is None:
        return
    written, table = keep(drawn, found, backend, work, CHANGED)
    kept = None if drawn.policy is None else keeps_changed(drawn.policy, table)
    notes = drawn.notes
    notes += [UNIT, EXPLORATION]
    flattered = [key for key in asked if CHANGES[key].drawn]
    if flattered:
        notes.append(
            "Changes that the training of a shipped run drew, a classifier's or the U-Net's, flatter that run; what "
            f"was drawn stands beside each in the JSON: {', '.join(flattered)}."
        )
    views, compared = _views(opened, table, kept, resamples)
    if as_json:
        facts = {"run": opened.name, "fingerprint": opened.fingerprint, "written": str(written), "backend": backend}
        print_json({**facts, "agreement": found.agreement, "sample": sample, "views": views, "notes": notes})
        return
    for key, view in views.items():
        _print_view(key, view, compared[key])
    for note in notes[-3 if flattered else -2 :]:
        say(note)
    say(f"Every answer is in {written}.")


def _views(
    run: Run, table: pd.DataFrame, kept: Mask | None, resamples: int
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Comparison]]]:
    """Figures of each set of images that is there, as JSON has them, and what was compared with AlexNet."""
    from lesion_core.analysis.robustness.references import REFERENCES, benchmarks
    from lesion_core.analysis.robustness.severities import (
        VIEWS,
        against_alexnet,
        answers_under_changes,
        common,
        outcome_shares,
    )
    from lesion_core.imaging.changes.registry import CHANGES
    from lesion_core.labels import BINARY

    views: dict[str, dict[str, Any]] = {}
    compared: dict[str, dict[str, Comparison]] = {}
    for key in VIEWS:
        answers = answers_under_changes(run, table, key, kept)
        if not answers:
            continue
        answers = {
            change: answers[change] for change in (*CHANGES, *sorted(set(answers) - set(CHANGES))) if change in answers
        }
        two = next(iter(answers.values())).classes == BINARY
        beside = {name: against_alexnet(answers, REFERENCES[name], resamples) for name in benchmarks(two)}
        compared[key] = {name: own for name, own in beside.items() if own is not None and own.compared}
        together = common(answers)
        views[key] = {
            "counts": next(iter(answers.values())).counts(),
            "changes": {change: _under(own, resamples) for change, own in answers.items()},
            "outcomes": records(outcome_shares(together)) if len(next(iter(together.values())).truth) else [],
            "against": {
                name: {
                    "compared": list(own.compared),
                    "of": len(REFERENCES[name].errors),
                    "n": own.n_images,
                    "lesions": own.n_groups,
                    "changes": records(own.table),
                    "summary": records(own.summary),
                }
                for name, own in compared[key].items()
            },
        }
    return views, compared


def _under(answers: Answers, resamples: int) -> dict[str, Any]:
    from lesion_core.analysis.robustness.severities import by_severity, outcome_shares, turned_away_shares
    from lesion_core.imaging.changes.registry import CHANGES

    entry = CHANGES.get(answers.change)
    return {
        "drawn": entry.drawn if entry else "",
        "n": len(answers.truth),
        "lesions": len(set(answers.groups.tolist())),
        "figures": records(by_severity(answers, resamples)),
        "outcomes": records(outcome_shares({answers.change: answers})),
        "turned_away": None if answers.kept is None else records(turned_away_shares(answers)),
    }


def _print_view(key: str, view: dict[str, Any], compared: dict[str, Comparison]) -> None:
    """A table of balanced errors, one row per change, and sentences on what they add up to."""
    from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
    from lesion_core.analysis.robustness.references import REFERENCES
    from lesion_core.imaging.changes.registry import CHANGES

    some = next(iter(view["changes"].values()))
    counts = ", ".join(f"{code} {n}" for code, n in view["counts"].items() if n)
    title = f"{EVALUATION_SETS[key].name}: balanced error by severity, n = {some['n']:,} images ({counts})"
    names = [REFERENCES[name].name for name in compared]
    rejected = some["turned_away"] is not None
    away = ("rejected in time", "too late", "for nothing") if rejected else ()
    severities = sorted({row["severity"] for own in view["changes"].values() for row in own["figures"]})
    table = new_table(
        "change",
        *map(str, severities),
        f"rise at {severities[-1]} (95 %)",
        *(f"{figure}, {n}" for n in names for figure in ("BE", "rBE")),
        *away,
        title=title,
    )
    for change, own in view["changes"].items():
        at = {row["severity"]: row for row in own["figures"] if row["metric"] == "balanced_error"}
        last = at[max(at)]
        rise = f"{last['more']:+.3f} ({last['more_low']:+.3f} to {last['more_high']:+.3f})" if _all(last) else "-"
        shares = {row["outcome"]: row["share"] for row in own["turned_away"] or ()}
        table.add_row(
            CHANGES[change].name if change in CHANGES else change,
            *(f"{at[s]['value']:.3f}" if s in at else "" for s in severities),
            rise,
            *(_over_alexnet(beside, change, metric) for beside in compared.values() for metric in ("be", "rbe")),
            *(f"{100 * shares[name]:.0f} %" for name in ("in_time", "too_late", "for_nothing") if rejected),
        )
    print_table(table)
    for name, beside in compared.items():
        means = {str(row.metric): row for row in beside.summary.itertuples()}
        mbe, rbe, median = means["mbe"], means["mean_rbe"].value, means["median_rbe"].value
        say(
            f"{REFERENCES[name].name}, {len(beside.compared)} of its {len(REFERENCES[name].errors)} changes: mBE "
            f"{mbe.value:.3f} ({mbe.low:.3f} to {mbe.high:.3f}); rBE {rbe:.2f} as a mean, {median:.2f} as a median."
        )
    if any(beside.table["weak"].any() for beside in compared.values()):
        say(WEAK_LOSS)
    told = {row["outcome"]: row for row in view["outcomes"]}
    if told:
        changed = told["correct_then_wrong"]
        say(
            f"{100 * changed['share']:.1f} % ({100 * changed['low']:.1f} to {100 * changed['high']:.1f}) of the images "
            "are answered rightly as they are and wrongly under a change or more."
        )


def _all(row: dict[str, Any]) -> bool:
    return None not in (row["more"], row["more_low"], row["more_high"])


def _over_alexnet(beside: Comparison, change: str, metric: str) -> str:
    """A change's BE or rBE; empty where AlexNet's error was not published, marked where AlexNet hardly loses."""
    if change not in beside.compared:
        return ""
    own = beside.table[(beside.table["change"] == change) & (beside.table["metric"] == metric)].iloc[0]
    return "none" if math.isnan(own["value"]) else f"{own['value']:.2f}{' *' if own['weak'] else ''}"
