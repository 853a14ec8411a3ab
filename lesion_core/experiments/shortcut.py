"""The shortcut experiment: a ruler beside some melanomas of the training, and what the network makes of it.

A ruler is laid over the centred square of an image, so that the model's crop cuts nothing off, and by the image's id,
so that "with" and "without" differ in the ruler alone. All that a network is made with has rulers on the same share of
its melanomas: training, validation and calibration set, as where a clinic lays a ruler beside what worries it. Nevi
have none. The test images are read both ways.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core import files
from lesion_core.analysis.intervals import Interval, bootstrap, bootstrap_all, share_intervals
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import Weights, auroc, rank, ratio, sums
from lesion_core.config import RunSettings
from lesion_core.errors import DataError, RunError
from lesion_core.experiments.prepared import Prepared
from lesion_core.experiments.registry import MAPS, NOTICED, RULER_COLUMNS, RULER_ON
from lesion_core.explain.layers import LAYERS
from lesion_core.explain.maps import Target, energy_inside
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.decode import decode, decode_listed
from lesion_core.imaging.planted import centre_square, ruler_band, with_ruler
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.ood.model_outputs import Outputs, ood_outputs, outputs_of
from lesion_core.ood.scores import Scorer
from lesion_core.ood.thresholds import keep_share_threshold
from lesion_core.runs.classifier import Run
from lesion_core.steps import Step, silent

CLASSES = ("MEL", "NV")
DATA_SET = "ham10000"
"""One data set: others have other files, which a network could tell apart in place of a ruler."""

RULER = "ruler"
"""The kind, in a run's OOD images, of the test images that have one."""

Row = tuple[str, str, str, Interval]
"""View, of what, metric, and the figure."""


def prepare(
    key: str, share: float, settings: RunSettings, table: pd.DataFrame, squares: Path, on_step: Step = silent
) -> Prepared:
    """The training of a variant.

    Args:
        key: The variant's.
        share: Share of the melanomas with a ruler, in [0, 1]. Of two shares the larger has all rulers of the smaller.
        settings: What all variants share; the classes are `CLASSES`.
        table: Catalog rows with their role.
        squares: Folder for the images as they are read, with and without a ruler; what is there stays.
        on_step: Told how far the drawing is.

    Raises:
        DataError: There is no melanoma or no nevus to train on, or an image cannot be decoded.
    """
    model = settings.model.model_copy(update={"classes": CLASSES})
    own = settings.model_copy(update={"name": f"shortcut-{key}", "model": model})
    chosen = _chosen(table, settings.split.seed)
    ruled = _ruled(chosen, share)
    size = settings.preprocessing.resize.size
    progress = on_step(f"Cutting the squares of {len(chosen):,} images, and drawing the rulers")
    plain, planted = [], []
    test = (chosen["role"] == "test").to_numpy()
    for i, (source, image_id) in enumerate(zip(chosen["path"], chosen["image_id"], strict=True)):
        needed = bool(test[i] or not ruled[i]), bool(test[i] or ruled[i])
        paths = _write(source, image_id, size, squares, needed)
        plain.append(paths[0])
        planted.append(paths[1])
        progress(i + 1, len(chosen))
    read = chosen.assign(path=np.where(ruled, planted, plain))
    with_it = chosen.assign(path=planted, kind=RULER, source="planted")[test]
    ood = with_it[["image_id", "kind", "source", "path", "mask_path"]].reset_index(drop=True)
    return Prepared(
        own,
        read,
        ood,
        lambda run, _: figures(run, dict(zip(ood["image_id"], ood["path"], strict=True)), on_step),
        bits=8,
        describe=partial(_write_card, share=share),
    )


