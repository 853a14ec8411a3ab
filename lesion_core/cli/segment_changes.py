"""A segmenter's figures on test images as they are and under changes: segment evaluate --changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lesion_core.cli.options import new_table, print_json, print_table, records, say, tell
from lesion_core.cli.progress import bar
from lesion_core.runs.segmenter import SegmenterRun

DESCRIPTION = (
    "A stand-in for other cameras, not other hospitals: lesions, skin and dermatoscopes are those of the test set. "
    "What is of the same kind in the training was drawn there by similar code, so these figures flatter. What dark "
    "corners cover counts as no lesion, as in the training, and where pixels move the mask moves with them."
)


def evaluate_changed(
    run: SegmenterRun,
    data: list[Path],
    images: int,
    changes: list[str],
    severities: list[int],
    resamples: int,
    as_json: bool,
) -> None:
    """Print a segmenter's figures on test images as they are and changed.

    Roles are those of the run's own table; images that are not in it belong to no test lesion and are left out.

    Args:
        run: The segmenter.
        data: Folders of the images.
        images: How many.
        changes: Keys of `CHANGES`; all where there are none.
        severities: 1 to 5; all where there are none.
        resamples: Of lesions.
        as_json: Print JSON in place of a table.
    """
    from lesion_core.analysis.segmentation import mask_differences, mask_summary
    from lesion_core.data.collection import collect
    from lesion_core.data.splits import Manifest
    from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES, known_change

    asked, steps = [known_change(key) for key in changes or CHANGES], sorted(set(severities or SEVERITIES))
    collection = collect(data, None, known=Manifest.of_run(run.masks), images=run.config.settings.images)
    notes = (*collection.notes, *collection.compared(run.name, run.masks, all_listed=False))
    for note in notes:
        tell(note)

    from lesion_core.inference.segmenter_changes import UNCHANGED, count_changed, seen_in_training

    with bar("Measuring") as progress:
        rows, counts = count_changed(
            run, collection.table, images, list(dict.fromkeys(asked)), steps, on_progress=progress
        )
    n, lesions = len(rows), rows["group"].nunique()
    found: list[dict[str, Any]] = []
    for (key, severity), own in counts.items():
        untouched = (key, severity) == UNCHANGED
        summary = mask_summary(own, rows["group"], n_boot=resamples)
        less = None if untouched else mask_differences(counts[UNCHANGED], own, rows["group"], n_boot=resamples)
        found.append(
            {
                "change": key,
                "severity": severity,
                "meaning": "The images as they are." if untouched else CHANGES[key].plain,
                "in_training": None if untouched else seen_in_training(key, run.config.settings.training),
                "n": n,
                "lesions": lesions,
                "metrics": records(summary.round(4)),
                "less_unchanged": None if less is None else records(less.round(4)),
            }
        )
    if as_json:
        facts = {"run": run.name, "fingerprint": run.fingerprint, "split": "test", "masks": "clean"}
        print_json({**facts, "says": DESCRIPTION, "notes": list(notes), "changes": found})
        return
    as_it_is, *changed = found
    last = steps[-1]
    table = new_table(
        "change",
        "in training",
        *(f"Jaccard, {step}" for step in steps),
        f"difference at {last} (95 %)",
        f"failures at {last}",
        title=f"{run.name}, test set, n = {n:,} images of {lesions:,} lesions, masks cleaned up; as they are: Jaccard "
        f"{_interval(as_it_is['metrics'], 'jaccard')}",
    )
    for key in dict.fromkeys(entry["change"] for entry in changed):
        under = {entry["severity"]: entry for entry in changed if entry["change"] == key}
        table.add_row(
            CHANGES[key].name,
            under[last]["in_training"],
            *(f"{_row(under[step]['metrics'], 'jaccard')['value']:.3f}" for step in steps),
            _interval(under[last]["less_unchanged"], "jaccard", "+"),
            f"{100 * _row(under[last]['metrics'], 'failures')['value']:.0f} %",
        )
    print_table(table)
    say(DESCRIPTION)


def _row(rows: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    return next(row for row in rows if row["metric"] == metric)


def _interval(rows: list[dict[str, Any]], metric: str, sign: str = "") -> str:
    row = _row(rows, metric)
    return f"{row['value']:{sign}.3f} ({row['low']:{sign}.3f} to {row['high']:{sign}.3f})"
