"""Does the answer hang on the size and compression of a file? python -m benchmarks.resolution RUN SMALL LARGE

SMALL and LARGE are folders with the same pictures under the same names, such as an archive's thumbnails and its files
at full size. Each is asked twice: as the run prepares pictures, and, where the run has no such step, with equal detail
before it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesion_core.analysis.intervals import wilson
from lesion_core.config import Detail
from lesion_core.data.tables import IMAGE_SUFFIXES
from lesion_core.engine import Engine
from lesion_core.imaging.decode import decode
from lesion_core.imaging.detail import equal_detail


def answers(engine: Engine, paths: list[Path], detail: Detail | None) -> NDArray[np.float64]:
    """Probabilities of each picture, (N, K)."""
    pictures = (decode(path) for path in paths)
    return np.stack([engine.predict(equal_detail(p, detail) if detail else p).probabilities for p in pictures])


def main() -> None:
    """Compare the two folders, print."""
    run, small, large = map(Path, sys.argv[1:4])
    engine = Engine.open(run)
    names = sorted(
        path.name for path in large.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and (small / path.name).is_file()
    )
    own = engine.run.config.settings.preprocessing.detail
    ways = {"as the run prepares them": None} | ({} if own.enabled else {"equal detail before it": Detail()})
    print(f"{engine.run.name}, n {len(names)} pictures; the run's own equal detail is {'on' if own.enabled else 'off'}")
    for way, detail in ways.items():
        p, q = (answers(engine, [folder / name for name in names], detail) for folder in (small, large))
        same = wilson(int((p.argmax(1) == q.argmax(1)).sum()), len(names))
        print(f"\n{way}: the same answer to {100 * same.value:.1f} % ({100 * same.low:.1f} to {100 * same.high:.1f}), "
              f"{100 * np.abs(p - q).sum(1).mean() / 2:.1f} % of the probability moves")
        for k, code in enumerate(engine.run.classes):
            print(f"  {code:5} mean probability {p[:, k].mean():.3f} small, {q[:, k].mean():.3f} large")


if __name__ == "__main__":
    main()
