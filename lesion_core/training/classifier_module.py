"""The classifier as Lightning trains it: loss, optimizer, schedule, and what is measured on the validation set."""

from __future__ import annotations

from typing import Any, Self

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC
from torchmetrics.functional.classification import binary_auroc
from torchmetrics.utilities import dim_zero_cat
from torchvision.models import ResNet

from lesion_core.config import Training
from lesion_core.training.convolutions import MatrixProducts
from lesion_core.training.losses import distillation, focal_loss, mix
from lesion_core.training.optimization import optimization

NEVER = -1e4
"""The logit of a class that an image is not compared with: its probability is 0, and so is its gradient."""


class PresentAUROC(MulticlassAUROC):
    """The mean AUROC, one against rest, over the classes that are present, as `analysis.metrics` defines it; 0.5 where
    there is one class. torchmetrics would count an absent class as 0, and warn."""

    def compute(self) -> Tensor:  # type: ignore[override]
        found, truth = dim_zero_cat(self.preds), dim_zero_cat(self.target)  # (N, K), (N,)
        present = torch.unique(truth)
        if len(present) < 2:
            return torch.tensor(0.5, device=found.device)
        return torch.stack([binary_auroc(found[:, k], (truth == k).long()) for k in present]).mean()


class ClassifierModule(lightning.LightningModule):
    """A ResNet with its loss and its optimizer.

    Args:
        model: The network, initial weights in it.
        settings: How it is trained.
        weights: (K,) class weights of the loss, or None.
        pretrained: Names of the tensors that came with weights; they learn at `pretrained_factor` of the rate.
        log_prior: (K,) logarithm of how often each class is drawn; needed by the logit-adjusted loss.
    """

    def __init__(
        self,
        model: ResNet,
        settings: Training,
        weights: Tensor | None,
        pretrained: frozenset[str] = frozenset(),
        log_prior: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)
        self.settings = settings
        self.pretrained = pretrained
        self.register_buffer("class_weights", weights, persistent=False)
        self.register_buffer("log_prior", log_prior, persistent=False)
        self._frozen = [model.get_submodule(name) for name in frozen_parts(settings.frozen_stages)]
        for part in self._frozen:
            part.requires_grad_(False).eval()  # Lightning leaves the mode as it is here
        self._mixing = np.random.default_rng(settings.seed)  # anew at each epoch: a resumed one is the same
        classes = model.fc.out_features
        self.select_metrics = MetricCollection(
            {
                "select_accuracy": MulticlassAccuracy(classes, average="micro"),
                "select_balanced_accuracy": MulticlassAccuracy(classes, average="macro"),
                "select_auroc": PresentAUROC(classes, average="none", thresholds=None),
            }
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to logits (N, K)."""
        logits: Tensor = self.model(images.to(memory_format=torch.channels_last))
        return logits

    def loss(self, logits: Tensor, target: Tensor, compared: Tensor) -> Tensor:
        """The training loss of the settings, over the classes that each image is compared with, (N, K) bool."""
        s, weights = self.settings, self.class_weights
        assert weights is None or isinstance(weights, Tensor)
        if s.loss == "logit_adjusted":
            # What the frequencies explain is added in training and absent afterwards: the answer is the best for
            # balanced accuracy, and rare classes are not learned by heart (Menon et al., ICLR 2021).
            assert isinstance(self.log_prior, Tensor)
            logits = logits + self.log_prior
        logits = logits.masked_fill(~compared, NEVER)
        if s.loss == "focal":
            return focal_loss(logits, target, s.focal_gamma, weights, s.label_smoothing)
        return F.cross_entropy(logits, target, weight=weights, label_smoothing=s.label_smoothing)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def on_train_epoch_start(self) -> None:
        self._mixing = np.random.default_rng((self.settings.seed, self.current_epoch, self.global_rank))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], _: int) -> Tensor:
        images, target, compared, taught = batch
        partner, share = None, 1.0
        if self.settings.mixup:
            images, partner, share = mix(images, self._mixing, self.settings.mixup)
            compared = compared | compared[partner]
            taught = share * taught + (1 - share) * taught[partner]
        with MatrixProducts():
            logits = self(images).float()
        loss = self.loss(logits, target, compared)
        if partner is not None:
            loss = share * loss + (1 - share) * self.loss(logits, target[partner], compared)
        if self.settings.teachers:
            part = self.settings.distillation
            loss = (1 - part) * loss + part * distillation(logits, taught, self.settings.softness)
        self.log("train_loss", loss, on_epoch=True, on_step=False, batch_size=len(target), sync_dist=True)
        accuracy = (logits.argmax(1) == target).float().mean()
        self.log("train_accuracy", accuracy, on_epoch=True, on_step=False, batch_size=len(target), sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], _: int) -> None:
        images, target, *_rest = batch
        logits = self(images).float()
        self.select_metrics.update(logits.softmax(1), target)
        loss = F.cross_entropy(logits, target)
        self.log("select_loss", loss, on_epoch=True, batch_size=len(target), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.select_metrics.compute(), prog_bar=True)
        self.select_metrics.reset()

    def configure_optimizers(self) -> Any:
        steps = int(self.trainer.estimated_stepping_batches) if self.settings.schedule == "cosine" else 0
        learned = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        return optimization(learned, self.pretrained, self.settings, steps)


def frozen_parts(stages: int) -> tuple[str, ...]:
    """The parts of a ResNet that its first stages are, with the convolution before them; none for 0."""
    return ("conv1", "bn1", *(f"layer{i}" for i in range(1, stages + 1))) if stages else ()
