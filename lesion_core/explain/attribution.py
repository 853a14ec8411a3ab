"""Explanations of one image: every method behind one call, and the map that it gives."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.models import ResNet

from lesion_core.config import Preprocessing
from lesion_core.errors import ConfigError, ModelError
from lesion_core.explain.cam import class_maps
from lesion_core.explain.maps import Attribution, Target
from lesion_core.explain.methods import BASELINES, known_method
from lesion_core.explain.rounding import RoundedTargetFunction
from lesion_core.explain.target_function import OnPass, Request, TargetFunction, check_request, check_target
from lesion_core.imaging.preprocess import normalize
from lesion_core.models.backends import Backend
from lesion_core.models.classifiers import stages


def from_maps(maps: NDArray[np.float32], target: Target, size: int) -> Attribution:
    """Grad-CAM at the last layer out of the maps of all classes (K, h, w), which a prediction brings along.

    Raises:
        ModelError: A class is compared with itself, or the map is not finite.
    """
    check_target(target, len(maps))
    raw = maps[target.index].copy() if target.against is None else maps[target.index] - maps[target.against]
    return _finite(Attribution(raw, target, "gradcam", LAST, size))


LAST = "layer4"
"""The layer before the head."""


def baseline_square(square: NDArray[np.uint8], key: str) -> NDArray[np.uint8]:
    """An image that shows nothing, of the size of another.

    Args:
        square: (S, S, 3) uint8.
        key: Of `BASELINES`.

    Returns:
        (S, S, 3) uint8.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in BASELINES:
        raise ConfigError(f"There is no baseline '{key}'.", f"Choose one of {', '.join(BASELINES)}.")
    if key == "black":
        return np.zeros_like(square)
    if key == "blurred":
        return np.asarray(cv2.GaussianBlur(square, (0, 0), square.shape[0] / 8), np.uint8)
    width = max(1, square.shape[0] // 12)
    rim = np.ones(square.shape[:2], bool)
    rim[width:-width, width:-width] = False
    return np.broadcast_to(np.median(square[rim], axis=0).round().astype(np.uint8), square.shape).copy()


def attribute(
    model: ResNet,
    square: NDArray[np.uint8],
    preprocessing: Preprocessing,
    target: Target,
    *,
    method: str = "gradcam",
    layer: str = "layer4",
    baseline: str = "skin",
    on_pass: OnPass | None = None,
    backend: Backend | None = None,
) -> Attribution:
    """Explain one image.

    The caller holds the model's lock: Captum's hooks on a shared model fail when two threads explain at once.

    Args:
        model: In evaluation mode.
        square: (S, S, 3) uint8, the model's square of the image.
        preprocessing: The run's own; its mean and deviation normalise.
        target: What is asked.
        method: A key of `METHODS`.
        layer: Name in `LAYERS`, for the methods that have one.
        baseline: Key of `BASELINES`, for the methods that have one.
        on_pass: Called as images pass the network; it may raise to stop.
        backend: Runs the model up to its last layer, for methods that need no gradient. Where its rounding could
            change the order of the map, the model makes it again.

    Raises:
        ModelError: The model is in training mode, the layer or a class is unknown, or the map is not finite.
        ConfigError: The method or the baseline is unknown.

    Examples:
        >>> from lesion_core.config import ModelSettings
        >>> from lesion_core.models.classifiers import build
        >>> model = build(ModelSettings(architecture="resnet10", classes=("MEL", "NV"))).requires_grad_(False)
        >>> square = np.full((64, 64, 3), 128, np.uint8)
        >>> attribute(model, square, Preprocessing(), Target(0), method="gradcam").raw.shape
        (2, 2)
    """
    entry = known_method(method)
    image = torch.from_numpy(normalize(square[None], preprocessing))
    check_request(model, image, target)
    baselines = {
        key: torch.from_numpy(normalize(baseline_square(square, key)[None], preprocessing)) for key in BASELINES
    }
    if baseline not in baselines:
        raise ConfigError(f"There is no baseline '{baseline}'.", f"Choose one of {', '.join(BASELINES)}.")
    if method == "gradcam" and layer == LAST:
        with torch.no_grad():
            maps = class_maps(model, stages(model, image)[1])[0].numpy()
        return from_maps(maps, target, len(square))

    def made(evidence: TargetFunction) -> tuple[torch.Tensor, float | None]:
        with torch.inference_mode(False), torch.enable_grad():
            return entry.make(Request(evidence, square, image, layer, baselines, baselines[baseline]))

    rounded = None if backend is None or entry.backward else RoundedTargetFunction(model, target, backend, on_pass)
    raw, error = made(rounded or TargetFunction(model, target, on_pass))
    if rounded and not rounded.close:
        raw, error = made(TargetFunction(model, target, on_pass))
    found = raw.detach().float().numpy()
    return _finite(Attribution(found, target, method, layer if entry.layered else None, len(square), error))


def _finite(found: Attribution) -> Attribution:
    if not np.isfinite(found.raw).all():
        raise ModelError(
            "The map holds values that are NaN or infinite.", "The model's weights or the image is damaged."
        )
    return found
