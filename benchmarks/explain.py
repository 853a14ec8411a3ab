"""Each method beside Captum's own and pytorch-grad-cam's: python -m benchmarks.explain [RUN [IMAGES]]

One process, one image after the other: the run's test images where LESION_DATA has them, else synthetic lesions.
Seconds are medians over the images, of the clock and of the processor (all threads together), which other programs
change less; the load of the machine stands beside them. Captum's methods get as many passes and the same batches as
ours, in float32 on the network as torchvision builds it. Agreement is the rank correlation with our method in float32,
the smallest over the images: of the map as it is served, and of one made in bfloat16, gradients too.

With 0 images: Grad-CAM of every class beside the prediction, medians of `ROUNDS`.
"""

from __future__ import annotations

import functools
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from captum.attr import (
    GradientShap,
    GuidedGradCam,
    IntegratedGradients,
    KernelShap,
    LayerGradCam,
    NoiseTunnel,
    Occlusion,
    Saliency,
)
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, GuidedBackpropReLUModel
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor
from torchvision.models import ResNet

from benchmarks.backends import pictures
from lesion_core.explain import gradients, perturbation
from lesion_core.explain.attribution import attribute, baseline_square
from lesion_core.explain.cam import class_maps
from lesion_core.explain.faithfulness import rank_agreement
from lesion_core.explain.maps import Target
from lesion_core.explain.methods import METHODS
from lesion_core.imaging.preprocess import normalize
from lesion_core.models.classifiers import pool, sharing_weights, stages, trained
from lesion_core.serving.classifier import Engine

ROUNDS = 30
Way = Callable[[], object]


