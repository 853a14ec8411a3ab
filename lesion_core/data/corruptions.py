"""Which test images of a run are corrupted: they are near to what a model knows. `imaging.corruptions` makes them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from lesion_core.amounts import check_amount
from lesion_core.data.masks import read_mask
from lesion_core.data.tables import CORRUPTED, OFFICIAL_TEST
from lesion_core.imaging.corruptions import CORRUPTIONS, bare_square
from lesion_core.imaging.decode import decode


def _shows_skin(path: str, mask_path: object) -> bool:
    if not isinstance(mask_path, str):
        return False
    image = decode(Path(path))
    return bare_square(image, read_mask(Path(mask_path), image.shape[:2])) is not None


def corrupted_images(table: pd.DataFrame, n: int, seed: int = 0) -> pd.DataFrame:
    """Choose what is changed: one image each of `n` lesions of the test set, the same ones for every kind that
    needs no mask.

    Args:
        table: Catalog rows with path, mask_path, role and group.
        n: Lesions at most; a kind that needs a mask takes others where it is missing or leaves no skin.
        seed: The same seed draws the same lesions.

    Returns:
        image_id (``kind/image``), kind, source (`CORRUPTED`), path, mask_path (None where it is not needed).

    Raises:
        ConfigError: `n` is out of range.
        DataError: A mask is damaged.
        ImageError: An image cannot be decoded.
    """
    check_amount(n, "images", least=0)
    test = table[(table["role"] == "test") & (table["dataset"] != OFFICIAL_TEST)]
    order = test.iloc[np.random.default_rng(seed).permutation(len(test))].drop_duplicates("group")
    pictures = list(zip(order["image_id"], order["path"], order["mask_path"], strict=True))
    with_skin = list(islice((row for row in pictures if _shows_skin(row[1], row[2])), n))
    rows = [
        (f"{kind}/{image_id}", kind, CORRUPTED, path, mask_path if entry.needs_mask else None)
        for kind, entry in CORRUPTIONS.items()
        for image_id, path, mask_path in (with_skin if entry.needs_mask else pictures[:n])
    ]
    return pd.DataFrame(rows, columns=["image_id", "kind", "source", "path", "mask_path"])
