"""Everything that is computed once for all visitors; with `app.cache_rejection` and
`app.cache_explanation` the only place with st.cache_*.

Models are resources, loaded on first use. Everything else is data, keyed by the run's fingerprint and the
picture's content, and bounded.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.answers import Answers, read_answers
from app.charts_data import Facts
from app.charts_data import facts as count
from app.state import EXPERIMENTS, OOD_SAMPLES, data_root, runs_root, trunk
from lesion_core.analysis.curves import by_class
from lesion_core.analysis.evaluation_sets import EvaluationData, EvaluationSummary, paired_differences
from lesion_core.analysis.evaluation_sets import view_summary as compute_view_summary
from lesion_core.analysis.intervals import per_class_summary
from lesion_core.analysis.segmentation import mask_summary
from lesion_core.config import Preprocessing
from lesion_core.data.catalog import COLUMNS, Catalog, discover, read, training_table
from lesion_core.data.samples import (
    Picture,
    Sample,
    folder_strangers,
    load,
    real_samples,
    stranger_samples,
    synthetic_samples,
)
from lesion_core.data.synthetic.lesions import SyntheticLesion, gallery, make_lesion
from lesion_core.errors import LesionError, RunError
from lesion_core.experiments import Finding, read_study
from lesion_core.imaging.decode import content_hash, decode
from lesion_core.imaging.preprocess import Pipeline, Preprocessed
from lesion_core.runs.classifier import Run, list_runs
from lesion_core.runs.segmenter import SegmenterRun, list_segmenters

if TYPE_CHECKING:
    from lesion_core.serving.classifier import Engine, Prediction
    from lesion_core.serving.segmenter import Segmentation, SegmenterEngine

Pixels = NDArray[np.uint8]
BY_CONTENT: dict[str | type[Any], Callable[[Any], Any]] = {np.ndarray: content_hash}
THUMBNAIL = 200
"""Pixels of the longer side of a small picture."""


def runs() -> tuple[list[Run], dict[str, RunError]]:
    """All runs, and the folders that cannot be opened with the reason. A new run appears within a minute."""
    return _runs(runs_root())


@st.cache_resource(ttl=60, show_spinner=False)
def _runs(root: Path) -> tuple[list[Run], dict[str, RunError]]:
    return list_runs(root)


def run(name: str) -> Run:
    """The run of a name.

    Raises:
        RunError: There is none.
    """
    found, broken = runs()
    for candidate in found:
        if candidate.name == name:
            return candidate
    if name in broken:
        raise broken[name]
    raise RunError(f"There is no run '{name}'.", "Choose one in the sidebar.")


def segmenters() -> tuple[list[SegmenterRun], dict[str, RunError]]:
    """All segmenters, and the folders that cannot be opened with the reason. A new one appears within a minute."""
    return _segmenters(runs_root())


@st.cache_resource(ttl=60, show_spinner=False)
def _segmenters(root: Path) -> tuple[list[SegmenterRun], dict[str, RunError]]:
    return list_segmenters(root)


def segmenter(name: str) -> SegmenterRun:
    """The segmenter of a name.

    Raises:
        RunError: There is none.
    """
    found, broken = segmenters()
    for candidate in found:
        if candidate.name == name:
            return candidate
    if name in broken or (broken and not name):
        raise broken.get(name) or next(iter(broken.values()))
    raise RunError(
        f"There is no segmenter '{name}'." if name else "There is no segmenter yet.",
        "Train one: `python -m lesion_core segment train --help`.",
    )


def data_sets() -> dict[str, Path]:
    """The data sets that are on this machine: layout to folder; empty where there is no data folder."""
    root = data_root()
    return _discover(root) if root else {}


@st.cache_data(show_spinner=False, max_entries=4)
def _discover(root: Path) -> dict[str, Path]:
    return discover(root)


def catalog(layout: str) -> Catalog:
    """The table of a data set in `data_sets`. The challenges share pictures: those of the other sets count as found."""
    found = data_sets()
    shares = layout in ("isic2018_task3", "isic2019")
    return _catalog(layout, found[layout], tuple(f for f in found.values() if f != found[layout]) if shares else ())


@st.cache_data(show_spinner="Reading the tables …", max_entries=8)
def _catalog(layout: str, root: Path, others: tuple[Path, ...]) -> Catalog:
    return read(layout, root, image_roots=(root, *others), mask_roots=(root, *others))


@st.cache_data(show_spinner="Counting …", max_entries=8)
def facts(layout: str, root: Path | None) -> Facts:
    """A data set of `data_sets` in numbers; the synthetic one where it is in no folder."""
    if root is None:
        return count(synthetic_table())
    found = catalog(layout)
    return count(found.table, found.missing)


@st.cache_data(show_spinner=False, max_entries=1)
def _synthetic_lesions() -> dict[str, SyntheticLesion]:
    """The synthetic samples, small, with their made-up patients."""
    made = {}
    for sample in synthetic_samples():
        _, code, seed = sample.id.split("-")
        made[sample.id] = make_lesion(code, int(seed), THUMBNAIL)
    return made


@st.cache_data(show_spinner=False, max_entries=1)
def synthetic_table() -> pd.DataFrame:
    """The synthetic samples as a catalog's table; there are no files."""
    rows = [
        {
            "image_id": name,
            "lesion_id": name,
            "dataset": "synthetic",
            "diagnosis": lesion.diagnosis,
            "dx_type": "synthetic",
            "age": float(lesion.age),
            "sex": lesion.sex,
            "site": lesion.site,
        }
        for name, lesion in _synthetic_lesions().items()
    ]
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


