"""Tables that could be a run's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lesion_core.imaging.changes.series import length
from lesion_core.runs.attribution import COLUMNS
from lesion_core.runs.classifier import Run
from lesion_core.runs.robustness import CHANGED, CLEAN, SERIES, SEVERITIES, AnswerTable, relative


def attributions(run: Run, n: int = 3) -> pd.DataFrame:
    """A table of attributions that could be the run's own."""
    test = run.part("test").head(n)
    values: dict[str, Any] = {"texts": "x", "numbers": 0.5, "truth values": True}
    table = pd.DataFrame({name: [values[kind]] * n for name, kind in COLUMNS.items()})
    return table.assign(
        image_id=test["image_id"].to_numpy(),
        lesion_id=test["lesion_id"].to_numpy(),
        label=test["label"].to_numpy(),
        answer=[run.classes[i] for i in run.logits(test).argmax(axis=1)],
        run=run.fingerprint,
    )


def robustness_rows(
    run: Run, n: int = 3, changes: tuple[str, ...] = ("hair", "pixelate"), seed: int = 0
) -> pd.DataFrame:
    """A table of answers under changes that could be the run's own; the images may be more than the run has."""
    every = [(CLEAN, 0), *((change, severity) for change in changes for severity in SEVERITIES)]
    return _answer_rows(run, n, every, CHANGED, seed)


def series_rows(run: Run, n: int = 3, series: tuple[str, ...] = ("symmetries", "crops"), seed: int = 0) -> pd.DataFrame:
    """The same of series; the first symmetry is the image as it is."""
    every = [(CLEAN, 0), *((key, place) for key in series for place in range(length(key)))]
    return _answer_rows(run, n, every, SERIES, seed)


def _answer_rows(run: Run, n: int, every: list[tuple[str, int]], of: AnswerTable, seed: int) -> pd.DataFrame:
    test, rng = run.part("test"), np.random.default_rng(seed)
    tables = []
    for change, severity in every:
        own = test.iloc[np.arange(n) % len(test)]
        suffix = [f"#{i // len(test)}" if i >= len(test) else "" for i in range(n)]
        logits = run.logits(own).astype(np.float32)
        spread = min(severity, 5) * 0.5
        logits = logits + spread * rng.normal(0, 1, logits.shape).astype(np.float32)
        half = relative(logits)
        facts = own[["image_id", "lesion_id", "dataset", "label"]].reset_index(drop=True)
        facts["image_id"] = facts["image_id"].astype(str) + suffix
        said = half.argmax(axis=1)
        e = np.exp((logits - logits.max(axis=1, keepdims=True)) / run.calibration.temperature)
        facts = facts.assign(
            answer=[run.classes[k] for k in said],
            confidence=1 / e.sum(axis=1),
            temperature=run.calibration.temperature,
            backend="eager",
            run=run.fingerprint,
            **{of.kind: change, of.step: severity},
        )
        scores = {"score_scaled_confidence": 1 - 1 / e.sum(axis=1), "score_layer3_residual": rng.uniform(0, 9, n)}
        named = {f"logit_{code}": column for code, column in zip(run.classes, half.T, strict=True)}
        tables.append(facts.assign(**named, **scores))
    return pd.concat(tables, ignore_index=True)
