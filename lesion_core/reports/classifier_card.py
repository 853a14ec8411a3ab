"""The card of a run: what it is, what it was measured at, where it fails, how to make it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from lesion_core.analysis.evaluation_sets import (
    EVALUATION_SETS,
    at_chosen_threshold,
    auroc_by_source,
    view_data,
    view_summary,
)
from lesion_core.analysis.metrics import METRIC_NAMES
from lesion_core.analysis.subgroups import GROUPED_BY, subgroups
from lesion_core.analysis.summaries import per_class_summary
from lesion_core.foreign_text import visible
from lesion_core.reports.card import SMALLEST, card_head, card_tail, interval
from lesion_core.runs.classifier import Run


def card(run: Run, plain: Callable[[str], str] = visible) -> str:
    """The card as Markdown. Every figure is computed from the run's frozen predictions.

    Args:
        run: The run.
        plain: Writes text that is not ours (names, groups) so that it is shown as it is where the card is read.
    """
    config = run.config
    settings = config.settings
    counts = config.counts
    lines = card_head(
        plain(run.name),
        f"{settings.model.architecture}, {len(run.classes)} diagnoses ({', '.join(run.classes)}). "
        f"{settings.preprocessing.sentence}",
        f"Trained on {len(run.learned):,} dermoscopic images, chosen on {counts.get('select', 0):,}, calibrated "
        f"on {counts.get('calibrate', 0):,}, tested on {counts.get('test', 0):,}; no lesion is in two of these parts "
        f"(split {config.split_fingerprint}). HAM10000 and ISIC 2019 are licensed CC BY-NC 4.0, so the weights are for "
        "research and teaching too.",
        f"Initial weights: {plain(config.initial_weights)}{_teachers(run)}"
        + (
            " It learned from the images as their files are; equal detail was switched on afterwards and holds for "
            "every figure here."
            if config.detail_added
            else ""
        )
        + (
            f" After the training came {', '.join(map(plain, config.scored_later))}: no weight was learned from it, "
            "only the temperature, the limits of rejection and what features are usual."
            if config.scored_later
            else ""
        ),
        "95 % intervals over lesions: of shares by Korn and Graubard, else by bootstrap.",
    )
    for key, view in EVALUATION_SETS.items():
        summary = view_summary(run, key) if view.split == "test" else None
        if summary is None:
            continue
        lines += [
            "",
            f"### {view.name} (n = {summary.n_images:,} images of {summary.n_groups:,} lesions)",
            "",
            view.description,
            "",
            "| metric | value | 95 % interval |",
            "|---|---|---|",
        ]
        for row in summary.table.itertuples():
            metric = str(row.metric)
            lines.append(f"| {METRIC_NAMES[metric]} | {row.value:.3f} | {interval(row)} |")
    lines += _at_chosen_threshold(run)
    for key in ("test", "isic2018"):
        lines += _recalls(run, key)
    lines += _melanoma_by_source(run, plain)
    lines += _groups(run, plain)
    calibration = run.calibration
    lines += [
        "",
        "## Calibration",
        "",
        f"Temperature {calibration.temperature:.3f}, fitted on the calibration set (n = {calibration.n:,}): log loss "
        f"{calibration.log_loss_before:.3f} before, {calibration.log_loss_after:.3f} after; expected calibration error "
        f"{calibration.ece_before:.3f} before, {calibration.ece_after:.3f} after.",
    ]
    if config.quantization:
        q = config.quantization
        when = ", before equal detail was switched on" if config.detail_added and not q.get("equal_detail") else ""
        lines += [
            "",
            "## Eight bits per weight",
            "",
            f"Against float32 on the {q['test_images']:,.0f} test images: largest difference of a logit "
            f"{q['largest_logit_difference']:.3f}, same diagnosis on {100 * q['same_decision']:.2f} %, balanced "
            f"accuracy {q['balanced_accuracy_fp32']:.4f} at float32 and {q['balanced_accuracy_8bit']:.4f} as stored "
            f"(test set, own classes){when}.",
        ]
    own = f"checkpoints/{run.name}"
    lines += card_tail(
        config,
        limits=(
            "What it learned from is of few clinics and does not record the colour of the skin: of other skin and "
            "other cameras the figures above say little.",
            f"{len(run.classes)} diagnoses only: whatever else is shown is answered with one of them unless it is "
            "rejected.",
            "A confident answer is not a right one, and a heatmap is not a proof.",
        ),
        command=f"train --settings {own}/config.json --split-of {own}",
        chosen=_chosen_epoch(run),
    )
    return "\n".join(lines)


def _teachers(run: Run) -> str:
    training = run.config.settings.training
    if not training.teachers:
        return ""
    return (
        f" It learned from the answers of {', '.join(training.teachers)} too, which count "
        f"{100 * training.distillation:.0f} % of the loss."
    )


def _chosen_epoch(run: Run) -> str:
    """Which epoch's weights these are."""
    monitor = run.config.settings.training.monitor
    history = run.history
    watched = history[(history["phase"] + "_" + history["metric"]) == monitor].set_index("epoch")["value"]
    if watched.isna().all():
        return f"{run.config.settings.training.epochs} epochs."
    best = int(watched.argmin() if monitor.endswith("loss") else watched.argmax())
    return f"Epoch {int(watched.index[best]) + 1} of {len(watched)}, the best by {monitor} on the validation set."


