"""Attribution evaluation: where a model looks on every test image that has a lesion mask, measured once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lesion_core.analysis.metrics import softmax
from lesion_core.config import DarkCorner, HairRemoval
from lesion_core.data.masks import read_mask
from lesion_core.errors import DataError
from lesion_core.explain.attribution import LAST, attribute, baseline_square, from_maps
from lesion_core.explain.cam import class_maps
from lesion_core.explain.faithfulness import perturbed_curve
from lesion_core.explain.maps import Attribution, Target, energy_inside, peak_inside
from lesion_core.explain.methods import known_method
from lesion_core.imaging.decode import decode
from lesion_core.imaging.geometry import dark_ring, to_original
from lesion_core.imaging.hair import hair_mask
from lesion_core.imaging.preprocess import Pipeline, normalize
from lesion_core.inference.records import checked_classifier
from lesion_core.models.classifiers import pool, stages
from lesion_core.runs.attribution import COLUMNS
from lesion_core.runs.classifier import Run

PART = 50
"""Images after which what was found is told: about a minute of work for two methods."""
DELETION_STEPS = 20
"""Equal parts of the pixels, as on the page Explain; the image as it is comes first."""


def evaluate_attribution(
    run: Run,
    table: pd.DataFrame,
    methods: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
    *,
    known: pd.DataFrame | None = None,
    deletion: bool = True,
    on_part: Callable[[pd.DataFrame], None] | None = None,
) -> pd.DataFrame:
    """Explain the model's own answer to every image, with every method, and measure where the evidence lies.

    Args:
        run: The run whose model is explained.
        table: image_id, group (the lesion), diagnosis, path, mask_path; every image has a mask.
        methods: Keys of `METHODS`.
        on_progress: Called with images done and images in all, those that are known left out.
        known: Rows that are there already and are not made again.
        deletion: The deletion area is measured, too, and known rows without one are made again. It takes more passes
            through the network than a fast method's map; without it the column is empty.
        on_part: Called with all rows made so far, after every `PART` images: what is kept is not lost.

    Returns:
        The columns of `runs.attribution.COLUMNS`, one row per image and method that was not known.

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
    there: set[tuple[str, str]] = set()
    if known is not None:
        whole = known[known["deletion"].notna()] if deletion else known
        there = set(zip(whole["image_id"].astype(str), whole["method"].astype(str), strict=True))
    facts = zip(*(table[c].astype(str) for c in ("image_id", "group", "diagnosis", "path", "mask_path")), strict=True)
    todo = [
        (image, missing)
        for image in facts
        if (missing := [key for key in dict.fromkeys(methods) if (image[0], key) not in there])
    ]
    explained = _Explained(run, deletion)
    rows: list[tuple[object, ...]] = []
    for done, ((image_id, lesion, label, path, mask_path), missing) in enumerate(todo, start=1):
        for key, answer, numbers in explained.numbers(Path(path), Path(mask_path), missing):
            rows.append((image_id, lesion, label, answer, key, *numbers, run.fingerprint))
        if on_part and done % PART == 0:
            on_part(pd.DataFrame(rows, columns=list(COLUMNS)))
        if on_progress:
            on_progress(done, len(todo))
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _Explained:
    """A run's model, and the maps of its own answers in numbers."""

    def __init__(self, run: Run, deletion: bool) -> None:
        self.run, self.deletion = run, deletion
        self.pipeline = Pipeline(run.config.settings.preprocessing)
        self.model = checked_classifier(run).requires_grad_(False)

    def numbers(
        self, path: Path, mask_path: Path, methods: Sequence[str]
    ) -> Iterator[tuple[str, str, tuple[float | bool, ...]]]:
        """For each method its key, the answer, and the columns of the table from `inside` to `maximum`."""
        image = decode(path)
        mask = read_mask(mask_path, image.shape[:2])
        hair, dark = hair_mask(image, HairRemoval(enabled=True)), dark_ring(image, DarkCorner())
        box = self.pipeline.frame(image)
        seen = to_original(np.ones((2, 2)), image.shape, box) > 0
        square = self.pipeline.apply(image)  # (S, S, 3)
        with torch.no_grad():
            activations = stages(self.model, self._normalised(square[None]))[1]  # (1, D, h, w)
            answer = int(self.model.fc(pool(self.model, activations)).argmax())
            maps = class_maps(self.model, activations)[0].numpy()  # (K, h, w)
        for key in methods:
            if key == "gradcam":  # came with the answer
                found = from_maps(maps, Target(answer), len(square))
            else:
                settings = self.pipeline.settings
                found = attribute(self.model, square, settings, Target(answer), method=key, layer=LAST)
            heat = to_original(found.heatmap, image.shape, box)  # (H, W)
            yield (
                key,
                self.run.classes[answer],
                (
                    energy_inside(heat, mask),
                    float(mask[seen].mean()),
                    peak_inside(heat, mask),
                    energy_inside(heat, hair),
                    energy_inside(heat, dark),
                    self._deletion(square, found, answer) if self.deletion else np.nan,
                    found.maximum,
                ),
            )

    def _deletion(self, square: NDArray[np.uint8], found: Attribution, answer: int) -> float:
        """The area under the deletion curve of the answer's probability at the run's own temperature."""

        def probability(squares: NDArray[np.uint8]) -> NDArray[np.float64]:
            with torch.no_grad():
                logits = self.model(self._normalised(squares)).numpy().astype(np.float64)  # (N, K)
            return softmax(logits, self.run.calibration.temperature)[:, answer]

        skin, steps = baseline_square(square, "skin"), DELETION_STEPS
        *_, whole = perturbed_curve(probability, square, found.upsampled, skin, "deletion", steps, batch=steps + 1)
        return min(1.0, whole.area)  # a sum of shares may round to more

    def _normalised(self, squares: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(normalize(squares, self.pipeline.settings))
