"""Which images show the same lesion: by what a run knows, by lesion id, else by perceptual hash."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from lesion_core.data.tables import ROLES
from lesion_core.imaging.decode import decode

# SciPy waits inside the functions: a page that reads a split looks for no duplicates.

HASH_SIDE = 16
NEAR_DUPLICATE = 42
"""Largest distance of near-duplicates, of 256 bits. On ISIC 2017 pairs up to 42 are the same lesion under another
light or crop, from 44 on most are other lesions on smooth skin; two photographs of one HAM10000 lesion that were
not taken from the same image are at 110 in the median, as far apart as unrelated images: it finds copies only."""


def perceptual_hash(path: Path) -> NDArray[np.uint8]:
    """The low frequencies of an image's cosine transform against their median (Zauner, 2010), 256 bits as 32 bytes.

    The bits are those of ImageHash's `phash` on the same 64x64 pixels, so that groups made with it stay as they are.

    Raises:
        ImageError: The image cannot be decoded.
    """
    small = Image.fromarray(decode(path)).resize((4 * HASH_SIDE, 4 * HASH_SIDE), Image.Resampling.BOX)
    return np.packbits(_low_frequencies_over_median(np.asarray(small.convert("L"))).ravel())


def _low_frequencies_over_median(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(HASH_SIDE, HASH_SIDE) bool of a square (4 HASH_SIDE, 4 HASH_SIDE) of grey levels."""
    from scipy.fft import dct

    low = dct(dct(grey.astype(np.float64), axis=0), axis=1)[:HASH_SIDE, :HASH_SIDE]
    return np.asarray(low > np.median(low))


