"""Is synthetic dermoscopy near enough to dermoscopy? python -m benchmarks.synthetic [--n 400] [--seed 900000] [--fit]

Prints figures of synthetic and of real images (HAM10000 in LESION_DATA) beside each other, and what each shipped run
says of synthetic images: the share that its policy rejects, the share of right diagnoses, the Dice of the segmenter.
It proves nothing about patients. `--fit` writes anew what the drawing takes from the measured images.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from lesion_core.analysis.intervals import clopper_pearson
from lesion_core.analysis.segmentation import count, figures
from lesion_core.data.catalog import discover, read
from lesion_core.data.masks import read_mask
from lesion_core.data.synthetic.appearance import FIGURES, SEEN, Measured, distance, measure, octaves, pigments, table
from lesion_core.data.synthetic.canvas import Canvas, texture
from lesion_core.data.synthetic.lesions import SyntheticLesion, make_lesion
from lesion_core.data.synthetic.typical import FILE, Typical
from lesion_core.imaging.decode import decode
from lesion_core.labels import ISIC2019
from lesion_core.ood.rejector import Rejector
from lesion_core.runs.classifier import open_run
from lesion_core.serving.classifier import Engine
from lesion_core.serving.segmenter import SegmenterEngine

RUNS = tuple(Path("checkpoints") / f"resnet{depth}-isic2019" for depth in (50, 101, 152))
SEGMENTER = Path("checkpoints/unet-ham10000")
FRESH = 900_000
"""First seed of the images that are judged: the drawing was tuned on seeds under 500,000 alone."""
MOST = 150
"""Real images of a diagnosis that are measured, at most."""
OCTAVES = 6


def lesions(n: int, seed: int) -> list[SyntheticLesion]:
    """`n` synthetic lesions, the eight diagnoses in turn."""
    return [make_lesion(ISIC2019[i % 8], seed + i // 8) for i in range(n)]


# Figures -------------------------------------------------------------------------------------------------------


def real_rows(parts: Sequence[str], root: Path) -> pd.DataFrame:
    """HAM10000's images of some parts of the shipped runs' split, one of each lesion: label, path, mask_path."""
    files = read("ham10000", discover(root)["ham10000"]).present.set_index("image_id")[["path", "mask_path"]]
    run = open_run(RUNS[0])
    listed = pd.concat([run.part(part, "ham10000") for part in parts]).drop_duplicates("lesion_id")
    rows = listed.set_index("image_id")[["label"]].join(files, how="inner")
    return rows[rows["mask_path"].notna()]


def measured(rows: pd.DataFrame, most: int = MOST) -> list[Measured]:
    """The figures of at most so many images, drawn with a fixed seed."""
    some = rows.sample(min(most, len(rows)), random_state=0)
    pairs = zip(some["path"], some["mask_path"], strict=True)
    made = (measure(decode(Path(path)), read_mask(Path(mask))) for path, mask in pairs)
    return [found for found in made if found]


def compare(made: Sequence[SyntheticLesion], root: Path, most: int = MOST) -> pd.DataFrame:
    """Each figure's median on synthetic and on real images that the drawing was not fitted to, and their distances:
    for each diagnosis the Wasserstein distance in deviations of the real ones, then the mean over diagnoses."""
    rows, per_class = real_rows(("select", "calibrate", "test"), root), {}
    for code in ISIC2019:
        real = table(measured(rows[rows["label"] == code], most))
        found = (measure(lesion.image, lesion.mask) for lesion in made if lesion.diagnosis == code)
        synthetic = table([each for each in found if each])
        per_class[code] = {
            name: (np.median(synthetic[name]), np.median(real[name]), distance(synthetic[name], real[name]))
            for name in FIGURES
        }
    means = {name: np.mean([per_class[code][name] for code in ISIC2019], axis=0) for name in FIGURES}
    return pd.DataFrame(means, index=["synthetic", "real", "distance"]).T


# What the runs say ---------------------------------------------------------------------------------------------


def answers(run: Path, made: Sequence[SyntheticLesion]) -> pd.DataFrame:
    """For each image: its diagnosis, whether the run's policy rejects it, whether the most probable one is right."""
    engine = Engine.open(run)
    rejector = Rejector.open(engine.run)
    rows = []
    for lesion in made:
        found = engine.predict(lesion.image)
        rejected = rejector is not None and rejector.decide(found.outputs)[0].rejected
        rows.append((lesion.diagnosis, rejected, found.code == lesion.diagnosis))
    return pd.DataFrame(rows, columns=["diagnosis", "rejected", "right"])


def dice(made: Sequence[SyntheticLesion]) -> NDArray[np.float64]:
    """(N,) Dice of the shipped segmenter, its masks cleaned up as on the pages."""
    engine = SegmenterEngine.open(SEGMENTER)
    counts = [count(engine.segment(lesion.image).mask(), lesion.mask) for lesion in made]
    return figures(counts)["dice"].to_numpy(float)


