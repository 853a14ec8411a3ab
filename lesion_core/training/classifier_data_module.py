"""The loaders: the training set augmented and balanced, the validation set as inference sees it."""

from __future__ import annotations

from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, WeightedRandomSampler

from lesion_core.config import ROLE_NAMES, RunSettings
from lesion_core.data.collection import check_roles
from lesion_core.errors import ConfigError
from lesion_core.imaging.decode import frame_of
from lesion_core.steps import Step, silent
from lesion_core.training.augmentation import augmentation
from lesion_core.training.loop import RepeatableLoader
from lesion_core.training.losses import class_weights
from lesion_core.training.pictures import Lesion, Pictures, PictureStore

Batches = DataLoader[tuple[Tensor, int, Tensor, Tensor]]


class SplitData(lightning.LightningDataModule):
    """Training and validation images of one split.

    Args:
        table: Catalog rows with a column `role`; every path is there, every diagnosis one of the classes.
        settings: The run's settings.
        store: Folder for the preprocessed images.
        on_step: Told when images are read, and how far that is.
        taught: What teachers answer, a row per training image by image_id, a column per class.

    Raises:
        DataError: The training or the validation set is empty, or holds a diagnosis that the model has no class for.
        ConfigError: The settings name teachers, and their answers are not given.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        settings: RunSettings,
        store: Path,
        on_step: Step = silent,
        taught: pd.DataFrame | None = None,
    ) -> None:
        super().__init__()
        self.prepare_data_per_node = False  # the folder is shared
        self.settings, self.store, self.on_step = settings, store, on_step
        self.parts: dict[str, pd.DataFrame] = {}
        self.labels: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
        check_roles(table, settings.model.classes, ("train", "select"))
        for role in ("train", "select"):
            part = table[table["role"] == role]
            self.parts[role] = part
            index = pd.Index(settings.model.classes)
            self.labels[role] = index.get_indexer(pd.Index(part["diagnosis"])).astype(np.int64)
        self.compared = (
            self._label_spaces()
            if settings.training.label_spaces
            else {
                role: np.ones((len(labels), len(settings.model.classes)), bool) for role, labels in self.labels.items()
            }
        )
        self.taught: NDArray[np.float32] | None = None
        if settings.training.teachers:
            if taught is None:
                raise ConfigError("The settings name teachers.", "Train with `train`, which asks them.")
            rows = taught.loc[self.parts["train"]["image_id"], list(settings.model.classes)]
            self.taught = rows.to_numpy(np.float32, copy=True)
        self._stores: dict[str, PictureStore] = {}
        self.lesions = _lesions(self.parts["train"]) if settings.training.draw == "lesion" else None

    @property
    def drawn(self) -> NDArray[np.int64]:
        """The class index of each thing that an epoch draws once: of each image, or of each lesion."""
        labels = self.labels["train"]
        return labels if self.lesions is None else labels[[lesion.all[0] for lesion in self.lesions]]

    def _label_spaces(self) -> dict[str, NDArray[np.bool_]]:
        """Which classes each image is compared with: those that its own data set holds.

        A challenge that collected melanomas and nevi alone says nothing about carcinomas. Compared with all classes,
        its images would teach that other cameras show no carcinoma.
        """
        train = self.parts["train"]
        rows = np.zeros((len(train), len(self.settings.model.classes)), bool)
        for data_set in train["dataset"].unique():
            own = (train["dataset"] == data_set).to_numpy()
            rows[np.ix_(own, np.unique(self.labels["train"][own]))] = True
        return {"train": rows, "select": np.ones((len(self.parts["select"]), rows.shape[1]), bool)}

    def make_stores(self) -> None:
        """Decode and preprocess all images; a second time it only opens the files."""
        for role, part in self.parts.items():
            self._stores[role] = PictureStore.make(
                list(part["path"]),
                self.settings.preprocessing,
                self.store,
                whole_frame=role == "train",
                on_progress=self.on_step(f"Reading the {len(part):,} images of the {ROLE_NAMES[role]}"),
            )

    def prepare_data(self) -> None:
        """Make the stores: only the first of several processes is asked, and the others wait for it."""
        self.make_stores()

    def setup(self, stage: str) -> None:  # noqa: ARG002
        if not self._stores:
            self.make_stores()

    def size(self, epoch: int) -> int:
        """Pixels per side in an epoch."""
        return self.settings.training.size(epoch, self.settings.preprocessing.resize.size)

    def train_dataloader(self) -> Batches:
        training = self.settings.training
        epoch = self.trainer.current_epoch if self.trainer else 0
        transform = augmentation(training.augmentation, self.settings.preprocessing, self.size(epoch))
        labels = self.drawn
        sampler: Sampler[int] | None = None
        generator = torch.Generator().manual_seed(training.seed * 1000 + epoch)
        if training.oversampling != "none":
            weight = class_weights(labels, len(self.settings.model.classes), training.oversampling)[labels]
            sampler = WeightedRandomSampler(weight.tolist(), len(labels), replacement=True, generator=generator)
        pictures = Pictures(
            self._stores["train"],
            self.labels["train"],
            self.compared["train"],
            transform,
            self.lesions,
            training.coarse,
            self.settings.preprocessing.detail,
            self.taught,
        )
        return RepeatableLoader(
            pictures,
            batch_size=training.batch_size,
            sampler=sampler,
            shuffle=sampler is None,
            generator=generator,
            num_workers=training.workers,
            drop_last=len(labels) > training.batch_size,
        )

    def val_dataloader(self) -> Batches:
        size = self.settings.preprocessing.resize.size
        transform = augmentation("none", self.settings.preprocessing, size)
        pictures = Pictures(self._stores["select"], self.labels["select"], self.compared["select"], transform)
        return DataLoader(pictures, batch_size=64)


def _lesions(table: pd.DataFrame) -> list[Lesion]:
    """The lesions of a table with the columns `group` and `path`, as places in it."""
    sides = np.array([min(frame_of(Path(path))) for path in table["path"]])
    places = pd.Series(np.arange(len(table))).groupby(table["group"].to_numpy()).apply(np.asarray)
    return [Lesion(one[sides[one] == sides[one].max()], one) for one in places]
