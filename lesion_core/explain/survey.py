"""The whole test set: where a model looks, picture by picture, measured once and kept beside the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from lesion_core.analysis.intervals import Statistic, bootstrap
from lesion_core.analysis.predictions import Floats
from lesion_core.analysis.ranking import ratio, sums
from lesion_core.config import DarkCorner, HairRemoval
from lesion_core.data.masks import read_mask
from lesion_core.errors import DataError, RunError
from lesion_core.explain.maps import energy_inside, peak_inside
from lesion_core.explain.methods import method
from lesion_core.imaging.decode import decode
from lesion_core.imaging.geometry import dark_ring, to_original
from lesion_core.imaging.hair import hair_mask
from lesion_core.runs.classifier import Run

if TYPE_CHECKING:
    from lesion_core.serving.classifier import Engine

FILE = "explanations.parquet"
COLUMNS = (
    "image_id",
    "lesion_id",
    "label",
    "answer",
    "method",
    "inside",
    "area",
    "peak",
    "hair",
    "dark",
    "maximum",
    "run",
)
"""`inside`, `hair` and `dark` are shares of the map's positive sum; `area` is the share of what the model saw that
is lesion: what `inside` would be for a map that points nowhere in particular; `run` is the fingerprint."""


def survey(
    engine: Engine,
    table: pd.DataFrame,
    methods: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Explain the model's own answer to every picture, with every method.

    Args:
        engine: Of the run.
        table: image_id, group (the lesion), diagnosis, path, mask_path; all pictures have a mask.
        methods: Keys of `METHODS`.
        on_progress: Called with pictures done and pictures in all.

    Returns:
        `COLUMNS`, a row a picture and method.

    Raises:
        DataError: There are no pictures, or a mask cannot be read.
        ImageError: A picture cannot be decoded.
        ConfigError: A method is unknown.
    """
    for key in methods:
        method(key)
    if table.empty:
        raise DataError("No test picture of the run has a lesion mask here.", "Masks come with HAM10000 (ISIC 2018).")
    rows = []
    facts = zip(*(table[c] for c in ("image_id", "group", "diagnosis", "path", "mask_path")), strict=True)
    for done, (image_id, lesion, label, path, mask_path) in enumerate(facts, start=1):
        image = decode(Path(path))
        mask = read_mask(Path(mask_path), image.shape[:2])
        hair, dark = hair_mask(image, HairRemoval(enabled=True)), dark_ring(image, DarkCorner())
        box = engine.pipeline.frame(image)
        seen = to_original(np.ones((2, 2)), image.shape, box) > 0
        prediction = engine.predict(image)
        answer = prediction.code
        for key in methods:
            found = engine.explain(image, answer, method=key, prediction=prediction)
            heat = to_original(found.heatmap, image.shape, box)
            rows.append(
                (
                    image_id,
                    lesion,
                    label,
                    answer,
                    key,
                    energy_inside(heat, mask),
                    float(mask[seen].mean()),
                    peak_inside(heat, mask),
                    energy_inside(heat, hair),
                    energy_inside(heat, dark),
                    found.maximum,
                    engine.run.fingerprint,
                )
            )
        if on_progress:
            on_progress(done, len(table))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def write_survey(run: Run, found: pd.DataFrame) -> Path:
    """Put the methods of a survey into the run's table, in place of older rows of the same methods.

    Returns:
        The file's path.
    """
    path = run.folder / FILE
    try:
        earlier = read_survey(run)
    except RunError:  # damaged: what was measured now takes its place
        earlier = None
    if earlier is not None:
        found = pd.concat([earlier[~earlier["method"].isin(found["method"])], found], ignore_index=True)
    aside = path.with_suffix(".part")
    found.to_parquet(aside, index=False)
    aside.replace(path)
    return path


def read_survey(run: Run) -> pd.DataFrame | None:
    """What `write_survey` wrote; None where it was not made, or was made with other weights or results.

    Raises:
        RunError: The file is damaged or lacks a column.
    """
    path = run.folder / FILE
    if not path.is_file():
        return None
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunError(f"{FILE} of {run.name} is damaged ({error}).", "Make it again with `explain`.") from None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise RunError(f"{FILE} of {run.name} lacks the column {missing[0]}.", "Make it again with `explain`.")
    return table if (table["run"] == run.fingerprint).all() else None


def _mean_of(values: Floats) -> Statistic:
    return lambda weights: ratio(sums(values, weights), weights.sum(axis=0))


def summary(table: pd.DataFrame, by: str, n: int = 1000, seed: int = 0) -> pd.DataFrame:
    """The mean share of evidence inside the lesion in groups of pictures, with 95 % intervals by lesion.

    Args:
        table: Rows of one method, or of several by method.
        by: label, answer, result (right or wrong), or method.
        n: Resamples of lesions.
        seed: The same seed draws the same lesions.

    Returns:
        group, n, share, low, high, area (the mean share of the picture that is lesion), peak (the share of maps whose
        maximum lies inside).
    """
    result = np.where(table["label"] == table["answer"], "right", "wrong")
    groups = pd.Series(result if by == "result" else table[by].to_numpy(str), index=table.index)
    rows = []
    for group, own in table.groupby(groups):
        found = bootstrap(_mean_of(own["inside"].to_numpy(np.float64)), own["lesion_id"].to_numpy(str), n, seed)
        rows.append((str(group), len(own), found.value, found.low, found.high, own["area"].mean(), own["peak"].mean()))
    return pd.DataFrame(rows, columns=["group", "n", "share", "low", "high", "area", "peak"])
