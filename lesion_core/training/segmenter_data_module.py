"""The images and masks that a U-Net is trained on, as Lightning asks for them."""

from __future__ import annotations

from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from lesion_core.config import ROLE_NAMES, SegmenterRunSettings
from lesion_core.data.collection import check_masks
from lesion_core.steps import Step, silent
from lesion_core.training.loop import RepeatableLoader
from lesion_core.training.masked_pictures import MaskedPictures, make_store, transform

MARGIN = 1.15
"""Training images are stored this much larger than the network reads them: augmentation crops from them."""


class SegmenterData(lightning.LightningDataModule):
    """Training and validation images that have a mask.

    Args:
        table: Catalog rows with a column `role`.
        settings: The run's settings.
        folder: For the preprocessed images.
        on_step: Told when images are read, and how far that is.

    Raises:
        DataError: The training, validation or test set has no image with a mask.
    """

    def __init__(
        self, table: pd.DataFrame, settings: SegmenterRunSettings, folder: Path, on_step: Step = silent
    ) -> None:
        super().__init__()
        self.prepare_data_per_node = False  # the folder is shared
        self.settings, self.folder, self.on_step = settings, folder, on_step
        self.pictures: dict[str, list[tuple[str, str]]] = {}
        self.stores: dict[str, NDArray[np.uint8]] = {}
        check_masks(table.dropna(subset=["path", "mask_path"]))
        for role in ("train", "select", "test"):
            part = table[(table["role"] == role) & table["path"].notna() & table["mask_path"].notna()]
            self.pictures[role] = list(zip(part["path"].astype(str), part["mask_path"].astype(str), strict=True))

    def make_stores(self) -> None:
        """Decode and preprocess all images; a second time it only opens the files."""
        size, preprocessing = self.settings.preprocessing.resize.size, self.settings.preprocessing
        self.stores = {
            role: make_store(
                self.pictures[role],
                preprocessing,
                side,
                self.folder,
                self.on_step(f"Reading {len(self.pictures[role]):,} images and masks of the {ROLE_NAMES[role]}"),
            )
            for role, side in (("train", round(MARGIN * size)), ("select", size))
        }

    def prepare_data(self) -> None:
        """Make the stores: only the first of several processes is asked, and the others wait for it."""
        self.make_stores()

    def setup(self, stage: str) -> None:  # noqa: ARG002
        if not self.stores:
            self.make_stores()

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        training, preprocessing = self.settings.training, self.settings.preprocessing
        epoch = self.trainer.current_epoch if self.trainer else 0
        change = transform(training, preprocessing, training.size(epoch, preprocessing.resize.size), augment=True)
        return RepeatableLoader(
            MaskedPictures(self.stores["train"], change),
            batch_size=training.batch_size,
            shuffle=True,
            generator=torch.Generator().manual_seed(training.seed * 1000 + epoch),
            num_workers=training.workers,
            drop_last=len(self.stores["train"]) > training.batch_size,
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        training, preprocessing = self.settings.training, self.settings.preprocessing
        change = transform(training, preprocessing, preprocessing.resize.size, augment=False)
        return DataLoader(MaskedPictures(self.stores["select"], change), batch_size=32)
