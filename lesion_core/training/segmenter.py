"""The training of a segmenter: its loss, what is measured on the select split, and the loaders."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from lesion_core.config import SegmenterRunSettings, SegmenterTraining
from lesion_core.errors import DataError
from lesion_core.models.classifiers import Initialised
from lesion_core.models.segmenters import build_segmenter, initialise_segmenter
from lesion_core.training.convolutions import MatrixProducts
from lesion_core.training.loop import OnEpoch, RepeatableLoader, learn, open_folder
from lesion_core.training.masked_pictures import MaskedPictures, make_store, transform
from lesion_core.training.optimization import optimization

log = logging.getLogger(__name__)

MARGIN = 1.15
"""Training pictures are stored this much larger than the network reads them: augmentation crops from them."""


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice of each picture, averaged: ``1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1)``.

    The ones keep an empty mask defined (Milletari et al., 3DV 2016, without squares).

    Args:
        logits: (N, 1, H, W).
        target: (N, 1, H, W) in [0, 1].

    Returns:
        A scalar in [0, 1].
    """
    p, t = logits.sigmoid().flatten(1), target.flatten(1)
    return (1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).mean()


class SegmenterModule(lightning.LightningModule):
    """A U-Net with its loss and its optimizer.

    Args:
        model: The network, initial weights in it.
        settings: How it is trained.
        pretrained: Names of the tensors that came with weights.
    """

    def __init__(self, model: nn.Module, settings: SegmenterTraining, pretrained: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)
        self.settings, self.pretrained = settings, pretrained

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to logits (N, 1, H, W)."""
        logits: Tensor = self.model(images.to(memory_format=torch.channels_last))
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        images, target = batch
        with MatrixProducts():
            logits = self(images).float()
        loss = F.binary_cross_entropy_with_logits(logits, target) + dice_loss(logits, target)
        self.log("train_loss", loss, on_epoch=True, on_step=False, batch_size=len(target), sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        images, target = batch
        logits = self(images).float()
        found, truth = (logits > 0).flatten(1), (target >= 0.5).flatten(1)
        both, either = (found & truth).sum(1), (found | truth).sum(1)
        jaccard = torch.where(either > 0, both / either.clamp_min(1), 1.0)
        loss = F.binary_cross_entropy_with_logits(logits, target) + dice_loss(logits, target)
        values = {
            "select_loss": loss,
            "select_jaccard": jaccard.mean(),
            "select_threshold_jaccard": (jaccard * (jaccard >= 0.65)).mean(),
        }
        self.log_dict(values, on_epoch=True, prog_bar=True, batch_size=len(target), sync_dist=True)

    def configure_optimizers(self) -> Any:
        steps = int(self.trainer.estimated_stepping_batches) if self.settings.schedule == "cosine" else 0
        return optimization(self.model.named_parameters(), self.pretrained, self.settings, steps)


class SegmenterData(lightning.LightningDataModule):
    """Train and select pictures that have a mask.

    Args:
        table: Catalog rows with a column `role`.
        settings: The run's settings.
        folder: For the preprocessed pictures.

    Raises:
        DataError: The train, select or test split has no picture with a mask.
    """

    def __init__(self, table: pd.DataFrame, settings: SegmenterRunSettings, folder: Path) -> None:
        super().__init__()
        self.prepare_data_per_node = False  # the folder is shared
        self.settings, self.folder = settings, folder
        self.pictures: dict[str, list[tuple[str, str]]] = {}
        self.stores: dict[str, NDArray[np.uint8]] = {}
        # Test is not read here, but a training that cannot be measured should not start.
        for role in ("train", "select", "test"):
            part = table[(table["role"] == role) & table["path"].notna() & table["mask_path"].notna()]
            if part.empty:
                raise DataError(
                    f"The {role} split has no picture with a mask.",
                    "Give a data set with masks, such as HAM10000 with HAM10000_segmentations.",
                )
            self.pictures[role] = list(zip(part["path"].astype(str), part["mask_path"].astype(str), strict=True))

    def make_stores(self) -> None:
        """Decode and preprocess all pictures; a second time it only opens the files."""
        size, preprocessing = self.settings.preprocessing.resize.size, self.settings.preprocessing
        self.stores = {
            role: make_store(self.pictures[role], preprocessing, side, self.folder)
            for role, side in (("train", round(MARGIN * size)), ("select", size))
        }

    def prepare_data(self) -> None:
        """Make the stores: only the first of several processes is asked, and the others wait for it."""
        log.info("Reading %d pictures and masks.", sum(len(self.pictures[role]) for role in ("train", "select")))
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


@dataclass(frozen=True)
class FittedSegmenter:
    """A trained segmenter.

    Attributes:
        model: In evaluation mode, with the weights of the best epoch (the averaged ones where asked for).
        history: Long form: epoch, phase, metric, value.
        initialised: What initial weights the encoder took over.
    """

    model: nn.Module
    history: pd.DataFrame
    initialised: Initialised


def fit_segmenter(
    settings: SegmenterRunSettings,
    table: pd.DataFrame,
    folder: Path,
    *,
    weights_folder: Path | None = None,
    resume: bool = True,
    bars: bool = True,
    on_epoch: OnEpoch | None = None,
    **trainer_options: Any,
) -> FittedSegmenter:
    """Train the segmenter of the settings; arguments as in `training.fit.fit`.

    Raises:
        DataError: A split has no picture with a mask, or one cannot be used.
        ModelError: The initial weights are not to be had, or the training diverged.
        ConfigError: The folder holds a training with other settings, or on another split.
    """
    training = settings.training
    open_folder(folder, settings, table.dropna(subset=["path", "mask_path"]), resume)
    lightning.seed_everything(training.seed, workers=True, verbose=False)
    model = build_segmenter(settings.model).train()
    initialised = initialise_segmenter(model, settings.model, weights_folder)
    log.info(initialised.sentence)
    data = SegmenterData(table, settings, folder / "pictures")
    module = SegmenterModule(model, training, frozenset(initialised.loaded))
    state, history = learn(module, data, training, folder, bars=bars, on_epoch=on_epoch, **trainer_options)
    model.load_state_dict(state)
    return FittedSegmenter(model.to(memory_format=torch.contiguous_format).cpu().eval(), history, initialised)
