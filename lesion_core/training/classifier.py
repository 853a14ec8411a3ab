"""One training of a classifier, from settings and a table to the best weights; a killed one goes on where it was."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from torchvision.models import ResNet

from lesion_core.config import RunSettings
from lesion_core.models.classifiers import Initialised, build, initialise
from lesion_core.steps import Step, silent
from lesion_core.training.classifier_data_module import SplitData
from lesion_core.training.classifier_module import ClassifierModule
from lesion_core.training.loop import OnEpoch, learn, training_folder
from lesion_core.training.losses import class_weights, log_prior

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A trained classifier.

    Attributes:
        model: In evaluation mode, with the weights of the best epoch (the averaged ones where asked for), its logits
            adjusted by `logit_adjustment`.
        history: Long form: epoch, phase, metric, value; measured before that adjustment.
        initialised: What initial weights were taken over.
    """

    model: ResNet
    history: pd.DataFrame
    initialised: Initialised


def fit(
    settings: RunSettings,
    table: pd.DataFrame,
    folder: Path,
    *,
    weights_folder: Path | None = None,
    pictures: Path | None = None,
    taught: pd.DataFrame | None = None,
    resume: bool = True,
    on_step: Step = silent,
    on_epoch: OnEpoch | None = None,
    **trainer_options: Any,
) -> Fitted:
    """Train the classifier of the settings.

    Args:
        settings: All of the run's settings.
        table: Catalog rows with their role; every listed image is there.
        folder: For checkpoints; a later call with the same folder goes on from there.
        weights_folder: Where a weights file named in the settings is.
        pictures: For preprocessed images, which several trainings may share; None: in `folder`.
        taught: What the settings' teachers answer, a row per training image by image_id, a column per class.
        resume: Go on from the folder's last checkpoint if it has one.
        on_step: Told what begins (reading, each epoch), and how far it is.
        on_epoch: Called after each epoch with its number and what was measured.
        trainer_options: Passed to Lightning's Trainer (devices, num_nodes, strategy, accelerator ...).

    Raises:
        DataError: A split is empty, a diagnosis is not a class, or an image cannot be decoded.
        ModelError: The architecture or its initial weights are not to be had, or the loss is NaN or infinite.
        ConfigError: The folder holds a training with other settings, or on another split; or teachers are named whose
            answers are not given.
    """
    t = settings.training
    if t.class_weights != "none" and t.oversampling != "none":
        warnings.warn(
            "Class weights and oversampling are both on: rare classes count twice (sqrt and sqrt make 1/n together).",
            stacklevel=2,
        )
    with training_folder(folder, settings, table, resume):
        lightning.seed_everything(t.seed, workers=True, verbose=False)
        model = build(settings.model).train()
        initialised = initialise(model, settings.model, weights_folder)
        log.info(initialised.sentence)
        data = SplitData(table, settings, pictures or folder / "pictures", on_step, taught)
        weights = None
        if t.class_weights != "none":
            values = class_weights(data.drawn, len(settings.model.classes), t.class_weights)
            weights = torch.tensor(values, dtype=torch.float32)
        prior = torch.tensor(log_prior(data.drawn, len(settings.model.classes), t.oversampling)).float()
        module = ClassifierModule(model, t, weights, frozenset(initialised.loaded), prior)
        state, history = learn(module, data, t, folder, on_step=on_step, on_epoch=on_epoch, **trainer_options)
        model.load_state_dict(state)
        with torch.no_grad():
            # Post-hoc logit adjustment (Menon et al., ICLR 2021, eq. 9): linear, so the last layer takes it in.
            model.fc.bias -= t.logit_adjustment * prior
        return Fitted(model.to(memory_format=torch.contiguous_format).cpu().eval(), history, initialised)