@st.cache_data(show_spinner=False, max_entries=2048)
def thumbnail(sample: Sample) -> bytes:
    """A small JPEG of a sample, at most `THUMBNAIL` pixels a side.

    Raises:
        ImageError: The file cannot be decoded.
    """
    image = decode(sample.path) if sample.path else _synthetic_lesions()[sample.id].image
    scale = min(1.0, THUMBNAIL / max(image.shape))
    if scale < 1:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])[1])


@st.cache_data(show_spinner=False, max_entries=8, hash_funcs={**BY_CONTENT, Preprocessing: Preprocessing.fingerprint})
def preprocess(settings: Preprocessing, image: Pixels) -> Preprocessed:
    """Every step of some settings on a picture."""
    return Pipeline(settings).run(image)


@st.cache_data(show_spinner="Reading the tables …", max_entries=2)
def _training_table(root: Path) -> pd.DataFrame:
    return training_table(root).table


# Of cached functions that call each other, the outermost one's spinner is shown, and no other.
@st.cache_data(show_spinner="Reading the tables …", max_entries=8)
def samples(fingerprint: str | None, run_name: str | None, root: Path | None) -> dict[str, Sample]:  # noqa: ARG001
    """Samples by id: real ones of the run's test split where the data is, synthetic lesions, strangers.

    Args:
        fingerprint: The run's; the samples change with it.
        run_name: Its name; without a run there are no real samples.
        root: The data folder, if there is one.
    """
    found: list[Sample] = []
    if run_name and root:
        everything = all_real_samples(root)
        test = [everything[name] for name in run(run_name).part("test")["image_id"] if name in everything]
        test.sort(key=lambda sample: (sample.mask_path is None, sample.id))
        # As many of each diagnosis, those with a mask first, so that a list of real pictures is no list of nevi.
        taken: Counter[str | None] = Counter()
        for sample in test:
            taken[sample.truth] += 1
            if taken[sample.truth] <= 6:
                found.append(sample)
    found += synthetic_samples()
    found += stranger_samples(OOD_SAMPLES)
    return {sample.id: sample for sample in found}


@st.cache_resource(show_spinner="Reading the tables …", max_entries=2)
def all_real_samples(root: Path) -> dict[str, Sample]:
    """Every picture of the data folder by id, those that are no lesion too, for links to any; for reading only.

    Data sets that cannot be read are left out.
    """
    tables = []
    for layout in data_sets():
        with suppress(LesionError):
            tables.append(catalog(layout).present)
    # Last, so that they win: the rows of the training table know more, such as the mask.
    with suppress(LesionError):
        tables.append(_training_table(root))
    found = {sample.id: sample for table in tables for sample in real_samples(table)}
    return found | {sample.id: sample for sample in folder_strangers(root)}


@st.cache_data(show_spinner=False, max_entries=256)
def picture(sample: Sample) -> Picture:
    """A sample's pixels and mask."""
    return load(sample)


@st.cache_data(show_spinner="Measuring, with intervals …", max_entries=64)
def _view_summary(name: str, fingerprint: str, view: str) -> EvaluationSummary | None:  # noqa: ARG001
    return compute_view_summary(run(name), view)


def view_summary(name: str, view: str) -> EvaluationSummary | None:
    """A run's metrics with intervals in a view, None where it has no such images."""
    return _view_summary(name, run(name).fingerprint, view)


@st.cache_data(show_spinner="Comparing, with intervals …", max_entries=64)
def _paired(name: str, fingerprint: str, other: str, of_other: str, view: str) -> pd.DataFrame | None:  # noqa: ARG001
    return paired_differences(run(name), run(other), view)


def paired(name: str, other: str, view: str) -> pd.DataFrame | None:
    """The figures of another run less a run's, as `views.paired_differences` gives them."""
    return _paired(name, run(name).fingerprint, other, run(other).fingerprint, view)


@st.cache_data(show_spinner="Reading the results …", max_entries=32)
def _answers(name: str, fingerprint: str, view: str) -> Answers | None:  # noqa: ARG001
    return read_answers(run(name), view)


