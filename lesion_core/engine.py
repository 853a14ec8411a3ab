"""One model, many users: predictions and explanations of single pictures behind one lock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.ood_scores import Scorer
from lesion_core.analysis.outputs import Outputs, project
from lesion_core.analysis.policy import Decision, Policy, decide, read_policy
from lesion_core.config import Preprocessing
from lesion_core.errors import RunError
from lesion_core.explain.gradcam import Attribution, grad_cam
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.models.checkpoints import load_weights
from lesion_core.models.classifiers import build, features
from lesion_core.runs import Run, open_run
from lesion_core.turns import Turns

GOLDEN_TOLERANCE = 0.01
"""Largest difference of a golden logit that other processors' rounding explains (seen: under 0.0001)."""


@dataclass(frozen=True)
class Prediction:
    """What a run says of one picture.

    Attributes:
        classes: Class codes.
        logits: (K,) float32.
        probabilities: (K,) after the run's temperature, summing to 1.
        outputs: Logits and reduced features, one row: what OOD scores are computed from.
        decision: Whether the policy rejects the picture, and why; None where there is no policy.
        milliseconds: Time in the model, waiting not counted.
    """

    classes: tuple[str, ...]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    outputs: Outputs
    decision: Decision | None
    milliseconds: float

    @property
    def code(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """Its probability."""
        return float(self.probabilities.max())


class Engine:
    """A run's model in memory. Every use of the model, predictions too, takes its one lock.

    Captum registers hooks on the model: a prediction beside an explanation would run through them, and
    two explanations would remove each other's.

    Args:
        run: The run.
        policy: What is rejected, in place of the run's own `policy.json`.
        queue: How many callers may wait; one more gets `BusyError` at once instead of a page that hangs.

    Raises:
        ModelError: The weights do not fit.
        RunError: The model does not give the known answer.
    """

    def __init__(self, run: Run, queue: int = 64, policy: Policy | None = None) -> None:
        self.run = run
        self.policy = policy or read_policy(run)
        self._mean, self._components = run.features["mean"], run.features["components"]
        self._scorer = Scorer.of(run, self.policy.temperature) if self.policy else None
        if self._scorer and self.policy:
            for key in self.policy.parts:  # now, not while the first visitor waits
                self._scorer.function(key)
        self._pipeline = Pipeline(run.config.settings.preprocessing)
        self._model = build(run.config.settings.model)
        load_weights(self._model, run.weights)
        self._model.requires_grad_(False)
        self._turns = Turns(queue)
        self._check_golden()

    @classmethod
    def open(cls, folder: Path, policy: Path | None = None) -> Engine:
        """The engine of a run folder; `policy` names a policy file to obey in place of the run's own.

        Raises:
            RunError: The run cannot be opened, or the policy was made for another one.
            ConfigError: The policy is not there, damaged, or altered.
            ModelError: The weights do not fit.
        """
        run = open_run(folder)
        return cls(run, policy=read_policy(run, policy) if policy else None)

    @property
    def pipeline(self) -> Pipeline:
        """The run's own preprocessing: the only one that its model is given."""
        return self._pipeline

    def predict(self, image: NDArray[np.uint8], preprocessing: Preprocessing | None = None) -> Prediction:
        """Classify one picture.

        Args:
            image: (H, W, 3) uint8 RGB, as `decode` gives it; the run's preprocessing is applied here.
            preprocessing: If given, what the caller believes the run's preprocessing to be.

        Raises:
            RunError: `preprocessing` is not the run's.
            BusyError: Too many callers wait.
        """
        self._refuse_other(preprocessing)
        x = self._input(image)
        with self._turns.take():
            start = time.perf_counter()
            with torch.inference_mode():
                penultimate = features(self._model, x)
                logits = self._model.fc(penultimate)[0].numpy()
            spent = 1000 * (time.perf_counter() - start)
        outputs = Outputs.of(logits[None], *project(penultimate.numpy(), self._mean, self._components))
        decision = None
        if self.policy and self._scorer:
            decision = decide(self.policy, self._scorer.all(outputs, self.policy.parts))[0]
        probabilities = softmax(logits[None].astype(np.float64), self.run.calibration.temperature)[0]
        return Prediction(self.run.classes, logits, probabilities, outputs, decision, spent)

    def explain(self, image: NDArray[np.uint8], target: str, layer: str = "layer4") -> Attribution:
        """Grad-CAM of a class over the model's square of the picture.

        Args:
            image: (H, W, 3) uint8 RGB.
            target: Class code.
            layer: Name in `explain.layers.LAYERS`.

        Raises:
            RunError: The run has no such class.
            ModelError: The layer is unknown or the map is not finite.
            BusyError: Too many callers wait.
        """
        if target not in self.run.classes:
            raise RunError(f"Run {self.run.name} has no class '{target}'.", f"It has {', '.join(self.run.classes)}.")
        x = self._input(image)
        with self._turns.take():
            return grad_cam(self._model, x, self.run.classes.index(target), layer)

    def _input(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(normalize(self._pipeline.apply(image)[None], self._pipeline.settings))

    def _refuse_other(self, preprocessing: Preprocessing | None) -> None:
        own = self.run.config.settings.preprocessing
        if preprocessing is not None and preprocessing != own:
            differing = [name for name in type(own).model_fields if getattr(own, name) != getattr(preprocessing, name)]
            raise RunError(
                f"The preprocessing is not that of run {self.run.name}: {', '.join(differing)} differ.",
                "A model is only as good as on the pictures that it was trained on; use the run's own.",
            )

    def _check_golden(self) -> None:
        image, expected = self.run.golden
        with torch.inference_mode():
            found = self._model(self._input(image))[0].numpy()
        difference = float(np.abs(found - expected).max())
        if not difference <= GOLDEN_TOLERANCE:
            raise RunError(
                f"Run {self.run.name} does not give its known answer: a logit differs by {difference:.3g}.",
                "Weights, settings or library versions do not belong together; install the versions in config.json.",
            )
