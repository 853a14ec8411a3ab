"""The loop that every training runs in: callbacks, checkpoints, going on after a kill, and the best weights."""

from __future__ import annotations

import io
import logging
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
)
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor
from torch.utils.data import DataLoader

from lesion_core import distributed, files
from lesion_core.config import Schedule, Settings
from lesion_core.data.splits import roles_fingerprint
from lesion_core.errors import BusyError, ConfigError, ModelError
from lesion_core.foreign_text import shown
from lesion_core.steps import Progress, Step, duration, silent

log = logging.getLogger(__name__)

OnEpoch = Callable[[int, dict[str, float]], None]
Item = TypeVar("Item")


class History(Callback):
    """Keeps what is measured at each epoch, in the checkpoint too, so that a resumed training has all of it."""

    def __init__(self, on_epoch: OnEpoch | None = None) -> None:
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


class Told(Callback):
    """Tells which epoch begins, how far it is, and about how long the epochs after it will take."""

    def __init__(self, on_step: Step) -> None:
        self.on_step = on_step
        self.progress: Progress = silent("")
        self.took: list[float] = []
        self.began = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        del pl_module
        epoch, epochs, self.began = trainer.current_epoch, trainer.max_epochs or 0, time.monotonic()
        left = sum(self.took) / len(self.took) * (epochs - epoch) if self.took else 0
        to_go = f", about {duration(left)} of epochs to go" if left else ""
        self.progress = self.on_step(f"Epoch {epoch + 1} of {epochs}: learning, then scoring the validation set{to_go}")

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del pl_module, outputs, batch
        self.progress(batch_idx + 1, self._batches(trainer))

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        del pl_module, outputs, batch, dataloader_idx
        self.progress(int(trainer.num_training_batches) + batch_idx + 1, self._batches(trainer))

    @staticmethod
    def _batches(trainer: lightning.Trainer) -> int:
        return int(trainer.num_training_batches + sum(trainer.num_val_batches))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        del trainer, pl_module
        self.took.append(time.monotonic() - self.began)


@contextmanager
def without_advertisements() -> Iterator[None]:
    """Lightning without what it says of itself and of other products, and without warnings that are its own concern."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    with warnings.catch_warnings():
        # It takes the folder for its own; ours holds the settings, the split and the pictures on purpose.
        warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")  # frozen stages
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)", module="lightning")
        for each in loggers:
            each.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)


def best_precision() -> str:
    """Lightning's precision for this machine: bf16 where it has matrix units for it, fp32 else."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    units = torch.cpu.get_capabilities()
    return "bf16-mixed" if units.get("amx_bf16") or units.get("avx512_bf16") else "32-true"


class Kept(ModelCheckpoint):
    """A checkpoint that is remembered also where the folder was moved in the meantime."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here = Path(str(self.dirpath))

        def moved(path: str) -> str:
            return str(here / Path(path).name) if path else path

        super().load_state_dict(
            {
                **state_dict,
                "dirpath": self.dirpath,
                **{
                    key: moved(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")
                },
                "best_k_models": {moved(path): value for path, value in state_dict["best_k_models"].items()},
            }
        )


class Patience(EarlyStopping):
    """Early stopping that stays stopped: a training that is called again does not go on."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        del pl_module
        # It stops for patience, or, without counting, for a figure that is not a number.
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience or self.stopped_epoch > 0


LONGEST_WAIT_S = 600
"""Seconds that a training waits for the processes that make its images."""


class RepeatableLoader(DataLoader[Item]):
    """A loader that draws the same however often it was asked before: a resumed epoch is the one that was lost.

    Lightning asks twice in some epochs and once in the first after going on. Its worker processes are forked, which
    keeps an epoch's start short; one that stands still (a fork may copy a lock that nobody will let go) or is killed
    ends the training in a sentence.

    Raises:
        BusyError: While it is read, where a worker process does not answer.
    """

    def __iter__(self) -> Any:
        self.timeout = LONGEST_WAIT_S if self.num_workers else 0
        self.generator.manual_seed(self.generator.initial_seed())
        if not self.num_workers:
            torch.manual_seed(self.generator.initial_seed())  # augmentation draws in this process then
        return _answered(super().__iter__())


def _answered(batches: Iterator[Item]) -> Iterator[Item]:
    try:
        yield from batches
    except RuntimeError as error:
        if not str(error).startswith(("DataLoader timed out", "DataLoader worker")):
            raise
        raise BusyError(
            "A worker process that makes the training's images does not answer.",
            "Start again, which goes on from the last finished epoch; with 0 workers in the settings there is none.",
        ) from None


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints beside which nothing is half written: Lightning moves them from the temporary folder, and a move from
    another disk is a copy, which a kill cuts off."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        del storage_options
        whole = io.BytesIO()  # torch tells of a full disk in words of its own where it writes itself
        torch.save(checkpoint, whole)
        with files.written(Path(path)) as new:
            new.write_bytes(whole.getbuffer())


@contextmanager
def training_folder(folder: Path, settings: Settings, table: pd.DataFrame, resume: bool) -> Iterator[None]:
    """Prepare a training's folder and keep other trainings out of it: a new one, one to go on in, or one to start over
    in.

    Args:
        folder: For checkpoints, settings and the fingerprint of who has which role.
        settings: What it is trained with.
        table: Catalog rows with their role.
        resume: Whether to go on from checkpoints that are there.

    Raises:
        ConfigError: The folder holds a training with other settings, on another split, or on one that nobody knows.
        BusyError: Another training runs in it.
    """
    # The other processes of one training find the lock of the first one.
    with files.locked(folder) if distributed.starts() else nullcontext():
        _prepare(folder, settings, table, resume)
        yield


