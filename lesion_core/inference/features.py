"""The features of images as a run stores them: reduced, with the way to reduce those of others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from lesion_core.data.tables import CLINICAL, TO_CHOOSE_WITH
from lesion_core.ood.model_outputs import reduce
from lesion_core.ood.photographs import fit_photographs
from lesion_core.runs.classifier import PHOTOGRAPH, STORED_FEATURES

COMPONENTS = 256
"""Principal components kept of the penultimate features, at most half of them: 6 MB for 12,000 images at half
precision."""


def stored_features(
    penultimate: NDArray[np.float32], layer3: NDArray[np.float32], table: pd.DataFrame, ood: pd.DataFrame
) -> dict[str, NDArray[np.float16]]:
    """What ``features.safetensors`` holds: the features of images reduced, and the way to it.

    Args:
        penultimate: (N + M, D) features of the rows of `table` and then of those of `ood`.
        layer3: (N + M, C), of the same.
        table: Catalog rows with their role: the way is learned from those of train.
        ood: As a `Collection` has it: of the photographs to choose with is learned what these look like.

    Returns:
        Tensors by name, as `Run.features` describes them.
    """
    n, train = len(table), (table["role"] == "train").to_numpy()
    stored: dict[str, NDArray[np.float16]] = {}
    for prefix, features, most in (
        ("", penultimate, min(COMPONENTS, penultimate.shape[1] // 2)),
        ("layer3_", layer3, layer3.shape[1] // 4),
    ):
        known = features[:n][train]  # (training images, D or C)
        pca = PCA(min(most, *known.shape), svd_solver="randomized", random_state=0).fit(known)
        stored[f"{prefix}mean"] = pca.mean_.astype(np.float16)
        stored[f"{prefix}components"] = pca.components_.astype(np.float16)
    clinical = ((ood["source"] == TO_CHOOSE_WITH) & ood["kind"].isin(CLINICAL)).to_numpy()
    stored |= fit_photographs(
        layer3[:n][train],
        table["dataset"].to_numpy(str)[train],
        layer3[n:][clinical],
        ood["kind"].to_numpy(str)[clinical],
    )
    # Projected with what is stored, as the engine does later: an image gets the same scores live.
    projection = {name: tensor.astype(np.float32) for name, tensor in stored.items()}
    found = reduce(projection, penultimate, layer3)
    for name, rows in zip((*STORED_FEATURES, PHOTOGRAPH), found, strict=False):
        stored[name], stored[f"ood_{name}"] = rows[:n], rows[n:]
    return stored
