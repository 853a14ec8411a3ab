"""Data sets, samples and pixels, read once for all visitors; caches of pixels are bounded in bytes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import streamlit as st

from app.cache.runs import BY_FINGERPRINT
from app.dataset.facts import Facts
from app.dataset.facts import facts as count
from app.state import OOD_SAMPLES, data_root, own_image
from lesion_core.config import Forms, Preprocessing
from lesion_core.data.catalog import COLUMNS, Catalog, discover, read
from lesion_core.data.catalog import left_out as left_out_of
from lesion_core.data.readers.isic_archive import TABLES, read_credits
from lesion_core.data.samples import (
    Picture,
    Sample,
    evenly,
    folder_ood_samples,
    load,
    ood_samples,
    real_samples,
    synthetic_samples,
)
from lesion_core.data.synthetic.lesions import SyntheticLesion, gallery, make_lesion
from lesion_core.data.training_table import training_table
from lesion_core.errors import LesionError
from lesion_core.imaging.arrays import Pixels
from lesion_core.imaging.decode import content_hash, decode
from lesion_core.imaging.preprocess import Pipeline, Preprocessed
from lesion_core.runs.classifier import Run
from lesion_core.serving.single_flight import SingleFlightCache

THUMBNAIL = 200
"""Pixels of the longer side of a small image."""
KEPT_THUMBNAILS = 32 * 2**20
"""Bytes of small images that are kept: about 4,000."""
KEPT_PIXELS = 256 * 2**20
"""Bytes of samples' pixels and masks that are kept: about 300 images of 600x450, or 20 of 2,048x2,048."""


PER_DIAGNOSIS, OWN_PER_DIAGNOSIS = 6, 30
"""Real samples of each diagnosis in the list: of a run's test set, and of data sets that it does not know."""


def data_sets() -> dict[str, Path]:
    """The data sets that are on this machine: layout to folder; empty where there is no data folder."""
    root = data_root()
    return _discover(root) if root else {}


@st.cache_data(show_spinner=False, max_entries=4)
def _discover(root: Path) -> dict[str, Path]:
    return discover(root)


def left_out() -> tuple[str, ...]:
    """A sentence on each folder of the data folder that is not used."""
    root = data_root()
    return _left_out(root) if root else ()


@st.cache_data(show_spinner=False, max_entries=4)
def _left_out(root: Path) -> tuple[str, ...]:
    return left_out_of(root)


def catalog(layout: str) -> Catalog:
    """The table of a data set in `data_sets`, for reading only.

    The challenges share images: those of the other sets count as found.
    """
    found = data_sets()
    shares = layout in ("isic2018_task3", "isic2019")
    return _catalog(layout, found[layout], tuple(f for f in found.values() if f != found[layout]) if shares else ())


@st.cache_resource(show_spinner="Reading the tables …", max_entries=8)
def _catalog(layout: str, root: Path, others: tuple[Path, ...]) -> Catalog:
    return read(layout, root, image_roots=(root, *others), mask_roots=(root, *others))


@st.cache_resource(show_spinner="Counting …", max_entries=8)
def facts(layout: str, root: Path | None) -> Facts:
    """A data set of `data_sets` in numbers; the synthetic one where it is in no folder."""
    if root is None:
        return count(synthetic_table())
    found = catalog(layout)
    return count(found.table, found.missing)


@st.cache_resource(show_spinner=False, max_entries=1)
def _synthetic_lesions() -> dict[str, SyntheticLesion]:
    """The synthetic samples, small, with their made-up patients."""
    made = {}
    for sample in synthetic_samples():
        _, code, seed = sample.id.split("-")
        made[sample.id] = make_lesion(code, int(seed), THUMBNAIL)
    return made


@st.cache_resource(show_spinner=False, max_entries=1)
def synthetic_table() -> pd.DataFrame:
    """The synthetic samples as a catalog's table, for reading only; there are no files."""
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


@st.cache_resource(show_spinner=False, max_entries=1)
def _thumbnails() -> SingleFlightCache[bytes]:
    return SingleFlightCache(len, KEPT_THUMBNAILS)


def thumbnail(sample: Sample) -> bytes:
    """A small JPEG of a sample, at most `THUMBNAIL` pixels per side.

    Raises:
        ImageError: The file cannot be decoded.
    """
    return _thumbnails().get(sample, lambda: _small(sample))


