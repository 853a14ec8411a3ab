"""The command evaluate: a run's figures, and a run scored again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesion_core.cli.options import (
    AsOption,
    DevicesOption,
    EvaluationsOption,
    JsonOption,
    KnownAnswerOption,
    NodesOption,
    ResamplesOption,
    StrategyOption,
    new_table,
    print_json,
    print_table,
    records,
    say,
    tell,
)
from lesion_core.cli.progress import Steps
from lesion_core.cli.unseen import evaluate_unseen
from lesion_core.errors import ConfigError, LesionError, RunError

if TYPE_CHECKING:
    import pandas as pd

    from lesion_core.runs.classifier import Run


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="Score these images anew; see above for what becomes of the run.")
    ] = None,
    flips: Annotated[
        bool,
        typer.Option("--flips", help="With --data: read each test image in four mirrorings; the run stays as it is."),
    ] = False,
    detail: Annotated[
        bool,
        typer.Option("--detail", help="With --data: bring every image to one sharpness and compression from now on."),
    ] = False,
    new_lesions: Annotated[
        bool,
        typer.Option(
            "--new-lesions", help="With --data: deal lesions that the run never saw into its parts; see above."
        ),
    ] = False,
    known_answer: KnownAnswerOption = False,
    devices: DevicesOption = "auto",
    nodes: NodesOption = 1,
    strategy: StrategyOption = "auto",
    as_json: JsonOption = False,
    resamples: ResamplesOption = 1000,
    as_name: AsOption = "",
    to: EvaluationsOption = None,
) -> None:
    """Print a run's metrics with 95 % intervals, on its test sets and, last, on the splits that it was chosen on; with
    --data, score the images again first. With --as, score labelled images that the run never saw.

    Roles are those of the run's own table, whatever folder is given: new images of its lesions take these lesions'
    roles, and images of lesions that it never saw are counted and left out. Where all of the run's images are there
    the run is rewritten; where some are missing, the test images that are there are measured and the run stays. With
    --new-lesions those of data sets that it never saw are dealt too, as a training would: no weight learns from them,
    but temperature, limits and what features are usual do, and they are measured where they are test lesions.

    --as is for your own images: images whose id, lesion or pixels the run learned from or was chosen on are told and
    left out; the others are scored, and logits, truth and figures are written into a folder of that name. A segmenter
    is measured on those with a mask."""
    from lesion_core.analysis.evaluation_sets import EVALUATION_SETS, at_chosen_threshold, view_summary
    from lesion_core.runs.consistency import open_consistent

    if as_name or to is not None:
        if not as_name or flips or detail or new_lesions or known_answer:
            raise ConfigError(
                "--as scores other images, and --flips, --detail, --new-lesions and --known-answer are of the run's "
                "own.",
                "Give --as with --data, and nothing of these.",
            )
        evaluate_unseen(
            run, data, as_name, to, workplaces=(devices, nodes, strategy), resamples=resamples, as_json=as_json
        )
        return
    if flips and (detail or new_lesions):
        raise ConfigError(
            "--flips changes nothing, --detail and --new-lesions change the run.", "Give one after the other."
        )
    if known_answer and data is not None:
        raise ConfigError("--data writes the known answer too.", "Give one of --data and --known-answer.")
    if data is None:
        if flips or detail or new_lesions:
            raise ConfigError(
                "--flips, --detail and --new-lesions read the images again.", "Say where they are with --data."
            )
        if (devices, nodes, strategy) != ("auto", 1, "auto"):
            raise ConfigError(
                "--devices, --nodes and --strategy share the scoring, and nothing is scored here.",
                "Give --data, or leave them out.",
            )
        opened = open_consistent(run)
        if known_answer:
            from lesion_core.inference.records import write_known_answer

            write_known_answer(opened)
        notes: tuple[str, ...] = ()
    else:
        found = _score_again(run, data, flips, detail, new_lesions, devices, nodes, strategy)
        if found is None:
            return
        opened, notes = found
    result: dict[str, Any] = {"run": opened.name, "fingerprint": opened.fingerprint, "views": {}, "notes": list(notes)}
    for key, view in EVALUATION_SETS.items():
        summary = view_summary(opened, key, n_boot=resamples)
        if summary is None:
            continue
        result["views"][key] = {
            "n": summary.n_images,
            "lesions": summary.n_groups,
            "metrics": records(summary.table.round(4)),
        }
        if not as_json:
            table = new_table(
                "metric",
                "value",
                "95 % interval",
                title=(f"{view.name}, n = {summary.n_images:,} images of {summary.n_groups:,} lesions"),
            )
            for row in summary.table.itertuples():
                table.add_row(str(row.metric), f"{row.value:.3f}", f"{row.low:.3f} to {row.high:.3f}")
            print_table(table)
    for name, dataset in (("binary", None), ("binary_ham10000", "ham10000")):
        if chosen := at_chosen_threshold(opened, dataset, n_boot=resamples):
            metrics = records(chosen.summary.table.round(4))
            result["views"][name]["at_chosen_threshold"] = {"threshold": chosen.threshold, "metrics": metrics}
            if not as_json:
                figures = {row["metric"]: row["value"] for row in metrics}
                say(
                    f"{EVALUATION_SETS[name].name}, malignant from {chosen.threshold:.3f} on (the best F1 of the "
                    f"calibration set): accuracy {figures['accuracy']:.3f}, F1 {figures['f1']:.3f}."
                )
    if as_json:
        print_json(result)


def _score_again(
    folder: Path,
    data: list[Path],
    flips: bool,
    detail: bool,
    new_lesions: bool,
    devices: str,
    nodes: int,
    strategy: str,
) -> tuple[Run, tuple[str, ...]] | None:
    """A run with its images scored again, and sentences on the images; None in all processes but the first.

    It is rewritten where all its images are there, unless they are read with flips: a run's table is what remembers
    the roles, and loses none.

    Raises:
        ConfigError: The run was to get equal detail, and some of its images are missing.
        RunError: The table of its roles is missing, and they cannot be dealt again as they were; or it tells other
            roles than `config.json`.
    """
    from lesion_core.data.collection import CORRUPTED_PER_KIND, collect
    from lesion_core.data.csv_tables import some
    from lesion_core.data.splits import Manifest
    from lesion_core.data.tables import OFFICIAL_TEST
    from lesion_core.files import current, finish
    from lesion_core.reports.classifier_card import write_card
    from lesion_core.runs.attribution import keep_attribution
    from lesion_core.runs.classifier import HASHED, open_run
    from lesion_core.runs.consistency import check_roles

    # What is scored anew may be missing or damaged before, but for the table that holds the roles.
    finish(folder)
    kept = current(folder, "predictions.parquet").is_file()
    needed = ("model.safetensors", "history.csv", *(["predictions.parquet"] if kept else []))
    opened = open_run(folder, needed=HASHED if flips else needed)
    settings = opened.config.settings
    if kept:
        check_roles(opened)  # what is written next would vouch for them
    known = Manifest.of_run(opened.predictions) if kept else None
    dealt = None if kept and not new_lesions else settings.split
    collection = collect(
        data,
        dealt,
        known=known,
        ood_images=Path("ood_samples"),
        corrupted_per_kind=CORRUPTED_PER_KIND,
        images=settings.images,
    )
    if not kept and collection.manifest.fingerprint != opened.config.split_fingerprint:
        raise RunError(
            f"Run {opened.name} lacks predictions.parquet, which tells what it was trained on, and "
            f"{some(data, most=200)} is split otherwise than what it was trained on.",
            "Copy the folder again, or give the data that it was trained on.",
        )
    listed = opened.predictions if kept else collection.table.rename(columns={"role": "split"})
    differences = collection.compared(opened.name, listed)
    whole = set(listed["image_id"]) <= set(collection.table["image_id"])
    known_sets = collection.table[collection.table["dataset"].isin(set(listed["dataset"]) - {OFFICIAL_TEST})]
    if kept and new_lesions and (fresh := set(known_sets["group"]) - set(listed["lesion_id"])):
        # Whether a weight learned from an image is told by its data set.
        raise ConfigError(
            f"{len(fresh):,} lesions that {opened.name} never saw are of data sets that it learned from.",
            "--new-lesions takes other sources: give the folders that the run knows as they were, and the new source.",
        )
    if detail and not whole:
        raise ConfigError(
            " ".join(("--detail changes the run, and needs all its images.", *differences)),
            "Give all the data that it was trained and tested on.",
        )
    if not whole:
        differences = (*differences, "The run stays as it is; what follows is of the test images that are here.")
    notes = (*collection.notes, *differences)

    # What can be refused was, before the libraries that compute are loaded, and other processes started.
    from lesion_core import distributed
    from lesion_core.inference.classifier import infer_test, write_run

    if (devices, nodes, strategy) != ("auto", 1, "auto"):
        from lesion_core.training.processes import launch

        launch(devices, nodes, strategy)
    distributed.join()
    if distributed.first():
        for note in notes:
            tell(note)
    with Steps() as step:
        if flips or not whole:
            progress = step("Scoring the test images")
            opened = infer_test(opened, collection.table, progress, flips=flips)
        else:
            new = set(collection.table["dataset"]) - {OFFICIAL_TEST} - set(listed["dataset"])
            added = detail and not settings.preprocessing.detail.enabled
            earlier, explained = opened, _explained(opened)
            opened = write_run(
                folder,
                settings.with_detail() if added else settings,
                None,
                collection.table,
                collection.ood,
                split_fingerprint=collection.manifest.fingerprint,  # new images of its lesions are in it
                history=opened.history,
                initial_weights=opened.config.initial_weights,
                earlier=opened,
                detail_added=added or opened.config.detail_added,
                scored_later=sorted(new.union(opened.config.scored_later)),
                describe=write_card,
                on_step=step,
            )
            if explained is not None and distributed.first():
                keep_attribution(earlier, explained, opened)
    return (opened, notes) if distributed.first() else None


def _explained(run: Run) -> pd.DataFrame | None:
    """Where a run's evidence lay, before it is scored again; None where nothing says so, or it cannot be read."""
    from lesion_core.runs.attribution import read_attribution

    try:
        run.calibration  # noqa: B018  (read while it is there)
        return read_attribution(run)
    except LesionError:
        return None
