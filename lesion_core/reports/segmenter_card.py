"""The card of a segmenter: what it is, what it was measured at, where it fails, how to make it again."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.analysis.segmentation import MASK_METRICS, mask_summary
from lesion_core.analysis.subgroups import GROUPED_BY, group_names
from lesion_core.reports.card import SMALLEST, card_head, card_tail, interval
from lesion_core.runs.segmenter import VARIANTS, SegmenterRun


def segmenter_card(run: SegmenterRun) -> str:
    """The card as Markdown. Every figure is computed from the run's frozen counts."""
    config = run.config
    settings, counts, training = config.settings, config.counts, config.settings.training
    data_sets = list(config.data_sets) or sorted(map(str, run.masks["dataset"].unique()))
    only_ham = data_sets == ["ham10000"]
    lines = card_head(
        run.name,
        f"U-Net on {settings.model.encoder} (depth {settings.model.depth}), one mask. "
        f"{settings.preprocessing.sentence}",
        f"Trained on {counts.get('train', 0):,} dermoscopic images with a mask, chosen on {counts.get('select', 0):,}, "
        f"tested on {counts.get('test', 0):,}; no lesion is in two of these parts (split {config.split_fingerprint}). "
        + (
            "The masks of HAM10000 are licensed CC BY-NC 4.0, so the weights are for research and teaching too."
            if only_ham
            else f"Data sets: {', '.join(data_sets)}; their licences hold for the weights too."
        ),
        f"Initial weights of the encoder: {config.initial_weights}",
        "Test set, each image at the size of its true mask, means over images, 95 % intervals by bootstrap over "
        "lesions. The official definitions of ISIC 2018 Task 1.",
    )
    for variant, meaning in VARIANTS.items():
        table, pixels = run.counts("test", variant)
        lines += [
            "",
            f"### Masks {meaning} (n = {len(table):,} images of {table['lesion_id'].nunique():,} lesions)",
            "",
            "| metric | value | 95 % interval |",
            "|---|---|---|",
        ]
        for row in mask_summary(pixels, table["lesion_id"]).itertuples():
            metric = str(row.metric)
            name = MASK_METRICS[metric].name if metric in MASK_METRICS else "Share with a Jaccard under 0.65"
            lines.append(f"| {name} | {row.value:.3f} | {interval(row)} |")
    lines += [
        "",
        "### Each diagnosis (masks cleaned up, test set)",
        "",
        "| diagnosis | Jaccard | 95 % interval | n |",
        "|---|---|---|---|",
    ]
    table, pixels = run.counts("test")
    for code, rows in table.groupby("label").groups.items():
        lines.append(_jaccard(str(code), table.loc[rows], pixels[rows]))
    lines += _groups(table, pixels)
    q = config.quantization
    lines += [
        "",
        "## Eight bits per weight",
        "",
        f"Mean Jaccard on the {q['test_images']:,.0f} test images {q['jaccard_fp32']:.4f} at float32 and "
        f"{q['jaccard_8bit']:.4f} as stored; the largest difference of an image is "
        f"{q['largest_jaccard_difference']:.3f}.",
    ]
    own = f"checkpoints/{run.name}"
    lines += card_tail(
        config,
        limits=(
            f"The masks come from {'one data set of two clinics' if only_ham else ', '.join(data_sets)}; "
            "other cameras and other skin are not measured.",
            "How it holds under hair, ink, dark corners, another light, blur and compression: `python -m "
            f"lesion_core segment evaluate {own} --data $LESION_DATA --changed`, a stand-in for "
            "other cameras, not for other hospitals.",
            "It always looks for one lesion: an image without one gets a mask too.",
        ),
        command=f"segment train --settings {own}/config.json",
        chosen=f"{training.epochs} epochs, the best by {training.monitor} on the validation set.",
    )
    return "\n".join(lines)


def _jaccard(name: str, table: pd.DataFrame, pixels: NDArray[np.int64]) -> str:
    """A row: the mean Jaccard of some images, from their counts (N, 4)."""
    found = mask_summary(pixels, table["lesion_id"]).set_index("metric").loc["jaccard"]
    return f"| {name} | {found['value']:.3f} | {interval(found)} | {len(table)} |"


def _groups(table: pd.DataFrame, pixels: NDArray[np.int64]) -> list[str]:
    """The Jaccard by sex, age and site, the largest group first; groups under `SMALLEST` images are left out."""
    lines = [
        "",
        "### Groups of people (masks cleaned up, test set)",
        "",
        f"Groups of under {SMALLEST} images are left out.",
        "",
        "| group | Jaccard | 95 % interval | n |",
        "|---|---|---|---|",
    ]
    for by, title in GROUPED_BY.items():
        names = group_names(table, by)
        for group, n in pd.Series(names).value_counts().items():
            if n >= SMALLEST:
                own = names == group
                lines.append(_jaccard(f"{title}: {group}", table[own], pixels[own]))
    return lines


def write_segmenter_card(run: SegmenterRun) -> None:
    """Write `card.md` into the run folder."""
    (run.folder / "card.md").write_text(segmenter_card(run), encoding="utf-8")
