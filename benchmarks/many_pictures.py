"""The page Out of distribution with very many images: python -m benchmarks.many_pictures [N] [RUN]

A copy of a run whose test images are repeated, with a little noise on their logits, until there are N. Prints what
the first visitor waits for, what letting go of the line costs the server, and memory.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from app.out_of_distribution.line import line_bins
from lesion_core.analysis.intervals import shares_by
from lesion_core.ood.evaluation import evaluate_score
from lesion_core.ood.scores import Scorer, default_score
from lesion_core.runs.classifier import STORED_FEATURES, open_run


def simulate(run: Path, folder: Path, n: int) -> None:
    """Write a copy of a run with n test images."""
    shutil.copytree(run, folder)
    table, features = pd.read_parquet(folder / "predictions.parquet"), load_file(folder / "features.safetensors")
    of = np.flatnonzero((table["split"] == "test").to_numpy())
    more = np.random.default_rng(0).choice(of, n - len(of))
    added = table.iloc[more].reset_index(drop=True)
    numbers = pd.Series(np.arange(len(more)).astype(str))
    added["image_id"], added["lesion_id"] = "simulated_" + numbers, "simulated_" + numbers
    logits = [name for name in table if name.startswith("logit_")]
    added[logits] += np.random.default_rng(1).normal(0, 0.1, (len(more), len(logits))).astype(np.float32)
    pd.concat([table, added], ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
    for name in STORED_FEATURES:
        features[name] = np.concatenate([features[name], features[name][more]])
    save_file(features, folder / "features.safetensors")


def main() -> None:
    """Simulate, time, print."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    source = Path(sys.argv[2] if len(sys.argv) > 2 else "checkpoints/resnet50-isic2019")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / source.name
        maker = multiprocessing.get_context("spawn").Process(target=simulate, args=(source, folder, n))
        maker.start()
        maker.join()
        start = time.perf_counter()
        run = open_run(folder, verify=False)
        table = run.predictions
        read = time.perf_counter()
        judged = evaluate_score(run, Scorer.of(run), default_score(run))
        bins = line_bins(judged, "test", ())
        first = time.perf_counter()
        test = judged.split("test")
        rejected = judged.rejected(test["shown"], 0.95)
        share, right = rejected.mean(), test["correct"].to_numpy(bool)[~rejected].mean()
        moved = time.perf_counter()
        shares_by(test["diagnosis"], rejected, test["lesion_id"].to_numpy(str))
        paid = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{len(table):,} images, once for all visitors: read {read - start:.2f} s, scored and counted "
            f"{first - read:.2f} s; each time the line is let go {1000 * (moved - first):.0f} ms (rejected "
            f"{share:.3f}, right {right:.3f}), who pays {1000 * (paid - moved):.0f} ms; {len(bins.edges):,} edges "
            f"go to the browser; peak memory {peak:.1f} GiB"
        )


if __name__ == "__main__":
    main()
