"""Grad-CAM beside the prediction, against Captum and pytorch-grad-cam: python -m benchmarks.explain [RUN]

One core set, one process, the methods in turn, medians; every figure is a ratio within this run. pytorch-grad-cam
(`pip install grad-cam`) is compared with where it is installed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from captum.attr import LayerGradCam

from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.explain.cam import class_maps
from lesion_core.imaging.preprocess import normalize
from lesion_core.models.classifiers import pool, stages
from lesion_core.serving.classifier import Engine

ROUNDS = 30


def main() -> None:
    """Time each way in turn and print medians and ratios."""
    engine = Engine.open(Path(sys.argv[1] if len(sys.argv) > 1 else "checkpoints/resnet50-isic2019"))
    model, classes = engine._model, len(engine.run.classes)
    square = engine.pipeline.apply(make_lesion("MEL", 0, 300).image)
    x = torch.from_numpy(normalize(square[None], engine.pipeline.settings))

    @torch.inference_mode()
    def forward() -> object:
        return model(x)

    @torch.inference_mode()
    def with_maps() -> object:
        _, activations = stages(model, x)
        return model.fc(pool(model, activations)), class_maps(model, activations)

    def captum() -> object:
        return LayerGradCam(model, model.layer4).attribute(x.clone().requires_grad_(True), target=0)

    ways: dict[str, Callable[[], object]] = {
        "forward pass": forward,
        "prediction and Grad-CAM of every class": with_maps,
        "Captum, one class": captum,
    }
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        print("pytorch-grad-cam is not installed: pip install grad-cam")
    else:
        cam = GradCAM(model=model, target_layers=[model.layer4])

        def theirs(k: int) -> np.ndarray:
            return cam(input_tensor=x.clone().requires_grad_(True), targets=[ClassifierOutputTarget(k)])

        ways["pytorch-grad-cam, one class"] = lambda: theirs(0)
        ways["pytorch-grad-cam, every class"] = lambda: [theirs(k) for k in range(classes)]
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 3):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn >= 3:
                spent[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in spent.items()}
    bare, ours = medians["forward pass"], medians["prediction and Grad-CAM of every class"]
    print(f"{engine.run.name}, {len(square)} px, {torch.get_num_threads()} threads, {ROUNDS} rounds")
    for name, median in medians.items():
        print(f"{name:42} {1000 * median:8.1f} ms {median / bare:7.2f} x the forward pass {median / ours:7.2f} x ours")


if __name__ == "__main__":
    main()
