"""A U-Net with its loss, as Lightning trains it."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesion_core.config import SegmenterTraining
from lesion_core.training.convolutions import MatrixProducts
from lesion_core.training.optimization import optimization


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice of each image, averaged: ``1 - (2 sum(p t) + 1) / (sum(p) + sum(t) + 1)``.

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
