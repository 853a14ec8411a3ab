"""What runs of every kind record beside outputs: facts of the images, versions, the known answer's image."""

from __future__ import annotations

import importlib.metadata
import platform

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesion_core.data.synthetic.lesions import make_lesion
from lesion_core.runs.classifier import FACTS

OF_CATALOG = dict(
    zip(FACTS, ("image_id", "group", "dataset", "role", "diagnosis", "age", "sex", "site", "dx_type"), strict=True)
)
"""The facts of a run's table, each with the column of a catalog table with roles that holds it."""


def stored_facts(table: pd.DataFrame) -> pd.DataFrame:
    """The columns `FACTS` of catalog rows with their role."""
    return pd.DataFrame({new: table[old].to_numpy() for new, old in OF_CATALOG.items()})


def versions() -> dict[str, str]:
    """The versions of what decides the pixels and the weights."""
    names = ("torch", "torchvision", "lightning", "numpy", "opencv-python-headless", "pillow")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in names}}


def known_image() -> NDArray[np.uint8]:
    """The image (H, W, 3) whose answer a run keeps: a synthetic lesion, which nobody's privacy depends on."""
    return make_lesion("MEL", seed=0, size=256).image
