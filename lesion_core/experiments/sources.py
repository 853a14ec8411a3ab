"""The experiment of sources: what each variant learns from, and its figures in every source of test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from lesion_core.analysis.evaluation_sets import evaluation_data, paired_data
from lesion_core.analysis.intervals import share_intervals
from lesion_core.analysis.sources import source_of, test_images
from lesion_core.config import RunSettings
from lesion_core.data.collection import Collection
from lesion_core.data.equal_sources import of_sources
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.experiments.prepared import Prepared
from lesion_core.experiments.registry import AT_HOME, Experiment, Variant
from lesion_core.ood.model_outputs import outputs_of
from lesion_core.ood.scores import Scorer
from lesion_core.ood.threshold_rules import split_scores
from lesion_core.ood.thresholds import keep_share_threshold
from lesion_core.runs.classifier import Run

REJECTED_BY = ("scaled_confidence", "layer3_residual")
"""Scores of `registry.SOURCE_METRICS`."""


def prepare(
    name: str,
    variant: Variant,
    chosen: Experiment,
    settings: RunSettings,
    collection: Collection,
    runs: Mapping[str, Run],
) -> Prepared:
    """A variant that learns from some sources alone, of the diagnoses that all of them share.

    Args:
        name: Its key.
        variant: What it learns from.
        chosen: The experiment.
        settings: What all variants share.
        collection: All images.
        runs: Where the runs of all variants are once they are measured.

    Raises:
        DataError: As `of_sources` raises it.
    """
    classes = tuple(code for code in settings.model.classes if code in chosen.shared)
    model = settings.model.model_copy(update={"classes": classes})
    table = collection.table
    compared = table["dataset"].isin(chosen.compared) | (table["dataset"] == OFFICIAL_TEST)
    table = table[table["diagnosis"].isin(chosen.shared) & compared]
    if variant.equal:
        table = of_sources(table, variant.sources, chosen.compared)
    return Prepared(
        variant.apply(settings).model_copy(update={"name": "study", "model": model}),
        table.reset_index(drop=True),
        collection.ood.iloc[:0],
        lambda run, _: in_each_source(run, name, runs),
    )


def in_each_source(run: Run, name: str, runs: Mapping[str, Run], n_boot: int = 1000) -> pd.DataFrame:
    """`registry.SOURCE_METRICS` of a run in each source of its test images, and the balanced accuracy minus that of the
    run that was trained there (`registry.AT_HOME`).

    Args:
        run: A variant's.
        name: The variant's key.
        runs: All variants' by key, which is the source's where a variant learned from one alone.
        n_boot: Resamples.

    Returns:
        `registry.COLUMNS` but the variant.
    """
    scorer = Scorer.of(run)
    rows: list[Any] = []
    limits = {key: keep_share_threshold(split_scores(run, scorer, key, "calibrate").scores) for key in REJECTED_BY}
    for source in dict.fromkeys(test_images(run)["dataset"]):
        images = run.part("test", source)
        data = evaluation_data(run, images, run.classes)
        if data is None:
            continue
        figures = dict(source_of(source, data, None, n_boot).figures)
        outputs, every = outputs_of(run, images), np.ones(len(images), np.bool_)
        rejected = {f"rejected_{key}": (scorer(key, outputs) > limit, every) for key, limit in limits.items()}
        figures |= share_intervals(rejected, data.groups)
        rows += [{"view": source, "metric": key, **asdict(found)} for key, found in figures.items()]
        home = None if source == name else runs.get(source)
        there = None if home is None else evaluation_data(home, home.part("test", source), home.classes)
        minus = None if there is None else paired_data(there, data, n_boot)
        if minus is not None:
            rows += minus[minus["metric"] == "balanced_accuracy"].assign(view=source + AT_HOME).to_dict("records")
    return pd.DataFrame(rows).assign(**{"class": ""})
