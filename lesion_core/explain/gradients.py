"""Methods that follow the gradient down to the pixels."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import torch
from captum.attr import GradientShap, GuidedBackprop, IntegratedGradients, LayerAttribution, NoiseTunnel, Saliency
from torch import Tensor, nn

from lesion_core.explain.cam import grad_cam
from lesion_core.explain.target_function import TargetFunction, seeded

STEPS = 32
"""Of Integrated Gradients."""
SAMPLES = 24
"""Of SmoothGrad and GradientSHAP."""
NOISE = 0.15
"""Deviation of SmoothGrad's noise, as a share of the image's range (Smilkov et al. try 0.1 to 0.2)."""
BATCH = 8


def integrated_gradients(evidence: TargetFunction, image: Tensor, baseline: Tensor) -> tuple[Tensor, float]:
    """Integrated Gradients (Sundararajan et al., ICML 2017), Gauss-Legendre, through Captum.

    Args:
        evidence: What is explained, F.
        image: (1, 3, S, S).
        baseline: Of the same shape.

    Returns:
        (S, S), summed over the channels, and the completeness error ``|sum - (F(x) - F(b))| / |F(x) - F(b)|``.
    """
    method = IntegratedGradients(evidence)
    found, delta = method.attribute(
        image.detach().clone(), baseline, n_steps=STEPS, internal_batch_size=BATCH, return_convergence_delta=True
    )
    with torch.no_grad():
        difference = float(evidence.difference(image, baseline))
    error = abs(float(delta.sum())) / abs(difference) if difference else 0.0
    return found[0].sum(0), error


def gradient_shap(evidence: TargetFunction, image: Tensor, baselines: Tensor, seed: int = 0) -> Tensor:
    """GradientSHAP through Captum: gradients at random places between noisy copies of the image and the baselines.

    Args:
        evidence: What is explained.
        image: (1, 3, S, S).
        baselines: (B, 3, S, S).
        seed: The same seed gives the same map.

    Returns:
        (S, S), summed over the channels.
    """
    total = torch.zeros_like(image[0])
    with seeded(seed, evidence.on_pass):
        for _ in range(SAMPLES // BATCH):
            found = GradientShap(evidence).attribute(
                image.detach().clone(), baselines, n_samples=BATCH, stdevs=0.05 * float(image.max() - image.min())
            )
            total += found[0].detach()
    return total.sum(0) / (SAMPLES // BATCH)


def smoothgrad(evidence: TargetFunction, image: Tensor, seed: int = 0) -> Tensor:
    """SmoothGrad (Smilkov et al., 2017) through Captum: the mean gradient under noise, its largest channel.

    Args and seed as in `gradient_shap`.

    Returns:
        (S, S), not negative.
    """
    with seeded(seed, evidence.on_pass):
        found: Tensor = NoiseTunnel(Saliency(evidence)).attribute(
            image.detach().clone().requires_grad_(True),
            nt_type="smoothgrad",
            nt_samples=SAMPLES,
            nt_samples_batch_size=BATCH,
            stdevs=NOISE * float(image.max() - image.min()),
            abs=False,
        )
    return found[0].abs().amax(0)


def guided_grad_cam(evidence: TargetFunction, image: Tensor, layer: str) -> Tensor:
    """Guided Grad-CAM (Selvaraju et al., ICCV 2017): positive Grad-CAM, upsampled, times guided backpropagation.

    Captum's `GuidedGradCam` upsamples by nearest neighbour; here it is bilinear, as in the paper.

    Returns:
        (S, S), signed, summed over the channels.
    """
    cam = grad_cam(evidence, image, layer).detach().clamp(min=0)
    smooth = LayerAttribution.interpolate(cam[None, None], tuple(image.shape[-2:]), "bilinear")
    with _out_of_place(evidence.model), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Captum tells of its hooks each time
        guided: Tensor = GuidedBackprop(evidence).attribute(image.detach().clone().requires_grad_(True))
    product: Tensor = guided.detach() * smooth
    return product[0].sum(0)


@contextlib.contextmanager
def _out_of_place(model: nn.Module) -> Iterator[None]:
    """ReLUs that keep their input: a hook on one that overwrites it fails."""
    changed = [module for module in model.modules() if isinstance(module, nn.ReLU) and module.inplace]
    for module in changed:
        module.inplace = False
    try:
        yield
    finally:
        for module in changed:
            module.inplace = True
