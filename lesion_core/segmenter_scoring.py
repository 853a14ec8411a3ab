"""A segmenter over whole folders of pictures, measured against the true masks and written to a run folder."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import nn
from torch.utils.data import DataLoader

from lesion_core.analysis.segmentation import COUNTS, MASK_METRICS, count
from lesion_core.config import Preprocessing, SegmenterRunSettings
from lesion_core.data.masks import check_frame, read_mask
from lesion_core.data.synthetic import make_lesion
from lesion_core.errors import RunError
from lesion_core.imaging.decode import frame_of
from lesion_core.imaging.geometry import enlarge
from lesion_core.imaging.lesion import clean_up
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.models.checkpoints import save_weights
from lesion_core.models.quantization import gram_matrices
from lesion_core.models.segmenters import trained_segmenter
from lesion_core.runs import FACTS
from lesion_core.scoring import Progress, Squares, stack, train_batches, versions
from lesion_core.segmenter_runs import VARIANTS, SegmenterConfig, SegmenterRun, write_segmenter_config

SCORED = ("select", "calibrate", "test")
"""Splits that are measured: on train a segmenter has seen the answer."""


def mask_at(probabilities: NDArray[np.float32], shape: tuple[int, int], threshold: float = 0.5) -> NDArray[np.bool_]:
    """The mask in the picture's frame: probabilities enlarged to it, then cut at the threshold.

    Args:
        probabilities: (S, S) of the network's square, in [0, 1].
        shape: Height and width of the picture.
        threshold: A pixel belongs to the lesion iff its probability is at or over this.
    """
    return enlarge(probabilities, shape) >= threshold


@torch.inference_mode()
def count_pixels(
    model: nn.Module, preprocessing: Preprocessing, pictures: Sequence[tuple[str, str]], *, batch_size: int = 32,
    workers: int = 1, on_progress: Progress | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Segment pictures in float32 and count pixels against their masks, at the masks' own size.

    Args:
        model: In evaluation mode.
        preprocessing: The run's own.
        pictures: Path of each picture and of its mask.
        batch_size: Pictures at a time; it changes no result beyond rounding.
        workers: Processes that decode.
        on_progress: Called with pictures done and pictures in all.

    Returns:
        For each of `VARIANTS` the counts (N, 4).

    Raises:
        RunError: A picture cannot be decoded, or the model gives values that are no numbers.
        DataError: A mask cannot be used.
    """
    model = model.eval().to(memory_format=torch.channels_last)
    loader = DataLoader(Squares([path for path, _ in pictures], preprocessing), batch_size=batch_size,
                        num_workers=workers, collate_fn=stack)
    counts: dict[str, list[tuple[int, int, int, int]]] = {variant: [] for variant in VARIANTS}
    for squares in loader:
        if isinstance(squares, RunError):
            raise squares
        images = torch.from_numpy(normalize(squares.numpy(), preprocessing)).to(memory_format=torch.channels_last)
        found = model(images).sigmoid()[:, 0].numpy()
        if not np.isfinite(found).all():
            raise RunError("The model gives masks that are no numbers.", "The training diverged; train again.")
        for probabilities in found:
            path, mask_path = map(Path, pictures[len(counts["raw"])])
            true = read_mask(mask_path)
            check_frame(true, frame_of(path), mask_path)
            raw = mask_at(probabilities, true.shape)
            counts["raw"].append(count(raw, true))
            counts["clean"].append(count(clean_up(raw), true))
        if on_progress:
            on_progress(len(counts["raw"]), len(pictures))
    return {variant: np.array(rows, np.int64).reshape(-1, len(COUNTS)) for variant, rows in counts.items()}


def write_segmenter_run(
    folder: Path, settings: SegmenterRunSettings, model: nn.Module, table: pd.DataFrame, *, split_fingerprint: str,
    history: pd.DataFrame, initial_weights: str, on_progress: Progress | None = None,
) -> SegmenterRun:
    """Measure every picture outside of train that has a mask, with the weights as they ship, and write the run folder.

    Args:
        folder: Where the run is written; an old run there is replaced file by file.
        settings: The run's settings.
        model: The trained network, float32.
        table: Catalog rows with their role.
        split_fingerprint: Of the split's manifest.
        history: Long form: epoch, phase, metric, value.
        initial_weights: One sentence on what the weights started from.
        on_progress: Called with pictures done and pictures in all.

    Raises:
        RunError: No test picture has a mask, or the model is broken.
    """
    masked = table[table["path"].notna() & table["mask_path"].notna()]
    rows = masked[masked["role"].isin(SCORED)].reset_index(drop=True)
    test = (rows["role"] == "test").to_numpy()
    if not test.any():
        raise RunError("No test picture has a mask.", "Give a data set with masks.")
    folder.mkdir(parents=True, exist_ok=True)
    grams = gram_matrices(model, train_batches(masked, settings.preprocessing))
    # A run that is there stays whole until everything is known.
    new = folder / "model.new.safetensors"
    save_weights(new, model.state_dict(), bits=8, grams=grams)
    stored = trained_segmenter(settings.model, new)
    pictures = list(zip(rows["path"].astype(str), rows["mask_path"].astype(str), strict=True))
    workers = settings.training.workers
    counts = count_pixels(stored, settings.preprocessing, pictures, workers=workers, on_progress=on_progress)
    tested = [picture for picture, is_test in zip(pictures, test, strict=True) if is_test]
    exact = count_pixels(model, settings.preprocessing, tested, workers=workers)
    new.replace(folder / "model.safetensors")
    jaccard = MASK_METRICS["jaccard"]
    facts = pd.DataFrame({
        "image_id": rows["image_id"], "lesion_id": rows["group"], "dataset": rows["dataset"], "split": rows["role"],
        "label": rows["diagnosis"], "age": rows["age"], "sex": rows["sex"], "site": rows["site"],
        "dx_type": rows["dx_type"],
    })[list(FACTS)]
    columns = [
        pd.DataFrame(counts[variant].astype(np.int32), columns=[f"{variant}_{name}" for name in COUNTS])
        for variant in VARIANTS
    ]
    pd.concat([facts, *columns], axis=1).to_parquet(folder / "masks.parquet", index=False, compression="zstd")
    history.to_csv(folder / "history.csv", index=False, float_format="%.6g")
    image = make_lesion("MEL", seed=0, size=256).image
    save_file({"image": image, "probabilities": probabilities_of(stored, settings.preprocessing, image)},
              folder / "golden.safetensors")
    return write_segmenter_config(folder, SegmenterConfig(
        settings=settings, split_fingerprint=split_fingerprint, initial_weights=initial_weights,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(), versions=versions(),
        counts={role: int((masked["role"] == role).sum()) for role in ("train", *SCORED)},
        data_sets=tuple(sorted(map(str, masked["dataset"].unique()))),
        quantization={
            "test_images": float(test.sum()),
            "jaccard_fp32": float(jaccard(exact["clean"]).mean()),
            "jaccard_8bit": float(jaccard(counts["clean"][test]).mean()),
            "largest_jaccard_difference": float(
                np.abs(jaccard(exact["clean"]) - jaccard(counts["clean"][test])).max()),
        },
        files={},
    ))


@torch.inference_mode()
def probabilities_of(
    model: nn.Module, preprocessing: Preprocessing, image: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """The probability of lesion at each pixel of the network's square, (S, S) float32, for one picture (H, W, 3)."""
    square = Pipeline(preprocessing).apply(image)[None]
    found: NDArray[np.float32] = model(torch.from_numpy(normalize(square, preprocessing))).sigmoid()[0, 0].numpy()
    return found
