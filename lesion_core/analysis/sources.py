"""How a run does on the test images of each source, what its policy rejects there, and whether a loss is noticed.

A source is a data set: other clinics, cameras and people. All sources are read in one label set, so that an answer is
right or wrong by the same rule; which diagnoses they hold, and how many of each, still differs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_core.analysis.evaluation_sets import EvaluationData, evaluation_data
from lesion_core.analysis.intervals import Interval, Statistic, bootstrap_all, share_intervals
from lesion_core.analysis.metrics import METRICS
from lesion_core.analysis.predictions import LabelledPredictions
from lesion_core.analysis.ranking import auroc, rank
from lesion_core.analysis.slices import difference
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.errors import DataError
from lesion_core.labels import HAM10000
from lesion_core.runs.classifier import Run

Mask = NDArray[np.bool_]
Verdict = Literal["no loss seen", "noticed", "noticed in part", "not noticed"]

FIGURES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "melanoma_auroc": "AUROC of melanoma",
    "rejected": "Rejected",
    "wrong_among_kept": "Wrong among the kept",
    "wrong_rejected": "Rejected among the wrong",
    "melanoma_auroc_kept": "AUROC of melanoma, kept",
}
"""What is measured in each source, by key; the last four need a policy."""

MELANOMA = "MEL"


@dataclass(frozen=True)
class Source:
    """The test images of one data set.

    Attributes:
        dataset: Its name in the run's tables.
        diagnoses: Codes that occur, in the order of the label set.
        n_images: All of its test images.
        n_lesions: The lesions that these show.
        figures: By key of `FIGURES`; those of the policy are missing where there is none.
    """

    dataset: str
    diagnoses: tuple[str, ...]
    n_images: int
    n_lesions: int
    figures: Mapping[str, Interval]


def test_images(run: Run) -> pd.DataFrame:
    """The rows of `Run.predictions` that the run is tested on, the official test set among them."""
    return run.predictions[run.predictions["split"] == "test"]


def by_source(run: Run, kept: ArrayLike | None = None, n_boot: int = 1000) -> list[Source]:
    """Every source of a run's test images, the largest first and the official test set last.

    Args:
        run: The run.
        kept: (N,) bool: which of `test_images` the policy keeps; None without a policy.
        n_boot: Resamples, for the figures other than shares.

    Returns:
        In the seven diagnoses of HAM10000 where the run's classes map onto these, else in its own. A source with a
        label that does not map is left out.

    Raises:
        DataError: `kept` does not have a value per test image.
    """
    table = test_images(run)
    keeps = None if kept is None else np.asarray(kept)
    if keeps is not None and (keeps.shape != (len(table),) or keeps.dtype != np.bool_):
        raise DataError(f"What is kept does not fit the {len(table):,} test images.", "Give one boolean per image.")
    names = table["dataset"].to_numpy(str)
    own = [str(name) for name in table["dataset"].value_counts().index if name != OFFICIAL_TEST]
    found = []
    for name in (*own, *({OFFICIAL_TEST} & set(names))):
        rows = names == name
        data = evaluation_data(run, table[rows], HAM10000) or evaluation_data(run, table[rows], run.classes)
        if data is not None:
            found.append(source_of(name, data, None if keeps is None else keeps[rows], n_boot))
    return found


def source_of(name: str, data: EvaluationData, kept: Mask | None, n_boot: int = 1000) -> Source:
    """The figures of one source's images.

    Args:
        name: The data set's.
        data: Its images with their truth and answers.
        kept: (N,) bool, whether the policy keeps each; None without a policy.
        n_boot: Resamples.
    """
    right = data.predicted == data.truth
    asked: dict[str, tuple[Mask, Mask]] = {"accuracy": (right, np.ones_like(right))}
    if kept is not None:
        asked["rejected"] = (~kept, np.ones_like(right))
        asked["wrong_among_kept"] = (~right, kept)
        asked["wrong_rejected"] = (~kept, ~right)
    figures = share_intervals(asked, data.groups)
    labelled = LabelledPredictions.of(data.truth, data.probabilities)
    statistics: dict[str, Statistic] = {
        "balanced_accuracy": lambda w: METRICS["balanced_accuracy"].statistic(labelled, w)
    }
    statistics |= _melanoma("melanoma_auroc", data, np.ones_like(right))
    figures |= bootstrap_all(statistics, data.groups, n_boot)
    if kept is not None and kept.any():
        figures |= bootstrap_all(_melanoma("melanoma_auroc_kept", data, kept), data.groups[kept], n_boot)
    present = np.unique(data.truth)
    return Source(
        dataset=name,
        diagnoses=tuple(code for i, code in enumerate(data.classes) if i in present),
        n_images=len(right),
        n_lesions=len(np.unique(data.groups)),
        figures={key: figures[key] for key in FIGURES if key in figures},
    )


def _melanoma(key: str, data: EvaluationData, among: Mask) -> dict[str, Statistic]:
    """The AUROC of melanoma by its probability among some of the images; nothing where these are all of one side."""
    if MELANOMA not in data.classes:
        return {}
    k = data.classes.index(MELANOMA)
    positive = (data.truth == k)[among]
    if positive.all() or not positive.any():
        return {}
    ranking = rank(positive, data.probabilities[among, k])
    return {key: lambda weights: auroc(ranking, weights)}


@dataclass(frozen=True)
class Loss:
    """What another source costs, and what becomes of it.

    Attributes:
        changes: By key of `FIGURES`, how much higher the figure is there, with the ends of its 95 % interval.
    """

    changes: Mapping[str, tuple[float, float, float]]

    @classmethod
    def of(cls, reference: Source, other: Source) -> Loss:
        """Of two sources that share no lesion."""
        keys = [key for key in reference.figures if key in other.figures]
        return cls({key: difference(other.figures[key], reference.figures[key]) for key in keys})

    @property
    def verdict(self) -> Verdict | None:
        """Whether the policy notices that the answers are worse; None without a policy.

        A loss is seen where the interval of the accuracy's change or of the AUROC of melanoma's lies under 0. It is
        noticed where the policy rejects more, by the interval, and no loss is seen among what it keeps; in part, where
        it rejects more and one is seen there all the same.
        """
        if "rejected" not in self.changes:
            return None
        if not (self._falls("accuracy") or self._falls("melanoma_auroc")):
            return "no loss seen"
        if not self.changes["rejected"][1] > 0:
            return "not noticed"
        among_kept = self.changes["wrong_among_kept"][1] > 0 or self._falls("melanoma_auroc_kept")
        return "noticed in part" if among_kept else "noticed"

    def _falls(self, figure: str) -> bool:
        return figure in self.changes and self.changes[figure][2] < 0


@dataclass(frozen=True)
class TwoForms:
    """The same lesions in two forms, dermoscopy and clinical close-up, and what is answered.

    Attributes:
        lesions: All.
        both, only_dermoscopy, only_close_up, neither: How many of them are answered in which form.
        p: That so unequal a count of the two in between comes by chance (exact McNemar test); 1 where they are equal.
        right: By form, lesions whose answer, asked for or not, is right; NaN where no diagnosis is one of the run's.
        wrong_among_answered: By form.
        same: Lesions whose two answers are the same, whether or not they are rejected.
    """

    lesions: int
    both: int
    only_dermoscopy: int
    only_close_up: int
    neither: int
    p: float
    right: tuple[Interval, Interval]
    wrong_among_answered: tuple[Interval, Interval]
    same: Interval


def two_forms(pairs: pd.DataFrame) -> TwoForms:
    """Count lesions that are shown in two forms.

    Args:
        pairs: A row per lesion: lesion_id, label (a code, or missing where it is none of the run's), and for
            `dermoscopy` and `close_up` the answer ``<form>_answer`` and whether it is given, ``<form>_kept``.

    Raises:
        DataError: A lesion is listed twice.
    """
    if pairs["lesion_id"].duplicated().any():
        raise DataError("A lesion is listed twice.", "Give one pair of images for each lesion.")
    lesions = np.arange(len(pairs))
    known = pairs["label"].notna().to_numpy(bool)
    dermoscopy, close_up = (pairs[f"{form}_kept"].to_numpy(bool) for form in ("dermoscopy", "close_up"))
    right = [(pairs[f"{form}_answer"] == pairs["label"]).to_numpy(bool) for form in ("dermoscopy", "close_up")]
    same = (pairs["dermoscopy_answer"] == pairs["close_up_answer"]).to_numpy(bool)
    if len(pairs) == 0:
        nothing = Interval(math.nan, math.nan, math.nan, 0, 0)
        return TwoForms(0, 0, 0, 0, 0, 1.0, (nothing, nothing), (nothing, nothing), nothing)
    found = share_intervals(
        {
            **{f"right {i}": (is_right, known) for i, is_right in enumerate(right)},
            **{f"wrong {i}": (~right[i], known & kept) for i, kept in enumerate((dermoscopy, close_up))},
            "same": (same, np.ones_like(same)),
        },
        lesions,
    )
    only = int((dermoscopy & ~close_up).sum()), int((close_up & ~dermoscopy).sum())
    return TwoForms(
        lesions=len(pairs),
        both=int((dermoscopy & close_up).sum()),
        only_dermoscopy=only[0],
        only_close_up=only[1],
        neither=int((~dermoscopy & ~close_up).sum()),
        p=mcnemar(*only),
        right=(found["right 0"], found["right 1"]),
        wrong_among_answered=(found["wrong 0"], found["wrong 1"]),
        same=found["same"],
    )


def mcnemar(first: int, second: int) -> float:
    """The exact two-sided p value of McNemar's test (1947): pairs that differ do so either way alike.

    Args:
        first: Pairs that differ one way.
        second: Pairs that differ the other way.

    Examples:
        >>> mcnemar(5, 0), mcnemar(3, 3)
        (0.0625, 1.0)
    """
    n = first + second
    tail = sum(math.comb(n, i) for i in range(min(first, second) + 1))
    return min(1.0, float(2 * tail / 2**n))


def by_group(data: EvaluationData, groups: ArrayLike, kept: Mask | None = None) -> pd.DataFrame:
    """Accuracy, the melanomas found and what is rejected, in each group of a view's images.

    Args:
        data: The images.
        groups: (N,) the group of each, text.
        kept: (N,) bool, whether the policy keeps each; None without a policy.

    Returns:
        group, figure (accuracy, melanoma_recall, rejected), value, low, high, n_images, n_groups; groups in their
        alphabetical order, a figure of no image is NaN.
    """
    names = np.asarray(groups).astype(str)
    right, every = data.predicted == data.truth, np.ones(len(names), bool)
    melanoma = data.truth == data.classes.index(MELANOMA) if MELANOMA in data.classes else ~every
    asked: dict[tuple[str, str], tuple[Mask, Mask]] = {}
    for group in np.unique(names):
        own = names == group
        asked[str(group), "accuracy"] = right, own
        asked[str(group), "melanoma_recall"] = right, own & melanoma
        if kept is not None:
            asked[str(group), "rejected"] = ~kept, own
    rows = [
        (group, figure, i.value, i.low, i.high, i.n_images, i.n_groups)
        for (group, figure), i in share_intervals(asked, data.groups).items()
    ]
    return pd.DataFrame(rows, columns=["group", "figure", "value", "low", "high", "n_images", "n_groups"])