def near_pairs(hashes: NDArray[np.uint8], rows: NDArray[np.intp], distance: int = NEAR_DUPLICATE) -> NDArray[np.intp]:
    """Pairs of images whose hashes differ in at most `distance` bits, one of each pair in `rows`.

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


def group_ids(table: pd.DataFrame, distance: int = NEAR_DUPLICATE, known: pd.DataFrame | None = None) -> pd.Series[str]:
    """A group a lesion: what a run knows, else the lesion id, else near-duplicates.

    An image without lesion id joins the lesion of its nearest near-duplicate; near-duplicates that have none are a
    group named by its smallest image id. A row without lesion id and without image is a group of its own. Two lesion
    ids are never joined: a hash does not overrule who examined the lesions, and so the group of an image with a
    lesion id does not depend on any other image. Without a run, a table in which every row has a lesion id needs no
    image.

    With `known`, its images keep their groups. Another image joins the known group of its lesion id, or that of a
    near-duplicate; where several would do, that which the run saw most of (train before select, calibrate, test) wins,
    so that nothing near to what was learned from counts as new.

    Limit: groups of images that all lack a lesion id are known by their images alone. One more image can give
    such a group another name (one with a smaller id; ISIC's grow with time) or join two of them, or bring it a lesion
    id. Only a run's table remembers: with `known`, groups that are in it do not change.

    Args:
        table: Catalog rows with columns image_id, lesion_id, path.
        distance: Largest distance of near-duplicates in bits, of 256.
        known: Columns image_id, group, role of an earlier split.

    Returns:
        A group's name a row, with the table's index.

    Raises:
        ImageError: An image that must be hashed cannot be decoded.
    """
    own = table["image_id"].to_numpy(str)
    lesion = table["lesion_id"].to_numpy(object)
    labelled = table["lesion_id"].notna().to_numpy()
    there = table["path"].notna().to_numpy()
    name = lesion.copy()
    name[~labelled] = None
    seen: NDArray[np.intp] = np.full(
        len(table), len(ROLES), np.intp
    )  # how near the run came to it: 0 is train, `len(ROLES)` not at all
    if known is not None:
        name, seen = _known_groups(table, name, known)
    wanted = there & (~labelled & (seen == len(ROLES)) if known is None else seen == len(ROLES))
    orphans = np.flatnonzero(~labelled & (seen == len(ROLES)))
    near = _contacts(table, np.flatnonzero(wanted), there, distance)
    if known is not None and len(near):
        # A lesion that the run does not know by its id, but of which it knows a copy.
        own_near = near[labelled[near["a"]]]
        copies = _nearest(own_near.assign(unit=lesion[own_near["a"]]), name, seen, seen < len(ROLES))
        found = pd.Series(lesion).where(seen == len(ROLES)).map(copies["b"]).to_numpy(float)
        for i in np.flatnonzero(~np.isnan(found)):
            name[i], seen[i] = name[int(found[i])], seen[int(found[i])]
    edges = near[np.isin(near["a"], orphans) & np.isin(near["b"], orphans)]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges)), (edges["a"], edges["b"])), shape=(len(table), len(table)))
    _, component = connected_components(graph, directed=False)
    of_orphans = near[np.isin(near["a"], orphans)]
    joined = _nearest(
        of_orphans.assign(unit=component[of_orphans["a"]]), name, seen, np.array([n is not None for n in name], bool)
    )["b"]
    smallest = pd.Series(own[orphans]).groupby(component[orphans]).min()
    for i in orphans:
        unit = component[i]
        name[i] = name[joined[unit]] if unit in joined.index else smallest[unit]
    return pd.Series(name.astype(str), index=table.index, name="group", dtype="str")


def _known_groups(
    table: pd.DataFrame, name: NDArray[np.object_], known: pd.DataFrame
) -> tuple[NDArray[np.object_], NDArray[np.intp]]:
    """Names of groups, and their role's place in `ROLES` (`len(ROLES)`: none): a known image's group, then the most
    seen group of its lesion id's known images, then the known group of that name."""
    place = {role: i for i, role in enumerate(ROLES)}
    of_image = known.set_index("image_id")["group"]
    seen_group = known.drop_duplicates("group").set_index("group")["role"].map(place)
    group = table["image_id"].map(of_image)
    linked = pd.DataFrame({"lesion": table["lesion_id"], "group": group, "seen": group.map(seen_group)}).dropna()
    best = linked.sort_values(["seen", "group"]).drop_duplicates("lesion").set_index("lesion")["group"]
    by_name = table["lesion_id"].where(table["lesion_id"].isin(seen_group.index))
    found = group.fillna(table["lesion_id"].map(best)).fillna(by_name)
    seen = found.map(seen_group).fillna(len(ROLES)).to_numpy(np.intp)
    names = name.copy()
    names[found.notna().to_numpy()] = found.dropna().to_numpy(object)
    return names, seen  # type: ignore[return-value]


def _contacts(table: pd.DataFrame, rows: NDArray[np.intp], there: NDArray[np.bool_], distance: int) -> pd.DataFrame:
    """Near-duplicates of `rows`: places a (of `rows`) and b, and their bits apart. Nothing is read where none is
    wanted."""
    if not len(rows):
        return pd.DataFrame({"a": [], "b": [], "bits": []}, dtype=np.intp)
    hashed = np.flatnonzero(there)
    hashes = _hashes(table["path"].iloc[hashed].tolist())
    pairs = near_pairs(hashes, np.searchsorted(hashed, rows), distance)
    bits = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]).sum(axis=1)
    return pd.DataFrame({"a": hashed[pairs[:, 0]], "b": hashed[pairs[:, 1]], "bits": bits})


def _nearest(
    near: pd.DataFrame, name: NDArray[np.object_], seen: NDArray[np.intp], usable: NDArray[np.bool_]
) -> pd.DataFrame:
    """By unit the contact with the most seen, then nearest, then first-named of the usable images."""
    near = near[usable[near["b"].to_numpy(np.intp)]]
    places = near["b"].to_numpy(np.intp)
    ranked = near.assign(seen=seen[places], name=name[places]).sort_values(["seen", "bits", "name"])
    return ranked.drop_duplicates("unit").set_index("unit")


def _hashes(paths: Sequence[str]) -> NDArray[np.uint8]:
    return np.stack([perceptual_hash(Path(path)) for path in paths])
