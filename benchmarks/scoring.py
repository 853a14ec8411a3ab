"""Scoring a folder of JPEGs on a CPU, against a plain torchvision loop: python -m benchmarks.scoring [RUN]

Both read the same synthetic JPEGs (600x450) and give logits. The plain loop is what one writes first: PIL,
torchvision's transforms, a DataLoader with one worker, the network in float32; where the run has equal detail, it does
that step too, so that both read the same pixels. They take turns, best of three; then how long the model waits for data
in a loop like ours, and how often the answers agree.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from lesion_core.config import Preprocessing
from lesion_core.data.synthetic import make_dataset
from lesion_core.engine import Engine
from lesion_core.imaging.detail import equal_detail
from lesion_core.imaging.preprocess import normalize
from lesion_core.models.classifiers import trained
from lesion_core.scoring import Squares, score, stack

ROUNDS, PER_CLASS, BATCH = 3, 40, 32
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the plain loop computes on the CPU


class Files(Dataset[torch.Tensor]):
    """The pictures of a folder as torchvision reads them."""

    def __init__(self, paths: list[str], preprocessing: Preprocessing) -> None:
        self.paths, self.detail, size = paths, preprocessing.detail, preprocessing.resize.size
        self.transform = v2.Compose([
            v2.Resize(size, antialias=True), v2.CenterCrop(size), v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = Image.open(self.paths[index]).convert("RGB")
        if self.detail.enabled:
            image = Image.fromarray(equal_detail(np.asarray(image), self.detail))
        found: torch.Tensor = self.transform(image)
        return found


def main() -> None:
    """Time both, print images a second, the ratio, the wait and the difference."""
    engine = Engine.open(Path(sys.argv[1] if len(sys.argv) > 1 else "checkpoints/resnet50-isic2019"))
    preprocessing, settings = engine.pipeline.settings, engine.run.config.settings
    model, same = (trained(settings.model, engine.run.weights) for _ in range(2))  # `score` changes its memory layout
    with tempfile.TemporaryDirectory() as folder:
        make_dataset(Path(folder), per_class=PER_CLASS, seed=0, size=(450, 600))
        paths = sorted(str(path) for path in Path(folder).rglob("*.jpg"))

        @torch.inference_mode()
        def plain() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
            loader = DataLoader(Files(paths, preprocessing), batch_size=BATCH, num_workers=1)
            return torch.cat([same(images) for images in loader]).numpy()

        best = {"plain": float("inf"), "ours": float("inf")}
        for _ in range(ROUNDS):
            start = time.perf_counter()
            theirs = plain()
            middle = time.perf_counter()
            ours = score(model, preprocessing, paths, workers=1).logits
            end = time.perf_counter()
            best = {"plain": min(best["plain"], middle - start), "ours": min(best["ours"], end - middle)}
        start, waited = time.perf_counter(), 0.0
        loader = iter(DataLoader(Squares(paths, preprocessing), batch_size=BATCH, num_workers=1, collate_fn=stack))
        with torch.inference_mode():
            while True:
                asked = time.perf_counter()
                batch = next(loader, None)
                waited += time.perf_counter() - asked
                if batch is None:
                    break
                images = torch.from_numpy(normalize(batch.numpy(), preprocessing))
                model(images.contiguous(memory_format=torch.channels_last))
        wait = waited / (time.perf_counter() - start)
    n = len(paths)
    print(f"{engine.run.name}, {preprocessing.resize.size} px, {n} JPEGs")
    for name, seconds in best.items():
        print(f"{name}: {n / seconds:.1f} images a second")
    print(f"ratio {best['plain'] / best['ours']:.2f}; the model waits for data {100 * wait:.1f} % of the time; "
          f"same answer on {100 * (theirs.argmax(1) == ours.argmax(1)).mean():.1f} %")


if __name__ == "__main__":
    main()
