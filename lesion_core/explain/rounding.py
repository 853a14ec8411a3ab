"""The answer that is asked about on a backend that rounds, and whether a map made of it is float32's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.models import ResNet

from lesion_core.explain.maps import Target
from lesion_core.explain.target_function import OnPass, TargetFunction
from lesion_core.models.backends import Backend
from lesion_core.models.classifiers import pool

COMPARED = 8
"""Images that pass the model in float32 too."""
MOST = 0.1
"""Largest standard deviation of the rounding, in that of the answers (from their quartiles, as a few large ones would
hide that most are equal). Two variables that differ by noise of a tenth correlate with 1 / sqrt(1.01) = 0.995; that
ranks of maps then agree to 0.99 and more is measured by `benchmarks.explain`."""
NORMAL_QUARTILES = 1.349
"""Standard deviations between the quartiles of a normal distribution."""


class RoundedTargetFunction(TargetFunction):
    """As `TargetFunction`, quicker and less exact, for methods that need no gradient.

    Args:
        model: In evaluation mode.
        target: What is explained.
        backend: Runs the model up to its last layer.
        on_pass: Called as images pass the backend.
    """

    def __init__(self, model: ResNet, target: Target, backend: Backend, on_pass: OnPass | None = None) -> None:
        super().__init__(model, target, on_pass)
        self.backend = backend
        self._answers: list[float] = []
        self._errors: list[float] = []

    def forward(self, images: Tensor) -> Tensor:
        value = super().forward(images)
        self._answers += value.tolist()
        if compared := min(len(images), COMPARED - len(self._errors)):
            with torch.no_grad():
                exact = self.value(self.model(images[:compared]))
            self._errors += (value[:compared] - exact).tolist()
        return value

    def logits(self, images: Tensor) -> Tensor:
        found: Tensor = self.model.fc(pool(self.model, self.backend(images)[1]))
        return found

    @property
    def close(self) -> bool:
        """The answers so far differ by far more than by rounding: their order is that of float32's."""
        low, high = np.quantile(self._answers, (0.25, 0.75))
        return bool(np.std(self._errors) <= MOST * (high - low) / NORMAL_QUARTILES)
