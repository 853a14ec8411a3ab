"""What the page Explain asks of one image, and where its lesion is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.cache import explanation as explanations
from app.cache import runs as cached_runs
from app.explain.on_demand import OnPass, Work
from lesion_core.data.samples import Picture
from lesion_core.explain.maps import Attribution
from lesion_core.explain.methods import METHODS
from lesion_core.imaging.arrays import Mask
from lesion_core.imaging.decode import content_hash
from lesion_core.imaging.geometry import to_original
from lesion_core.imaging.preprocess import Pipeline
from lesion_core.runs.classifier import Run
from lesion_core.serving.results import Prediction


@dataclass(frozen=True)
class Asked:
    """What is asked of one image; all of it is in the link.

    Attributes:
        run: Whose answer.
        picture: The image.
        content: `content_hash` of its pixels.
        target: Class code.
        against: The class that it is compared with.
        method: A key of `METHODS`.
        layer: A name in `LAYERS`.
        baseline: A key of `BASELINES`.
    """

    run: Run
    picture: Picture
    content: str
    target: str
    against: str | None
    method: str
    layer: str
    baseline: str

    @property
    def key(self) -> explanations.Key:
        """Tells one map from another: by the run's files, the pixels, and what the method depends on."""
        entry = METHODS[self.method]
        layer, baseline = self.layer if entry.layered else "", self.baseline if entry.baselined else ""
        return self.run.fingerprint, self.content, self.target, self.against, self.method, layer, baseline

    def known(self) -> Attribution | None:
        """The map if anybody has asked for it; None where it would have to be computed."""
        return explanations.known_map(self.key)

    def explain(self, on_pass: OnPass | None = None) -> Attribution:
        """The map, computed once for all visitors.

        Args:
            on_pass: As in `Engine.explain`; what it raises ends the wait, and one of those who wait too goes on.

        Raises:
            LesionError: As `Engine.explain` raises it.
        """
        return explanations.keep_map(
            self.key,
            lambda: explanations.explain(
                self.run,
                self.picture.image,
                self.target,
                self.layer,
                against=self.against,
                method=self.method,
                baseline=self.baseline,
                on_pass=on_pass,
            ),
            on_pass,
        )

    @property
    def work(self) -> Work:
        """What it takes to compute the map."""
        entry = METHODS[self.method]
        return Work("/".join(map(str, self.key)), entry.name, entry.forward, self.explain, entry.effort)

    @cached_property
    def prediction(self) -> Prediction:
        """What the run says of the image."""
        return cached_runs.predict(self.run, self.picture.image)

    @property
    def probability(self) -> float:
        """Of the class that is asked about, in [0, 1]."""
        return float(self.prediction.probabilities[self.run.classes.index(self.target)])

    def heat(self, attribution: Attribution) -> NDArray[np.float32]:
        """The positive map on the whole image, (H, W) in [0, 1]."""
        box = Pipeline(self.run.config.settings.preprocessing).frame(self.picture.image)
        return to_original(attribution.heatmap, self.picture.image.shape, box)

    def overlap(self, attribution: Attribution, name: str, region: Callable[[], Mask]) -> explanations.Overlap:
        """How much of a map is in a region.

        Args:
            attribution: This question's map.
            name: Tells the region from others of the image.
            region: Gives it, (H, W).
        """
        box = Pipeline(self.run.config.settings.preprocessing).frame
        return explanations.overlap(
            (self.key, name), lambda: (self.heat(attribution), region(), box(self.picture.image))
        )


@dataclass(frozen=True)
class Lesion:
    """Where the lesion of an image is.

    Attributes:
        mask: (H, W), None where it is not known.
        whose: Who says so, a sentence.
        content: `content_hash` of the mask, empty without one.
        find: Where a segmenter has not been asked yet: asks it.
    """

    mask: Mask | None = None
    whose: str = ""
    content: str = ""
    find: Callable[[], object] | None = None

    @property
    def possible(self) -> bool:
        """There is a mask, or there may be one."""
        return self.mask is not None or self.find is not None

    @classmethod
    def at(cls, mask: Mask | None, whose: str = "") -> Lesion:
        """Where a mask says, if there is one."""
        return cls() if mask is None else cls(mask, whose, content_hash(mask))

    @classmethod
    def of(cls, picture: Picture) -> Lesion:
        """By the true mask, else the first segmenter's if that was asked before, else not known."""
        if picture.mask is not None:
            whose = "The true mask." if picture.origin == "synthetic" else "The expert's mask."
            return cls.at(picture.mask, whose)
        segmenters = cached_runs.segmenters()[0]
        if not segmenters or picture.origin == "ood":
            return cls()
        first = segmenters[0]
        found = cached_runs.known_segmentation(first, picture.image)
        if found is None:
            return cls(find=lambda: cached_runs.segment(first, picture.image))
        mask = found.lesion
        if not mask.any():
            return cls()
        return cls.at(mask, f"The mask that {first.name} finds.")