def percent(k: int, n: int) -> str:
    """A share with its exact 95 % interval."""
    share = clopper_pearson(k, n)
    return f"{100 * share.value:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def report(made: Sequence[SyntheticLesion]) -> None:
    """Print the shares of every shipped run, in Markdown."""
    n = len(made)
    print(f"\n{n} images, the eight diagnoses in turn, with exact 95 % intervals:\n")
    print("| run | rejected, % | right, % | right of the answered, % |\n|---|---|---|---|")
    by_class = {}
    for run in RUNS:
        said = answers(run, made)
        kept = said[~said["rejected"]]
        by_class[run.name] = said.groupby("diagnosis")[["rejected", "right"]].mean().reindex(ISIC2019)
        print(
            f"| {run.name} | {percent(int(said['rejected'].sum()), n)} | {percent(int(said['right'].sum()), n)} "
            f"| {percent(int(kept['right'].sum()), len(kept))} |",
            flush=True,
        )
    print(f"\n| rejected, right, %; n = {n // 8} each |" + "".join(f" {name} |" for name in by_class))
    print("|---|" + "---|" * len(by_class))
    for code in ISIC2019:
        cells = [f" {100 * t.loc[code, 'rejected']:.0f}, {100 * t.loc[code, 'right']:.0f} |" for t in by_class.values()]
        print(f"| {code} |" + "".join(cells))
    values = dice(made)
    half = 1.96 * values.std(ddof=1) / np.sqrt(n)
    print(f"\n{SEGMENTER.name}: Dice {values.mean():.3f} ({values.mean() - half:.3f} to {values.mean() + half:.3f})")


# What the drawing takes from the measured images ---------------------------------------------------------------


def _strengths(octave: int | None, seed: int, amount: float) -> NDArray[np.float64]:
    """(6,) variance in each octave of even skin with the texture of one."""
    canvas = Canvas((256, 256), 2, Typical(**{field.name: np.zeros(2) for field in fields(Typical)}))
    canvas.melanin, canvas.blood, canvas.deep = (
        p + level for p, level in zip((canvas.melanin, canvas.blood, canvas.deep), (0.03, 0.25, 0.1), strict=True)
    )
    if octave is not None:
        factors = np.zeros((OCTAVES, 3, 3))
        factors[octave, :, 0] = amount * np.array([0.77, 0.62, 0.15])  # along the darkness of lesions, a unit vector
        grain = texture(np.random.default_rng([seed, octave]), canvas.shape, factors)
        canvas.melanin, canvas.blood, canvas.deep = (
            canvas.melanin + grain[0],
            canvas.blood + grain[1],
            canvas.deep + grain[2],
        )
    seen = SEEN.apply(canvas.photograph(np.random.default_rng(seed)))
    return np.array([np.trace(np.cov(band.reshape(3, -1))) for band in octaves(pigments(seen))])


def _leading(covariance: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """(3, 3) factor of the leading part of a covariance, of unit trace: fine detail is of one colour, as what else is
    measured there comes from the compression."""
    values, vectors = np.linalg.eigh(covariance)
    values[: 3 - rank] = 0
    factor = (vectors * np.sqrt(values / values.sum()))[:, ::-1]
    return np.asarray(factor * np.where(factor.sum(0) < 0, -1, 1))


def fit(root: Path) -> None:
    """Write `typical.json` from training images."""
    base = np.mean([_strengths(None, seed, 0) for seed in range(3)], axis=0)
    amount = 0.03
    response = np.stack(
        [
            (np.mean([_strengths(octave, seed, amount) for seed in range(3)], axis=0) - base) / amount**2
            for octave in range(OCTAVES)
        ],
        axis=1,
    )
    rows, written = real_rows(("train",), root), {}
    for code in ISIC2019:
        found = measured(rows[rows["label"] == code])
        of = {name: np.array([each[name] for each in found]) for name in found[0]}
        colour = np.hstack([of["skin"], of["lesion"]])
        variance = np.einsum("nzkii->nzk", of["texture"])
        factors = []
        for zone in (0, 1):
            drawn, _ = nnls(response, np.maximum(np.exp(np.median(np.log(variance[:, zone]), axis=0)) - base, 0))
            shape = np.mean(of["texture"][:, zone] / variance[:, zone, :, None, None], axis=0)
            factors.append(
                [np.sqrt(v) * _leading(c, 1 + (k > 2)) for k, (v, c) in enumerate(zip(drawn, shape, strict=True))]
            )
        area = np.log(of["area"])
        figures = {
            "colour": np.median(colour, axis=0),
            "colour_spread": np.linalg.cholesky(np.cov(colour.T)),
            "texture": np.array(factors),
            "texture_spread": np.log(variance.sum(-1)).std(0) / 2,
            "area": np.array([np.median(area), area.std()]),
            "aspect": np.array([of["aspect"].mean(), of["aspect"].std()]),
            "softness": np.nanmedian(of["softness"]),
            "vignette": np.array([np.nanmedian(of["vignette"]), min(np.nanstd(of["vignette"]), 0.1)]),
        }
        written[code] = {name: np.round(values, 4).tolist() for name, values in figures.items()}
        print(f"{code}: {len(found)} images", flush=True)
    lines = (f"{json.dumps(code)}: {json.dumps(figures)}" for code, figures in written.items())
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main() -> None:
    """Fit, or compare and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=400)
    parser.add_argument("--seed", type=int, default=FRESH)
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    root = Path(os.environ["LESION_DATA"]) if os.environ.get("LESION_DATA") else None
    if given.fit:
        if root is None:
            raise SystemExit("Set LESION_DATA to a folder that holds HAM10000.")
        fit(root)
        return
    made = lesions(given.n, given.seed)
    if root is None:
        print("LESION_DATA is not set, so there are no real images to compare with.")
    else:
        print("| figure | synthetic | real | distance |\n|---|---|---|---|")
        found = compare(made, root)
        for name, row in found.iterrows():
            print(f"| {name} | {row['synthetic']:.2f} | {row['real']:.2f} | {row['distance']:.2f} |")
        print(f"| mean | | | {found['distance'].mean():.2f} |")
    report(made)


if __name__ == "__main__":
    main()
