"""What `evaluate --as` and `segment evaluate --as` do: score labelled images that a run never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import typer

from lesion_core.cli.options import new_table, print_json, print_table, records, say, tell
from lesion_core.cli.progress import bar
from lesion_core.errors import ConfigError, DataError
from lesion_core.files import folder_to_write

if TYPE_CHECKING:
    from lesion_core.data.catalog import Catalog
    from lesion_core.data.unseen import Unseen
    from lesion_core.runs.classifier import Run
    from lesion_core.runs.folder import StoredRun


def evaluate_unseen(
    folder: Path,
    data: list[Path] | None,
    name: str,
    parent: Path | None,
    *,
    split_of: Path | None = None,
    workplaces: tuple[str, int, str] = ("auto", 1, "auto"),
    resamples: int = 1000,
    as_json: bool = False,
) -> None:
    """Score the labelled images of a data folder that a run never saw, print the figures and write what was found.

    Args:
        folder: A run folder, of a classifier or a segmenter.
        data: The data folders; what LESION_DATA names if there are none.
        name: Of the set of images.
        parent: Folder of evaluations, in place of the run's own.
        split_of: For a segmenter: whose split tells what it was trained on.
        workplaces: Lightning's devices, num_nodes and strategy, of a classifier.
        resamples: Of the bootstrap, by lesion.
        as_json: Print JSON.

    Raises:
        LesionError: The run or the data cannot be used, or no image is left.
    """
    from lesion_core.data.catalog import from_environment
    from lesion_core.data.unseen import labelled_images
    from lesion_core.runs.consistency import open_consistent
    from lesion_core.runs.evaluations import Evaluation, evaluation_folder, write_evaluation
    from lesion_core.runs.folder import kind_of
    from lesion_core.runs.segmenter import open_segmenter

    named = from_environment()
    data = data or ([named] if named else [])
    if not data:
        raise ConfigError("--as scores images, and none are named.", "Say where they are with --data.")
    kind = kind_of(folder)
    run: StoredRun[Any] = open_segmenter(folder) if kind == "segmenter" else open_consistent(folder)
    target = evaluation_folder(run, name, parent)
    folder_to_write(target, "--out")
    if split_of is not None and kind == "classifier":
        raise ConfigError("--split-of is for segmenters.", "Leave it out: a classifier's table lists its own images.")
    catalog = _with_truth(labelled_images(data), masks=kind == "segmenter")

    # What can be refused was, before the libraries that compute are loaded, and other processes started.
    from lesion_core import distributed

    if workplaces != ("auto", 1, "auto"):
        from lesion_core.training.processes import launch

        launch(*workplaces)
    distributed.join()
    measure: Callable[[Any, Catalog, Path | None, int], Measured] = _segmenter if kind == "segmenter" else _classifier
    figures, table, found, unread, titles = measure(run, catalog, split_of, resamples)
    if not distributed.first():
        return
    counts = found.left_out["why"].value_counts()
    notes = figures.pop("notes")
    for note in (*unread, *notes):
        tell(note)
    result = {
        "run": run.name,
        "fingerprint": run.fingerprint,
        "as": name,
        "images": len(table),
        "lesions": table["lesion_id"].nunique(),
        **figures,
        "left_out": {str(why): int(n) for why, n in counts.items()},
        "notes": [*unread, *notes],
    }
    written = write_evaluation(run, kind, target, Evaluation(result, table, found.left_out))
    if as_json:
        print_json({**result, "written": str(written)})
    else:
        for title, rows in titles:
            shown = new_table("metric", "value", "95 % interval", title=title)
            for row in rows.itertuples():
                shown.add_row(str(row.metric), f"{row.value:.3f}", f"{row.low:.3f} to {row.high:.3f}")
            print_table(shown)
        for line in figures.get("told", ()):
            say(line)
        say(f"What was found on each image is in {written}.")
    if unread:
        raise typer.Exit(1)


Measured = tuple[dict[str, Any], pd.DataFrame, "Unseen", list[str], list[tuple[str, pd.DataFrame]]]
"""Figures for JSON, a row per image, the images, sentences on unreadable ones, and titled tables for people."""


def _with_truth(catalog: Catalog, *, masks: bool) -> Catalog:
    """The images that can be measured with, and a sentence on the others."""
    table = catalog.table
    wanted = table["mask_path"].notna() if masks else table[["diagnosis", "other_diagnosis"]].notna().any(axis=1)
    what = "mask" if masks else "diagnosis"
    if not wanted.any():
        raise DataError(f"None of the {len(table):,} images has a {what}.", f"Give images with a {what}.")
    notes = list(catalog.notes)
    if not wanted.all():
        notes.append(f"{int((~wanted).sum()):,} of the {len(table):,} images have no {what}, and are not scored.")
    return replace(catalog, table=table[wanted].reset_index(drop=True), notes=tuple(notes))


def _images(run: Any, catalog: Catalog, listed: pd.DataFrame, *, masks: bool) -> tuple[Unseen, list[str], list[str]]:
    """The images that the run never saw, sentences on those that cannot be read, and on all else."""
    from lesion_core.data.unseen import unseen
    from lesion_core.inference.unseen import contents

    table, notes = catalog.table, list(catalog.notes)
    with bar("Reading") as progress:
        hashes, unread = contents(
            table, masks=masks, workers=run.config.settings.training.workers, on_progress=progress
        )
    return unseen(table, listed, hashes), unread, notes


def _refuse_none(found: Unseen, name: str) -> None:
    if found.table.empty:
        raise DataError(
            " ".join(("No image is left to score.", *found.sentences)),
            f"Give labelled images that {name} never saw.",
        )


def _classifier(run: Run, catalog: Catalog, split_of: Path | None, resamples: int) -> Measured:  # noqa: ARG001
    from lesion_core.analysis.evaluation_sets import evaluation_data, evaluation_summary
    from lesion_core.analysis.intervals import share_interval
    from lesion_core.data.unseen import known_lesions
    from lesion_core.inference.unseen import score_unseen
    from lesion_core.labels import BINARY, mergeable
    from lesion_core.ood.policy import NO_POLICY
    from lesion_core.ood.rejector import Rejector

    rejector = Rejector.open(run)
    found, unread, notes = _images(run, catalog, run.predictions, masks=False)
    _refuse_none(found, run.name)
    with bar("Scoring") as progress:
        found, table = score_unseen(run, found, rejector, progress)
    _refuse_none(found, run.name)
    notes += [*found.sentences, *known_lesions(found.table, table["known_as"], run.predictions, run.name)]
    classes, usable = mergeable(table["label"], run.classes)
    odd = table["label"].notna() & ~usable
    if odd.any():
        names = ", ".join(f"{code} ({n:,})" for code, n in table["label"][odd].value_counts().items())
        notes.append(f"Images whose diagnosis {run.name} has no class for, so no figure counts them: {names}.")
    labelled, views, titles = table[usable], {}, []
    for key, wanted, title in (("diagnosis", classes, "Diagnoses"), ("binary", BINARY, "Benign or malignant")):
        view = evaluation_data(run, labelled, wanted) if len(labelled) else None
        if view is None:
            continue
        summary = evaluation_summary(view, resamples)
        absent = [code for place, code in enumerate(wanted) if not (view.truth == place).any()]
        if absent:
            notes.append(f"{title}: no image is of {', '.join(absent)}.")
        views[key] = {
            "classes": wanted,
            "n": summary.n_images,
            "lesions": summary.n_groups,
            "metrics": records(summary.table.round(4)),
        }
        titles.append((f"{title}, n = {summary.n_images:,} images of {summary.n_groups:,} lesions", summary.table))
    told, rejection = [NO_POLICY], None
    if rejector is not None and len(labelled):
        answered, groups = ~labelled["rejected"].to_numpy(bool), labelled["lesion_id"].to_numpy(str)
        view = evaluation_data(run, labelled, classes)
        right = answered & (view.predicted == view.truth) if view else np.zeros(len(labelled), bool)
        shares = {
            "answered": share_interval(answered, np.ones_like(answered), groups),
            "right_of_answered": share_interval(right, answered, groups),
        }
        rejection = {key: _finite(asdict(interval)) for key, interval in shares.items()}
        told = [
            f"The policy answers {_share(shares['answered'])} of these images; of the answers "
            f"{_share(shares['right_of_answered'])} are right."
        ]
    others = table[table["other_diagnosis"].notna()]
    strange = [
        {
            "diagnosis": word,
            "n": len(rows),
            "rejected": None if rejector is None else int(rows["rejected"].sum()),
        }
        for word, rows in others.groupby("other_diagnosis")
    ]
    if len(others):
        kept = "" if rejector is None else f"; the policy rejects {int(others['rejected'].sum()):,} of them"
        told.append(
            f"{len(others):,} images have a diagnosis that is none of the eight, so every answer is wrong{kept}."
        )
    figures = {"views": views, "rejection": rejection, "other_diagnoses": strange, "told": told, "notes": notes}
    return figures, table, found, unread, titles


def _segmenter(run: Any, catalog: Catalog, split_of: Path | None, resamples: int) -> Measured:
    from lesion_core.analysis.segmentation import mask_summary
    from lesion_core.cli.options import read_split
    from lesion_core.data.unseen import known_lesions
    from lesion_core.inference.unseen import count_unseen, segmenter_roles
    from lesion_core.runs.classifier import list_runs
    from lesion_core.runs.segmenter import COUNTS, VARIANTS

    if split_of is None:
        listed, teller = segmenter_roles(run, list_runs(run.folder.parent)[0])
    else:
        split = read_split(split_of).table.rename(columns={"group": "lesion_id", "role": "split"})
        listed, teller = pd.concat([split, run.masks[list(split.columns)]], ignore_index=True), split_of.name
    found, unread, notes = _images(run, catalog, listed, masks=True)
    if teller is None:
        own = found.table["image_id"][found.table["dataset"].isin(run.config.data_sets)]
        found = found.without(dict.fromkeys(own, "own data set"))
        notes.append(
            f"The table of {run.name} does not list what it was trained on: images of that under other data sets' "
            "names are not recognised. --split-of names the classifier or the split.csv that tells."
        )
    else:
        notes.append(f"What {run.name} was trained on is told by {teller}.")
    _refuse_none(found, run.name)
    with bar("Measuring") as progress:
        table = count_unseen(run, found, progress)
    nowhere = pd.Series(pd.NA, found.table.index, dtype="str")  # of a segmenter's images no pixels are known
    notes += [*found.sentences, *known_lesions(found.table, nowhere, listed, run.name)]
    masks, titles = {}, []
    for variant, meaning in VARIANTS.items():
        counts = table[[f"{variant}_{name}" for name in COUNTS]].to_numpy(np.int64)
        summary = mask_summary(counts, table["lesion_id"], n_boot=resamples)
        masks[variant] = {"meaning": meaning, "n": len(table), "metrics": records(summary.round(4))}
        n = f"n = {len(table):,} images of {table['lesion_id'].nunique():,} lesions"
        titles.append((f"{n}, masks {meaning}", summary))
    return {"masks": masks, "notes": notes}, table, found, unread, titles


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in values.items()}


def _share(interval: Any) -> str:
    return f"{100 * interval.value:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
