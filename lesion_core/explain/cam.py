"""Class activation maps: where in a layer the evidence lies."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models import ResNet

from lesion_core.errors import ModelError
from lesion_core.explain.layers import LAYERS
from lesion_core.explain.target_function import TargetFunction


def check_layer(layer: str) -> None:
    """Raises `ModelError` where the layer is not in `LAYERS`."""
    if layer not in LAYERS:
        raise ModelError(f"There is no layer '{layer}'.", f"Choose one of {', '.join(LAYERS)}.")


def class_maps(model: ResNet, activations: Tensor) -> Tensor:
    """Grad-CAM of every class at the last layer, from one pass without gradients.

    A ResNet's head is an average and a linear layer, so the gradient of logit k at channel c of layer4 is
    ``W_kc / (h w)`` everywhere: its map is ``sum_c W_kc A_c / (h w)``, the class activation map (Zhou et al.,
    CVPR 2016), and it sums to the logit without its bias.

    Args:
        model: A ResNet.
        activations: (N, D, h, w), of layer4.

    Returns:
        (N, K, h, w).
    """
    h, w = activations.shape[-2:]
    return torch.einsum("kd,ndhw->nkhw", model.fc.weight, activations) / (h * w)


def grad_cam(evidence: TargetFunction, image: Tensor, layer: str) -> Tensor:
    """Grad-CAM, signed: ``sum_k (mean_xy dy/dA_k) A_k`` (Selvaraju et al., ICCV 2017), through Captum.

    Args:
        evidence: What is explained, y.
        image: (1, 3, S, S).
        layer: Name in `LAYERS`.

    Returns:
        (h, w).

    Raises:
        ModelError: The layer is unknown.
    """
    check_layer(layer)
    from captum.attr import LayerGradCam  # with matplotlib; the first answer of a server does without

    # The weights of a served model need no gradient, so the image carries it to the layer.
    x = image.detach().clone().requires_grad_(True)
    found: Tensor = LayerGradCam(evidence, getattr(evidence.model, layer)).attribute(x, relu_attributions=False)
    return found[0, 0]  # of (1, 1, h, w)


def grad_cam_pp(evidence: TargetFunction, image: Tensor, layer: str) -> Tensor:
    """Grad-CAM++ (Chattopadhay et al., WACV 2018, equations 10 and 19), for exp(y) as the score.

    ``w_k = sum_xy alpha_kxy relu(g_kxy)`` with ``alpha = g^2 / (2 g^2 + (sum_xy A_k) g^3)``, and the map is
    ``relu(sum_k w_k A_k)``; g is dy/dA: for exp(y) the higher derivatives are its powers, and exp(y) cancels.

    Args and errors as in `grad_cam`; the result is not negative.
    """
    check_layer(layer)
    kept: list[Tensor] = []
    handle = getattr(evidence.model, layer).register_forward_hook(lambda _m, _i, out: kept.append(out))
    try:
        y = evidence(image.detach().clone().requires_grad_(True))  # (1,)
        a = kept[0]  # (1, C, h, w)
        g = torch.autograd.grad(y.sum(), a)[0]  # (1, C, h, w)
    finally:
        handle.remove()
    a = a.detach()
    below = 2 * g**2 + a.sum(dim=(2, 3), keepdim=True) * g**3
    alpha = torch.where(below != 0, g**2 / torch.where(below != 0, below, torch.ones_like(below)), 0)  # (1, C, h, w)
    weights = (alpha * g.clamp(min=0)).sum(dim=(2, 3), keepdim=True)  # (1, C, 1, 1)
    return (weights * a).sum(dim=1)[0].clamp(min=0)  # (h, w)
