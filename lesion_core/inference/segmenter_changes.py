"""A segmenter on test images as they are and under the changes of `imaging.changes`, each in five severities."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.amounts import check_amount
from lesion_core.config import SegmenterTraining
from lesion_core.errors import ConfigError, DataError
from lesion_core.imaging.artefacts import ARTEFACTS
from lesion_core.imaging.changes.registry import CHANGES, SEVERITIES, change
from lesion_core.inference.robustness import check_asked
from lesion_core.inference.segmenter import ChangedBy, checked_segmenter, count_pixels
from lesion_core.runs.segmenter import SegmenterRun
from lesion_core.steps import Progress

UNCHANGED = ("unchanged", 0)
"""In place of a change and its severity: the images as they are."""
HIDES = ("dark_corner", "black_corner")
"""What these changes cover nobody can outline: it is taken out of the true mask, as in the training."""
DRAWN_AS = {"gel_bubbles": "bubbles", "black_corner": "dark_corner"}
"""Changes that training draws as an artefact of another name."""
AKIN = {
    **dict.fromkeys(
        ("white_balance", "brightness_up", "brightness_down", "contrast_up", "contrast_down", "saturate"),
        "colour jitter",
    ),
    **dict.fromkeys(("focus", "gaussian_blur", "defocus_blur"), "slight blur"),
}
FEWEST = 20
"""Images under which a mean over them says little."""


def seen_in_training(key: str, training: SegmenterTraining) -> str:
    """How near the training's augmentation came to a change: *same kind* (an artefact that it drew), one of `AKIN`, or
    *no*."""
    if training.augmentation != "full":
        return "no"
    if DRAWN_AS.get(key, key) in ARTEFACTS:
        return "same kind" if training.artefacts else "no"
    return AKIN.get(key, "no")


def draw_lesions(table: pd.DataFrame, n: int, seed: int = 0) -> pd.DataFrame:
    """Test images with a mask, whole lesions drawn at random until there are `n` images, or all of them.

    Args:
        table: Catalog rows with their role and group.
        n: A few more where the last lesion has several images; a larger `n` keeps the lesions of a smaller one.
        seed: The same seed draws the same lesions.

    Raises:
        ConfigError: `n` is under `FEWEST` or over a million.
        DataError: No test image has a mask, or all of them show one lesion.
    """
    if n < FEWEST:
        raise ConfigError(f"{n:,} images are too few for a figure.", f"Take at least {FEWEST}.")
    check_amount(n, "images")
    masked = table[(table["role"] == "test") & table["path"].notna() & table["mask_path"].notna()]
    if masked.empty:
        raise DataError("No test image has a mask.", "Give a data set with masks.")
    sizes = masked.groupby("group").size()  # sorted by lesion: the table's order must not matter
    if len(sizes) < 2:
        raise DataError("The test images with a mask show one lesion only.", "Give more images with masks.")
    order = sizes.iloc[np.random.default_rng(seed).permutation(len(sizes))]
    taken = order.index[(order.cumsum() - order) < n]
    return masked[masked["group"].isin(taken)].reset_index(drop=True)


def count_changed(
    run: SegmenterRun,
    table: pd.DataFrame,
    n: int,
    changes: Sequence[str] = tuple(CHANGES),
    severities: Sequence[int] = SEVERITIES,
    *,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> tuple[pd.DataFrame, dict[tuple[str, int], NDArray[np.int64]]]:
    """Segment test images as they are and changed; the run stays as it is.

    The true mask moves with the pixels, and what a dark corner hides leaves it. A segmenter that sees the whole image
    gets the changes for it (`change`). A stand-in for images from elsewhere, not other hospitals: lesions, skin and
    dermatoscopes are those of the test set, and many changes are of a kind that the training has drawn on its images
    too (`seen_in_training`), so it flatters.

    Args:
        run: A segmenter's run.
        table: Catalog rows with their role and group, of the run's own split.
        n: Images, as `draw_lesions` takes them.
        changes: Keys of `CHANGES`.
        severities: Of each change, 1 to 5.
        seed: Of the draw; what is changed hangs on the image's id alone.
        on_progress: Called with images done and images in all, those of every change counted.

    Returns:
        The rows that were drawn, N, and for `UNCHANGED` and each change and severity the counts (N, 4) of the masks
        cleaned up.

    Raises:
        ConfigError, DataError: As in `draw_lesions` and `count_pixels`; or a change or severity is unknown.
        RunError: An image cannot be decoded, or the model gives values that are NaN or infinite.
    """
    check_asked(changes, severities)
    rows = draw_lesions(table, n, seed)
    settings = run.config.settings
    whole = settings.preprocessing.resize.fit == "stretch"
    kinds = [UNCHANGED, *((key, severity) for key in changes for severity in severities)]
    first = {kind: i * len(rows) for i, kind in enumerate(kinds)}
    made: dict[int, ChangedBy] = {
        start + i: partial(change, key=kind[0], severity=kind[1], image_id=image_id, whole=whole)
        for kind, start in first.items()
        if kind != UNCHANGED
        for i, image_id in enumerate(rows["image_id"].astype(str))
    }
    masks_too = {
        start + i
        for (key, _), start in first.items()
        if key in HIDES or (key in CHANGES and CHANGES[key].moves)
        for i in range(len(rows))
    }
    counts = count_pixels(
        checked_segmenter(run),
        settings.preprocessing,
        list(zip(rows["path"].astype(str), rows["mask_path"].astype(str), strict=True)) * len(kinds),
        changes=made,
        masks_too=masks_too,
        workers=settings.training.workers,
        on_progress=on_progress,
    )["clean"]
    return rows, dict(zip(kinds, np.split(counts, len(kinds)), strict=True))
