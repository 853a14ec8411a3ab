"""The optimizer and its learning rate over time, from the settings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor

from lesion_core.config import Schedule


def optimization(
    named: Iterable[tuple[str, Tensor]], pretrained: frozenset[str], settings: Schedule, steps: int
) -> Any:
    """What Lightning's `configure_optimizers` returns.

    Args:
        named: Names and parameters.
        pretrained: Names of those that came with weights; they learn at `pretrained_factor` of the rate.
        settings: Optimizer, rates, decay and schedule.
        steps: Of the whole training.
    """
    s = settings
    rate = {True: s.learning_rate * s.pretrained_factor, False: s.learning_rate}
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in named:
        # Biases and normalisation are not decayed: it only moves their scale (He et al., CVPR 2019).
        groups.setdefault((name in pretrained, parameter.ndim >= 2), []).append(parameter)
    parameters = [
        {"params": p, "lr": rate[old], "weight_decay": s.weight_decay if decayed else 0.0}
        for (old, decayed), p in groups.items()
    ]
    optimizer: torch.optim.Optimizer
    if s.optimizer == "sgd":
        optimizer = torch.optim.SGD(parameters, momentum=0.9, nesterov=True)
    else:
        optimizer = torch.optim.AdamW(parameters, fused=True)
    if s.schedule == "constant":
        return optimizer
    if s.schedule == "plateau":
        better: Literal["min", "max"] = "min" if s.monitor.endswith("loss") else "max"
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=better, patience=s.plateau_patience)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": s.monitor}}
    warmup = max(1, int(s.warmup * steps))
    cosine = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: (
            (i + 1) / warmup
            if i < warmup
            else 0.5 * (1 + math.cos(math.pi * min(1.0, (i - warmup) / max(1, steps - warmup)))) + 1e-3
        ),
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}
