"""A segmenter over whole folders of images, measured against the true masks and written to a run folder."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import nn

from lesion_core.amounts import check_amount
from lesion_core.analysis.segmentation import MASK_METRICS, count
from lesion_core.config import Preprocessing, SegmenterRunSettings
from lesion_core.data.masks import check_frame, read_mask
from lesion_core.errors import RunError
from lesion_core.files import rewritten, write_parquet
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.changes.registry import Changed
from lesion_core.imaging.decode import decode, frame_of
from lesion_core.imaging.lesion import clean_up, mask_at
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.inference.inputs import ModelInputs, batches, stack, train_batches
from lesion_core.inference.known_mask import FILE as KNOWN_ANSWER
from lesion_core.inference.known_mask import TOLERANCE, known_mask, read_known_mask
from lesion_core.inference.records import known_image, stored_facts, versions
from lesion_core.models.checkpoints import save_weights
from lesion_core.models.quantization import gram_matrices
from lesion_core.models.segmenters import trained_segmenter
from lesion_core.runs.beside import rewriting
from lesion_core.runs.folder import GOLDEN
from lesion_core.runs.segmenter import (
    COUNTS,
    MEASURED,
    MEASURED_AT,
    VARIANTS,
    SegmenterConfig,
    SegmenterRun,
    open_segmenter,
    write_segmenter_config,
)
from lesion_core.steps import Progress, Step, silent

ChangedBy = Callable[[Pixels], Changed]


@torch.inference_mode()
def count_pixels(
    model: nn.Module,
    preprocessing: Preprocessing,
    pictures: Sequence[tuple[str, str]],
    *,
    changes: Mapping[int, ChangedBy] | None = None,
    masks_too: Collection[int] = (),
    batch_size: int = 32,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Segment images in float32 and count pixels against their masks, at the masks' own size.

    Args:
        model: In evaluation mode.
        preprocessing: The run's own.
        pictures: Path of each image and of its mask.
        changes: What is done to an image before the preprocessing, by its place in `pictures`.
        masks_too: Places where the mask moves with the pixels, and loses what the change lays over them.
        batch_size: Images at a time; it changes no result beyond rounding.
        workers: Threads that decode.
        on_progress: Called with images done and images in all.

    Returns:
        For each of `VARIANTS` the counts (N, 4).

    Raises:
        RunError: An image cannot be decoded, or the model gives values that are NaN or infinite.
        DataError: A mask cannot be used.
        ConfigError: `batch_size` or `workers` is out of range.
    """
    check_amount(batch_size, "images at a time")
    check_amount(workers, "workers", least=0)
    model = model.eval().to(memory_format=torch.channels_last)
    changes = changes or {}
    pixels = {place: partial(_pixels_of, made) for place, made in changes.items()}
    inputs = ModelInputs([path for path, _ in pictures], preprocessing, pixels)
    counts: dict[str, list[tuple[int, int, int, int]]] = {variant: [] for variant in VARIANTS}
    for squares in map(stack, batches(inputs, batch_size, workers)):
        if isinstance(squares, RunError):
            raise squares
        images = torch.from_numpy(normalize(squares.numpy(), preprocessing)).to(memory_format=torch.channels_last)
        found = model(images).sigmoid()[:, 0].numpy()  # (N, S, S)
        if not np.isfinite(found).all():
            raise RunError("The model gives masks that are NaN or infinite.", "The training diverged; train again.")
        for probabilities in found:  # (S, S)
            place = len(counts["raw"])
            path, mask_path = map(Path, pictures[place])
            true = read_mask(mask_path)
            check_frame(true, frame_of(path), mask_path)
            if place in masks_too:
                true = mask_under_change(true, changes[place](decode(path)))
            raw = mask_at(probabilities, true.shape, MEASURED_AT)
            counts["raw"].append(count(raw, true))
            counts["clean"].append(count(clean_up(raw), true))
        if on_progress:
            on_progress(len(counts["raw"]), len(pictures))
    return {variant: np.array(rows, np.int64).reshape(-1, len(COUNTS)) for variant, rows in counts.items()}


def _pixels_of(made: ChangedBy, image: Pixels) -> Pixels:
    return made(image).image


def mask_under_change(true: Mask, made: Changed) -> Mask:
    """The true mask of a changed image: it moves with the pixels, and loses what was laid over them.

    Args:
        true: (h, w) of the image as it is, in any size of its frame.
        made: What the change gave.

    Returns:
        (h, w).
    """
    there = (made.image.shape[0], made.image.shape[1])
    if made.moved is not None:
        true = _at(np.asarray(made.moved(_at(true, there)), bool), (true.shape[0], true.shape[1]))
    return true if made.artefact is None else true & ~_at(made.artefact, (true.shape[0], true.shape[1]))


def _at(mask: Mask, shape: tuple[int, int]) -> Mask:
    """A mask in another size of its frame."""
    if mask.shape == shape:
        return mask
    return np.asarray(cv2.resize(mask.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT) > 0)


