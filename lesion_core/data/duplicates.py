"""Which pictures show the same lesion: by lesion id where there is one, else by perceptual hash."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lesion_core.imaging.decode import decode

HASH_SIDE = 16
NEAR = 42
"""Largest distance of near-duplicates, of 256 bits. On ISIC 2017 pairs up to 42 are the same lesion under another
light or crop, from 44 on most are other lesions on smooth skin; two photographs of one HAM10000 lesion that were
not taken from the same image are at 110 in the median, as far apart as strangers: the hash finds copies, no more."""


def perceptual_hash(path: Path) -> NDArray[np.uint8]:
    """The low frequencies of a picture's cosine transform against their median (Zauner, 2010), 256 bits as 32 bytes.

    Raises:
        ImageError: The picture cannot be decoded.
    """
    small = Image.fromarray(decode(path)).resize((4 * HASH_SIDE, 4 * HASH_SIDE), Image.Resampling.BOX)
    return np.packbits(imagehash.phash(small, hash_size=HASH_SIDE).hash.ravel())


def near_pairs(hashes: NDArray[np.uint8], rows: NDArray[np.intp], distance: int = NEAR) -> NDArray[np.intp]:
    """Pairs of pictures whose hashes differ in at most `distance` bits, one of each pair in `rows`.

    Args:
        hashes: (N, 32) uint8.
        rows: Indices whose neighbours are wanted.
        distance: Bits.

    Returns:
        (P, 2) indices.
    """
    words = np.ascontiguousarray(hashes).view(np.uint64)
    pairs = []
    for i in rows:
        near = np.flatnonzero(np.bitwise_count(words[i] ^ words).sum(axis=1) <= distance)
        pairs.append(np.stack([np.full(len(near), i), near], axis=1)[near != i])
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.intp)


def group_ids(table: pd.DataFrame, distance: int = NEAR) -> pd.Series[str]:
    """A group a lesion: the lesion id where it is known, near-duplicates for the rest.

    A near-duplicate of a picture with a lesion id joins that lesion. A row without lesion id and without picture
    is a group of its own. A table in which every row has a lesion id needs no picture.

    Args:
        table: Catalog rows with columns image_id, lesion_id, path.
        distance: Largest distance of near-duplicates in bits, of 256.

    Returns:
        A group's name a row, the smallest lesion or image id in it, with the table's index.

    Raises:
        ImageError: A picture that must be hashed cannot be decoded.
    """
    n = len(table)
    own = table["image_id"].to_numpy(str)
    lesion = table["lesion_id"].to_numpy(object)
    known = table["lesion_id"].notna().to_numpy()
    there = table["path"].notna().to_numpy()
    codes, _ = pd.factorize(table["lesion_id"])
    first = {code: i for i, code in reversed(list(enumerate(codes))) if code >= 0}
    links = [(i, first[code]) for i, code in enumerate(codes) if code >= 0]
    orphans = np.flatnonzero(~known & there)
    if len(orphans):
        hashed = np.flatnonzero(there)
        hashes = _hashes(table["path"].iloc[hashed].tolist())
        pairs = near_pairs(hashes, np.searchsorted(hashed, orphans), distance)
        links += [(int(hashed[a]), int(hashed[b])) for a, b in pairs]
    edges = np.asarray(links, dtype=np.intp).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    name = np.where(known, lesion, own).astype(str)
    # A lesion's id names the group before an image's does.
    order = np.lexsort((name, ~known))
    names = pd.Series(name[order]).groupby(component[order], sort=False).first()
    return pd.Series(names.reindex(component).to_numpy(str), index=table.index, name="group", dtype="str")


def _hashes(paths: Sequence[str]) -> NDArray[np.uint8]:
    return np.stack([perceptual_hash(Path(path)) for path in paths])