def _small(sample: Sample) -> bytes:
    image = decode(sample.path) if sample.path else _synthetic_lesions()[sample.id].image
    scale = min(1.0, THUMBNAIL / max(image.shape))
    if scale < 1:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])[1])


@st.cache_resource(show_spinner=False, max_entries=1)
def _preprocessed() -> SingleFlightCache[Preprocessed]:
    return SingleFlightCache(lambda found: found.nbytes, KEPT_PIXELS)


def preprocess(settings: Preprocessing, image: Pixels) -> Preprocessed:
    """Every step of some settings on an image; for reading only. Of a visitor's own image nothing is kept."""
    if own_image():
        return Pipeline(settings).run(image)
    key = settings.fingerprint(), content_hash(image)
    return _preprocessed().get(key, lambda: Pipeline(settings).run(image))


@st.cache_resource(show_spinner="Reading the tables …", max_entries=2)
def _training_table(root: Path, images: Forms) -> pd.DataFrame:
    return training_table(root, images).table


# Of cached functions that call each other, the outermost one's spinner is shown, and no other.
@st.cache_resource(show_spinner="Reading the tables …", max_entries=8, hash_funcs=BY_FINGERPRINT)
def samples(run: Run | None, root: Path | None) -> dict[str, Sample]:
    """Samples by id: real ones where the data is, synthetic lesions, OOD images. Read only.

    Args:
        run: The real samples are of its test set, and of data sets that it does not know.
        root: The data folder, if there is one.
    """
    found: list[Sample] = []
    if run and root:
        everything = all_real_samples(root, run.config.settings.images)
        found += evenly(
            [everything[name] for name in run.part("test")["image_id"] if name in everything], PER_DIAGNOSIS
        )
    if root:
        found += evenly(_own_samples(run), OWN_PER_DIAGNOSIS)
    found += synthetic_samples()
    found += ood_samples(OOD_SAMPLES)
    return {sample.id: sample for sample in found}


def _own_samples(run: Run | None) -> list[Sample]:
    """The images of the data sets that a run has nothing to do with: those of whose images it lists under half."""
    listed = set() if run is None else set(run.predictions["image_id"])
    found: dict[str, Sample] = {}
    for layout in data_sets():
        with suppress(LesionError):
            table = catalog(layout).present
            if table["image_id"].isin(listed).mean() < 0.5:
                found |= {sample.id: sample for sample in real_samples(table) if sample.id not in listed}
    return list(found.values())


@st.cache_resource(show_spinner="Reading the tables …", max_entries=2)
def all_real_samples(root: Path, images: Forms = "first") -> dict[str, Sample]:
    """Every image of the data folder by id, those that show no lesion too, for links to any; for reading only.

    Data sets that cannot be read are left out.

    Args:
        root: The data folder.
        images: The form of images that are there in several, a run's own setting.
    """
    tables = []
    for layout in data_sets():
        with suppress(LesionError):
            tables.append(catalog(layout).present)
    # Last, so that they win: the rows of the training table know more, such as the mask.
    with suppress(LesionError):
        tables.append(_training_table(root, images))
    found = {sample.id: sample for table in tables for sample in real_samples(table)}
    return found | {sample.id: sample for sample in folder_ood_samples(root)}


@st.cache_resource(show_spinner=False, max_entries=2)
def credit_lines(root: Path | None) -> dict[str, str]:
    """Whose an image of the ISIC Archive is and its licence, by id, where a table tells; for reading only."""
    found: dict[str, str] = {}
    if root and (folder := data_sets().get("isic_archive")):
        for name in TABLES:
            with suppress(LesionError):
                found |= read_credits(folder / name)
    return found


@st.cache_resource(show_spinner=False, max_entries=1)
def _pictures() -> SingleFlightCache[Picture]:
    return SingleFlightCache(
        lambda found: found.image.nbytes + (0 if found.mask is None else found.mask.nbytes), KEPT_PIXELS
    )


def picture(sample: Sample) -> Picture:
    """A sample's pixels and mask, for reading only."""
    return _pictures().get(sample, lambda: load(sample))


@st.cache_resource(show_spinner=False, max_entries=4)
def gallery_pictures(n: int) -> list[SyntheticLesion]:
    """Synthetic lesions of every diagnosis and skin tone."""
    return gallery(n, seed=1, size=192)
