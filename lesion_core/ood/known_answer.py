"""All that a run's answer to one image hangs on: names of classes, preprocessing, temperature, features and scores.

``golden.safetensors`` holds the image and its logits, which have no names. `known_answer.json` holds what is made of
them, and names the run as `policy.json` does: it is asked when a model is loaded and when a policy is put to work.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from pydantic import Field

from lesion_core.config import Preprocessing
from lesion_core.errors import RunError
from lesion_core.ood.model_outputs import Outputs
from lesion_core.ood.scores import Scorer
from lesion_core.runs.beside import OfRun, read_of_run
from lesion_core.runs.classifier import Run

FILE = "known_answer.json"
REMEDY = "Take the whole folder from one source again; if you trust it, `evaluate RUN --known-answer` writes this anew."
FEATURE_TOLERANCE, SCORE_TOLERANCE = 0.05, 0.01
"""Largest differences that rounding explains, as shares of the largest feature and of the score: on other processors
and backends, and of solvers. A value under 1 counts as 1."""


class KnownAnswer(OfRun):
    """`known_answer.json`: what a run says of the image in its ``golden.safetensors``."""

    run: str = Field(min_length=1, description="fingerprint of the run")
    preprocessing: Preprocessing
    temperature: float = Field(gt=0)
    logits: dict[str, float] = Field(description="by class code, in the order of the logits")
    reduced: tuple[float, ...] = Field(description="principal components of the penultimate features")
    residual: float = Field(description="length of what lies outside of them")
    layer3: float = Field(description="the same of the features of layer3")
    photograph: float | None = Field(
        default=None, description="evidence for a clinical photograph, of a run that has learned what these look like"
    )
    scores: dict[str, float] = Field(description="by key of `SCORES`, higher = more out of distribution")

    @property
    def outputs(self) -> Outputs:
        """What the scores were computed from, one row."""
        photograph = None if self.photograph is None else [self.photograph]
        return Outputs.of([list(self.logits.values())], [self.reduced], [self.residual], [self.layer3], photograph)

    def check_outputs(self, run: Run, outputs: Outputs, tolerance: float) -> None:
        """Refuse a run whose model or settings say something else of the image.

        Args:
            run: The run.
            outputs: Its model's outputs of the image, one row.
            tolerance: The largest difference of a logit that rounding explains.

        Raises:
            RunError: Names, preprocessing, temperature, logits or features are others.
        """
        if tuple(self.logits) != run.classes:
            raise _another(run, "the names of its classes")
        if self.preprocessing != run.config.settings.preprocessing:
            raise _another(run, "its preprocessing")
        if self.temperature != run.calibration.temperature:
            raise _another(run, "its temperature")
        known = self.outputs
        if not np.abs(outputs.logits - known.logits).max() <= tolerance:
            raise _another(run, "its logits")
        for found, expected in (
            (outputs.reduced, known.reduced),
            (outputs.residual, known.residual),
            (outputs.layer3, known.layer3),
            (outputs.photograph, known.photograph),
        ):
            if np.isnan(found).all() and np.isnan(expected).all():
                continue  # a run that has learned of no photographs
            if found.shape != expected.shape or not _near(found, expected, FEATURE_TOLERANCE):
                raise _another(run, "its features")

    def check_scores(self, run: Run, scorer: Scorer, keys: Collection[str]) -> None:
        """Refuse a run whose tables give other scores of the image.

        Args:
            run: The run.
            scorer: Its scores, at its own temperature.
            keys: Of `SCORES`: those that are asked for.

        Raises:
            RunError: A score is another, or is not known.
        """
        for key, found in scorer.all(self.outputs, keys).items():
            if key not in self.scores or not _near(found, np.array([self.scores[key]]), SCORE_TOLERANCE):
                raise _another(run, f"the score {key}")


def known_answer(run: Run, outputs: Outputs) -> KnownAnswer:
    """What a run says of its image, to be written.

    Args:
        run: The run, with its tables.
        outputs: Its model's outputs of the image in ``golden.safetensors``, one row.
    """
    scores = Scorer.of(run).all(outputs)
    return KnownAnswer(
        run=run.fingerprint,
        preprocessing=run.config.settings.preprocessing,
        temperature=run.calibration.temperature,
        logits=dict(zip(run.classes, outputs.logits[0].tolist(), strict=True)),
        reduced=tuple(outputs.reduced[0].tolist()),
        residual=float(outputs.residual[0]),
        layer3=float(outputs.layer3[0]),
        photograph=float(outputs.photograph[0]) if run.knows_photographs else None,
        scores={key: float(values[0]) for key, values in scores.items()},
    )


def read_known_answer(run: Run) -> KnownAnswer:
    """What `known_answer` made of the run when it was written.

    Raises:
        RunError: The file is missing, damaged, or another run's.
    """
    return read_of_run(run, FILE, KnownAnswer, REMEDY)


def _near(found: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    return bool(np.abs(found - expected).max(initial=0.0) <= tolerance * scale)


def _another(run: Run, what: str) -> RunError:
    return RunError(f"Run {run.name} does not give its known answer: {what} differ from when it was written.", REMEDY)
