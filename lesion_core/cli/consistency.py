"""The command consistency: a run's answers to poses of test images and to slow sequences, and how alike they are."""

from __future__ import annotations

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
    new_table,
    print_json,
    print_table,
    records,
    say,
)
from lesion_core.cli.progress import Steps

if TYPE_CHECKING:
    import pandas as pd

    from lesion_core.runs.classifier import Run

MEANT = (
    "Two images of a lesion differ: the chance that two poses, or two photographs, get different answers; it does not "
    "depend on how many there are. With flips: each pose averaged with its three flips."
)
NATURAL = (
    "Poses are artificial. Several photographs of one lesion are the natural counterpart, and what helps against the "
    "first helps less against the second (Maron et al. 2021)."
)
UNIT = (
    "Flip rates divide by AlexNet's on other images: a unit in which runs can be compared with each other, not a place "
    "in a published table."
)


def consistency(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: DataOption,
    series: Annotated[
        list[str] | None,
        typer.Option("--series", help="Poses or a sequence; may be repeated. All poses if none is named."),
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
    """Measure whether a model says the same of one lesion however it is held, and keep the answers beside the run.

    Test images are drawn as `robustness` draws them. Each is asked about in poses (symmetries, rotations, crops), and
    in the frames of SAM-P's sequences where these are named: gaussian_noise, rotate, brightness ... A command that was
    stopped goes on; one with more images or series computes only what is new. How many lesions get more than one
    answer is printed with and without averaging over flips, with 95 % intervals by lesion."""
    from lesion_core.imaging.changes.poses import POSES
    from lesion_core.imaging.changes.series import SERIES as KNOWN
    from lesion_core.imaging.changes.series import length
    from lesion_core.runs.robustness import SERIES

    asked = list(dict.fromkeys(series or POSES))
    members = sum(map(length, asked))
    drawn = draw_images(run, data, images, backend, work)
    sample = f"{drawn.sample}, in {len(asked)} series of {members} images in all."
    join_processes(devices, nodes, strategy, [*drawn.notes, sample], drawn.policy)
    from lesion_core.inference.robustness import evaluate_series

    opened = drawn.run
    with Steps() as step:
        found = evaluate_series(opened, drawn.images, asked, backend=backend, work=work, fresh=fresh, on_step=step)
    if found is None:
        return
    written, table = keep(drawn, found, backend, work, SERIES)
    views = _views(opened, table, resamples)
    notes = [*drawn.notes, MEANT, NATURAL]
    if any(view["flips"] for view in views.values()):
        notes.append(UNIT)
    if as_json:
        facts = {"run": opened.name, "fingerprint": opened.fingerprint, "written": str(written), "backend": backend}
        print_json({**facts, "agreement": found.agreement, "sample": sample, "views": views, "notes": notes})
        return
    for key, view in views.items():
        _print_view(key, view, KNOWN)
    for note in notes[len(drawn.notes) :]:
        say(note)
    say(f"Every answer is in {written}.")


def _views(run: Run, table: pd.DataFrame, resamples: int) -> dict[str, dict[str, Any]]:
    """Figures of each set of images that is there, as JSON has them."""
    from lesion_core.analysis.evaluation_sets import view_data
    from lesion_core.analysis.robustness.consistency import (
        consistency,
        errors_of_averages,
        flip_rates,
        members_of,
        repeated_images,
    )
    from lesion_core.analysis.robustness.references import REFERENCES
    from lesion_core.analysis.robustness.severities import VIEWS
    from lesion_core.imaging.changes.poses import POSES
    from lesion_core.imaging.changes.sequences import SEQUENCES
    from lesion_core.labels import BINARY

    views: dict[str, dict[str, Any]] = {}
    for key in VIEWS:
        members = members_of(run, table, key)
        if not members:
            continue
        poses = {}
        for name, entry in POSES.items():
            if (own := members.get(name)) is None:
                continue
            poses[name] = {
                "images": len(own.truth),
                "poses": len(entry.shown),
                "plain": records(consistency(own, entry.shown, resamples)),
                "flips": records(consistency(own.averaged(entry.flips), entry.shown, resamples)),
                "errors": records(errors_of_averages(own, entry.flips[0], resamples)),
            }
        data = view_data(run, key)
        natural = None if data is None else repeated_images(data, resamples)
        two, flips = next(iter(members.values())).classes == BINARY, {}
        for benchmark, extra in (("sam_p", False), ("sam_p_extra", True)):
            of_it = {name: members[name] for name, one in SEQUENCES.items() if name in members and one.extra == extra}
            found = flip_rates(of_it, REFERENCES[benchmark] if two else None, resamples)
            if found is not None:
                flips[benchmark] = {"sequences": records(found[0]), "means": records(found[1])}
        views[key] = {"poses": poses, "repeated": None if natural is None else records(natural), "flips": flips}
    return views


def _print_view(key: str, view: dict[str, Any], names: dict[str, str]) -> None:
    """A row per set of poses and one of repeated photographs; then flips by sequence."""
    from lesion_core.analysis.evaluation_sets import EVALUATION_SETS
    from lesion_core.analysis.robustness.references import REFERENCES

    table = new_table(
        "images of a lesion",
        "lesions",
        "more than one answer",
        "with flips",
        "two images differ",
        "with flips",
        "right and wrong",
        title=EVALUATION_SETS[key].name,
    )
    rows = {names[name]: (own["plain"], own["flips"]) for name, own in view["poses"].items()}
    if view["repeated"]:
        rows["Several photographs"] = (view["repeated"], None)
    for name, (plain, averaged) in rows.items():
        own, flat = _by_metric(plain), _by_metric(averaged or [])
        table.add_row(
            name,
            f"{own['several']['n_groups']:,}",
            *(_share(one.get(metric)) for metric in ("several", "pairs") for one in (own, flat)),
            _share(own["sides"]),
        )
    if rows:
        print_table(table)
    for benchmark, flips in view["flips"].items():
        reference, told = REFERENCES[benchmark], new_table("sequence", "flips", "over AlexNet's")
        for name in dict.fromkeys(row["sequence"] for row in flips["sequences"]):
            of_it = {row["metric"]: row for row in flips["sequences"] if row["sequence"] == name}
            rate = of_it.get("flip_rate")
            told.add_row(names[name], _share(of_it["flip_probability"]), "" if rate is None else f"{rate['value']:.2f}")
        print_table(told)
        for row in flips["means"]:
            if row["metric"] == "mfr":
                say(
                    f"{reference.name}, {row['changes']} of its {len(reference.errors)} sequences: mFR "
                    f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})."
                )


def _by_metric(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in rows}


def _share(row: dict[str, Any] | None) -> str:
    """A share and its interval; empty where there is none."""
    if row is None or row["value"] is None:
        return ""
    ends = "" if row["low"] is None else f" ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
    return f"{100 * row['value']:.1f} %{ends}"
