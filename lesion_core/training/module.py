"""The classifier as Lightning trains it: loss, optimizer, schedule, and what is measured on the select split."""

from __future__ import annotations

import math
from typing import Any, Literal

import lightning
import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC
from torchvision.models import ResNet

from lesion_core.config import Training
from lesion_core.training.convolutions import MatrixProducts
from lesion_core.training.losses import focal_loss


class ClassifierModule(lightning.LightningModule):
    """A ResNet with its loss and its optimizer.

    Args:
        model: The network, initial weights in it.
        settings: How it is trained.
        weights: (K,) class weights of the loss, or None.
        pretrained: Names of the tensors that came with weights; they learn at `pretrained_factor` of the rate.
    """

    def __init__(
        self, model: ResNet, settings: Training, weights: Tensor | None, pretrained: frozenset[str] = frozenset()
    ) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)
        self.settings = settings
        self.pretrained = pretrained
        self.register_buffer("class_weights", weights, persistent=False)
        classes = model.fc.out_features
        self.select_metrics = MetricCollection({
            "select_accuracy": MulticlassAccuracy(classes, average="micro"),
            "select_balanced_accuracy": MulticlassAccuracy(classes, average="macro"),
            "select_auroc": MulticlassAUROC(classes, average="macro", thresholds=None),
        })

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to logits (N, K)."""
        logits: Tensor = self.model(images.to(memory_format=torch.channels_last))
        return logits

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """The training loss of the settings."""
        s, weights = self.settings, self.class_weights
        assert weights is None or isinstance(weights, Tensor)
        if s.loss == "focal":
            return focal_loss(logits, target, s.focal_gamma, weights, s.label_smoothing)
        return F.cross_entropy(logits, target, weight=weights, label_smoothing=s.label_smoothing)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        images, target = batch
        with MatrixProducts():
            logits = self(images).float()
        loss = self.loss(logits, target)
        self.log("train_loss", loss, on_epoch=True, on_step=False, batch_size=len(target), sync_dist=True)
        accuracy = (logits.argmax(1) == target).float().mean()
        self.log("train_accuracy", accuracy, on_epoch=True, on_step=False, batch_size=len(target), sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        images, target = batch
        logits = self(images).float()
        self.select_metrics.update(logits.softmax(1), target)
        loss = F.cross_entropy(logits, target)
        self.log("select_loss", loss, on_epoch=True, batch_size=len(target), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.select_metrics.compute(), prog_bar=True)
        self.select_metrics.reset()

    def configure_optimizers(self) -> Any:
        s = self.settings
        rate = {True: s.learning_rate * s.pretrained_factor, False: s.learning_rate}
        groups: dict[tuple[bool, bool], list[Tensor]] = {}
        for name, parameter in self.model.named_parameters():
            # Biases and normalisation are not decayed: it only moves their scale (He et al., CVPR 2019).
            groups.setdefault((name in self.pretrained, parameter.ndim >= 2), []).append(parameter)
        parameters = [
            {"params": p, "lr": rate[old], "weight_decay": s.weight_decay if decayed else 0.0}
            for (old, decayed), p in groups.items()
        ]
        optimizer: torch.optim.Optimizer
        if s.optimizer == "sgd":
            optimizer = torch.optim.SGD(parameters, momentum=0.9, nesterov=True)
        else:
            optimizer = torch.optim.AdamW(parameters, fused=True)
        if s.schedule == "constant":
            return optimizer
        if s.schedule == "plateau":
            better: Literal["min", "max"] = "min" if s.monitor.endswith("loss") else "max"
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=better, patience=s.plateau_patience)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": s.monitor}}
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, int(s.warmup * steps))
        cosine = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda i: (i + 1) / warmup if i < warmup
            else 0.5 * (1 + math.cos(math.pi * min(1.0, (i - warmup) / max(1, steps - warmup)))) + 1e-3,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}
