"""Every variant of an experiment trained and measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesion_core.analysis.evaluation_sets import paired_differences, view_data, view_summary
from lesion_core.analysis.intervals import clopper_pearson
from lesion_core.analysis.summaries import multiclass_summary, per_class_summary
from lesion_core.config import RunSettings
from lesion_core.data.catalog import Roots
from lesion_core.data.collection import Collection, collect
from lesion_core.data.splits import assign_roles, roles_fingerprint
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.experiments import shortcut, sources
from lesion_core.experiments.prepared import Prepared
from lesion_core.experiments.registry import (
    DIFFERENCE,
    SEEN,
    STRANGE_COLUMNS,
    UNSEEN,
    VIEWS_SHOWN,
    Experiment,
    Variant,
    known_experiment,
)
from lesion_core.labels import BINARY
from lesion_core.ood.detection import detection
from lesion_core.ood.model_outputs import ood_outputs
from lesion_core.ood.scores import Scorer
from lesion_core.ood.threshold_rules import split_scores
from lesion_core.ood.thresholds import keep_share_threshold
from lesion_core.runs.classifier import Run, open_run
from lesion_core.runs.folder import fingerprint_of
from lesion_core.steps import Step, silent


def run_experiment(
    key: str,
    settings: RunSettings,
    root: Roots,
    work: Path,
    *,
    weights_folder: Path | None = None,
    on_variant: Callable[[str], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    on_run: Callable[[str, Run], None] | None = None,
    on_step: Step = silent,
    **trainer_options: Any,
) -> pd.DataFrame:
    """Train and measure every variant.

    A training that was finished before, also for another experiment, is read from `work`; a killed one goes on.

    Args:
        key: Of `EXPERIMENTS`.
        settings: What all variants share.
        root: The data folder, or several.
        work: For checkpoints and the trainings' runs, of one data folder.
        weights_folder: Where a weights file named in the settings is.
        on_variant: Called with each variant's name before it starts.
        on_note: Called with each sentence on what was left out of the data.
        on_run: Called with each variant's key and run.
        on_step: Told what a variant does, and how far that is.
        trainer_options: Passed to Lightning's Trainer.

    Returns:
        Long form. `COLUMNS`: all metrics of the views `VIEWS_SHOWN` (class is empty) and of the test images of
        lesions with several images (`SEEN`, `UNSEEN`, as far as there are any), the differences to the first
        variant (`DIFFERENCE`), and each class's sensitivity. `STRANGE_COLUMNS` of an experiment that leaves
        diagnoses out: the share of each, and of both (diagnosis all), that is rejected at the threshold that keeps 95 %
        of the calibration set, and `detection.MEASURES`. `RULER_COLUMNS`: as `shortcut.figures`. An experiment of
        sources has a view per data set of test images, with `SOURCE_METRICS` and `AT_HOME`.

    Raises:
        ConfigError: The experiment is unknown.
        LesionError: As `collect`, `fit` and `write_run` raise it.
    """
    chosen = known_experiment(key)
    collection = collect(root, settings.split, images=settings.images)
    if on_note:
        for note in collection.notes:
            on_note(note)
    runs: dict[str, Run] = {}
    prepared: dict[str, Prepared] = {}
    for name, variant in chosen.variants.items():
        if on_variant:
            on_variant(variant.name)
        if variant.ruler is not None:
            ready = shortcut.prepare(name, variant.ruler, settings, collection.table, work / "squares", on_step)
        elif variant.sources:
            ready = sources.prepare(name, variant, chosen, settings, collection, runs)
        else:
            ready = _prepare(chosen, variant, settings, collection)
        prepared[name] = ready
        runs[name] = _trained(ready, work, weights_folder, on_step, trainer_options)
        if on_run:
            on_run(name, runs[name])
    first = next(iter(runs))
    rows = [
        ready.measure(runs[name], None if name == first else runs[first]).assign(variant=name)
        for name, ready in prepared.items()
    ]
    return pd.concat(rows, ignore_index=True)[list(chosen.columns)]


def _prepare(chosen: Experiment, variant: Variant, settings: RunSettings, collection: Collection) -> Prepared:
    """A variant that differs in its settings, its split or its diagnoses."""
    classes = tuple(code for code in settings.model.classes if code not in chosen.left_out)
    model = settings.model.model_copy(update={"classes": classes})
    own = variant.apply(settings).model_copy(update={"name": "study", "model": model})
    table = _by_image(collection.table, settings) if variant.by_image else collection.table
    out = table["diagnosis"].isin(chosen.left_out)
    ood_images = table[out & (table["dataset"] != OFFICIAL_TEST)]
    ood = ood_images.assign(kind=ood_images["diagnosis"], source="left out")[list(collection.ood.columns)]
    measure = (lambda run, _: _strangeness(run)) if chosen.left_out else _quality
    return Prepared(own, table[~out], ood.reset_index(drop=True), measure)


def _trained(
    ready: Prepared,
    work: Path,
    weights_folder: Path | None,
    on_step: Step,
    trainer_options: dict[str, Any],
) -> Run:
    """A variant's run, trained and scored unless it was before.

    Its folder is named after the settings and the split: other files under the same names would not be noticed.
    """
    from lesion_core.inference.classifier import write_run
    from lesion_core.training.classifier import fit

    own, table, split = ready.settings, ready.table, roles_fingerprint(ready.table)
    folder = work / f"{own.fingerprint()}-{split}"
    if not fingerprint_of(folder / "run"):
        fitted = fit(
            own,
            table,
            folder,
            weights_folder=weights_folder,
            pictures=work / "pictures",
            on_step=on_step,
            **trainer_options,
        )
        write_run(
            folder / "run",
            own,
            fitted.model,
            table,
            ready.ood,
            bits=ready.bits,
            history=fitted.history,
            split_fingerprint=split,
            initial_weights=fitted.initialised.sentence,
            describe=ready.describe,
            on_step=on_step,
        )
    return open_run(folder / "run")


def _quality(run: Run, first: Run | None) -> pd.DataFrame:
    """`COLUMNS` of a run but the variant."""
    rows = []
    for view in VIEWS_SHOWN:
        found, data = view_summary(run, view), view_data(run, view)
        if found is None or data is None:
            continue
        rows.append(found.table.assign(view=view))
        if data.classes != BINARY:
            classes = per_class_summary(data.truth, data.probabilities, data.groups, data.classes)
            rows.append(classes[classes["metric"] == "sensitivity"].assign(view=view))
        less = None if first is None else paired_differences(first, run, view)
        if less is not None:
            rows.append(less.assign(view=view + DIFFERENCE))
    test = view_data(run, "test")
    if test is not None:
        lesions, groups = run.predictions["lesion_id"], np.asarray(test.groups)
        seen = np.isin(groups, lesions[run.predictions["split"] == "train"].to_numpy(str))
        several = np.isin(groups, lesions[lesions.duplicated()].to_numpy(str))
        for view, part in ((SEEN, seen), (UNSEEN, several & ~seen)):
            if part.any():
                found_part = multiclass_summary(
                    test.truth[part], test.probabilities[part], test.groups[part], test.classes
                )
                rows.append(found_part.assign(view=view))
    return pd.concat(rows, ignore_index=True).fillna({"class": ""})


def _strangeness(run: Run, n: int = 1000) -> pd.DataFrame:
    """`STRANGE_COLUMNS` of a run whose OOD images are the left-out diagnoses."""
    scorer, ood_images = Scorer.of(run), ood_outputs(run)
    kinds = run.ood_images["kind"].to_numpy(str)
    rows = []
    for key in scorer.keys:
        test = split_scores(run, scorer, key, "test")
        threshold = keep_share_threshold(split_scores(run, scorer, key, "calibrate").scores)
        scores = scorer(key, ood_images)
        for diagnosis in (*dict.fromkeys(kinds), "all"):
            among = scores[(kinds == diagnosis) | (diagnosis == "all")]
            figures = detection(test.scores, among, test.lesions, n)
            figures["rejected"] = clopper_pearson(int((among > threshold).sum()), len(among))
            rows += [(key, diagnosis, name, i.value, i.low, i.high, len(among)) for name, i in figures.items()]
    return pd.DataFrame(rows, columns=list(STRANGE_COLUMNS))


def _by_image(table: pd.DataFrame, settings: RunSettings) -> pd.DataFrame:
    """The table with its roles dealt image by image; the official test set stays what it is."""
    own = table["dataset"] != OFFICIAL_TEST
    return table.assign(
        role=assign_roles(table.loc[own, "image_id"], settings.split).reindex(table.index).fillna(table["role"])
    )
