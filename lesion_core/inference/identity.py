"""Whether the images at hand are those that a run was measured on: ids alone can be shared by other images."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.errors import RunError
from lesion_core.runs.classifier import Run


def check_same_images(run: Run, image_ids: pd.Series[str], logits: NDArray[np.float32]) -> None:
    """Refuse images that carry the ids of a run's images and are others.

    The run's weights have answered its images before. Of the same images the new logits are near the stored ones, also
    where another preprocessing moved them; of other images they are as near to those of any image of the run. So the
    median distance to an image's own stored logits has to be under half of the median distance to another image's.

    Args:
        run: The run, with the logits that it stored.
        image_ids: (N,) ids of the images.
        logits: (N, K) that the run's weights give of them now.

    Raises:
        RunError: They are other images.
    """
    stored = run.predictions.drop_duplicates("image_id").set_index("image_id")
    place = stored.index.get_indexer(pd.Index(image_ids))
    here = np.flatnonzero(place >= 0)
    if len(here) < 2:
        return
    old, new = run.logits(stored)[place[here]], logits[here].astype(np.float64)
    own = np.linalg.norm(new - old, axis=1)
    another = np.linalg.norm(new - np.roll(old, len(old) // 2, axis=0), axis=1)
    if not np.median(own) < 0.5 * np.median(another):
        raise RunError(
            f"{len(here):,} images have the ids of images of {run.name}, but the model does not know them: they are "
            "other images.",
            "Name the data that the run was trained on.",
        )
