"""Ways to run a trunk beside eager float32, speed and answers: python -m benchmarks.backends [RUN [MOST [WAY ...]]]

One process, the ways in turn, medians. Predictions and maps are compared on the run's own test images where
LESION_DATA has them (the first MOST), else on synthetic lesions.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lesion_core.data.catalog import from_environment
from lesion_core.data.collection import collect
from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.errors import ModelError
from lesion_core.explain.faithfulness import rank_agreement
from lesion_core.imaging.decode import decode
from lesion_core.imaging.preprocess import normalize
from lesion_core.labels import ISIC2019
from lesion_core.models.backends import BACKENDS
from lesion_core.serving.classifier import Engine

ROUNDS = 40


def pictures(engine: Engine, most: int) -> tuple[str, Iterator[NDArray[np.uint8]]]:
    """What is compared on, in words, and the images."""
    root = from_environment()
    if root is None:
        return "synthetic lesions", (make_lesion(code, seed, 256).image for seed in range(8) for code in ISIC2019)
    table = collect(root, engine.run.config.settings.split).table
    paths = table["path"][table["image_id"].isin(engine.run.part("test")["image_id"])].head(most)
    return f"test images, n {len(paths):,}", (decode(Path(path)) for path in paths)


def main() -> None:
    """Time every way that can be made here, compare what it says, print."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "checkpoints/resnet50-isic2019")
    engines: dict[str, Engine] = {}
    for name in dict.fromkeys(["eager", *(sys.argv[3:] or BACKENDS)]):
        try:
            engines[name] = Engine.open(folder, backend=name)
        except ModelError as error:
            print(f"{name}: {error}")
    image = make_lesion("MEL", 0, 300).image
    spent: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(ROUNDS + 5):
        for name, engine in engines.items():
            x = torch.from_numpy(normalize(engine.pipeline.apply(image)[None], engine.pipeline.settings))
            start = time.perf_counter()
            with torch.no_grad():
                engine._backend(x)
            if turn >= 5:
                spent[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in spent.items()}
    eager = engines["eager"]
    print(
        f"{folder.name}, {eager.run.config.settings.preprocessing.resize.size} px, one image, "
        f"{torch.get_num_threads()} threads, {ROUNDS} rounds"
    )
    for name, median in medians.items():
        print(f"{name:10} {1000 * median:7.1f} ms, {medians['eager'] / median:5.2f} times eager's speed")

    words, shown = pictures(eager, int(sys.argv[2]) if len(sys.argv) > 2 else 10**9)
    same: dict[str, list[bool]] = {name: [] for name in engines if name != "eager"}
    ranks: dict[str, list[float]] = {name: [] for name in same}
    for image in shown:
        truth = eager.predict(image)
        index = truth.classes.index(truth.code)
        for name in same:
            found = engines[name].predict(image)
            same[name].append(found.code == truth.code)
            ranks[name].append(rank_agreement(found.maps[index], truth.maps[index]))
    for name in same:
        middle, low = np.nanmedian(ranks[name]), np.nanquantile(ranks[name], 0.05)
        print(
            f"{name:10} {words}: the same answer in {100 * np.mean(same[name]):.2f} %; rank correlation of the "
            f"answer's map: median {middle:.4f}, 5 % are under {low:.4f}"
        )


if __name__ == "__main__":
    main()
