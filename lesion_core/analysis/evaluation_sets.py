"""The ways in which a run's results are read: which images, in which label set, against what was published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.analysis.intervals import Figures, paired_intervals
from lesion_core.analysis.metrics import METRICS, binary_figures, softmax, two_sided
from lesion_core.analysis.predictions import LabelledPredictions, most_probable
from lesion_core.analysis.summaries import binary_summary, multiclass_summary, per_class_summary
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import ConfigError, RunError
from lesion_core.labels import BINARY, HAM10000, class_indices, convert_codes, convert_probabilities
from lesion_core.runs.classifier import Run


@dataclass(frozen=True)
class EvaluationSet:
    """Some images of a run in some label set.

    Attributes:
        name: What a person reads.
        short: The same on a button.
        description: What it is good for, one sentence.
        split: Role of the images.
        classes: The label set, or None for the run's own classes.
        dataset: Only images of this data set.
    """

    name: str
    short: str
    description: str
    split: str
    classes: tuple[str, ...] | None
    dataset: str | None = None


EVALUATION_SETS: dict[str, EvaluationSet] = {
    "test": EvaluationSet(
        name="Test set",
        short="Test set",
        description="Lesions that no step of the training has seen, in the run's own classes.",
        split="test",
        classes=None,
    ),
    "ham10000": EvaluationSet(
        name="HAM10000 part of the test set",
        short="HAM10000 part",
        description="The same, only HAM10000, in its seven classes.",
        split="test",
        classes=HAM10000,
        dataset="ham10000",
    ),
    "milk10k": EvaluationSet(
        name="MILK10k part of the test set",
        short="MILK10k part",
        description="The same, only MILK10k: five clinics of other countries, its rare and malignant diagnoses "
        "preferred.",
        split="test",
        classes=None,
        dataset="milk10k",
    ),
    "isic2018": EvaluationSet(
        name="Official ISIC 2018 test set",
        short="Official ISIC 2018",
        description="Seven classes; it holds images from clinics that the training data lacks. Which of them show "
        "one lesion is not published, so each counts as one.",
        split="test",
        classes=HAM10000,
        dataset=OFFICIAL_TEST,
    ),
    "binary": EvaluationSet(
        name="Benign or malignant",
        short="Benign or malignant",
        description="The test set in two classes; actinic keratosis counts as malignant.",
        split="test",
        classes=BINARY,
    ),
    "binary_ham10000": EvaluationSet(
        name="Benign or malignant, HAM10000",
        short="Two classes, HAM10000",
        description="The HAM10000 part of the test set in two classes; actinic keratosis counts as malignant.",
        split="test",
        classes=BINARY,
        dataset="ham10000",
    ),
    "calibrate": EvaluationSet(
        name="Calibration set",
        short="Calibration set",
        description="Where temperature and thresholds are chosen.",
        split="calibrate",
        classes=None,
    ),
    "select": EvaluationSet(
        name="Validation set",
        short="Validation set",
        description="Where the best epoch is chosen; its figures flatter the model.",
        split="select",
        classes=None,
    ),
}
"""The views by the key used in links."""


@dataclass(frozen=True)
class EvaluationData:
    """The images of a view.

    Attributes:
        table: Their rows of `Run.predictions`.
        truth: (N,) class index.
        probabilities: (N, K) after the run's temperature.
        groups: (N,) lesion.
        classes: K codes.
    """

    table: pd.DataFrame
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    groups: NDArray[np.str_]
    classes: tuple[str, ...]

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) class index; -1 where it is undecided. In two classes the threshold counts as malignant."""
        if self.classes == BINARY:
            return two_sided(self.truth == 1, self.probabilities[:, 1]).predicted
        return most_probable(self.probabilities)


@dataclass(frozen=True)
class EvaluationSummary:
    """Metrics with intervals (metric, value, low, high) and how many images and lesions they are from."""

    table: pd.DataFrame
    n_images: int
    n_groups: int


