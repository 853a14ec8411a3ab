"""Whether the evidence stays where it was when an image changes. No torch, as in `explain.maps`."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lesion_core.explain.faithfulness import rank_agreement
from lesion_core.explain.maps import Attribution
from lesion_core.imaging.changes.entry import Move
from lesion_core.imaging.geometry import Box, to_original


def agreement_under_change(
    clean: Attribution, changed: Attribution, shape: tuple[int, int], boxes: tuple[Box, Box], move: Move | None = None
) -> float:
    """Spearman's rank correlation of the maps of an image before and after a change, over the cells of the first.

    Not over pixels: neighbours that were drawn from the same cell would count as more cases than there are (Ghorbani,
    Abid and Zou, AAAI 2019, compare maps so). Where the change moves pixels, or another square of the image is seen,
    both maps are laid on the image, the first is moved along, and both are averaged over the first one's cells.

    Args:
        clean: The map of the image as it is.
        changed: That of the changed image, for the same answer.
        shape: (H, W) of both images.
        boxes: The model's square in each of the two, as `Pipeline.frame` gives it.
        move: Takes an array (H, W) to where the change moved the pixels; None where it moved none.

    Returns:
        In [-1, 1]; NaN where a map is constant.

    Raises:
        DataError: The maps have other numbers of cells, as those of two methods have.
    """
    if move is None and boxes[0] == boxes[1]:
        return rank_agreement(clean.raw, changed.raw)
    before, after = (to_original(one.upsampled, shape, box) for one, box in zip((clean, changed), boxes, strict=True))
    if move is not None:
        before = np.asarray(move(before), np.float32)
    cells = clean.raw.shape[0], clean.raw.shape[1]
    return rank_agreement(cell_means(before, boxes[0], cells), cell_means(after, boxes[0], cells))


def cell_means(field: NDArray[np.float32], box: Box, cells: tuple[int, int]) -> NDArray[np.float32]:
    """The mean of a field (H, W) in each of the (h, w) cells of what a box shows of it."""
    x0, y0, x1, y1 = (max(0, round(end)) for end in box)
    return np.asarray(cv2.resize(field[y0:y1, x0:x1], cells[::-1], interpolation=cv2.INTER_AREA), np.float32)
