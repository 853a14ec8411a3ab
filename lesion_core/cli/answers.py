"""What the commands predict and ood score tell of one image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesion_core.errors import ConfigError

if TYPE_CHECKING:
    from lesion_core.ood.policy import Decision
    from lesion_core.serving.results import Prediction


def _logits(found: Prediction) -> dict[str, float]:
    return {code: float(value) for code, value in zip(found.classes, found.logits, strict=True)}


def _features(found: Prediction) -> dict[str, Any]:
    outputs = found.outputs
    return {
        "reduced": outputs.reduced[0].tolist(),
        "residual": float(outputs.residual[0]),
        "layer3_residual": float(outputs.layer3[0]),
        "photograph": float(outputs.photograph[0]) if math.isfinite(outputs.photograph[0]) else None,
    }


DETAILS: dict[str, Callable[[Prediction], dict[str, Any]]] = {"logits": _logits, "features": _features}
"""What `--with` adds to an image's JSON: the logit of each class before the temperature; the principal components of
the penultimate features and the two residuals, as a run stores them of its own images."""

DetailsOption = Annotated[
    list[str] | None, typer.Option("--with", help=f"With --json, add {' or '.join(DETAILS)}; may be repeated.")
]


def wanted_details(asked: Sequence[str] | None, as_json: bool) -> tuple[str, ...]:
    """The details that were asked for.

    Raises:
        ConfigError: One is unknown, or they were asked for without JSON.
    """
    for one in asked or ():
        if one not in DETAILS:
            raise ConfigError(f"--with {one} is unknown.", f"Choose one of {', '.join(DETAILS)}.")
    if asked and not as_json:
        raise ConfigError("--with adds to the JSON, and tables are printed here.", "Give --json too.")
    return tuple(asked or ())


def answer_row(path: Path, found: Prediction, decision: Decision | None, details: Sequence[str]) -> dict[str, Any]:
    """An image's answer for JSON.

    Args:
        path: Of the image.
        found: What the model says of it.
        decision: What the policy says; None where there is none.
        details: Keys of `DETAILS`.
    """
    from lesion_core.ood.policy import NO_POLICY

    rejected = decision is not None and decision.rejected
    return {
        "picture": str(path),
        "answer": "UNKNOWN" if rejected else found.code,
        "diagnosis": found.code,
        "confidence": round(found.confidence, 4),
        "rejected": None if decision is None else rejected,
        "reason": NO_POLICY if decision is None else decision.reason,
        **{detail: DETAILS[detail](found) for detail in details},
    }
