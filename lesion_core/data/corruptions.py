"""Dermoscopy that something is wrong with: pictures near to what a model knows, made from a run's own test pictures.

A change says what a person should notice (hair over the lesion, a wrong white balance, no lesion at all). Whether
a model turns such a picture away, and whether its answer survives, is measured; neither is right or wrong by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from lesion_core.data.masks import read_mask
from lesion_core.data.tables import NEAR, OFFICIAL_TEST
from lesion_core.errors import ConfigError, DataError
from lesion_core.imaging.arrays import Mask, Pixels
from lesion_core.imaging.artefacts import ARTEFACTS, Rng, add_artefact
from lesion_core.imaging.decode import decode
from lesion_core.imaging.detail import compressed

SMALLEST_SKIN = 0.3
"""Bare skin is cut out where a square of this share of the short side holds no lesion."""

LIGHTS = ((1.35, 1.0, 0.55), (0.6, 0.95, 1.4), (0.8, 1.25, 0.75))
"""Gains of red, green and blue under a bulb, in the shade, and under a fluorescent tube, with no correction."""


@dataclass(frozen=True)
class Corruption:
    """One thing that is wrong with a picture.

    Attributes:
        plain: One sentence for a student.
        draw: (image, random stream, lesion mask or None) -> new image; only `needs_mask` ones read the mask.
        needs_mask: It can be made only where the lesion's mask is known.
    """

    plain: str
    draw: Callable[[Pixels, Rng, Mask | None], Pixels]
    needs_mask: bool = False


def _artefact(name: str) -> Corruption:
    def draw(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
        return add_artefact(image, name, int(rng.integers(2**31)), strength=1.0)[0]

    return Corruption(ARTEFACTS[name].plain, draw)


def _white_balance(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
    gains = np.array(LIGHTS[rng.integers(len(LIGHTS))])
    table = np.rint(np.clip(np.outer(np.arange(256), gains), 0, 255)).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _out_of_focus(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.03 * min(image.shape[:2])), np.uint8)


def _compressed(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
    return compressed(image, 12)


def bare_square(image: Pixels, mask: Mask) -> tuple[int, int, int] | None:
    """The largest square without lesion or dark corner: top, left and side in pixels.

    None where its side is under `SMALLEST_SKIN` of the short side.
    """
    free = ~mask & (image.max(axis=2) > 60)
    # Chessboard distance to the next forbidden pixel is half the side of a free square around a pixel.
    inner = cv2.distanceTransform(np.pad(free, 1).astype(np.uint8), cv2.DIST_C, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(int(inner.argmax()), inner.shape)
    half = int(inner[y, x]) - 1
    if 2 * half + 1 < SMALLEST_SKIN * min(image.shape[:2]):
        return None
    return int(y) - half, int(x) - half, 2 * half + 1


def _bare_skin(image: Pixels, rng: Rng, mask: Mask | None) -> Pixels:  # noqa: ARG001
    square = bare_square(image, mask) if mask is not None else None
    if square is None:
        raise DataError("The picture shows too little skin beside the lesion.", "Choose another picture.")
    top, left, side = square
    return image[top : top + side, left : left + side].copy()


CORRUPTIONS: dict[str, Corruption] = {
    **{name: _artefact(name) for name in ARTEFACTS},
    "white_balance": Corruption("The light has a colour, and no camera corrected it.", _white_balance),
    "out_of_focus": Corruption("The picture is blurred: its structures are gone.", _out_of_focus),
    "compressed": Corruption("The file was compressed again, as chat programs do.", _compressed),
    "bare_skin": Corruption("The skin beside the lesion, without the lesion.", _bare_skin, needs_mask=True),
}
"""What can be wrong with dermoscopy, by the kind under which runs hold it."""


def change(image: Pixels, kind: str, image_id: str, mask: Path | None = None) -> Pixels:
    """A picture with something wrong; the same picture and kind give the same pixels.

    Args:
        image: (H, W, 3) uint8; it is not changed.
        kind: Key of `CORRUPTIONS`.
        image_id: Seeds the random stream.
        mask: The lesion's mask, for the kinds that need it.

    Returns:
        (H', W', 3) uint8.

    Raises:
        ConfigError: The kind is unknown.
        DataError: The mask is missing or damaged, or leaves too little skin.
    """
    if kind not in CORRUPTIONS:
        raise ConfigError(f"'{kind}' is no known change.", f"Known are {', '.join(CORRUPTIONS)}.")
    rng = np.random.default_rng([*kind.encode(), *image_id.encode()])
    read = read_mask(mask, image.shape[:2]) if mask and CORRUPTIONS[kind].needs_mask else None
    return CORRUPTIONS[kind].draw(image, rng, read)


def _shows_skin(path: str, mask_path: object) -> bool:
    if not isinstance(mask_path, str):
        return False
    image = decode(Path(path))
    return bare_square(image, read_mask(Path(mask_path), image.shape[:2])) is not None


def near_pictures(table: pd.DataFrame, n: int, seed: int = 0) -> pd.DataFrame:
    """Choose what is changed: one picture each of `n` lesions of the test split, the same ones for every kind that
    needs no mask.

    Args:
        table: Catalog rows with path, mask_path, role and group.
        n: Lesions at most; a kind that needs a mask takes others where it is missing or leaves no skin.
        seed: The same seed draws the same lesions.

    Returns:
        image_id (``kind/image``), kind, source (`NEAR`), path, mask_path (None where it is not needed).

    Raises:
        DataError: A mask is damaged.
        ImageError: A picture cannot be decoded.
    """
    test = table[(table["role"] == "test") & (table["dataset"] != OFFICIAL_TEST)]
    order = test.iloc[np.random.default_rng(seed).permutation(len(test))].drop_duplicates("group")
    pictures = list(zip(order["image_id"], order["path"], order["mask_path"], strict=True))
    with_skin = list(islice((row for row in pictures if _shows_skin(row[1], row[2])), n))
    rows = [
        (f"{kind}/{image_id}", kind, NEAR, path, mask_path if entry.needs_mask else None)
        for kind, entry in CORRUPTIONS.items()
        for image_id, path, mask_path in (with_skin if entry.needs_mask else pictures[:n])
    ]
    return pd.DataFrame(rows, columns=["image_id", "kind", "source", "path", "mask_path"])
