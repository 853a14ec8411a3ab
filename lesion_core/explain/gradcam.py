"""Grad-CAM through Captum: where in a layer the evidence for a class lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models import ResNet

from lesion_core.errors import ModelError
from lesion_core.explain.layers import LAYERS


@dataclass(frozen=True)
class Attribution:
    """A map of the evidence for one class over the model's input square.

    Attributes:
        raw: (h, w) float32 at the layer's own resolution, signed: the logit rises with what is positive.
        target: Class index.
        layer: Name in `LAYERS`.
        size: Side of the model's input square in pixels.
    """

    raw: NDArray[np.float32]
    target: int
    layer: str
    size: int

    @property
    def maximum(self) -> float:
        """The largest positive evidence, in units of the logit; a map scaled to itself hides that it is tiny."""
        return max(0.0, float(self.raw.max()))

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """(size, size) in [0, 1]: the positive evidence, upsampled bilinearly and divided by its maximum;
        all zeros where nothing speaks for the class."""
        positive = torch.from_numpy(np.maximum(self.raw, 0))[None, None]
        shape = (self.size, self.size)
        upsampled = torch.nn.functional.interpolate(positive, shape, mode="bilinear", align_corners=False)[0, 0].numpy()
        peak = float(upsampled.max())
        return np.asarray(upsampled / peak if peak > 0 else upsampled, dtype=np.float32)


def grad_cam(model: ResNet, image: Tensor, target: int, layer: str = "layer4") -> Attribution:
    """Grad-CAM of one class: ``sum_k (mean_xy dlogit/dA_k) A_k`` (Selvaraju et al., ICCV 2017), signed.

    The caller holds the model's lock: Captum's hooks on a shared model fail when two threads explain at once.

    Args:
        model: In evaluation mode.
        image: (1, 3, S, S) float32, normalised.
        target: Class index.
        layer: Name in `LAYERS`.

    Raises:
        ModelError: The model is in training mode, the layer or class is unknown, the tensor is not one picture,
            or the map is not finite.
    """
    if model.training:
        raise ModelError("A model in training mode cannot be explained.", "Call model.eval() first.")
    if layer not in LAYERS:
        raise ModelError(f"There is no layer '{layer}'.", f"Known are {', '.join(LAYERS)}.")
    if not 0 <= target < model.fc.out_features:
        raise ModelError(f"There is no class number {target}.", f"The model has {model.fc.out_features}, from 0 on.")
    if image.ndim != 4 or image.shape[0] != 1:
        raise ModelError(f"A tensor of shape {tuple(image.shape)} is not one picture.", "Give (1, 3, S, S).")
    with torch.inference_mode(False), torch.enable_grad():
        # The weights of a served model need no gradient, so the picture carries it to the layer.
        x = image.detach().clone().requires_grad_(True)
        found = LayerGradCam(model, getattr(model, layer)).attribute(x, target=target, relu_attributions=False)
    raw = found.detach()[0, 0].float().numpy()
    if not np.isfinite(raw).all():
        raise ModelError("The map holds values that are no numbers.", "The model's weights or the picture are damaged.")
    return Attribution(raw, target, layer, int(image.shape[-1]))
