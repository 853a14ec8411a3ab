"""Images a second in training, against a plain PyTorch loop: python -m benchmarks.training [ARCHITECTURE] [SIZE]

Both train the same network on the same synthetic JPEGs with the same augmentation, batch size and one worker. The
plain loop is what one writes first: a DataLoader that decodes each picture anew, float32, torch.optim.AdamW. Each kind
runs in a process of its own, twice, taking turns; the best epoch but the first counts, and the process's peak memory.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS, EPOCHS, PER_CLASS, BATCH = 2, 3, 40, 32


def _settings(architecture: str, size: int):  # type: ignore[no-untyped-def]
    from lesion_core.config import ModelSettings, Preprocessing, Resize, RunSettings, Training
    from lesion_core.labels import ISIC2019

    return RunSettings(
        name="speed", model=ModelSettings(architecture=architecture, classes=ISIC2019, stride_in_1x1=True),
        preprocessing=Preprocessing(resize=Resize(size=size)),
        training=Training(epochs=EPOCHS, batch_size=BATCH, augmentation="gentle", schedule="constant", workers=1),
    )


def plain(root: Path, architecture: str, size: int) -> list[float]:
    """Seconds of each epoch of the plain loop, and its images."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    from lesion_core.data.collection import collect
    from lesion_core.imaging.decode import decode
    from lesion_core.models.classifiers import build
    from lesion_core.training.augmentation import augmentation

    settings = _settings(architecture, size)
    table = collect(root, settings.split).table
    train = table[table["role"] == "train"]
    change = augmentation("gentle", settings.preprocessing, size)
    rows = list(zip(train["path"], (settings.model.classes.index(d) for d in train["diagnosis"]), strict=True))

    class Files(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
            path, label = rows[i]
            return change(torch.from_numpy(decode(Path(path)).copy()).permute(2, 0, 1)), label

    model = build(settings.model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader(Files(), batch_size=BATCH, shuffle=True, num_workers=1, drop_last=True)
    seconds = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        for images, target in loader:
            loss = torch.nn.functional.cross_entropy(model(images), target)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
        seconds.append((time.perf_counter() - start) / (len(loader) * BATCH))
    return seconds


def ours(root: Path, architecture: str, size: int) -> list[float]:
    """Seconds an image of each epoch of `fit`, the select split's measuring left out by counting its images."""
    from lesion_core.data.collection import collect
    from lesion_core.training.fit import fit

    settings = _settings(architecture, size)
    table = collect(root, settings.split).table
    images = (table["role"] == "train").sum() // BATCH * BATCH
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as work:
        fit(settings, table, Path(work), bars=False, on_epoch=lambda *_: ends.append(time.perf_counter()),
            limit_val_batches=1, enable_checkpointing=True)
    return [(b - a) / images for a, b in itertools.pairwise(ends)]


def main() -> None:
    """Take turns, print images a second, peak memory and the ratio."""
    if sys.argv[1:2] == ["--one"]:
        kind, root, architecture, size = sys.argv[2:6]
        seconds = {"plain": plain, "ours": ours}[kind](Path(root), architecture, int(size))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"images_a_second": 1 / min(seconds[-2:]), "peak_gib": peak}))
        return
    architecture = sys.argv[1] if len(sys.argv) > 1 else "resnet50"
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 128
    from lesion_core.cli import ALLOCATOR
    from lesion_core.data.synthetic import make_dataset

    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_dataset(Path(folder) / "synthetic", per_class=PER_CLASS, seed=0, size=(450, 600))
        for _ in range(ROUNDS):
            for kind in ("plain", "ours"):
                environment = {**os.environ, **({"GLIBC_TUNABLES": ALLOCATOR} if kind == "ours" else {})}
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.training", "--one", kind, folder, architecture, str(size)],
                    capture_output=True, text=True, check=True, env=environment,
                )
                found = json.loads(done.stdout.strip().splitlines()[-1])
                if kind not in best or found["images_a_second"] > best[kind]["images_a_second"]:
                    best[kind] = found
    for kind, found in best.items():
        print(f"{architecture}, {size} px, {kind}: {found['images_a_second']:.1f} images a second, peak "
              f"{found['peak_gib']:.1f} GiB")
    print(f"ratio {best['ours']['images_a_second'] / best['plain']['images_a_second']:.2f}")


if __name__ == "__main__":
    main()