def _recalls(run: Run, key: str) -> list[str]:
    data = view_data(run, key)
    if data is None:
        return []
    table: pd.DataFrame = per_class_summary(data.truth, data.probabilities, data.groups, data.classes)
    recalls = table[table["metric"] == "sensitivity"]
    lines = [
        "",
        f"### Recall of each diagnosis ({EVALUATION_SETS[key].name})",
        "",
        "| diagnosis | recall | 95 % interval | n |",
        "|---|---|---|---|",
    ]
    for row in recalls.itertuples():
        lines.append(f"| {row[1]} | {row.value:.3f} | {interval(row)} | {row.n_images} |")
    return lines


def _at_chosen_threshold(run: Run) -> list[str]:
    rows = []
    for name, dataset in (("test set", None), ("its HAM10000 part", "ham10000")):
        if found := at_chosen_threshold(run, dataset):
            figures = found.summary.table.set_index("metric")
            cells = [_words(figures.loc[metric]) for metric in ("accuracy", "precision", "recall", "f1")]
            n = f"n = {found.summary.n_images:,}"
            rows.append(f"| {name}, {n} | {found.threshold:.3f} | {' | '.join(cells)} |")
    if not rows:
        return []
    return [
        "",
        "### Benign or malignant at a threshold of its own",
        "",
        "Malignant at or over the probability that has the best F1 on the calibration set, in place of a half.",
        "",
        "| images | threshold | accuracy | precision | recall | F1 |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _melanoma_by_source(run: Run, plain: Callable[[str], str]) -> list[str]:
    table = auroc_by_source(run)
    if table.empty:
        return []
    lines = [
        "",
        "### Melanoma against all else, by source (test images)",
        "",
        "| source | AUROC | 95 % interval | melanomas | images |",
        "|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        lines.append(f"| {plain(str(row.dataset))} | {row.value:.3f} | {interval(row)} | {row.n_images} | {row.n} |")
    return lines


def _groups(run: Run, plain: Callable[[str], str]) -> list[str]:
    """Accuracy and melanomas found, by sex, age and site; groups under `SMALLEST` images are left out."""
    data = view_data(run, "test")
    if data is None:
        return []
    table = subgroups(data)
    lines = [
        "",
        "### Groups of people (test set)",
        "",
        f"Groups of under {SMALLEST} images are left out, so are melanomas where there are fewer.",
        "",
        "| group | n | accuracy | melanomas found (n) |",
        "|---|---|---|---|",
    ]
    for (by, group), rows in table.groupby(["by", "group"], sort=False):
        accuracy, melanomas = (rows[rows["metric"] == metric].iloc[0] for metric in ("accuracy", "melanoma_recall"))
        if accuracy["n_images"] < SMALLEST:
            continue
        found = f"{_words(melanomas)} ({melanomas['n_images']})" if melanomas["n_images"] >= SMALLEST else "too few"
        lines.append(
            f"| {GROUPED_BY[str(by)]}: {plain(str(group))} | {accuracy['n_images']} | {_words(accuracy)} | {found} |"
        )
    return lines


def _words(row: Any) -> str:
    return f"{row['value']:.3f}, {row['low']:.3f} to {row['high']:.3f}"


def write_card(run: Run) -> None:
    """Write `card.md` into the run folder."""
    (run.folder / "card.md").write_text(card(run), encoding="utf-8")
