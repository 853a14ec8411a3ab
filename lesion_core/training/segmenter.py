"""The training of a segmenter: its loss, what is measured on the validation set, and the loaders."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from torch import nn

from lesion_core.config import SegmenterRunSettings
from lesion_core.models.classifiers import Initialised
from lesion_core.models.segmenters import build_segmenter, initialise_segmenter
from lesion_core.steps import Step, silent
from lesion_core.training.loop import OnEpoch, learn, training_folder
from lesion_core.training.segmenter_data_module import SegmenterData
from lesion_core.training.segmenter_module import SegmenterModule

log = logging.getLogger(__name__)


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
    on_step: Step = silent,
    on_epoch: OnEpoch | None = None,
    **trainer_options: Any,
) -> FittedSegmenter:
    """Train the segmenter of the settings; arguments as in `training.fit.fit`.

    Raises:
        DataError: A split has no image with a mask, or one cannot be used.
        ModelError: The initial weights are not to be had, or the training diverged.
        ConfigError: The folder holds a training with other settings, or on another split.
    """
    training = settings.training
    with training_folder(folder, settings, table.dropna(subset=["path", "mask_path"]), resume):
        lightning.seed_everything(training.seed, workers=True, verbose=False)
        model = build_segmenter(settings.model).train()
        initialised = initialise_segmenter(model, settings.model, weights_folder)
        log.info(initialised.sentence)
        data = SegmenterData(table, settings, folder / "pictures", on_step)
        module = SegmenterModule(model, training, frozenset(initialised.loaded))
        state, history = learn(module, data, training, folder, on_step=on_step, on_epoch=on_epoch, **trainer_options)
        model.load_state_dict(state)
        return FittedSegmenter(model.to(memory_format=torch.contiguous_format).cpu().eval(), history, initialised)
