"""Training on a CPU against a plain loop in PyTorch, images/s: python -m benchmarks.training [ARCHITECTURE] [SIZE]

Both train the same network on the same synthetic JPEGs with the same augmentation, batch size and one worker. The
plain loop is what one writes first: a DataLoader that decodes each image anew, float32, torch.optim.AdamW. Each kind
runs in a process of its own, twice, taking turns; the best epoch but the first counts, and the highest memory of the
process and of its worker, added: pages that both share count twice. Ours also measures a batch of the validation set
and writes checkpoints in that time; what it does once, before the first epoch, is printed apart.
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
        name="speed",
        model=ModelSettings(architecture=architecture, classes=ISIC2019, stride_in_1x1=True),
        preprocessing=Preprocessing(resize=Resize(size=size)),
        training=Training(epochs=EPOCHS, batch_size=BATCH, augmentation="gentle", schedule="constant", workers=1),
    )


def plain(root: Path, architecture: str, size: int) -> list[float]:
    """Seconds per image of each epoch of the plain loop."""
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


def ours(root: Path, architecture: str, size: int) -> tuple[list[float], float]:
    """Seconds per image of each epoch of `fit` but the first, and the seconds before its end in all."""
    from lesion_core.data.collection import collect
    from lesion_core.training.classifier import fit

    settings = _settings(architecture, size)
    table = collect(root, settings.split).table
    images = (table["role"] == "train").sum() // BATCH * BATCH
    ends = [time.perf_counter()]
    with tempfile.TemporaryDirectory() as work:
        fit(
            settings,
            table,
            Path(work),
            on_epoch=lambda *_: ends.append(time.perf_counter()),
            limit_val_batches=1,
            enable_checkpointing=True,
        )
    seconds = [b - a for a, b in itertools.pairwise(ends)]
    return [each / images for each in seconds[1:]], seconds[0]


def main() -> None:
    """Take turns, print images per second, peak memory and the ratio."""
    if sys.argv[1:2] == ["--one"]:
        kind, root, architecture, size = sys.argv[2:6]
        seconds, once = (
            (plain(Path(root), architecture, int(size)), 0.0)
            if kind == "plain"
            else ours(Path(root), architecture, int(size))
        )
        peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(json.dumps({"images_a_second": 1 / min(seconds[-2:]), "peak_gib": peak / 2**20, "once": once}))
        return
    architecture = sys.argv[1] if len(sys.argv) > 1 else "resnet50"
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 128
    from lesion_core.cli.main import ALLOCATOR
    from lesion_core.data.synthetic.lesions import make_dataset

    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_dataset(Path(folder) / "synthetic", per_class=PER_CLASS, seed=0, size=(450, 600))
        for _ in range(ROUNDS):
            for kind in ("plain", "ours"):
                environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
                if kind == "ours":
                    environment["GLIBC_TUNABLES"] = ALLOCATOR
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.training", "--one", kind, folder, architecture, str(size)],
                    capture_output=True,
                    text=True,
                    check=False,
                    env=environment,
                )
                if done.returncode:
                    raise SystemExit(done.stderr)
                found = json.loads(done.stdout.strip().splitlines()[-1])
                before = best.get(kind, found)
                best[kind] = {key: max(before[key], found[key]) for key in found}
    for kind, found in best.items():
        print(
            f"{architecture}, {size} px, {kind}: {found['images_a_second']:.1f} images per second, peak "
            f"{found['peak_gib']:.1f} GiB"
        )
    print(f"ours, once, first epoch included: {best['ours']['once']:.0f} s")
    print(f"ratio {best['ours']['images_a_second'] / best['plain']['images_a_second']:.2f}")


if __name__ == "__main__":
    main()
