"""What each score does on a run's test set and OOD images, at thresholds from the calibration set, in one table."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import pandas as pd

from lesion_core.analysis.intervals import Interval, clopper_pearson, share_interval
from lesion_core.errors import ConfigError
from lesion_core.ood.detection import detection
from lesion_core.ood.model_outputs import ood_outputs
from lesion_core.ood.scores import Scorer
from lesion_core.ood.selective import selective
from lesion_core.ood.threshold_rules import split_scores
from lesion_core.ood.thresholds import keep_share_threshold, operating_point
from lesion_core.runs.classifier import Run

SHOWN_ON = ("test", "select")
"""Dermoscopy that figures of scores are of: what is told of them, and what they are chosen by."""


def scoreboard(
    run: Run,
    scorer: Scorer,
    keys: Collection[str] | None = None,
    share: float = 0.95,
    n: int = 1000,
    seed: int = 0,
    on: str = "test",
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """The figures of scores, long form, in the order of `keys`.

    Measures of dermoscopy alone (kind empty) are aurc, augrc, and coverage and risk at the threshold that keeps
    `share` of the calibration set; of OOD images (kind all) those of `detection.MEASURES`; of OOD images of each
    kind, and of all, the share that this threshold rejects. Dermoscopy is resampled by lesion, OOD images by image. The
    kinds of corrupted images (`Run.corrupted`) have their rejected share too, and are not part of all. The share of
    each data set's images that is kept is its coverage, with the data set as the kind.

    Scores are chosen by what they do on `select`: then dermoscopy is the validation set, and OOD images are those that
    the run keeps to choose with (`Run.ood_to_choose_with`), of which no other figure is. Scores that are `learned` know
    the clinical photographs among them, and look better there than they are.

    Args:
        run: The run.
        scorer: Its scores.
        keys: Keys of `SCORES`; None: all that the run has.
        share: Share of the calibration images that the thresholds keep, in (0, 1].
        n: Resamples.
        seed: The same seed draws the same images.
        on: The dermoscopy that the figures are of, `test` or `select`.
        on_progress: Called with scores done and scores in all.

    Returns:
        score, kind, measure, value, low, high, n (images that the figure is over).

    Raises:
        RunError: The run has no test or no calibration images.
        ConfigError: A key is unknown, a number is out of range, or figures are asked of another set.
    """
    if on not in SHOWN_ON:
        raise ConfigError(f"There are no figures of scores on '{on}'.", f"Choose one of {', '.join(SHOWN_ON)}.")
    strange, changed = (
        (run.ood_images, run.corrupted) if on == "test" else (run.ood_to_choose_with, run.corrupted.iloc[:0])
    )
    ood_images, corrupted = ood_outputs(run, strange), ood_outputs(run, changed)
    kinds = np.concatenate([strange["kind"].to_numpy(str), changed["kind"].to_numpy(str)])
    datasets = run.part(on)["dataset"].to_numpy(str)
    keys = scorer.keys if keys is None else keys
    rows: list[dict[str, object]] = []
    for done, key in enumerate(keys, start=1):
        test = split_scores(run, scorer, key, on)
        threshold = keep_share_threshold(split_scores(run, scorer, key, "calibrate").scores, share)
        out = scorer(key, ood_images)
        point = operating_point(test.scores <= threshold, test.correct, out <= threshold, test.lesions)

        def add(kind: str, figures: dict[str, Interval], key: str = key) -> None:
            rows.extend(
                {
                    "score": key,
                    "kind": kind,
                    "measure": name,
                    "value": i.value,
                    "low": i.low,
                    "high": i.high,
                    "n": i.n_images,
                }
                for name, i in figures.items()
            )

        add(
            "",
            {
                **selective(test.scores, test.correct, test.lesions, n, seed),
                "coverage": point.coverage,
                "risk": point.risk,
            },
        )
        for dataset in pd.unique(datasets):
            own = datasets == dataset
            add(str(dataset), {"coverage": share_interval(test.scores <= threshold, own, test.lesions)})
        add("all", {**detection(test.scores, out, test.lesions, n, seed), "rejected": point.ood_rejected})
        both = np.concatenate([out, scorer(key, corrupted)])
        for kind in pd.unique(kinds):
            rejected = both[kinds == kind] > threshold
            add(str(kind), {"rejected": clopper_pearson(int(rejected.sum()), len(rejected))})
        if on_progress:
            on_progress(done, len(keys))
    return pd.DataFrame(rows, columns=["score", "kind", "measure", "value", "low", "high", "n"])
