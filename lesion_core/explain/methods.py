"""The methods that explain one picture. No torch, so that a page can list them before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lesion_core.errors import ConfigError


@dataclass(frozen=True)
class Method:
    """A way to say which parts of a picture speak for an answer.

    Attributes:
        name: What a person reads.
        description: What its map shows, one sentence.
        pitfall: When it misleads, one sentence.
        paper: Where it was published.
        cost: In passes through the network.
        layered: It is made in a layer, at that layer's resolution; the others are at the input's.
        signed: Its map has a negative side: what speaks against the answer.
        baselined: It compares with a picture that shows nothing; see `BASELINES`.
        speed: ``fast`` is drawn at once; ``slow`` takes seconds and shows its progress.
    """

    name: str
    description: str
    pitfall: str
    paper: str
    cost: str
    layered: bool = False
    signed: bool = True
    baselined: bool = False
    speed: Literal["fast", "slow"] = "slow"


METHODS: dict[str, Method] = {
    "gradcam": Method(
        "Grad-CAM",
        "The places in a layer whose channels raise the answer.",
        "It is coarse (a few cells a side), and in layers before the last its weights are averages that can cancel.",
        "Selvaraju et al., ICCV 2017",
        "no more than the prediction for the last layer",
        layered=True,
        speed="fast",
    ),
    "gradcam_pp": Method(
        "Grad-CAM++",
        "Like Grad-CAM, with weights that count each place where a channel matters.",
        "Its weights rest on the third power of a gradient, and only what speaks for the answer is kept.",
        "Chattopadhay et al., WACV 2018",
        "1 forward, 1 backward",
        layered=True,
        signed=False,
        speed="fast",
    ),
    "guided_gradcam": Method(
        "Guided Grad-CAM",
        "The edges and dots, inside the Grad-CAM region, that the network reacts to.",
        "Its fine lines hardly depend on the trained weights: they show the picture more than the model.",
        "Selvaraju et al., ICCV 2017; Adebayo et al., NeurIPS 2018",
        "2 forward, 2 backward",
        layered=True,
        speed="fast",
    ),
    "integrated_gradients": Method(
        "Integrated Gradients",
        "How much each pixel adds to the answer on the way from a baseline to the picture; the "
        "parts sum to the difference of the two answers.",
        "What the baseline already shows gets nothing: with black, dark pigment is invisible.",
        "Sundararajan, Taly and Yan, ICML 2017",
        "32 forward, 32 backward",
        baselined=True,
    ),
    "gradient_shap": Method(
        "GradientSHAP",
        "Integrated Gradients averaged over several baselines and a little noise.",
        "It is drawn at random, so two seeds differ; it is an approximation of Shapley values, not one.",
        "Lundberg and Lee, NeurIPS 2017; Erion et al., Nature Machine Intelligence 2021",
        "24 forward, 24 backward",
    ),
    "smoothgrad": Method(
        "SmoothGrad",
        "The pixels that the answer is most sensitive to, averaged over noise.",
        "Sensitivity is not importance: a pixel may matter and have no slope. It does not say for or against.",
        "Smilkov et al., 2017",
        "24 forward, 24 backward",
        signed=False,
    ),
    "occlusion": Method(
        "Occlusion",
        "How far the answer falls when a small square is covered with the skin's own colour.",
        "Evidence that is there twice is missed, and a covered square is itself a strange sight.",
        "Zeiler and Fergus, ECCV 2014",
        "225 forward",
    ),
    "superpixels": Method(
        "Superpixels (KernelSHAP)",
        "What each of about fifty patches of like colour adds, in all combinations.",
        "The patches decide what can be found, and a few hundred samples leave noise.",
        "Lundberg and Lee, NeurIPS 2017",
        "300 forward",
        baselined=True,
    ),
}
"""By the name used in links, the default first."""

BASELINES: dict[str, str] = {
    "skin": "the median colour of the picture's rim, mostly skin",
    "black": "black",
    "blurred": "the picture itself, blurred: no detail is left, a large lesion stays as a soft spot",
}
"""What shows nothing, the default first."""


def method(key: str) -> Method:
    """The method of a key.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in METHODS:
        raise ConfigError(f"There is no method '{key}'.", f"Known are {', '.join(METHODS)}.")
    return METHODS[key]
