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
from lesion_core.config import Preprocessing, SegmenterRunSettings, SegmenterTraining
from lesion_core.data.masks import check_frame, read_mask
from lesion_core.errors import ConfigError, DataError, RunError
from lesion_core.files import rewritten, write_parquet
from lesion_core.imaging.artefacts import ARTEFACTS
from lesion_core.imaging.corruptions import CORRUPTIONS, corrupt
from lesion_core.imaging.decode import decode, frame_of
from lesion_core.imaging.lesion import clean_up, mask_at
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.inference.inputs import Changed, ModelInputs, batches, stack, train_batches
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

UNCHANGED = "unchanged"
KEEP_THE_LESION = tuple(kind for kind, entry in CORRUPTIONS.items() if not entry.needs_mask)
"""Corruptions that move no pixel, so that the true mask stays valid; bare skin has no lesion left."""
HIDES = "dark_corner"
"""What this change covers nobody can outline: it is taken out of the true mask, as in the training."""
AKIN = {"white_balance": "colour jitter", "out_of_focus": "slight blur"}
FEWEST = 20
"""Images under which a mean over them says little."""


@torch.inference_mode()
def count_pixels(
    model: nn.Module,
    preprocessing: Preprocessing,
    pictures: Sequence[tuple[str, str]],
    *,
    changes: Mapping[int, Changed] | None = None,
    hidden: Collection[int] = (),
    batch_size: int = 32,
    workers: int = 1,
    on_progress: Progress | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Segment images in float32 and count pixels against their masks, at the masks' own size.

    Args:
        model: In evaluation mode.
        preprocessing: The run's own.
        pictures: Path of each image and of its mask.
        changes: What is done to an image before the preprocessing, by its place in `pictures`; it moves no pixel.
        hidden: Places where what the change alters counts as no lesion.
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
    inputs = ModelInputs([path for path, _ in pictures], preprocessing, changes)
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
            if place in hidden:
                true = true & ~_altered(path, changes[place], true.shape)
            raw = mask_at(probabilities, true.shape, MEASURED_AT)
            counts["raw"].append(count(raw, true))
            counts["clean"].append(count(clean_up(raw), true))
        if on_progress:
            on_progress(len(counts["raw"]), len(pictures))
    return {variant: np.array(rows, np.int64).reshape(-1, len(COUNTS)) for variant, rows in counts.items()}


def _altered(path: Path, made: Changed, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where a change alters an image, bool of `shape`, the height and width of another size of its frame."""
    image = decode(path)
    where = (made(image) != image).any(axis=2).astype(np.uint8)
    return np.asarray(cv2.resize(where, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT) > 0)


def seen_in_training(kind: str, training: SegmenterTraining) -> str:
    """How near the training's augmentation came to one of `KEEP_THE_LESION`: *same kind* (drawn by the same code), one
    of `AKIN`, or *no*."""
    if training.augmentation != "full":
        return "no"
    if kind in ARTEFACTS:
        return "same kind" if training.artefacts else "no"
    return AKIN.get(kind, "no")


def draw_lesions(table: pd.DataFrame, n: int, seed: int = 0) -> pd.DataFrame:
    """Test images with a mask, whole lesions drawn at random until there are `n` images, or all of them.

    Args:
        table: Catalog rows with their role and group.
        n: A few more where the last lesion has several images; a larger `n` keeps the lesions of a smaller one.
        seed: The same seed draws the same lesions.

    Raises:
        ConfigError: `n` is under `FEWEST` or over a million.
        DataError: No test image has a mask, or all of them show one lesion.
    """
    if n < FEWEST:
        raise ConfigError(f"{n:,} images are too few for a figure.", f"Take at least {FEWEST}.")
    check_amount(n, "images")
    masked = table[(table["role"] == "test") & table["path"].notna() & table["mask_path"].notna()]
    if masked.empty:
        raise DataError("No test image has a mask.", "Give a data set with masks.")
    sizes = masked.groupby("group").size()  # sorted by lesion: the table's order must not matter
    if len(sizes) < 2:
        raise DataError("The test images with a mask show one lesion only.", "Give more images with masks.")
    order = sizes.iloc[np.random.default_rng(seed).permutation(len(sizes))]
    taken = order.index[(order.cumsum() - order) < n]
    return masked[masked["group"].isin(taken)].reset_index(drop=True)


def count_changed(
    run: SegmenterRun, table: pd.DataFrame, n: int, *, seed: int = 0, on_progress: Progress | None = None
) -> tuple[pd.DataFrame, dict[str, NDArray[np.int64]]]:
    """Segment test images as they are and changed in each way of `KEEP_THE_LESION`; the run stays as it is.

    A stand-in for images from elsewhere, not other hospitals: lesions, skin and dermatoscopes are those of the test
    set, and most changes are of a kind that the training has drawn on its images too (`seen_in_training`), so it
    flatters.

    Args:
        run: A segmenter's run.
        table: Catalog rows with their role and group, of the run's own split.
        n: Images, as `draw_lesions` takes them.
        seed: Of the draw; what is changed hangs on the image's id alone.
        on_progress: Called with images done and images in all, those of every change counted.

    Returns:
        The rows that were drawn, N, and for `UNCHANGED` and each change the counts (N, 4) of the masks cleaned up.

    Raises:
        ConfigError, DataError: As in `draw_lesions` and `count_pixels`.
        RunError: An image cannot be decoded, or the model gives values that are NaN or infinite.
    """
    rows = draw_lesions(table, n, seed)
    settings = run.config.settings
    kinds = (UNCHANGED, *KEEP_THE_LESION)
    first = {kind: i * len(rows) for i, kind in enumerate(kinds)}
    # Ids as `corrupted_images` gives them: an image is changed as it is for the classifiers.
    changes: dict[int, Changed] = {
        first[kind] + i: partial(corrupt, kind=kind, image_id=f"{kind}/{image_id}")
        for kind in KEEP_THE_LESION
        for i, image_id in enumerate(rows["image_id"])
    }
    counts = count_pixels(
        checked_segmenter(run),
        settings.preprocessing,
        list(zip(rows["path"].astype(str), rows["mask_path"].astype(str), strict=True)) * len(kinds),
        changes=changes,
        hidden=range(first[HIDES], first[HIDES] + len(rows)),
        workers=settings.training.workers,
        on_progress=on_progress,
    )["clean"]
    return rows, dict(zip(kinds, np.split(counts, len(kinds)), strict=True))


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