def view_data(run: Run, key: str) -> EvaluationData | None:
    """The images of a view; None where the run has none, or its classes do not map onto the view's.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in EVALUATION_SETS:
        raise ConfigError(f"There is no view '{key}'.", f"Choose one of {', '.join(EVALUATION_SETS)}.")
    view = EVALUATION_SETS[key]
    table = run.part(view.split, view.dataset)
    return None if table.empty else evaluation_data(run, table, view.classes or run.classes)


def rows_of_view(run: Run, table: pd.DataFrame, key: str) -> tuple[NDArray[np.bool_], EvaluationData | None]:
    """Which rows of a table of test images, such as those of `runs.robustness`, are of a view, and what they say.

    Returns:
        (rows,) bool; None where there are none, or they do not map onto the view's classes.

    Raises:
        ConfigError: The view is unknown, or not of test images.
    """
    known = [name for name, entry in EVALUATION_SETS.items() if entry.split == "test"]
    if key not in known:
        raise ConfigError(f"There is no view '{key}' of the test set.", f"Choose one of {', '.join(known)}.")
    view = EVALUATION_SETS[key]
    chosen = (table["dataset"] == view.dataset if view.dataset else table["dataset"] != OFFICIAL_TEST).to_numpy(bool)
    rows = table[chosen]
    return chosen, None if rows.empty else evaluation_data(run, rows, view.classes or run.classes)


def evaluation_data(run: Run, table: pd.DataFrame, classes: tuple[str, ...]) -> EvaluationData | None:
    """Images in a label set; None where the run's classes or the images' diagnoses do not map onto it.

    Args:
        run: The run, for its temperature.
        table: Rows such as those of `Run.predictions`, all with a label.
        classes: The label set.
    """
    probabilities = softmax(run.logits(table), run.calibration.temperature)
    try:
        merged = convert_probabilities(probabilities, run.classes, classes)
        codes = convert_codes(table["label"].to_numpy(str), classes)
    except ConfigError:
        return None
    truth = class_indices(codes, classes)
    return EvaluationData(table, truth, merged, table["lesion_id"].to_numpy(str), classes)


def view_summary(run: Run, key: str, n_boot: int = 1000) -> EvaluationSummary | None:
    """The metrics of a view with 95 % intervals, resampled by lesion; None where `view_data` is None.

    Raises:
        ConfigError: The key is unknown.
    """
    data = view_data(run, key)
    return None if data is None else evaluation_summary(data, n_boot)


def evaluation_summary(data: EvaluationData, n_boot: int = 1000) -> EvaluationSummary:
    """The metrics of images with 95 % intervals, resampled by lesion."""
    compute: Callable[[], pd.DataFrame]
    if data.classes == BINARY:
        compute = partial(binary_summary, data.truth == 1, data.probabilities[:, 1], data.groups, n_boot=n_boot)
    else:
        compute = partial(multiclass_summary, data.truth, data.probabilities, data.groups, data.classes, n_boot=n_boot)
    return EvaluationSummary(compute(), len(data.truth), len(np.unique(data.groups)))


@dataclass(frozen=True)
class AtChosenThreshold:
    """Benign or malignant at a threshold of its own.

    Attributes:
        threshold: An image is called malignant at or over this probability: the one with the best F1 among the images
            of the calibration set.
        summary: The metrics of the test images there.
    """

    threshold: float
    summary: EvaluationSummary


def at_chosen_threshold(run: Run, dataset: str | None = None, n_boot: int = 1000) -> AtChosenThreshold | None:
    """The test set in two classes, at the threshold with the best F1 on the calibration set.

    Args:
        run: The run.
        dataset: Only images of this data set, for both.
        n_boot: Resamples.

    Returns:
        None where there is no test or calibration image, no malignant one to calibrate with, or the run's classes do
        not map onto two.
    """
    from sklearn.metrics import precision_recall_curve  # a third of a second that pages do not wait for

    tables = [run.part(role, dataset) for role in ("calibrate", "test")]
    if any(table.empty for table in tables):
        return None
    known, asked = (evaluation_data(run, table, BINARY) for table in tables)
    if known is None or asked is None or not known.truth.any():
        return None
    precision, recall, thresholds = precision_recall_curve(known.truth, known.probabilities[:, 1])
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)[:-1]
    threshold = float(thresholds[f1.argmax()])
    table = binary_summary(asked.truth == 1, asked.probabilities[:, 1], asked.groups, threshold, n_boot=n_boot)
    return AtChosenThreshold(threshold, EvaluationSummary(table, len(asked.truth), len(np.unique(asked.groups))))


def auroc_by_source(run: Run, code: str = "MEL", n_boot: int = 1000) -> pd.DataFrame:
    """How well one diagnosis is told from all others in each source of test images, the official test set too.

    Returns:
        dataset, value, low, high (95 %, resampled by lesion), n_images and n_groups (with the diagnosis), n (all); a
        source without an image of either side is left out.
    """
    rows = []
    for dataset in [*run.part("test")["dataset"].unique().tolist(), OFFICIAL_TEST]:
        data = evaluation_data(run, run.part("test", dataset), HAM10000)
        if data is None or not 0 < (positive := data.truth == data.classes.index(code)).sum() < len(positive):
            continue
        table = per_class_summary(data.truth, data.probabilities, data.groups, data.classes, n_boot=n_boot)
        row = table[(table["class"] == code) & (table["metric"] == "auroc")].iloc[0]
        rows.append({"dataset": dataset, **row[["value", "low", "high", "n_images", "n_groups"]], "n": len(data.truth)})
    return pd.DataFrame(rows, columns=["dataset", "value", "low", "high", "n_images", "n_groups", "n"])


def paired_differences(run: Run, other: Run, key: str, n_boot: int = 1000) -> pd.DataFrame | None:
    """How another run does at the images of a view that both have: the other run's figures minus the run's.

    Returns:
        metric, value, low, high (95 %, resampled by lesion, the same lesions for both), n_images, n_groups; None where
        they share no image or read the view in other classes.

    Raises:
        ConfigError: The key is unknown.
        RunError: A run lists an image twice.
    """
    ours, theirs = view_data(run, key), view_data(other, key)
    if ours is None or theirs is None or ours.classes != theirs.classes:
        return None
    for owner, data in ((run, ours), (other, theirs)):
        if not data.table["image_id"].is_unique:
            raise RunError(f"Run {owner.name} lists an image twice.", "Score it again with `evaluate --data`.")
    return paired_data(ours, theirs, n_boot)


def paired_data(ours: EvaluationData, theirs: EvaluationData, n_boot: int = 1000) -> pd.DataFrame | None:
    """As `paired_differences`, of the images of two runs in one label set, each image once."""
    place = pd.Index(theirs.table["image_id"]).get_indexer(pd.Index(ours.table["image_id"]))
    shared = place >= 0
    if not shared.any():
        return None
    found = paired_intervals(
        _figures(ours, np.flatnonzero(shared)),
        _figures(theirs, place[shared]),
        ours.groups[shared],
        n_boot,
        noise_adds=[metric for metric, entry in METRICS.items() if entry.noise_adds],
    )
    return pd.DataFrame([{"metric": metric, **asdict(interval)} for metric, interval in found.items()])


def _figures(data: EvaluationData, rows: NDArray[np.intp]) -> Figures:
    truth, probabilities = data.truth[rows], data.probabilities[rows]
    if data.classes == BINARY:
        return partial(binary_figures, two_sided(truth == 1, probabilities[:, 1]))
    labelled = LabelledPredictions.of(truth, probabilities)
    return lambda weights: {key: metric.statistic(labelled, weights) for key, metric in METRICS.items()}
