"""Lesions as groups of images, and their draws with replacement: what every bootstrap here rests on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lesion_core.amounts import check_amount
from lesion_core.analysis.ranking import Weights
from lesion_core.errors import DataError

_BLOCK = 2**18
"""Weights held at once: a block of resamples that stays in the processor's cache is about twice as fast."""


def group_codes(groups: ArrayLike, n: int | None = None) -> NDArray[np.intp]:
    """Lesion ids as numbers from 0, (N,).

    Raises:
        DataError: There are none, an id is missing, or there are not `n`.

    Examples:
        >>> group_codes(["b", "a", "b"]).tolist()
        [0, 1, 0]
    """
    ids = np.asarray(groups)
    if ids.ndim != 1 or len(ids) == 0 or (n is not None and len(ids) != n):
        raise DataError(
            f"Lesion ids of shape {ids.shape} do not fit {'any' if n is None else n} images.",
            "Give the lesion of each image.",
        )
    codes, _ = pd.factorize(ids)
    if (codes < 0).any():
        raise DataError(
            f"{int((codes < 0).sum()):,} of {len(ids):,} images have no lesion id.",
            "Give an image without a lesion its own id.",
        )
    return codes


def one_per_group(groups: ArrayLike, seed: int = 0) -> NDArray[np.intp]:
    """The rows of one image of each lesion, drawn at random: independent cases, as guarantees need them.

    Examples:
        >>> len(one_per_group(["b", "a", "b"]))
        2
    """
    ids = np.asarray(groups)
    order = np.random.default_rng(seed).permutation(len(ids))
    _, first = np.unique(ids[order], return_index=True)
    return np.sort(order[first])


def resamples(groups: ArrayLike, n: int = 1000, seed: int = 0) -> Iterator[Weights]:
    """Draw lesions with replacement, `n` times; yields weights (N, B) in blocks that add up to `n` columns.

    Raises:
        DataError: A lesion id is missing, or there are none.
        ConfigError: `n` is under 1 or over 100,000.

    Examples:
        >>> weights = next(resamples(["a", "a", "b"], n=100))
        >>> weights.shape, bool((weights[0] == weights[1]).all())
        ((3, 100), True)
    """
    codes = group_codes(groups)
    check_amount(n, "resamples")
    rng, g = np.random.default_rng(seed), int(codes.max()) + 1
    block = int(np.clip(_BLOCK // len(codes), 16, 256))
    for start in range(0, n, block):
        b = min(block, n - start)
        yield _drawn(rng, g, b)[codes]


def _drawn(rng: np.random.Generator, g: int, b: int) -> Weights:
    """How often each of g cases is drawn, with replacement g times, in each of b resamples: (g, b)."""
    drawn = rng.integers(0, g, (b, g)) + g * np.arange(b)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=b * g).reshape(b, g)
    return np.ascontiguousarray(counts.T, dtype=np.float64)
