"""The answer that is asked about, as a function of the image."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import ResNet

from lesion_core.errors import ModelError
from lesion_core.explain.maps import Target

OnPass = Callable[[int], None]
"""Called with the images that went through the network so far; what it raises ends the explanation."""


class TargetFunction(nn.Module):
    """The network as a function from images (N, 3, S, S) to the number that is explained, (N,)."""

    def __init__(self, model: ResNet, target: Target, on_pass: OnPass | None = None) -> None:
        super().__init__()
        self.model, self.target, self.on_pass, self.passed = model, target, on_pass, 0

    def forward(self, images: Tensor) -> Tensor:
        logits = self.logits(images)
        self.passed += len(images)
        if self.on_pass:
            self.on_pass(self.passed)
        if not torch.isfinite(logits).all():
            raise ModelError(
                "The logits contain NaN or infinite values.", "The model's weights or the image is damaged."
            )
        return self.value(logits)

    def logits(self, images: Tensor) -> Tensor:
        """What the network says, (N, K)."""
        found: Tensor = self.model(images)
        return found

    def value(self, logits: Tensor) -> Tensor:
        """The number that is explained, (N,)."""
        value = logits[:, self.target.index]
        return value if self.target.against is None else value - logits[:, self.target.against]

    def difference(self, image: Tensor, baseline: Tensor) -> Tensor:
        """What is explained of one image minus that of another, ()."""
        found: Tensor = self(image) - self(baseline)
        return found[0]


@dataclass(frozen=True)
class Request:
    """What a method is given.

    Attributes:
        evidence: What is explained.
        square: (S, S, 3) uint8, the model's square of the image.
        image: (1, 3, S, S), the same, normalised.
        layer: Name in `LAYERS`.
        baselines: (1, 3, S, S) each, by key of `BASELINES`.
        baseline: Which of them a method that takes one is given.
    """

    evidence: TargetFunction
    square: NDArray[np.uint8]
    image: Tensor
    layer: str
    baselines: dict[str, Tensor]
    baseline: Tensor

    @property
    def all_baselines(self) -> Tensor:
        """(B, 3, S, S): every baseline."""
        return torch.cat(list(self.baselines.values()))


def check_target(target: Target, classes: int) -> None:
    """Refuse what is not a class or not a comparison.

    Raises:
        ModelError: A class is unknown or compared with itself.
    """
    for index in (target.index, target.against):
        if index is not None and not 0 <= index < classes:
            raise ModelError(f"There is no class number {index}.", f"The model has {classes}, from 0 on.")
    if target.index == target.against:
        raise ModelError("A class cannot be compared with itself.", "Choose another one to compare with.")


def check_request(model: ResNet, image: Tensor, target: Target) -> None:
    """Refuse what cannot be explained.

    Raises:
        ModelError: The model is in training mode, a class is unknown or compared with itself, or the tensor is not
            one image.
    """
    if model.training:
        raise ModelError("A model in training mode cannot be explained.", "Call model.eval() first.")
    check_target(target, model.fc.out_features)
    if image.ndim != 4 or image.shape[:2] != (1, 3):
        raise ModelError(f"A tensor of shape {tuple(image.shape)} is not one image.", "Give (1, 3, S, S).")


_DRAWING = threading.Lock()
PATIENCE = 0.3
"""Seconds between two calls of `OnPass` while another draws."""


@contextlib.contextmanager
def seeded(seed: int, on_pass: OnPass | None = None) -> Iterator[None]:
    """Torch's and NumPy's global streams, which Captum draws from, at a seed, and as they were afterwards.

    One at a time in the whole process: two who draw from one stream would both get other maps.

    Args:
        seed: Of both streams.
        on_pass: Called now and then with 0 while another draws; it may raise to stop waiting.
    """
    while not _DRAWING.acquire(timeout=PATIENCE if on_pass else -1):
        assert on_pass
        on_pass(0)
    try:
        with torch.random.fork_rng(devices=[]):
            before = np.random.get_state()  # noqa: NPY002
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            try:
                yield
            finally:
                np.random.set_state(before)  # noqa: NPY002
    finally:
        _DRAWING.release()
