"""What a variant is trained on and how it is measured: each kind of experiment makes it, `trainings` carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from lesion_core.config import RunSettings
from lesion_core.runs.classifier import Run


@dataclass(frozen=True)
class Prepared:
    """A training that is ready to begin.

    Attributes:
        settings: All of the run's; their name tells trainings apart that differ in nothing but their files.
        table: Catalog rows with their role.
        ood: Images that the run scores beside, as a `data.collection.Collection` has them.
        measure: From the run, and that of the first variant (None for the first itself), to the experiment's columns
            but the variant.
        bits: 8 or 32 a weight.
        describe: Writes the card into the folder of the run that it is given; None: the run has none.
    """

    settings: RunSettings
    table: pd.DataFrame
    ood: pd.DataFrame
    measure: Callable[[Run, Run | None], pd.DataFrame]
    bits: int = 32
    describe: Callable[[Run], None] | None = None
