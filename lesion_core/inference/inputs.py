"""What a model is shown: squares of images, one at a time or in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesion_core.config import Preprocessing
from lesion_core.data.masks import read_mask
from lesion_core.data.tables import CORRUPTED
from lesion_core.errors import DataError, ImageError, RunError
from lesion_core.foreign_text import shown
from lesion_core.imaging.corruptions import corrupt
from lesion_core.imaging.decode import decode
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.steps import Progress

SEEN = 256
"""Training images that the weights are rounded with regard to."""


Changed = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


AHEAD = 2
"""Batches that are decoded while the model reads one."""


class ModelInputs:
    """The model's square of each image, uint8 (S, S, 3), exactly as one uploaded image becomes it."""

    def __init__(
        self, paths: Sequence[str], preprocessing: Preprocessing, changes: Mapping[int, Changed] | None = None
    ) -> None:
        self.paths, self.pipeline, self.changes = paths, Pipeline(preprocessing), changes or {}

    def __len__(self) -> int:
        return len(self.paths)

    def decoded(self, path: str) -> NDArray[np.uint8]:
        """An image file as it is, (H, W, 3)."""
        return decode(Path(path))

    def __getitem__(self, index: int) -> Tensor | RunError:
        # The error is an answer, not raised: of many images the others go on.
        try:
            image = self.decoded(self.paths[index])
            if index in self.changes:
                image = self.changes[index](image)
            return torch.from_numpy(self.pipeline.apply(image))
        except (ImageError, DataError) as error:
            return RunError(f"{shown(str(self.paths[index]), 200)} cannot be scored: {error.problem}", error.remedy)


def batches(inputs: ModelInputs, batch_size: int, threads: int) -> Iterator[list[Tensor | RunError]]:
    """Images in batches, in their order, the next ones decoded while the caller works on one.

    Decoding is done in threads, which the decoders' own code lets run beside the model, and not in forked processes: a
    fork of a process with threads (a progress bar, the model's) may copy a lock that nobody will let go.

    Args:
        inputs: The images.
        batch_size: Images of a batch, the last one has what is left.
        threads: How many decode; 0 decodes when asked.

    Yields:
        Lists of squares and errors.
    """
    chosen = [range(i, min(i + batch_size, len(inputs))) for i in range(0, len(inputs), batch_size)]
    if not threads:
        yield from ([inputs[i] for i in batch] for batch in chosen)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        waiting: deque[list[Future[Tensor | RunError]]] = deque()
        for batch in chosen:
            waiting.append([pool.submit(inputs.__getitem__, i) for i in batch])
            if len(waiting) > AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]
    finally:
        pool.shutdown(cancel_futures=True)


def stack(squares: list[Tensor | RunError]) -> Tensor | RunError:
    """A batch of `ModelInputs`: (N, S, S, 3), or the first error."""
    good = [square for square in squares if isinstance(square, Tensor)]
    return torch.stack(good) if len(good) == len(squares) else next(s for s in squares if isinstance(s, RunError))


def train_batches(
    table: pd.DataFrame, preprocessing: Preprocessing, on_progress: Progress | None = None
) -> Iterator[Tensor]:
    """Some images of the training set, for storing weights with regard to what the layers see.

    Args:
        table: Catalog rows with their role.
        preprocessing: The run's.
        on_progress: Called with images done and images in all.

    Yields:
        (N, 3, S, S) float32, normalised; `SEEN` images in all, the same ones each time, or as many as there are.
    """
    paths = table["path"][(table["role"] == "train") & table["path"].notna()].astype(str).sort_values()
    chosen = paths.sample(min(SEEN, len(paths)), random_state=0).tolist()
    pipeline = Pipeline(preprocessing)
    for start in range(0, len(chosen), 8):
        squares = [pipeline.apply(decode(Path(path))) for path in chosen[start : start + 8]]
        yield torch.from_numpy(normalize(np.stack(squares), preprocessing))
        if on_progress:
            on_progress(start + len(squares), len(chosen))


def corrupted_rows(ood: pd.DataFrame, first: int) -> dict[int, Changed]:
    """What is done to the rows of `ood` that are changed dermoscopy, by place; the first row is at `first`."""
    corrupted = ood["source"] == CORRUPTED
    facts = zip(
        np.flatnonzero(corrupted).tolist(),
        *(ood.loc[corrupted, c] for c in ("kind", "image_id", "mask_path")),
        strict=True,
    )
    return {
        first + i: partial(_corrupted, kind=kind, image_id=image_id, mask=Path(mask) if isinstance(mask, str) else None)
        for i, kind, image_id, mask in facts
    }


def _corrupted(image: NDArray[np.uint8], *, kind: str, image_id: str, mask: Path | None) -> NDArray[np.uint8]:
    return corrupt(image, kind, image_id, None if mask is None else read_mask(mask, image.shape[:2]))
