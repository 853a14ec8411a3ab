"""Images with the mask of their lesion, as the training of a segmenter reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from lesion_core import files
from lesion_core.config import Preprocessing, SegmenterTraining
from lesion_core.data.masks import check_frame, read_mask
from lesion_core.imaging.artefacts import ARTEFACTS, add_artefact
from lesion_core.imaging.decode import decode_listed
from lesion_core.imaging.geometry import scale_to
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.steps import Progress
from lesion_core.training.augmentation import other_camera
from lesion_core.training.pictures import stamp

Transform = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From uint8 (4, H, W), red, green, blue and mask, to float32 (3, S, S), normalised, and (1, S, S) in [0, 1]."""


def make_store(
    pictures: Sequence[tuple[str, str]],
    preprocessing: Preprocessing,
    side: int,
    folder: Path,
    on_progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """Decode and preprocess images and masks into one file, or open it if the same one was made before.

    A mask is averaged down, so its border holds how much of a pixel is lesion: the network learns it finer than its
    grid.

    Args:
        pictures: Path of the image and of its mask.
        preprocessing: The run's own; its size is not used.
        side: Pixels per side; frames are stretched to a square.
        folder: Where stores are kept; it may be deleted at any time.
        on_progress: Called with images done and images in all.

    Returns:
        (N, side, side, 4) uint8, memory-mapped: red, green, blue, and the mask from 0 to 255.

    Raises:
        DataError: An image or a mask cannot be used; the message names it.
    """
    facts = [[(path, *stamp(path)) for path in pair] for pair in pictures]
    key = hashlib.sha256(json.dumps([facts, preprocessing.model_dump(), side, "masked"]).encode()).hexdigest()[:16]
    file = folder / f"{key}.npy"
    if not file.is_file():
        pipeline = Pipeline(preprocessing)
        shape = (len(pictures), side, side, 4)
        # Not through a memory map: on a full disk, writing to one ends the process without a word.
        with files.written(file) as new, new.open("wb") as out:
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(out, header)
            for i, (path, mask_path) in enumerate(pictures):
                image = decode_listed(path)
                true = read_mask(Path(mask_path))
                check_frame(true, image.shape[:2], Path(mask_path))
                mask = cv2.resize(255 * true.astype(np.uint8), (side, side), interpolation=cv2.INTER_AREA)
                out.write(np.dstack([scale_to(pipeline.before_resize(image), side, side), mask]).tobytes())
                if on_progress:
                    on_progress(i + 1, len(pictures))
    return np.asarray(np.load(file, mmap_mode="r"))


def transform(training: SegmenterTraining, preprocessing: Preprocessing, size: int, *, augment: bool) -> Transform:
    """What happens to an image and its mask before the network: the same geometry, and colour for the image only.

    Scale and frame stand for other dermatoscopes, colour for other lights and cameras, artefacts for hair, rulers, ink,
    gel, dark corners and glare.

    Args:
        training: Kind of augmentation, and how many images get an artefact; strong is full with more of scale and
            frame, and with the white balance and exposure of another camera.
        preprocessing: Its mean and deviation normalise.
        size: Pixels per side of the result.
        augment: False for the validation set.
    """
    kind = training.augmentation if augment else "none"
    geometry: list[v2.Transform] = [v2.Resize((size, size), antialias=True)]
    colour: list[v2.Transform | Callable[[Tensor], Tensor]] = []
    strong = kind == "strong"
    if kind in ("full", "strong"):
        geometry = [
            v2.RandomResizedCrop(size, scale=(0.25 if strong else 0.45, 1.0), ratio=(0.75, 1.33), antialias=True),
            v2.RandomApply(
                [
                    v2.RandomAffine(
                        degrees=45,
                        translate=(0.08, 0.08),
                        scale=(0.5 if strong else 0.7, 1.05),
                        shear=8,
                        interpolation=v2.InterpolationMode.BILINEAR,
                    )
                ],
                p=0.4,
            ),
        ]
        colour = [
            v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.35, hue=0.05),
            v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], p=0.15),
        ]
        if strong:
            colour += [v2.ToDtype(torch.float32, scale=True), other_camera]
    if kind != "none":
        geometry += [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
    move, paint = v2.Compose(geometry), v2.Compose(colour) if colour else None
    finish = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(preprocessing.mean, preprocessing.std)])
    share = training.artefacts if kind in ("full", "strong") else 0.0

    def apply(picture: Tensor) -> tuple[Tensor, Tensor]:
        moved = move(picture)
        image, mask = moved[:3], moved[3:]
        if share and float(torch.rand(())) < share:
            image, mask = _with_artefact(image, mask)
        if paint:
            image = paint(image)
        return finish(image), mask.float() / 255

    return apply


def _with_artefact(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    name = list(ARTEFACTS)[int(torch.randint(len(ARTEFACTS), ()))]
    strength = 0.2 + 0.8 * float(torch.rand(()))
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    changed, where = add_artefact(pixels, name, int(torch.randint(2**31, ())), strength)
    if name == "dark_corner":
        # What the ring hides nobody can outline; hair or ink over a lesion is drawn through.
        mask = torch.where(torch.from_numpy(where), 0, mask)
    return torch.from_numpy(changed).permute(2, 0, 1), mask


class MaskedPictures(Dataset[tuple[Tensor, Tensor]]):
    """An image (3, S, S) float32, normalised, and its mask (1, S, S) float32 in [0, 1].

    Args:
        store: (N, side, side, 4) uint8 of `make_store`.
        change: A `transform`.
    """

    def __init__(self, store: NDArray[np.uint8], change: Transform) -> None:
        self.store, self.change = store, change

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.change(torch.from_numpy(self.store[index].copy()).permute(2, 0, 1))
