"""Labelled images that a run never saw, read and scored: a classifier's answers, a segmenter's masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.data.masks import check_frame, read_mask
from lesion_core.data.splits import Manifest
from lesion_core.data.tables import OFFICIAL_TEST
from lesion_core.data.unseen import FITTED, Unseen
from lesion_core.errors import LesionError
from lesion_core.imaging.decode import content_hash, decode
from lesion_core.inference.classifier import infer
from lesion_core.inference.records import checked_classifier, stored_facts
from lesion_core.inference.segmenter import checked_segmenter, count_pixels
from lesion_core.ood.model_outputs import Outputs, reduce
from lesion_core.ood.rejector import Rejector
from lesion_core.runs.classifier import Run
from lesion_core.runs.evaluations import SPLIT
from lesion_core.runs.segmenter import COUNTS, SegmenterRun
from lesion_core.steps import Progress

SAME_FEATURES, SAME_LOGITS = 0.02, 0.2
"""How far the outputs of one image lie apart, as a share of its features' length and in a logit. Read anew, an image of
the shipped runs' tables is at most 0.00002 from its stored features; the nearest two of 12,161 different ones are
0.035 and 0.22 apart, a copy in another JPEG quality 0.012 (median)."""
ROWS = 256


def contents(
    table: pd.DataFrame, *, masks: bool = False, workers: int = 1, on_progress: Progress | None = None
) -> tuple[dict[str, str], list[str]]:
    """The content hash of each image that can be read, by image id, and sentences on the others.

    Args:
        table: Catalog rows.
        masks: Read their masks too: an image whose mask cannot be used counts as one that cannot be read.
        workers: Threads.
        on_progress: Called with images done and images in all.
    """

    def one(path: str, mask: str | None) -> str | LesionError:
        try:
            image = decode(Path(path))
            if mask is not None:
                check_frame(read_mask(Path(mask)), (image.shape[0], image.shape[1]), Path(mask))
        except LesionError as error:
            return error
        return content_hash(image)

    known, said = {}, []
    paths = table["mask_path"].tolist() if masks else [None] * len(table)
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="decode") as pool:
        for done, (name, path, found) in enumerate(
            zip(table["image_id"], table["path"], pool.map(one, table["path"], paths), strict=True), start=1
        ):
            if isinstance(found, str):
                known[str(name)] = found
            else:
                said.append(f"{path} cannot be scored: {found.problem} {found.remedy}")
            if on_progress:
                on_progress(done, len(table))
    return known, said


def _rows(n: int) -> Iterator[slice]:
    return (slice(start, start + ROWS) for start in range(0, n, ROWS))


def stored_images(run: Run, outputs: Outputs) -> NDArray[np.intp]:
    """The rows of a run's `predictions` that were made of the same pixels, by what the model gives of them.

    Args:
        run: The run.
        outputs: What its model gives of N images.

    Returns:
        (N,) the row whose features are nearest, -1 where no row is within `SAME_FEATURES` and `SAME_LOGITS`.
    """
    logits, features = run.logits(run.predictions), run.features["reduced"].astype(np.float32)  # (M, K), (M, P)
    squares, found = (features**2).sum(axis=1), np.full(len(outputs), -1, np.intp)
    for rows in _rows(len(outputs)):
        own = outputs.reduced[rows].astype(np.float32)  # (n, P)
        nearest = (squares - 2 * own @ features.T).argmin(axis=1)
        apart = np.linalg.norm(own - features[nearest], axis=1) / np.linalg.norm(own, axis=1).clip(1e-6)
        logit = np.abs(outputs.logits[rows] - logits[nearest]).max(axis=1)
        found[rows] = np.where((apart <= SAME_FEATURES) & (logit <= SAME_LOGITS), nearest, -1)
    return found


def score_unseen(
    run: Run, found: Unseen, rejector: Rejector | None, on_progress: Progress | None = None
) -> tuple[Unseen, pd.DataFrame]:
    """What a classifier says of images that it never saw; several processes share them.

    Args:
        run: The run; its weights, temperature and policy stay as they are.
        found: The images, whose diagnosis may be none of the run's classes.
        rejector: The run's, None where nothing is rejected.
        on_progress: As in `infer`.

    Returns:
        The images without those whose pixels the run learned from or was chosen on, and a row for each that is left:
        the columns `runs.classifier.FACTS`, other_diagnosis, known_as (the id that the run's own test image of these
        pixels has, if it has one), answer, rejected (missing without a rejector) and ``logit_<class>``.

    Raises:
        RunError: The model does not give its known answer, or logits that are NaN or infinite.
    """
    table, settings = found.table, run.config.settings
    raw = infer(
        checked_classifier(run),
        settings.preprocessing,
        table["path"].astype(str).tolist(),
        workers=settings.training.workers,
        on_progress=on_progress,
    )
    outputs = Outputs.of(raw.logits, *reduce(run.features, raw.penultimate, raw.layer3))
    places = stored_images(run, outputs)
    own = (places >= 0) & run.predictions["split"].isin(FITTED).to_numpy()[places]
    ids = run.predictions["image_id"].astype("str")
    known_as = ids.iloc[places].where(places >= 0)[~own].reset_index(drop=True)
    kept, rest = outputs.rows(~own), table[~own].reset_index(drop=True)
    codes = [run.classes[place] for place in raw.logits[~own].argmax(axis=1)]
    rejected = [one.rejected for one in rejector.decide(kept)] if rejector and len(kept) else [pd.NA] * len(rest)
    predictions = stored_facts(rest.assign(role=SPLIT)).assign(
        other_diagnosis=rest["other_diagnosis"],
        known_as=known_as.astype("str"),
        answer=pd.Series(codes, dtype="str"),
        rejected=pd.Series(rejected, dtype="boolean"),
        **{f"logit_{code}": raw.logits[~own, place] for place, code in enumerate(run.classes)},
    )
    return found.without(dict.fromkeys(table["image_id"][own], "own pixels")), predictions


def count_unseen(run: SegmenterRun, found: Unseen, on_progress: Progress | None = None) -> pd.DataFrame:
    """What a segmenter finds on images with masks that it never saw.

    Args:
        run: The run, which stays as it is.
        found: The images, all with a mask.
        on_progress: As in `count_pixels`.

    Returns:
        A row per image, the columns of `SegmenterRun.masks`.

    Raises:
        RunError: The model does not give its known answer, or gives values that are NaN or infinite.
    """
    rows, settings = found.table, run.config.settings
    pairs = list(zip(rows["path"].astype(str), rows["mask_path"].astype(str), strict=True))
    counts = count_pixels(
        checked_segmenter(run),
        settings.preprocessing,
        pairs,
        workers=settings.training.workers,
        on_progress=on_progress,
    )
    columns = [
        pd.DataFrame(values.astype(np.int32), columns=[f"{variant}_{name}" for name in COUNTS])
        for variant, values in counts.items()
    ]
    return pd.concat([stored_facts(rows.assign(role=SPLIT)), *columns], axis=1)


def segmenter_roles(run: SegmenterRun, others: Sequence[Run]) -> tuple[pd.DataFrame, str | None]:
    """The images that a segmenter learned from or was chosen on, as far as that is known, and whose table tells.

    Its own lists no training images; that of a classifier of the same split does, though it may know further sources.

    Args:
        run: The segmenter.
        others: Classifiers.

    Returns:
        Columns image_id, lesion_id and split, and the name of the classifier; None where none is of its split.
    """
    columns = ["image_id", "lesion_id", "split"]
    for other in others:
        try:
            sources = [name for name in other.predictions["dataset"].unique() if name != OFFICIAL_TEST]
            for fewer in range(min(3, len(sources))):  # two that came after the segmenter are enough
                for left_out in combinations(sources, fewer):
                    trained = other.predictions[~other.predictions["dataset"].isin(left_out)]
                    if Manifest.of_run(trained).fingerprint == run.config.split_fingerprint:
                        return pd.concat([run.masks[columns], trained[columns]], ignore_index=True), other.name
        except LesionError:  # its table is missing or damaged, or it was not split by lesion
            continue
    return run.masks[columns], None
