"""Images as a training reads them: decoded and preprocessed once, kept in one memory-mapped file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lesion_core import files
from lesion_core.config import Detail, Preprocessing, Resize
from lesion_core.imaging.decode import decode_listed
from lesion_core.imaging.detail import equal_detail
from lesion_core.imaging.geometry import square
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.steps import Progress


def _short_side(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = size / min(height, width)
    shape = (max(size, round(width * scale)), max(size, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, shape, interpolation=method), dtype=np.uint8)


def stamp(path: str) -> tuple[int, int]:
    """Size and time of change, so that a file that was replaced is read anew; a missing one is told when it is read."""
    try:
        facts = Path(path).stat()
    except OSError:
        return (0, 0)
    return (facts.st_size, facts.st_mtime_ns)


@dataclass(frozen=True)
class PictureStore:
    """Preprocessed images of any sizes in one flat file, so that every worker shares one copy.

    Attributes:
        pixels: All images' bytes, one after the other, uint8.
        shapes: (N, 2) height and width.
        offsets: (N,) where each image begins.
    """

    pixels: NDArray[np.uint8]
    shapes: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        height, width = self.shapes[index]
        start = self.offsets[index]
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3)

    @classmethod
    def make(
        cls,
        paths: Sequence[str],
        preprocessing: Preprocessing,
        folder: Path,
        *,
        whole_frame: bool,
        on_progress: Progress | None = None,
    ) -> PictureStore:
        """Decode and preprocess the images, or open the store if the same one was made before.

        Args:
            paths: Image files.
            preprocessing: The run's own; it decides the pixels.
            folder: Where stores are kept; it may be deleted at any time.
            whole_frame: Keep the whole frame at 1.15 times the size for augmentation to crop from (training),
                or the exact square that inference sees.
            on_progress: Called with images done and images in all.

        Raises:
            DataError: An image cannot be decoded; the message names it.
        """
        key = hashlib.sha256(
            json.dumps([[(path, *stamp(path)) for path in paths], preprocessing.model_dump(), whole_frame]).encode()
        ).hexdigest()[:16]
        file, index = folder / f"{key}.bin", folder / f"{key}.npz"
        if not index.is_file():
            pipeline = Pipeline(preprocessing)
            shapes, offsets, end = [], [], 0
            # The index takes its place last: without it the store is made again.
            with files.written(index) as new_index, files.written(file) as new_file, new_file.open("wb") as out:
                for i, path in enumerate(paths):
                    image = decode_listed(path)
                    if whole_frame:
                        image = _short_side(pipeline.before_resize(image), round(1.15 * preprocessing.resize.size))
                    else:
                        image = pipeline.apply(image)
                    shapes.append(image.shape[:2])
                    offsets.append(end)
                    end += out.write(np.ascontiguousarray(image).tobytes())
                    if on_progress:
                        on_progress(i + 1, len(paths))
                with new_index.open("wb") as out_index:
                    np.savez(
                        out_index,
                        shapes=np.asarray(shapes, dtype=np.int64),
                        offsets=np.asarray(offsets, dtype=np.int64),
                    )
        facts = np.load(index)
        return cls(np.memmap(file, dtype=np.uint8, mode="r"), facts["shapes"], facts["offsets"])


@dataclass(frozen=True)
class Lesion:
    """The images of a lesion that an epoch draws one of.

    Attributes:
        finest: Places of those with the most detail.
        all: Places of all.
    """

    finest: NDArray[np.int64]
    all: NDArray[np.int64]


class Pictures(Dataset[tuple[Tensor, int, Tensor, Tensor]]):
    """Images with labels.

    An item is a float32 tensor (3, S, S), normalised, the class index, which classes it is compared with, (K,) bool,
    and what its teachers answer, (K,) float32.

    Where one source has finer images than another, sharpness tells of the source, and so of the diagnosis. A draw is
    either one of the lesion's finest images, as it is, or any of its images brought to the detail of the coarsest:
    then either form is as common in every diagnosis.

    Args:
        store: The images.
        labels: (N,) class index.
        compared: (N, K) bool.
        transform: From a uint8 tensor (3, H, W) to the float tensor.
        lesions: What an item is one image of, drawn anew each time; None: an item is an image.
        coarse: Share of the draws that are brought to the detail of `detail`.
        detail: The detail of the coarsest images.
        taught: (N, K) float32; None: there are no teachers, and zeros stand for their answers.
    """

    def __init__(
        self,
        store: PictureStore,
        labels: NDArray[np.int64],
        compared: NDArray[np.bool_],
        transform: Callable[[Tensor], Tensor],
        lesions: Sequence[Lesion] | None = None,
        coarse: float = 0.0,
        detail: Detail | None = None,
        taught: NDArray[np.float32] | None = None,
    ) -> None:
        self.store, self.labels, self.compared, self.transform = store, labels, compared, transform
        self.lesions, self.coarse, self.detail = lesions, coarse, detail or Detail()
        self.taught = np.zeros(compared.shape, np.float32) if taught is None else taught

    def __len__(self) -> int:
        return len(self.store) if self.lesions is None else len(self.lesions)

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor, Tensor]:
        coarse = self.coarse > 0 and float(torch.rand(())) < self.coarse
        if self.lesions is not None:
            lesion = self.lesions[index]
            among = lesion.all if coarse else lesion.finest
            index = int(among[int(torch.randint(len(among), ()))])
        picture = self.store[index]
        if self.lesions is not None:
            x0, y0, x1, y1 = square(picture.shape, Resize(fit="crop"))  # the frame must not betray the form either
            picture = picture[y0:y1, x0:x1]
        if coarse:
            picture = equal_detail(picture, self.detail)
        image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        compared, taught = torch.from_numpy(self.compared[index]), torch.from_numpy(self.taught[index])
        return self.transform(image), int(self.labels[index]), compared, taught
