"""What `robustness` and `consistency` share: test images that are drawn at random, processes, and the table beside the
run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesion_core.amounts import MOST
from lesion_core.cli.options import tell, tell_whether_rejected
from lesion_core.errors import ConfigError
from lesion_core.files import folder_to_write

if TYPE_CHECKING:
    import pandas as pd

    from lesion_core.inference.robustness import Evaluated
    from lesion_core.ood.policy import Policy
    from lesion_core.runs.classifier import Run
    from lesion_core.runs.robustness import AnswerTable

BACKEND_NAMES = ("eager", "openvino")
"""Ways to compute that these commands offer."""
ImagesOption = Annotated[
    int, typer.Option("--images", min=1, max=MOST["images"], help="Images of the test set, and of the official one.")
]
BackendOption = Annotated[
    str, typer.Option("--backend", help=f"How the network is computed: {' or '.join(BACKEND_NAMES)}.")
]


@dataclass(frozen=True)
class DrawnImages:
    """A run, its policy, test images, and sentences on what was left out or differs."""

    run: Run
    policy: Policy | None
    images: pd.DataFrame
    notes: list[str]

    @property
    def sample(self) -> str:
        """Which images, the beginning of a sentence."""
        lesions = self.images["group"].nunique()
        return f"{len(self.images):,} images of {lesions:,} lesions of the test sets, drawn with seed 0"


def draw_images(run: Path, data: list[Path], images: int, backend: str, work: Path) -> DrawnImages:
    """Everything that can be refused, before the libraries that compute are loaded and other processes started.

    Raises:
        LesionError: What is asked for is not known, or the run or the data cannot be used.
    """
    from lesion_core.data.collection import collect, drawn_test
    from lesion_core.data.splits import Manifest
    from lesion_core.ood.policy import read_policy
    from lesion_core.runs.consistency import open_consistent

    if backend not in BACKEND_NAMES:
        raise ConfigError(f"There is no backend '{backend}' here.", f"Choose one of {', '.join(BACKEND_NAMES)}.")
    folder_to_write(work, "--work")
    opened = open_consistent(run)
    policy = read_policy(opened)
    listed = opened.predictions
    collection = collect(data, None, known=Manifest.of_run(listed), images=opened.config.settings.images)
    notes = [*collection.notes, *collection.compared(opened.name, listed)]
    return DrawnImages(opened, policy, drawn_test(collection.table, images), notes)


def join_processes(devices: str, nodes: int, strategy: str, said: Sequence[str], policy: Policy | None) -> None:
    """Start the other processes, if any, and let the first say what is about to be done."""
    from lesion_core import distributed

    if (devices, nodes, strategy) != ("auto", 1, "auto"):
        from lesion_core.training.processes import launch

        launch(devices, nodes, strategy)
    distributed.join()
    if distributed.first():
        for note in said:
            tell(note)
        tell_whether_rejected(policy)


def keep(drawn: DrawnImages, found: Evaluated, backend: str, work: Path, of: AnswerTable) -> tuple[Path, pd.DataFrame]:
    """Put what was found into the run's table; where it is, and all that it holds now."""
    from lesion_core.inference.robustness import work_folder
    from lesion_core.runs.robustness import read_robustness, write_robustness

    if found.kept:
        tell(f"{found.kept:,} answers were there already and stay; --fresh computes them anew.")
    if backend != BACKEND_NAMES[0]:
        tell(f"The backend {backend} gives the answers of float32 on {100 * found.agreement:.2f} % of the images.")
    written = write_robustness(drawn.run, found.table, of)
    shutil.rmtree(work_folder(drawn.run, drawn.policy, backend, work, of), ignore_errors=True)
    table = read_robustness(drawn.run, of)
    assert table is not None  # it was written a moment ago
    return written, table
