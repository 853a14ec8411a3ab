"""Losses and weights for classes of very different sizes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Balance = Literal["none", "sqrt", "inverse"]


def class_weights(labels: NDArray[np.int64], classes: int, balance: Balance) -> NDArray[np.float64]:
    """A weight per class that falls with its frequency, with mean 1 over the images.

    ``inverse``: w_k = 1 / n_k; ``sqrt``: w_k = 1 / sqrt(n_k); ``none``: 1; each divided by the images' mean.

    Args:
        labels: (N,) class index.
        classes: K.
        balance: How strongly rare classes count.

    Returns:
        (K,); a class without images has weight 0.
    """
    count = np.bincount(labels, minlength=classes).astype(np.float64)
    power = {"none": 0.0, "sqrt": 0.5, "inverse": 1.0}[balance]
    weight = np.where(count > 0, np.maximum(count, 1) ** -power, 0.0)
    return np.asarray(weight / (weight[labels].mean() or 1.0))


def focal_loss(
    logits: Tensor, target: Tensor, gamma: float, weight: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Focal loss: cross-entropy that counts an image less the surer the model is of its true class.

    ``mean((1 - p_t)^gamma * CE)`` (Lin et al., ICCV 2017); gamma 0 is cross-entropy.

    Args:
        logits: (N, K).
        target: (N,) class index.
        gamma: At least 0.
        weight: (K,) class weights; the mean is weighted by them, as in torch's cross-entropy.
        label_smoothing: In [0, 1), on the cross-entropy factor.

    Returns:
        A scalar.
    """
    loss = F.cross_entropy(logits, target, reduction="none", label_smoothing=label_smoothing)
    p_true = torch.softmax(logits, dim=1).gather(1, target[:, None]).squeeze(1)
    # A gamma under 1 has an infinite slope where nothing is left to learn: 0 * inf would spoil the weights.
    rest = (1 - p_true).clamp_min(torch.finfo(p_true.dtype).eps)
    each = torch.ones_like(loss) if weight is None else weight[target]
    return (rest**gamma * loss * each).sum() / each.sum()


def distillation(logits: Tensor, taught: Tensor, softness: float) -> Tensor:
    """The divergence of the network's answers from its teachers', both softened: ``T^2 KL(taught | softmax(z / T))``.

    T^2 keeps the gradient's size whatever T is (Hinton et al. 2015, arXiv:1503.02531, section 2).

    Args:
        logits: (N, K).
        taught: (N, K) probabilities, softened at the same temperature.
        softness: T, over 0.

    Returns:
        A scalar, at least 0.
    """
    return softness**2 * F.kl_div(F.log_softmax(logits / softness, dim=1), taught, reduction="batchmean")


def log_prior(labels: NDArray[np.int64], classes: int, oversampling: Balance) -> NDArray[np.float64]:
    """The logarithm of how often each class is drawn, (K,).

    Args:
        labels: (N,) class index of the images.
        classes: K.
        oversampling: How images are drawn.

    Returns:
        Of a class without images, that of half an image.
    """
    drawn = np.bincount(labels, minlength=classes) * class_weights(labels, classes, oversampling)
    return np.asarray(np.log(np.maximum(drawn, 0.5) / np.maximum(drawn, 0.5).sum()))


def mix(images: Tensor, generator: np.random.Generator, alpha: float) -> tuple[Tensor, Tensor, float]:
    """Mixup: each image with a share of another one (Zhang et al., ICLR 2018).

    Args:
        images: (N, 3, H, W).
        generator: Of the share.
        alpha: Of the symmetric Beta distribution of the share, over 0.

    Returns:
        ``share * images + (1 - share) * images[partner]``, the partners (N,), and the share in [0.5, 1].
    """
    share = float(generator.beta(alpha, alpha))
    share = max(share, 1 - share)
    partner = torch.from_numpy(generator.permutation(len(images)))
    return share * images + (1 - share) * images[partner], partner, share
