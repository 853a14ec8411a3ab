"""Attribution evaluation: where a model looks on every test image that has a lesion mask, measured once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lesion_core.config import DarkCorner, HairRemoval
from lesion_core.data.masks import read_mask
from lesion_core.errors import DataError
from lesion_core.explain.attribution import LAST, attribute, from_maps
from lesion_core.explain.cam import class_maps
from lesion_core.explain.maps import Target, energy_inside, peak_inside
from lesion_core.explain.methods import known_method
from lesion_core.imaging.decode import decode
from lesion_core.imaging.geometry import dark_ring, to_original
from lesion_core.imaging.hair import hair_mask
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.inference.records import checked_classifier
from lesion_core.models.classifiers import pool, stages
from lesion_core.runs.attribution import COLUMNS
from lesion_core.runs.classifier import Run


def evaluate_attribution(
    run: Run,
    table: pd.DataFrame,
    methods: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Explain the model's own answer to every image, with every method, and measure where the evidence lies.

    Args:
        run: The run whose model is explained.
        table: image_id, group (the lesion), diagnosis, path, mask_path; every image has a mask.
        methods: Keys of `METHODS`.
        on_progress: Called with images done and images in all.

    Returns:
        The columns of `runs.attribution.COLUMNS`, one row per image and method.

    Raises:
        DataError: There are no images, or a mask cannot be read.
        ImageError: An image cannot be decoded.
        ConfigError: A method is unknown.
        RunError: The model does not give the known answer.
        ModelError: The weights do not fit, or a map is not finite.
    """
    for key in methods:
        known_method(key)
    if table.empty:
        raise DataError("No test image of the run has a lesion mask here.", "Masks come with HAM10000 (ISIC 2018).")
    pipeline = Pipeline(run.config.settings.preprocessing)
    model = checked_classifier(run).requires_grad_(False)
    rows = []
    facts = zip(*(table[c] for c in ("image_id", "group", "diagnosis", "path", "mask_path")), strict=True)
    for done, (image_id, lesion, label, path, mask_path) in enumerate(facts, start=1):
        image = decode(Path(path))
        mask = read_mask(Path(mask_path), image.shape[:2])
        hair, dark = hair_mask(image, HairRemoval(enabled=True)), dark_ring(image, DarkCorner())
        box = pipeline.frame(image)
        seen = to_original(np.ones((2, 2)), image.shape, box) > 0
        square = pipeline.apply(image)  # (S, S, 3)
        with torch.no_grad():
            activations = stages(model, torch.from_numpy(normalize(square[None], pipeline.settings)))[1]  # (1, D, h, w)
            answer = int(model.fc(pool(model, activations)).argmax())
            maps = class_maps(model, activations)[0].numpy()  # (K, h, w)
        for key in methods:
            if key == "gradcam":  # came with the answer
                found = from_maps(maps, Target(answer), len(square))
            else:
                found = attribute(model, square, pipeline.settings, Target(answer), method=key, layer=LAST)
            heat = to_original(found.heatmap, image.shape, box)  # (H, W)
            rows.append(
                (
                    image_id,
                    lesion,
                    label,
                    run.classes[answer],
                    key,
                    energy_inside(heat, mask),
                    float(mask[seen].mean()),
                    peak_inside(heat, mask),
                    energy_inside(heat, hair),
                    energy_inside(heat, dark),
                    found.maximum,
                    run.fingerprint,
                )
            )
        if on_progress:
            on_progress(done, len(table))
    return pd.DataFrame(rows, columns=list(COLUMNS))
