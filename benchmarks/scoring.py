"""Scoring a folder of JPEGs on a CPU, against a plain torchvision loop: python -m benchmarks.scoring [RUN]

All read the same synthetic JPEGs (600x450) and give logits. The plain loop is what one writes first: PIL,
torchvision's transforms, a DataLoader with one worker, the network in float32; where the run has equal detail, it does
that step too, and then resizes in its own way. Against it `inference.classifier.infer`, which writes runs, in float32,
and `Engine.predict_files`, which the command `predict` uses and which also says what is rejected, on each backend.
They take turns, best of three, so what is compiled in the first turn is not counted; then how long the model waits for
data in such a loop, on each backend, and how far the answers are from those in float32.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from lesion_core.config import Preprocessing, Resize
from lesion_core.data.synthetic.lesions import make_dataset
from lesion_core.errors import ModelError
from lesion_core.imaging.detail import equal_detail
from lesion_core.imaging.preprocess import normalize
from lesion_core.inference.classifier import infer
from lesion_core.inference.inputs import ModelInputs, batches, stack
from lesion_core.models.backends import BACKENDS, make_backend
from lesion_core.models.classifiers import trained
from lesion_core.serving.classifier import AT_ONCE, Engine
from lesion_core.serving.results import Prediction

ROUNDS, PER_CLASS = 3, 40
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the plain loop computes on the CPU

Logits = NDArray[np.float32]


class Files(Dataset[torch.Tensor]):
    """The images of a folder as torchvision reads them."""

    def __init__(self, paths: list[str], preprocessing: Preprocessing) -> None:
        self.paths, self.detail, size = paths, preprocessing.detail, preprocessing.resize.size
        self.transform = v2.Compose(
            [
                v2.Resize(size, antialias=True),
                v2.CenterCrop(size),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = Image.open(self.paths[index]).convert("RGB")
        if self.detail.enabled:
            image = Image.fromarray(equal_detail(np.asarray(image), self.detail))
        found: torch.Tensor = self.transform(image)
        return found


def _logits(engine: Engine, paths: list[str]) -> Logits:
    found = list(engine.predict_files([Path(path) for path in paths]))
    return np.stack([answer.logits for answer in found if isinstance(answer, Prediction)])


def _engines(folder: Path) -> dict[str, Engine]:
    """An engine on each trunk that can be made here."""
    made = {}
    for name in BACKENDS:
        try:
            made[name] = Engine.open(folder, backend=name)
        except ModelError as error:
            print(f"left out: {error}")
    return made


def _waiting(engine: Engine, backend: str, paths: list[str]) -> float:
    """The share of the time that a trunk waits for images."""
    preprocessing, settings = engine.pipeline.settings, engine.run.config.settings
    network = make_backend(backend, trained(settings.model, engine.run.weights), preprocessing.resize.size)
    with torch.inference_mode():
        for n in (AT_ONCE, len(paths) % AT_ONCE or AT_ONCE):  # compiled before the clock starts
            network(torch.zeros(n, 3, preprocessing.resize.size, preprocessing.resize.size))
    start, waited = time.perf_counter(), 0.0
    loader = map(stack, batches(ModelInputs(paths, preprocessing), AT_ONCE, 1))
    with torch.inference_mode():
        while True:
            asked = time.perf_counter()
            batch = next(loader, None)
            waited += time.perf_counter() - asked
            if batch is None:
                return waited / (time.perf_counter() - start)
            network(torch.from_numpy(normalize(batch.numpy(), preprocessing)))


def main() -> None:
    """Time all, print images per second, the ratios, the wait and the differences."""
    engines = _engines(Path(sys.argv[1] if len(sys.argv) > 1 else "checkpoints/resnet50-isic2019"))
    engine = engines["eager"]
    preprocessing, settings = engine.pipeline.settings, engine.run.config.settings
    if preprocessing != Preprocessing(resize=Resize(size=preprocessing.resize.size), detail=preprocessing.detail):
        raise SystemExit("The plain loop has no other step than equal detail and a crop: name a run without them.")
    model, same = (trained(settings.model, engine.run.weights) for _ in range(2))  # `infer` changes its memory layout
    with tempfile.TemporaryDirectory() as folder:
        make_dataset(Path(folder), per_class=PER_CLASS, seed=0, size=(450, 600))
        paths = sorted(str(path) for path in Path(folder).rglob("*.jpg"))

        @torch.inference_mode()
        def plain() -> Logits:
            loader = DataLoader(Files(paths, preprocessing), batch_size=AT_ONCE, num_workers=1)
            found: Logits = torch.cat([same(images) for images in loader]).numpy()
            return found

        ways: dict[str, Callable[[], Logits]] = {
            "plain loop, float32": plain,
            "infer, float32": lambda: infer(model, preprocessing, paths, workers=1).logits,
        }
        for name, own in engines.items():
            ways[f"predict --backend {name} ({BACKENDS[name].description})"] = lambda own=own: _logits(own, paths)
        best, logits = dict.fromkeys(ways, float("inf")), {}
        for _ in range(ROUNDS):
            for way, run in ways.items():
                start = time.perf_counter()
                logits[way] = run()
                best[way] = min(best[way], time.perf_counter() - start)
        wait = {name: _waiting(engine, name, paths) for name in engines}
    n, (baseline, *_) = len(paths), ways
    print(f"{engine.run.name}, {preprocessing.resize.size} px, {n} synthetic JPEGs of 600x450")
    for way, seconds in best.items():
        exact = logits[baseline if way == baseline else "infer, float32"]
        same_answer = (logits[way].argmax(1) == exact.argmax(1)).mean()
        print(
            f"{way}: {n / seconds:.1f} images per second, {best[baseline] / seconds:.2f} times; a logit differs by "
            f"{np.abs(logits[way] - exact).max():.3f} at most, same answer on {100 * same_answer:.1f} %"
        )
    for name, share in wait.items():
        print(f"{name}: waits for data {100 * share:.1f} % of the time")


if __name__ == "__main__":
    main()