def answers(name: str, view: str) -> Answers | None:
    """A view's images and what the run says of them, None where it has no such images."""
    return _answers(name, run(name).fingerprint, view)


def _view_data(name: str, view: str) -> EvaluationData:
    found = answers(name, view)
    if found is None:
        raise RunError(f"Run {name} has no images for the view '{view}'.", "Choose another view.")
    return found.data


@st.cache_data(show_spinner="Measuring each class, with intervals …", max_entries=32)
def _per_class(name: str, fingerprint: str, view: str) -> pd.DataFrame:  # noqa: ARG001
    data = _view_data(name, view)
    return per_class_summary(data.truth, data.probabilities, data.groups, data.classes)


def per_class(name: str, view: str) -> pd.DataFrame:
    """Figures of each class with intervals, as `per_class_summary` gives them.

    Raises:
        RunError: The run has no images for the view.
    """
    return _per_class(name, run(name).fingerprint, view)


@st.cache_data(show_spinner="Drawing the curves …", max_entries=32)
def _roc_curves(name: str, fingerprint: str, view: str) -> pd.DataFrame:  # noqa: ARG001
    data = _view_data(name, view)
    return by_class(data.truth, data.probabilities, data.classes)[0]


def roc_curves(name: str, view: str) -> pd.DataFrame:
    """The ROC curve of each class against the rest: class, threshold, fpr, tpr; errors as in `per_class`."""
    return _roc_curves(name, run(name).fingerprint, view)


@st.cache_data(show_spinner="Measuring, with intervals …", max_entries=16)
def _mask_summary(name: str, fingerprint: str, variant: str) -> pd.DataFrame:  # noqa: ARG001
    rows, counts = segmenter(name).counts("test", variant)
    return mask_summary(counts, rows["lesion_id"])


def mask_figures(name: str, variant: str) -> pd.DataFrame:
    """A segmenter's figures on its test split with intervals, as `mask_summary` gives them."""
    return _mask_summary(name, segmenter(name).fingerprint, variant)


@st.cache_data(show_spinner=False, max_entries=4)
def gallery_pictures(n: int) -> list[SyntheticLesion]:
    """Synthetic lesions of every diagnosis and skin tone."""
    return gallery(n, seed=1, size=192)


# The engine imports torch; the pages of tables open without it.


def _rules(folder: Path) -> str:
    """Changes with the run's `policy.json`, which a person may replace while the dashboard runs."""
    file = folder / "policy.json"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


@st.cache_resource(show_spinner="Loading the model …", max_entries=4)
def _engine(folder: Path, fingerprint: str, rules: str) -> Engine:  # noqa: ARG001 (another file, another engine)
    from lesion_core.serving.classifier import Engine

    return Engine.open(folder, trunk=trunk())


def engine(name: str) -> Engine:
    """The run's model, loaded on first use, one for all visitors."""
    found = run(name)
    return _engine(found.folder, found.fingerprint, _rules(found.folder))


@st.cache_data(show_spinner=False, max_entries=2048, hash_funcs=BY_CONTENT)
def _predict(fingerprint: str, rules: str, image: Pixels, _model: Engine) -> Prediction:  # noqa: ARG001
    return _model.predict(image)


def predict(name: str, image: Pixels) -> Prediction:
    """What the run says of a picture."""
    found = run(name)
    rules = _rules(found.folder)
    # Loaded here: inside of a cached function no spinner would be shown.
    return _predict(found.fingerprint, rules, image, _engine(found.folder, found.fingerprint, rules))


@st.cache_resource(show_spinner="Loading the segmenter …", max_entries=2)
def _segmenter_engine(folder: Path, fingerprint: str) -> SegmenterEngine:  # noqa: ARG001
    from lesion_core.serving.segmenter import SegmenterEngine

    return SegmenterEngine.open(folder)


@st.cache_data(show_spinner=False, max_entries=1024, hash_funcs=BY_CONTENT)
def _segment(fingerprint: str, image: Pixels, _model: SegmenterEngine) -> Segmentation:  # noqa: ARG001
    return _model.segment(image)


def segment(name: str, image: Pixels) -> Segmentation:
    """What a segmenter finds on a picture."""
    found = segmenter(name)
    return _segment(found.fingerprint, image, _segmenter_engine(found.folder, found.fingerprint))


@st.cache_data(show_spinner=False, max_entries=8)
def _finding(key: str, changed: int) -> Finding | None:  # noqa: ARG001
    return read_study(key, EXPERIMENTS)


def finding(key: str) -> Finding | None:
    """What a study found, None where it was not made."""
    path = EXPERIMENTS / f"{key}.csv"
    return _finding(key, path.stat().st_mtime_ns) if path.is_file() else None
