"""The command explain: where a model looks on its test images, and whether that tells right answers from wrong ones."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from lesion_core.amounts import MOST
from lesion_core.cli.options import DataOption, FreshOption, JsonOption, counted, print_json, records, say, tell
from lesion_core.cli.progress import bar
from lesion_core.errors import BusyError, DataError, RunError
from lesion_core.explain.methods import METHODS


def explain(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: DataOption,
    methods: Annotated[
        list[str] | None, typer.Option("--method", help=f"{', '.join(METHODS)}; may be repeated.")
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, max=MOST["images"], help="Test images at most, drawn by lesion with seed 0.")
    ] = MOST["images"],
    deletion: Annotated[
        bool, typer.Option("--deletion/--no-deletion", help="Measure the deletion area, 21 more passes for each map.")
    ] = True,
    fresh: FreshOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure where a model looks on the test images with a lesion mask, and keep it beside the run.

    A map is measured by the share of its evidence inside the lesion, by its maximum, and by how fast the answer falls
    while what it points at is covered (deletion); and each number by how well it tells right answers from wrong ones. A
    command that was stopped goes on, and one with more images or methods computes only what is new: take slow methods
    with --most, which draws the same images each time, one per lesion as long as there are other lesions.

    Test images are those of the run's own test lesions, whatever folder is given; images of lesions that it never
    saw are counted and left out."""
    from lesion_core.analysis.attribution import attribution_summary
    from lesion_core.analysis.map_numbers import CONFIDENCE, MAP_NUMBERS, confidence_of, tells_right
    from lesion_core.data.collection import collect, lesions_first
    from lesion_core.data.splits import Manifest
    from lesion_core.data.tables import OFFICIAL_TEST
    from lesion_core.explain.methods import known_method
    from lesion_core.runs.attribution import FILE, read_attribution, write_attribution
    from lesion_core.runs.classifier import open_run

    asked = list(dict.fromkeys(methods or ["gradcam"]))
    for key in asked:
        known_method(key)
    opened = open_run(run)
    listed = opened.predictions
    collection = collect(data, None, known=Manifest.of_run(listed), images=opened.config.settings.images)
    notes = (*collection.notes, *collection.compared(opened.name, listed))
    for note in notes:
        tell(note)
    table = collection.table
    test = table[(table["role"] == "test") & (table["dataset"] != OFFICIAL_TEST) & table["mask_path"].notna()]
    if test.empty:
        raise DataError("No test image of the run has a lesion mask here.", "Masks come with HAM10000 (ISIC 2018).")
    drawn = lesions_first(test).head(most)
    known = None
    if not fresh:
        with suppress(RunError):  # damaged: what is measured now takes its place
            known = read_attribution(opened)

    from lesion_core.inference.attribution import evaluate_attribution

    def keep(found: pd.DataFrame) -> None:
        with suppress(BusyError):  # another process writes the run: the next part brings these rows too
            write_attribution(opened, found)

    with bar("Explaining") as progress:
        found = evaluate_attribution(opened, drawn, asked, progress, known=known, deletion=deletion, on_part=keep)
    path = write_attribution(opened, found) if len(found) else opened.folder / FILE
    there = len(drawn) * len(asked) - len(found)
    if there:
        tell(f"{counted(there, 'map')} were measured before and stay; --fresh measures them anew.")
    whole = read_attribution(opened)
    assert whole is not None  # it was written a moment ago
    rows = whole[whole["image_id"].isin(drawn["image_id"].astype(str))]
    by_method = {key: own for key in asked if len(own := rows[rows["method"] == key])}
    summaries = {key: attribution_summary(own, "result") for key, own in by_method.items()}
    signals = {key: tells_right(own, confidence_of(opened, own["image_id"])) for key, own in by_method.items()}
    if as_json:
        result = {"run": opened.name, "fingerprint": opened.fingerprint, "written": str(path)}
        measured = {key: records(summary.round(4)) for key, summary in summaries.items()}
        told = {key: records(own.round(4)) for key, own in signals.items()}
        print_json({**result, "methods": measured, "tells_right": told, "notes": list(notes)})
        return
    for key, summary in summaries.items():
        for line in summary.itertuples():
            say(
                f"{key}, {line.group} answers, n {line.n}: {line.share:.3f} ({line.low:.3f} to {line.high:.3f}) of the "
                f"evidence inside the lesion, which is {line.area:.3f} of what is seen."
            )
        for line in signals[key].itertuples():
            name = "the confidence" if line.number == CONFIDENCE else MAP_NUMBERS[str(line.number)].name.lower()
            say(f"{key}, AUROC for a right answer, {name}: {line.value:.3f} ({line.low:.3f} to {line.high:.3f}).")
    say(f"The table is {path}.")
