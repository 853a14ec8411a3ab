"""The layers that a map can be taken from. No torch, so that a page can list them before a model is loaded."""

from __future__ import annotations

LAYERS: dict[str, str] = {
    "layer4": "the last block: coarse, closest to the decision",
    "layer3": "the block before: finer, less specific to the class",
    "layer2": "mid-level shapes and colours",
    "layer1": "edges and colours, hardly specific to a class",
}
"""By the name used in links, the default first."""
