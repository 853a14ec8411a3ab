"""One training from settings and a table to the best weights; a killed one goes on where it was."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
)
from torchvision.models import ResNet

from lesion_core.config import RunSettings
from lesion_core.errors import ConfigError, ModelError
from lesion_core.models.classifiers import Initialised, build, initialise
from lesion_core.training.data_module import SplitData
from lesion_core.training.losses import class_weights
from lesion_core.training.module import ClassifierModule

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A trained classifier.

    Attributes:
        model: In evaluation mode, with the weights of the best epoch (the averaged ones where asked for).
        history: Long form: epoch, phase, metric, value.
        initialised: What initial weights were taken over.
    """

    model: ResNet
    history: pd.DataFrame
    initialised: Initialised


class History(Callback):
    """Keeps what is measured at each epoch, in the checkpoint too, so that a resumed training has all of it."""

    def __init__(self, on_epoch: Callable[[int, dict[str, float]], None] | None = None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.on_epoch = on_epoch

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        del pl_module
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        values["train_learning_rate"] = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        for name, value in values.items():
            phase, _, metric = name.partition("_")
            self.rows.append({"epoch": trainer.current_epoch, "phase": phase, "metric": metric, "value": value})
        if self.on_epoch:
            self.on_epoch(trainer.current_epoch, values)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = list(state["rows"])

    def table(self) -> pd.DataFrame:
        """epoch, phase (train, select), metric, value."""
        return pd.DataFrame(self.rows, columns=["epoch", "phase", "metric", "value"])


def best_precision() -> str:
    """Lightning's precision for this machine: bf16 where it has matrix units for it, fp32 else."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    units = torch.cpu.get_capabilities()
    return "bf16-mixed" if units.get("amx_bf16") or units.get("avx512_bf16") else "32-true"


def fit(
    settings: RunSettings,
    table: pd.DataFrame,
    folder: Path,
    *,
    weights_folder: Path | None = None,
    resume: bool = True,
    bars: bool = True,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
    **trainer_options: Any,
) -> Fitted:
    """Train the classifier of the settings.

    Args:
        settings: All of the run's settings.
        table: Catalog rows with their role; every listed picture is there.
        folder: For checkpoints and preprocessed pictures; a later call with the same folder goes on from there.
        weights_folder: Where a weights file named in the settings is.
        resume: Go on from the folder's last checkpoint if it has one.
        bars: Show progress bars.
        on_epoch: Called after each epoch with its number and what was measured.
        trainer_options: Passed to Lightning's Trainer (devices, num_nodes, strategy, accelerator ...).

    Raises:
        DataError: A split is empty, a diagnosis is no class, or a picture cannot be decoded.
        ModelError: The architecture or its initial weights are not to be had, or the loss is no number.
        ConfigError: The folder holds a training with other settings.
    """
    t = settings.training
    if t.class_weights != "none" and t.oversampling != "none":
        warnings.warn(
            "Class weights and oversampling are both on: rare classes count twice (sqrt and sqrt make 1/n together).",
            stacklevel=2,
        )
    stamp = folder / "settings.json"
    if stamp.is_file() and resume and RunSettings.read(stamp) != settings:
        raise ConfigError(
            f"{folder} holds a training with other settings.", "Give another folder, or start over with --fresh."
        )
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / "last.ckpt"
    if not resume:
        # What is left of an earlier training must not be gone on from if this one is killed early.
        for old in folder.glob("*.ckpt"):
            old.unlink(missing_ok=True)
    stamp.write_text(settings.to_json())
    lightning.seed_everything(t.seed, workers=True, verbose=False)
    model = build(settings.model).train()
    initialised = initialise(model, settings.model, weights_folder)
    log.info(initialised.sentence)
    data = SplitData(table, settings, folder / "pictures")
    data.make_stores()
    weights = None
    if t.class_weights != "none":
        values = class_weights(data.labels["train"], len(settings.model.classes), t.class_weights)
        weights = torch.tensor(values, dtype=torch.float32)
    module = ClassifierModule(model, t, weights, frozenset(initialised.loaded))
    mode = "min" if t.monitor.endswith("loss") else "max"
    history = History(on_epoch)
    best = ModelCheckpoint(folder, filename="best", monitor=t.monitor, mode=mode, enable_version_counter=False)
    # Its own callback: `save_last` writes only when the best one is written, and a killed training would lose the rest.
    latest = ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    callbacks: list[Callback] = [history, best, latest]
    if t.early_stopping:
        callbacks.append(EarlyStopping(t.monitor, mode=mode, patience=t.early_stopping, check_finite=True))
    if t.ema_decay:
        # The average changes slowly: every fourth step is as good and costs a quarter.
        callbacks.append(EMAWeightAveraging(decay=t.ema_decay**4, update_every_n_steps=4))
    if bars:
        callbacks.append(RichProgressBar())
    precision = {"auto": best_precision(), "fp32": "32-true", "bf16": "bf16-mixed"}[t.precision]
    options: dict[str, Any] = {
        "max_epochs": t.epochs, "precision": precision, "callbacks": callbacks, "logger": False,
        "enable_progress_bar": bars, "enable_model_summary": False, "num_sanity_val_steps": 0,
        "reload_dataloaders_every_n_epochs": 1,
    }
    trainer = lightning.Trainer(**{**options, **trainer_options})
    try:
        # Lightning's checkpoints are this training's own scratch; read as weights only, so that no pickle runs.
        trainer.fit(module, data, ckpt_path=last if last.is_file() else None, weights_only=True)
    except SystemExit:
        # Lightning turns Ctrl-C into an exit; the caller decides what an interruption means.
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    chosen = torch.load(best.best_model_path or last, map_location="cpu", weights_only=True)
    prefix = "model."
    state = {k.removeprefix(prefix): v for k, v in chosen["state_dict"].items() if k.startswith(prefix)}
    if not all(bool(torch.isfinite(v).all()) for v in state.values()):
        raise ModelError(
            "The training diverged: weights are not finite.", "Lower the learning rate or use precision fp32."
        )
    model.load_state_dict(state)
    return Fitted(model.to(memory_format=torch.contiguous_format).cpu().eval(), history.table(), initialised)
