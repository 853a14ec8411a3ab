"""ResNet-50 training steps with oneDNN's convolutions and with matrix products: python -m benchmarks.convolutions."""

from __future__ import annotations

import statistics
import time
from contextlib import nullcontext

import torch
from torch.nn import functional as F

from lesion_core.config import ModelSettings
from lesion_core.labels import ISIC2019
from lesion_core.models.classifiers import build
from lesion_core.training.convolutions import MatrixProducts

BATCH, STEPS = 32, 8


def steps(size: int) -> dict[str, float]:
    """Median seconds of a bf16 step of each kind; the two take turns, so that both see the same machine."""
    model = build(ModelSettings(architecture="resnet50", classes=ISIC2019, stride_in_1x1=True)).train()
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    images = torch.randn(BATCH, 3, size, size).to(memory_format=torch.channels_last)
    target = torch.randint(len(ISIC2019), (BATCH,))
    seconds: dict[str, list[float]] = {"oneDNN": [], "matrix products": []}
    for step in range(2 * (STEPS + 2)):
        kind = "matrix products" if step % 2 else "oneDNN"
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16), MatrixProducts() if step % 2 else nullcontext():
            loss = F.cross_entropy(model(images).float(), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        if step >= 4:  # The first two of each kind prepare.
            seconds[kind].append(time.perf_counter() - start)
    return {kind: statistics.median(values) for kind, values in seconds.items()}


if __name__ == "__main__":
    for size in (96, 112, 128):
        found = steps(size)
        speeds = ", ".join(f"{kind} {BATCH / seconds:.1f} images/s" for kind, seconds in found.items())
        print(f"{size} px: {speeds}, ratio {found['oneDNN'] / found['matrix products']:.2f}", flush=True)
