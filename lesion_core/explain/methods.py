"""The methods that explain one image: everything that is true of one stands in its entry.

No torch, so that a page can list them before a model is loaded: what makes a map imports it when it is first asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lesion_core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from lesion_core.explain.target_function import Request

    Made = tuple[Tensor, float | None]
    """The map (h, w), and the completeness error where the method has one."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to say which parts of an image speak for an answer.

    Attributes:
        name: What a person reads.
        description: What its map shows, one sentence.
        pitfall: When it misleads, one sentence.
        paper: Where it was published.
        make: Makes the map that a request asks for.
        forward: Images that pass the network for one map at a square of 128 pixels; a progress bar counts them.
        backward: Passes back through it.
        unit: What the values of a map are.
        signed: Its map has a negative side: what speaks against the answer. Only such a method can compare two answers.
        layered: It is made in a layer, at that layer's resolution; the others are at the input's.
        baselined: It compares with an image that shows nothing; see `BASELINES`.
    """

    name: str
    description: str
    pitfall: str
    paper: str
    make: Callable[[Request], Made]
    forward: int
    backward: int
    unit: str
    signed: bool
    layered: bool = False
    baselined: bool = False

    @property
    def cost(self) -> str:
        """Passes through the network, in words."""
        return f"{self.forward} forward" + (f", {self.backward} backward" if self.backward else "")

    @property
    def effort(self) -> int:
        """How long one map takes, in passes without gradients: those of a gradient are in float32, at half the speed of
        bfloat16's, and the way back takes as long as two ways forward."""
        return 2 * (self.forward + 2 * self.backward) if self.backward else self.forward

    @property
    def slow(self) -> bool:
        """It takes seconds and shows its progress; the others are drawn at once."""
        return self.forward + self.backward > AT_ONCE


AT_ONCE = 4
"""Passes that take no time worth waiting for."""


def _grad_cam(request: Request) -> Made:
    from lesion_core.explain.cam import grad_cam

    return grad_cam(request.evidence, request.image, request.layer), None


def _grad_cam_pp(request: Request) -> Made:
    from lesion_core.explain.cam import grad_cam_pp

    return grad_cam_pp(request.evidence, request.image, request.layer), None


def _guided_grad_cam(request: Request) -> Made:
    from lesion_core.explain.gradients import guided_grad_cam

    return guided_grad_cam(request.evidence, request.image, request.layer), None


def _integrated_gradients(request: Request) -> Made:
    from lesion_core.explain.gradients import integrated_gradients

    return integrated_gradients(request.evidence, request.image, request.baseline)


def _gradient_shap(request: Request) -> Made:
    from lesion_core.explain.gradients import gradient_shap

    return gradient_shap(request.evidence, request.image, request.all_baselines), None


def _smoothgrad(request: Request) -> Made:
    from lesion_core.explain.gradients import smoothgrad

    return smoothgrad(request.evidence, request.image), None


def _occlusion(request: Request) -> Made:
    from lesion_core.explain.perturbation import occlusion

    return occlusion(request.evidence, request.image, request.baselines["skin"]), None


def _superpixels(request: Request) -> Made:
    from lesion_core.explain.perturbation import kernel_shap, superpixels

    return kernel_shap(request.evidence, request.image, request.baseline, superpixels(request.square)), None


METHODS: dict[str, Method] = {
    "gradcam": Method(
        name="Grad-CAM",
        description="The places in a layer whose channels raise the answer; at the last layer they "
        "come with the prediction.",
        pitfall="It is coarse (a few cells per side), and in layers before the last its weights are averages that "
        "can cancel.",
        paper="Selvaraju et al., ICCV 2017",
        make=_grad_cam,
        forward=1,
        backward=1,
        unit="logit",
        signed=True,
        layered=True,
    ),
    "gradcam_pp": Method(
        name="Grad-CAM++",
        description="Like Grad-CAM, with weights that count each place where a channel matters.",
        pitfall="Its weights rest on the third power of a gradient, and only what speaks for the answer is kept.",
        paper="Chattopadhay et al., WACV 2018",
        make=_grad_cam_pp,
        forward=1,
        backward=1,
        unit="arbitrary",
        signed=False,
        layered=True,
    ),
    "guided_gradcam": Method(
        name="Guided Grad-CAM",
        description="The edges and dots, inside the Grad-CAM region, that the network reacts to.",
        pitfall="Its fine lines hardly depend on the trained weights: they show the image more than the model.",
        paper="Selvaraju et al., ICCV 2017; Adebayo et al., NeurIPS 2018",
        make=_guided_grad_cam,
        forward=2,
        backward=2,
        unit="arbitrary",
        signed=True,
        layered=True,
    ),
    "integrated_gradients": Method(
        name="Integrated Gradients",
        description="How much each pixel adds to the answer on the way from a baseline to the image; the parts "
        "sum to the difference of the two answers.",
        pitfall="What the baseline already shows gets nothing: with black, dark pigment is invisible.",
        paper="Sundararajan, Taly and Yan, ICML 2017",
        make=_integrated_gradients,
        forward=36,
        backward=32,
        unit="logit per pixel",
        signed=True,
        baselined=True,
    ),
    "gradient_shap": Method(
        name="GradientSHAP",
        description="Integrated Gradients averaged over several baselines and a little noise.",
        pitfall="It is drawn at random, so two seeds differ; it is an approximation of Shapley values, not one.",
        paper="Lundberg and Lee, NeurIPS 2017; Erion et al., Nature Machine Intelligence 2021",
        make=_gradient_shap,
        forward=24,
        backward=24,
        unit="logit per pixel",
        signed=True,
    ),
    "smoothgrad": Method(
        name="SmoothGrad",
        description="The pixels that the answer is most sensitive to, averaged over noise.",
        pitfall="Sensitivity is not importance: a pixel may matter and have no slope. It does not say for or against.",
        paper="Smilkov et al., 2017",
        make=_smoothgrad,
        forward=24,
        backward=24,
        unit="logit per unit of input",
        signed=False,
    ),
    "occlusion": Method(
        name="Occlusion",
        description="How far the answer falls when a small square is covered with the skin's own colour.",
        pitfall="Evidence that is there twice is missed, and a covered square is itself a strange sight.",
        paper="Zeiler and Fergus, ECCV 2014",
        make=_occlusion,
        forward=226,
        backward=0,
        unit="logit",
        signed=True,
    ),
    "superpixels": Method(
        name="Superpixels (KernelSHAP)",
        description="What each of about fifty patches of like colour adds, in all combinations.",
        pitfall="The patches decide what can be found, and a few hundred samples leave noise.",
        paper="Lundberg and Lee, NeurIPS 2017",
        make=_superpixels,
        forward=300,
        backward=0,
        unit="logit per pixel",
        signed=True,
        baselined=True,
    ),
}
"""By the name used in links, the default first."""

BASELINES: dict[str, str] = {
    "skin": "the median colour of the image's rim, mostly skin",
    "black": "black",
    "blurred": "the image itself, blurred: no detail is left, a large lesion stays as a soft spot",
}
"""Baselines: images that show nothing, the default first."""


def known_method(key: str) -> Method:
    """The method of a key.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in METHODS:
        raise ConfigError(f"There is no method '{key}'.", f"Choose one of {', '.join(METHODS)}.")
    return METHODS[key]