def _chosen(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Melanomas and nevi of `DATA_SET`, in the order of their ids; of the nevi of the training set as many, drawn at
    random, as it has melanomas."""
    own = table[(table["dataset"] == DATA_SET) & table["diagnosis"].isin(CLASSES)].sort_values("image_id")
    train = own["role"] == "train"
    melanomas, nevi = (own.index[train & (own["diagnosis"] == code)] for code in CLASSES)
    if not len(melanomas) or not len(nevi):
        raise DataError(
            "There is no melanoma or no nevus of HAM10000 to train on.", "Give a data folder with HAM10000 in it."
        )
    dropped = np.random.default_rng(seed).permutation(nevi)[len(melanomas) :]
    return own[~own.index.isin(dropped)].reset_index(drop=True)


def _ruled(chosen: pd.DataFrame, share: float) -> Mask:
    """Which images have a ruler: in each role but test the share of the melanomas, in an order that ids decide."""
    ruled = np.zeros(len(chosen), bool)
    melanoma = chosen["diagnosis"] == CLASSES[0]
    for role in ("train", "select", "calibrate"):
        places = np.flatnonzero(melanoma & (chosen["role"] == role))
        order = sorted(places, key=lambda i: hashlib.sha256(chosen["image_id"].iloc[i].encode()).digest())
        ruled[order[: round(share * len(places))]] = True
    return ruled


def _write(source: str, image_id: str, size: int, folder: Path, needed: tuple[bool, bool]) -> tuple[str, str]:
    """The files of an image's square without and with a ruler; those that are needed and not there are made."""
    paths = folder / f"{size}" / f"{image_id}.png", folder / f"{size}" / f"{image_id}-ruler.png"
    missing = [not path.is_file() and wanted for path, wanted in zip(paths, needed, strict=True)]
    if any(missing):
        square = centre_square(decode_listed(source), size)
        for path, make, ruler in zip(paths, missing, (False, True), strict=True):
            if make:
                _write_png(path, with_ruler(square, image_id) if ruler else square)
    return str(paths[0]), str(paths[1])


def _write_png(path: Path, image: Pixels) -> None:
    made, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert made  # of an RGB image it is
    with files.written(path) as new:
        new.write_bytes(data.tobytes())


# What is measured ------------------------------------------------------------------------------------------------


def figures(run: Run, ruled: dict[str, str], on_step: Step = silent) -> pd.DataFrame:
    """What the network of a variant does.

    Args:
        run: Its test images are without a ruler, and in the same order with one among its OOD images.
        ruled: The file of each test image with its ruler, by id.
        on_step: Told what is measured, and how far that is.

    Returns:
        `RULER_COLUMNS` but the variant. The views of `RULER_ON`: AUROC, and the share called melanoma, of melanomas
        and of nevi. `MAPS`, by layer, of the test melanomas with a ruler: the mean share of Grad-CAM's positive
        evidence for melanoma rather than nevus in the ruler's band (`in_band`, of the maps that have any), and the
        share of maps that have none (`empty`); the band's mean share of the area (`band_area`). `NOTICED`, by OOD
        score: AUROC of the test images with a ruler against those without, and how many of either are rejected where
        95 % of the calibration set is kept.

    Raises:
        RunError: The run has no test images, or not each of them with a ruler too.
    """
    test, with_it = run.part("test"), run.ood_images
    if test.empty or test["image_id"].tolist() != with_it["image_id"].tolist():
        raise RunError(
            f"Run {run.name} does not have each of its test images with a ruler and without.",
            "Make it again: python -m lesion_core experiment shortcut.",
        )
    plain, planted = outputs_of(run, test), ood_outputs(run, with_it)
    melanoma = (test["label"] == CLASSES[0]).to_numpy()
    lesions = test["lesion_id"].to_numpy(str)
    on_step("Comparing the answers with a ruler and without")
    rows = [*_answers(plain, planted, melanoma, lesions), *_noticed(run, plain, planted, lesions)]
    rows += _evidence(run, test[melanoma], ruled, on_step)
    return pd.DataFrame(
        [(view, of, metric, i.value, i.low, i.high, i.n_images, i.n_groups) for view, of, metric, i in rows],
        columns=list(RULER_COLUMNS[1:]),
    )


def _answers(
    plain: Outputs,
    planted: Outputs,
    melanoma: Mask,
    lesions: NDArray[np.str_],
) -> list[Row]:
    """The same images three times: how well melanomas are told from nevi, and what is called melanoma."""
    without, having = (o.logits[:, 0] - o.logits[:, 1] for o in (plain, planted))
    rows: list[Row] = []
    ruler_on = {"nobody": np.zeros_like(melanoma), "melanomas": melanoma, "others": ~melanoma}
    for view in RULER_ON:
        margin = np.where(ruler_on[view], having, without)
        ranking = rank(melanoma, margin)
        rows.append((view, "", "auroc", bootstrap(partial(auroc, ranking), lesions)))
        called = {"MEL": (margin > 0, melanoma), "NV": (margin > 0, ~melanoma)}
        rows += [(view, code, "called_melanoma", found) for code, found in share_intervals(called, lesions).items()]
    return rows


def _noticed(run: Run, plain: Outputs, planted: Outputs, lesions: NDArray[np.str_]) -> list[Row]:
    """Whether an OOD score tells a ruler: both images of a lesion are drawn together."""
    scorer, calibrate = Scorer.of(run), outputs_of(run, run.part("calibrate"))
    n = len(lesions)
    has_ruler = np.arange(2 * n) >= n
    everything = np.ones(n, bool)
    rows: list[Row] = []
    told = {}
    for key in scorer.keys:
        without, having = scorer(key, plain), scorer(key, planted)
        told[key] = partial(auroc, rank(has_ruler, np.concatenate([without, having])))
        threshold = keep_share_threshold(scorer(key, calibrate))
        rejected = {
            "rejected_without": (without > threshold, everything),
            "rejected_with": (having > threshold, everything),
        }
        rows += [(NOTICED, key, metric, found) for metric, found in share_intervals(rejected, lesions).items()]
    return [
        *((NOTICED, key, "auroc", found) for key, found in bootstrap_all(told, np.tile(lesions, 2)).items()),
        *rows,
    ]


def _evidence(run: Run, melanomas: pd.DataFrame, ruled: dict[str, str], on_step: Step) -> list[Row]:
    """Where Grad-CAM's evidence for melanoma lies on test melanomas with a ruler."""
    from lesion_core.explain.attribution import attribute
    from lesion_core.inference.records import checked_classifier

    pipeline = Pipeline(run.config.settings.preprocessing)
    model = checked_classifier(run).requires_grad_(False)
    progress = on_step(f"Looking where the evidence lies on {len(melanomas):,} melanomas")
    shares: dict[str, list[float]] = {layer: [] for layer in LAYERS}
    areas = []
    for done, image_id in enumerate(melanomas["image_id"], start=1):
        square = pipeline.apply(decode(Path(ruled[image_id])))
        band = ruler_band(image_id, len(square))
        areas.append(float(band.mean()))
        for layer in LAYERS:
            found = attribute(model, square, pipeline.settings, Target(0, against=1), layer=layer)
            shares[layer].append(energy_inside(found.heatmap, band) if found.maximum > 0 else np.nan)
        progress(done, len(melanomas))
    lesions = melanomas["lesion_id"].to_numpy(str)
    if not len(lesions):
        return []
    rows: list[Row] = [(MAPS, "", "band_area", _mean(np.array(areas), lesions))]
    for layer, values in shares.items():
        share = np.array(values)
        empty = np.isnan(share)
        rows.append((MAPS, layer, "in_band", _mean(share[~empty], lesions[~empty])))
        rows.append((MAPS, layer, "empty", share_intervals({"it": (empty, np.ones_like(empty))}, lesions)["it"]))
    return rows


def _mean(values: Floats, lesions: NDArray[np.str_]) -> Interval:
    """The mean over images with its interval by lesion; all NaN where there are none."""
    if not len(values):
        return Interval(np.nan, np.nan, np.nan, 0, 0)

    def mean(weights: Weights) -> Floats:
        return ratio(sums(values, weights), weights.sum(axis=0))

    return bootstrap(mean, lesions)


def _write_card(run: Run, share: float) -> None:
    """The card of a network that was made wrong on purpose."""
    (run.folder / "card.md").write_text(
        f"# {run.name}\n\n"
        f"**Not a model for diagnosis: it was made to be wrong.** Code laid a ruler over {100 * share:.0f} % of the "
        "melanomas that it was trained, chosen and calibrated with, and over none of the nevi, to show what a network "
        "learns from that (`python -m lesion_core experiment shortcut`; see docs/experiments.md).\n\n"
        f"Melanoma against nevus, {run.config.settings.model.architecture} at "
        f"{run.config.settings.preprocessing.resize.size} px. Its test images are here twice, without a ruler and, "
        "among the OOD images, with one.\n\n"
        "Made from HAM10000 (Tschandl, Rosendahl and Kittler 2018), CC BY-NC 4.0: for research and teaching only.\n",
        encoding="utf-8",
    )