def captums(model: ResNet, square: np.ndarray, x: Tensor, baselines: dict[str, Tensor], k: int) -> dict[str, Way]:
    """Captum's own way of each method that it has."""
    side, seen = len(square) // perturbation.WINDOWS, x.clone().requires_grad_(True)
    spread, patches = float(x.max() - x.min()), torch.from_numpy(perturbation.superpixels(square))[None, None]
    return {
        "gradcam": lambda: LayerGradCam(model, model.layer4).attribute(seen, k),
        "guided_gradcam": lambda: GuidedGradCam(model, model.layer4).attribute(seen, k),
        "integrated_gradients": lambda: IntegratedGradients(model).attribute(
            x, baselines["skin"], k, n_steps=gradients.STEPS, internal_batch_size=gradients.BATCH
        ),
        "gradient_shap": lambda: GradientShap(model).attribute(
            x, torch.cat(list(baselines.values())), gradients.SAMPLES, 0.05 * spread, k
        ),
        "smoothgrad": lambda: NoiseTunnel(Saliency(model)).attribute(
            seen, "smoothgrad", gradients.SAMPLES, gradients.BATCH, gradients.NOISE * spread, target=k, abs=False
        ),
        "occlusion": lambda: Occlusion(model).attribute(
            x, (3, side, side), (3, side // 2, side // 2), baselines["skin"], k, None, perturbation.BATCH
        ),
        "superpixels": lambda: KernelShap(model).attribute(
            x,
            baselines["skin"],
            k,
            feature_mask=patches.expand_as(x),
            n_samples=perturbation.SHAP_SAMPLES,
            perturbations_per_eval=perturbation.BATCH,
        ),
    }


def theirs(model: ResNet, x: Tensor, k: int) -> dict[str, Way]:
    """pytorch-grad-cam's way of each method that it has."""
    target, seen = [ClassifierOutputTarget(k)], x.clone().requires_grad_(True)
    first, second, third = (sharing_weights(model) for _ in range(3))  # each hooks into its own
    cam, cam_pp = GradCAM(first, [first.layer4]), GradCAMPlusPlus(second, [second.layer4])
    guided = GuidedBackpropReLUModel(third, "cpu")
    return {
        "gradcam": lambda: cam(seen, target),
        "gradcam_pp": lambda: cam_pp(seen, target),
        "guided_gradcam": lambda: (cam(seen, target), guided(x.clone(), target_category=k)),
    }


def timed(way: Way) -> tuple[float, float, object]:
    """Seconds of the clock and of the processor, and what was made."""
    clock, processor = time.perf_counter(), time.process_time()
    made = way()
    return time.perf_counter() - clock, time.process_time() - processor, made


def load() -> str:
    """How busy the machine is: 2 is two cores of work."""
    return f"load {os.getloadavg()[0]:.1f} of the last minute"


def beside_the_prediction(engine: Engine, square: np.ndarray) -> None:
    """Grad-CAM of every class beside the forward pass, in turn."""
    x = torch.from_numpy(normalize(square[None], engine.pipeline.settings))
    model, classes = sharing_weights(engine._model), len(engine.run.classes)
    cam = GradCAM(model, [model.layer4])

    @torch.inference_mode()
    def forward() -> object:
        return engine._model(x)

    @torch.inference_mode()
    def with_maps() -> object:
        _, activations = stages(engine._model, x)
        return engine._model.fc(pool(engine._model, activations)), class_maps(engine._model, activations)

    def cams(number: int) -> object:
        return [cam(x.clone().requires_grad_(True), [ClassifierOutputTarget(k)]) for k in range(number)]

    ways: dict[str, Way] = {
        "forward pass": forward,
        "prediction and Grad-CAM of every class": with_maps,
        "Captum, one class": lambda: LayerGradCam(model, model.layer4).attribute(x.clone().requires_grad_(True), 0),
        "pytorch-grad-cam, one class": lambda: cams(1),
        "pytorch-grad-cam, every class": lambda: cams(classes),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 3):
        for name, way in ways.items():
            clock, _, _ = timed(way)
            if turn >= 3:
                spent[name].append(clock)
    medians = {name: statistics.median(times) for name, times in spent.items()}
    bare, ours = medians["forward pass"], medians["prediction and Grad-CAM of every class"]
    for name, median in medians.items():
        print(f"{name:42} {1000 * median:8.1f} ms {median / bare:7.2f} x the forward pass {median / ours:7.2f} x ours")


def main() -> None:
    """Time each method on each image and print medians."""
    warnings.simplefilter("ignore")  # Captum tells of its hooks each time
    engine = Engine.open(Path(sys.argv[1] if len(sys.argv) > 1 else "checkpoints/resnet50-isic2019"))
    settings, model_settings = engine.pipeline.settings, engine.run.config.settings.model
    plain = trained(model_settings, engine.run.weights).requires_grad_(False)
    images = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    words, shown = pictures(engine, images or 1)
    once, _, _ = timed(lambda: engine._without_gradients)
    names = {"ours": 0, "Captum's": 1, "pytorch-grad-cam's": 2}
    spent: dict[str, list[list[tuple[float, float]]]] = {key: [[] for _ in names] for key in METHODS}
    served: dict[str, list[float]] = {key: [] for key in METHODS}
    rounded: dict[str, list[float]] = {key: [] for key in METHODS}
    print(f"{engine.run.name}, {engine.pipeline.settings.resize.size} px, {torch.get_num_threads()} threads, {load()}")
    if images == 0:
        beside_the_prediction(engine, engine.pipeline.apply(next(shown)))
        return
    for image in islice(shown, images):
        prediction = engine.predict(image)
        k, square = prediction.classes.index(prediction.code), engine.pipeline.apply(image)
        x = torch.from_numpy(normalize(square[None], settings))
        baselines = {
            key: torch.from_numpy(normalize(baseline_square(square, key)[None], settings))
            for key in ("skin", "black", "blurred")
        }
        peers = captums(sharing_weights(plain), square, x, baselines, k), theirs(plain, x, k)
        for key in METHODS:
            layer = "layer3" if key == "gradcam" else "layer4"  # at layer4 it comes with the prediction
            ask = functools.partial(engine.explain, image, prediction.code, method=key, layer=layer)
            clock, processor, found = timed(ask)
            spent[key][0].append((clock, processor))
            float32 = attribute(plain, square, settings, Target(k), method=key, layer=layer).raw
            with torch.autocast("cpu", torch.bfloat16):
                low = attribute(plain, square, settings, Target(k), method=key, layer=layer).raw
            served[key].append(rank_agreement(found.raw, float32))
            rounded[key].append(rank_agreement(low, float32))
            for peer, ways in enumerate(peers, 1):
                if key in ways:
                    spent[key][peer].append(timed(ways[key])[:2])
    print(f"{words}, the first {images}; the backend without gradients was made in {once:.1f} s, once")
    print(f"{'seconds, of the processor':28}" + "".join(f"{name:>20}" for name in names) + "  agreement  in bfloat16")
    totals = np.zeros(2)
    for key, method in METHODS.items():
        cells = ["{:.2f} {:7.2f}".format(*np.median(times, axis=0)) if times else "" for times in spent[key]]
        totals += np.median(spent[key][0], axis=0)
        row = f"{method.name:28}" + "".join(f"{cell:>20}" for cell in cells)
        print(f"{row} {min(served[key]):10.4f} {min(rounded[key]):12.4f}")
    print(f"all eight {totals[0]:.1f} s, {totals[1]:.1f} s of the processor; {load()}")


if __name__ == "__main__":
    main()
