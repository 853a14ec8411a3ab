"""What the cards of classifiers and of segmenters share: head, tail, an interval in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lesion_core.reports.disclaimer import DISCLAIMER
from lesion_core.runs.classifier import RunConfig
from lesion_core.runs.segmenter import SegmenterConfig

SMALLEST = 20
"""Images of a group under which its figures say little."""


def interval(row: Any) -> str:
    """The interval of a row with `low` and `high`, in words."""
    return "too few lesions" if math.isnan(row.low) else f"{row.low:.3f} to {row.high:.3f}"


def card_head(name: str, what: str, data: str, weights: str, figures: str) -> list[str]:
    """The lines of a card down to its first table.

    Args:
        name: The run's name.
        what: The network and its input, a paragraph.
        data: What it was trained, chosen and tested on, a paragraph.
        weights: Its initial weights, a paragraph.
        figures: How the figures are measured, a paragraph.
    """
    return [
        f"# {name}",
        "",
        what,
        "",
        f"**{DISCLAIMER}**",
        "",
        "## Data",
        "",
        data,
        "",
        weights,
        "",
        "## Figures",
        "",
        figures,
    ]


def card_tail(config: RunConfig | SegmenterConfig, limits: Sequence[str], command: str, chosen: str) -> list[str]:
    """The lines of a card after its figures: limits, and how to repeat the training.

    Args:
        config: The run's.
        limits: Sentences on what the figures do not say.
        command: The training's command after ``python -m lesion_core``, without data, weights and target.
        chosen: Which epoch's weights these are, one sentence.
    """
    training = config.settings.training
    option, explained = _weights_folder(config.settings.model.weights)
    return [
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in limits),
        "",
        "## Make it again",
        "",
        "```",
        f"python -m lesion_core {command} --data $LESION_DATA {option}--runs new",
        "```",
        "",
        *explained,
        f"{chosen} Batch {training.batch_size}, {training.optimizer}, seed {training.seed}; "
        f"{', '.join(f'{name} {version}' for name, version in config.versions.items())}.",
        "",
    ]


def _weights_folder(weights: str) -> tuple[str, list[str]]:
    """The option of a training that names the folder of its initial weights, and lines of a card that explain it; both
    empty where the weights are none or torchvision's."""
    if weights in ("none", "imagenet"):
        return "", []
    whose = ", another run's." if "/" in weights else "."
    return "--weights-folder WEIGHTS ", [f"WEIGHTS is the folder that holds `{weights}`{whose}", ""]
