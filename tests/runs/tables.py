"""Tables that could be a run's own."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lesion_core.runs.attribution import COLUMNS
from lesion_core.runs.classifier import Run


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
