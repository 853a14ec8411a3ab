"""What runs of every kind record beside outputs: facts of the images, versions, the known answer's image."""

from __future__ import annotations

import importlib.metadata
import platform

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torchvision.models import ResNet

from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.models.backends import BACKENDS
from lesion_core.models.classifiers import pool, stages, trained
from lesion_core.ood.known_answer import FILE, known_answer, read_known_answer
from lesion_core.ood.model_outputs import Outputs, reduce
from lesion_core.runs.beside import rewriting
from lesion_core.runs.classifier import FACTS, Run

OF_CATALOG = dict(
    zip(FACTS, ("image_id", "group", "dataset", "role", "diagnosis", "age", "sex", "site", "dx_type"), strict=True)
)
"""The facts of a run's table, each with the column of a catalog table with roles that holds it."""


def stored_facts(table: pd.DataFrame) -> pd.DataFrame:
    """The columns `FACTS` of catalog rows with their role."""
    return pd.DataFrame({new: table[old].to_numpy() for new, old in OF_CATALOG.items()})


def versions() -> dict[str, str]:
    """The versions of what decides the pixels and the weights."""
    names = ("torch", "torchvision", "lightning", "numpy", "opencv-python-headless", "pillow")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in names}}


@torch.inference_mode()
def known_outputs(run: Run, model: ResNet) -> Outputs:
    """The outputs of a run's model for the image in its ``golden.safetensors``, one row: the whole way of an image."""
    preprocessing = run.config.settings.preprocessing
    square = Pipeline(preprocessing).apply(run.golden[0])[None]  # (1, S, S, 3)
    found = stages(model, torch.from_numpy(normalize(square, preprocessing)))
    layer3, penultimate = (pool(model, stage) for stage in found)
    logits = model.fc(penultimate).numpy()
    return Outputs.of(logits, *reduce(run.features, penultimate.numpy(), layer3.numpy()))


def checked_classifier(run: Run) -> ResNet:
    """A run's network with its weights, in evaluation mode, which gives all of the run's known answer.

    Raises:
        ModelError: The weights do not fit.
        RunError: The known answer is missing, or the network gives another.
    """
    model = trained(run.config.settings.model, run.weights)
    outputs, tolerance = known_outputs(run, model), BACKENDS["eager"].tolerance
    run.check_known_answer(lambda _: outputs.logits[0].astype(np.float32), tolerance)
    read_known_answer(run).check_outputs(run, outputs, tolerance)
    return model


def write_known_answer(run: Run) -> None:
    """Write `known_answer.json` of a run anew, from what its folder holds now.

    Raises:
        RunError, ModelError: The folder is not a whole run, or its model does not give the logits that it stored.
    """
    model = trained(run.config.settings.model, run.weights)
    outputs = known_outputs(run, model)
    run.check_known_answer(lambda _: outputs.logits[0].astype(np.float32), BACKENDS["eager"].tolerance)
    with rewriting(run) as new:
        (new / FILE).write_text(known_answer(run, outputs).to_json(), encoding="utf-8")


def known_image() -> NDArray[np.uint8]:
    """The image (H, W, 3) whose answer a run keeps: a synthetic lesion, which nobody's privacy depends on."""
    return make_lesion("MEL", seed=0, size=256).image