def check_folder(folder: Path, settings: Settings, table: pd.DataFrame, resume: bool) -> None:
    """Refuse a folder that holds another training; arguments and errors as in `training_folder`."""
    stamp, roles = folder / "settings.json", folder / "roles.sha256"
    if stamp.is_file() and resume and type(settings).read(stamp) != settings:
        raise ConfigError(
            f"{shown(str(folder), 200)} holds a training with other settings.",
            "Give another folder, or start over with --fresh.",
        )
    if (folder / "last.ckpt").is_file() and resume and not roles.is_file():
        raise ConfigError(
            f"{shown(str(folder), 200)} holds a training that an earlier version began: on which split is not known.",
            "Give another folder, or start over with --fresh.",
        )
    if roles.is_file() and resume and roles.read_text() != roles_fingerprint(table) + "\n":
        # Lesions that were learned from may be in test now.
        raise ConfigError(
            f"{shown(str(folder), 200)} holds a training on other images, or on another split of them.",
            "Give the images that it began with, give another folder, or start over with --fresh.",
        )


def _prepare(folder: Path, settings: Settings, table: pd.DataFrame, resume: bool) -> None:
    check_folder(folder, settings, table, resume)
    stamp, roles = folder / "settings.json", folder / "roles.sha256"
    split = roles_fingerprint(table) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    if not resume:
        # What is left of an earlier training must not be gone on from if this one is killed early: not from the last
        # checkpoint, which comes first, as it names the best one.
        for old in (folder / "last.ckpt", *folder.glob("*.ckpt")):
            old.unlink(missing_ok=True)
    for path, text in ((stamp, settings.to_json()), (roles, split)):
        if not path.is_file() or path.read_text() != text:  # several processes may be here at once
            with files.written(path) as new:
                new.write_text(text)


def _begin_from(folder: Path) -> Path | None:
    """The checkpoint that a training goes on from: the last one, or, where a failing disk has damaged it, that of the
    best epoch; None in a new folder.

    Raises:
        ModelError: A checkpoint is damaged or missing that no other one can stand in for.
    """
    last, best = folder / "last.ckpt", folder / "best.ckpt"
    if not last.is_file():
        return None
    if not _is_whole(best):
        raise ModelError(
            f"{best} is damaged or missing, and nothing else has the weights of the training's best epoch.",
            "Start over with --fresh.",
        )
    if not _is_whole(last):
        log.warning("%s is damaged. The training goes on from its best epoch.", last)
        return best
    return last


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint is as it was written, by the checksums of its parts."""
    try:
        with zipfile.ZipFile(checkpoint) as parts:
            return parts.testzip() is None
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile):
        return False


def learn(
    module: lightning.LightningModule,
    data: lightning.LightningDataModule,
    settings: Schedule,
    folder: Path,
    *,
    on_step: Step = silent,
    on_epoch: OnEpoch | None = None,
    **trainer_options: Any,
) -> tuple[dict[str, Tensor], pd.DataFrame]:
    """Train a module; from the folder's last checkpoint if it has one.

    Args:
        module: Its network is its attribute `model`.
        data: The loaders.
        settings: How long, what is watched, averaging, precision.
        folder: For checkpoints, as `training_folder` left it.
        on_step: Told which epoch begins, and how far it is.
        on_epoch: Called after each epoch with its number and what was measured.
        trainer_options: Passed to Lightning's Trainer (devices, num_nodes, strategy, accelerator ...).

    Returns:
        The state of the network at its best epoch (the averaged one where asked for), and the history in long form:
        epoch, phase, metric, value.

    Raises:
        ModelError: The weights are NaN or infinite, or a checkpoint is damaged.
    """
    t, last = settings, folder / "last.ckpt"
    begin_from = _begin_from(folder)
    mode = "min" if t.monitor.endswith("loss") else "max"
    history = History(on_epoch)
    best = Kept(folder, filename="best", monitor=t.monitor, mode=mode, enable_version_counter=False)
    # Its own callback: `save_last` writes only when the best one is written, and a killed training would lose the rest.
    latest = Kept(folder, filename="last", enable_version_counter=False)
    callbacks: list[Callback] = [history, best, latest, Told(on_step)]
    if t.early_stopping:
        callbacks.append(Patience(t.monitor, mode=mode, patience=t.early_stopping, check_finite=True))
    if t.ema_decay:
        # The average changes slowly: every fourth step is as good and costs a quarter.
        callbacks.append(EMAWeightAveraging(decay=t.ema_decay**4, update_every_n_steps=4))
    precision = {"auto": best_precision(), "fp32": "32-true", "bf16": "bf16-mixed"}[t.precision]
    options: dict[str, Any] = {
        "max_epochs": t.epochs,
        "precision": precision,
        "callbacks": callbacks,
        "plugins": [WholeCheckpoints()],
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "reload_dataloaders_every_n_epochs": 1,
    }
    if begin_from:
        done = int(torch.load(begin_from, map_location="cpu", weights_only=True, mmap=True)["epoch"]) + 1
        log.info("The training goes on after epoch %d of %d, from %s.", done, t.epochs, begin_from)
    with without_advertisements():
        trainer = lightning.Trainer(**{**options, **trainer_options})
        try:
            # Lightning's checkpoints are this training's own scratch; read as weights only, so that no pickle runs.
            trainer.fit(module, data, ckpt_path=begin_from, weights_only=True)
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
    return state, history.table()