def write_segmenter_run(
    folder: Path,
    settings: SegmenterRunSettings,
    model: nn.Module,
    table: pd.DataFrame,
    *,
    split_fingerprint: str,
    history: pd.DataFrame,
    initial_weights: str,
    describe: Callable[[SegmenterRun], None] | None = None,
    on_step: Step = silent,
) -> SegmenterRun:
    """Measure every image outside of train that has a mask, with the weights as they ship, and write the run folder.

    Args:
        folder: Where the run is written, as by `write_run`; it waits for another process that writes it.
        settings: The run's settings.
        model: The trained network, float32.
        table: Catalog rows with their role.
        split_fingerprint: Of the split's manifest.
        history: Long form: epoch, phase, metric, value.
        initial_weights: One sentence on what the weights started from.
        describe: As in `write_run`.
        on_step: Told what begins (rounding, measuring ...), and how far it is.

    Raises:
        RunError: No test image has a mask, or the model is broken.
    """
    masked = table[table["path"].notna() & table["mask_path"].notna()]
    rows = masked[masked["role"].isin(MEASURED)].reset_index(drop=True)
    test = (rows["role"] == "test").to_numpy()
    if not test.any():
        raise RunError("No test image has a mask.", "Give a data set with masks.")
    with rewritten(folder, wait=True) as new:
        progress = on_step("Looking at what the layers see of training images")
        grams = gram_matrices(model, train_batches(masked, settings.preprocessing, progress))
        weights = new / "model.safetensors"
        progress = on_step("Storing the weights at 8 bits, layer by layer")
        save_weights(weights, model.state_dict(), bits=8, grams=grams, on_progress=progress)
        stored = trained_segmenter(settings.model, weights)
        pictures = list(zip(rows["path"].astype(str), rows["mask_path"].astype(str), strict=True))
        workers = settings.training.workers
        progress = on_step(f"Measuring {len(rows):,} masks outside the training set")
        counts = count_pixels(stored, settings.preprocessing, pictures, workers=workers, on_progress=progress)
        tested = [picture for picture, is_test in zip(pictures, test, strict=True) if is_test]
        progress = on_step("Measuring the test set with the weights before rounding")
        exact = count_pixels(model, settings.preprocessing, tested, workers=workers, on_progress=progress)
        jaccard = MASK_METRICS["jaccard"]
        columns = [
            pd.DataFrame(counts[variant].astype(np.int32), columns=[f"{variant}_{name}" for name in COUNTS])
            for variant in VARIANTS
        ]
        image = known_image()
        probabilities = probabilities_of(stored, settings.preprocessing, image)
        write_parquet(pd.concat([stored_facts(rows), *columns], axis=1), new / "masks.parquet")
        history.to_csv(new / "history.csv", index=False, float_format="%.6g")
        (new / GOLDEN).write_bytes(save({"image": image, "probabilities": probabilities}))
        run = write_segmenter_config(
            new,
            SegmenterConfig(
                settings=settings,
                split_fingerprint=split_fingerprint,
                initial_weights=initial_weights,
                created=datetime.datetime.now(datetime.UTC).date().isoformat(),
                versions=versions(),
                counts={role: int((masked["role"] == role).sum()) for role in ("train", *MEASURED)},
                data_sets=tuple(sorted(map(str, masked["dataset"].unique()))),
                quantization={
                    "test_images": float(test.sum()),
                    "jaccard_fp32": float(jaccard(exact["clean"]).mean()),
                    "jaccard_8bit": float(jaccard(counts["clean"][test]).mean()),
                    "largest_jaccard_difference": float(
                        np.abs(jaccard(exact["clean"]) - jaccard(counts["clean"][test])).max()
                    ),
                },
                files={},
            ),
        )
        (new / KNOWN_ANSWER).write_text(known_mask(run, probabilities).to_json(), encoding="utf-8")
        if describe:
            on_step("Measuring the test set for the card")
            describe(run)
    return open_segmenter(folder)


def checked_segmenter(run: SegmenterRun) -> nn.Module:
    """A run's network with its weights, in evaluation mode, which gives all of the run's known answer.

    Raises:
        ModelError: The weights do not fit.
        RunError: The known answer is missing, or the network gives another.
    """
    model = trained_segmenter(run.config.settings.model, run.weights)
    read_known_mask(run).check(run, _known_probabilities(run, model))
    return model


def _known_probabilities(run: SegmenterRun, model: nn.Module) -> NDArray[np.float32]:
    """What a run's network says of its known image, which is what it said when the run was written."""
    found = probabilities_of(model, run.config.settings.preprocessing, run.golden[0])
    run.check_known_answer(lambda _: found, TOLERANCE)
    return found


def write_known_mask(run: SegmenterRun) -> None:
    """Write `known_answer.json` of a segmenter anew, from what its folder holds now.

    Raises:
        RunError, ModelError: The folder is not a whole run, or its network does not give the probabilities that it
            stored.
    """
    model = trained_segmenter(run.config.settings.model, run.weights)
    known = known_mask(run, _known_probabilities(run, model))
    with rewriting(run) as new:
        (new / KNOWN_ANSWER).write_text(known.to_json(), encoding="utf-8")


@torch.inference_mode()
def probabilities_of(model: nn.Module, preprocessing: Preprocessing, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The probability of lesion at each pixel of the network's square, (S, S) float32, for one image (H, W, 3)."""
    square = Pipeline(preprocessing).apply(image)[None]  # (1, S, S, 3)
    found: NDArray[np.float32] = model(torch.from_numpy(normalize(square, preprocessing))).sigmoid()[0, 0].numpy()
    return found
