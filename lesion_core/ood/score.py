"""What a score tells of itself: one entry of the registry in `ood.scores`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lesion_core.ood.distances import Function
from lesion_core.ood.model_outputs import FitData


@dataclass(frozen=True)
class Score:
    """One way to tell that an image is not what the model was trained on.

    Attributes:
        key: The name in links, files and on the command line.
        name: The name on the screen.
        description: What it measures, one sentence.
        paper: Where it is from.
        formula: In TeX; z are the logits, p the probabilities after the temperature T, f the penultimate features.
        shown_formula: In TeX, of the quantity; empty where that is the score itself.
        cost: What it takes, one sentence.
        quantity: What is shown to a person in place of the score, a noun with "The".
        axis: The title of an axis of that quantity, where it takes more words; empty where it does not.
        fit: Learns what the score needs from the training set; fast where nothing is needed.
        to_display: The score as that quantity.
        from_display: The quantity as the score again, for thresholds that a person sets.
        rejected_side: Where the quantity of a rejected image lies from that of the threshold.
        together: The scores that this one joins; empty where it is one by itself.
        distances: It needs the principal components of the features, not only logits and residual.
        span: The lowest and highest value that the quantity can have; None where that depends on the model.
        unusual: A high score means that the image is unlike the training images, rather than hard to classify.
        published: A threshold on the quantity that is found in publications, made without this model's data.
        learned: It needs what a run learns from images to choose with, where it had some (`offered`).
    """

    key: str
    name: str
    description: str
    paper: str
    formula: str
    cost: str
    quantity: str
    fit: Callable[[FitData], Function]
    to_display: Callable[[float], float] = float
    rejected_side: Literal["under", "over"] = "over"
    from_display: Callable[[float], float] = float
    together: tuple[str, ...] = ()
    distances: bool = False
    span: tuple[float, float] | None = None
    unusual: bool = False
    published: float | None = None
    learned: bool = False
    shown_formula: str = ""
    axis: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The keys that a policy has a threshold for."""
        return self.together or (self.key,)
