"""How long each model takes to load, checks of its files and of its known answer included: python -m benchmarks.loading

Median of five loads in one process that has imported everything; the dashboard loads a model on its first use, once.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lesion_core.runs.classifier import list_runs
from lesion_core.runs.segmenter import list_segmenters
from lesion_core.serving.classifier import Engine
from lesion_core.serving.segmenter import SegmenterEngine


def seconds(load: Callable[[Path], object], folder: Path, rounds: int = 5) -> float:
    """The median time of a load."""
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        load(folder)
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "checkpoints")
    models = [(run.folder, Engine.open) for run in list_runs(root)[0]]
    models += [(segmenter.folder, SegmenterEngine.open) for segmenter in list_segmenters(root)[0]]
    for folder, load in models:
        print(f"{folder.name}: {seconds(load, folder):.2f} s")


if __name__ == "__main__":
    main()
