"""The scores that tell that an image is not what the model was trained on, in one registry.

One convention everywhere: **a higher score means more out of distribution (OOD)**, OOD is the positive class, and
an image is kept iff ``score <= threshold``, so one exactly on the threshold is kept.

`confidence` is the published one, of the plain softmax: rules such as "unknown under 0.8" mean it. What a person
is shown are the probabilities after the run's temperature: `scaled_confidence`, `entropy` and `margin` are of those.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from lesion_core.analysis.predictions import Floats, probabilities_of
from lesion_core.errors import ConfigError
from lesion_core.ood.combined import CombinedScore
from lesion_core.ood.distances import (
    Function,
    layer3_residual,
    log_sum_exp,
    mahalanobis,
    nearest_neighbours,
    photograph,
    relative_mahalanobis,
    residual,
    vim,
)
from lesion_core.ood.model_outputs import FitData, Outputs
from lesion_core.ood.score import Score
from lesion_core.runs.classifier import Run

PUBLISHED_CONFIDENCE = 0.8
"""Reject under this confidence of the plain softmax: the rule of many demonstrations."""


def _of_logits(function: Callable[[Floats, float], Floats]) -> Callable[[FitData], Function]:
    return lambda known: lambda outputs: function(outputs.logits, known.temperature)


def _entropy(logits: Floats, temperature: float) -> Floats:
    p = probabilities_of(logits, temperature)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1))


def _margin(logits: Floats, temperature: float) -> Floats:
    best = np.sort(probabilities_of(logits, temperature), axis=1)
    return 1 - (best[:, -1] - best[:, -2])


def _joined(*keys: str) -> Callable[[FitData], Function]:
    return lambda known: CombinedScore({key: SCORES[key].fit(known) for key in keys}, known.select)


SCORES: dict[str, Score] = {
    s.key: s
    for s in (
        Score(
            key="confidence",
            name="Confidence, as published",
            description="How far the highest probability of the plain softmax is from certainty.",
            paper="Hendrycks and Gimpel 2017 (arXiv:1610.02136), the maximum softmax probability",
            formula=r"1 - \max_k \mathrm{softmax}(z)_k",
            cost="A softmax; nothing is fitted.",
            quantity="The model's confidence before its temperature",
            fit=_of_logits(lambda z, _: 1 - probabilities_of(z).max(axis=1)),
            to_display=lambda s: 1 - s,
            rejected_side="under",
            from_display=lambda v: 1 - v,
            span=(0.0, 1.0),
            published=PUBLISHED_CONFIDENCE,
            shown_formula=r"\max_k \mathrm{softmax}(z)_k",
            axis="Confidence before temperature scaling, not the percentages of the other pages",
        ),
        Score(
            key="scaled_confidence",
            name="Confidence, temperature-scaled",
            description="How far the highest probability that a person is shown is from certainty.",
            paper="Guo et al. 2017 (arXiv:1706.04599), the temperature; Hendrycks and Gimpel 2017, the score",
            formula=r"1 - \max_k \mathrm{softmax}(z / T)_k",
            cost="A softmax; the run's temperature.",
            quantity="The model's confidence",
            fit=_of_logits(lambda z, t: 1 - probabilities_of(z, t).max(axis=1)),
            to_display=lambda s: 1 - s,
            rejected_side="under",
            from_display=lambda v: 1 - v,
            span=(0.0, 1.0),
            shown_formula=r"\max_k \mathrm{softmax}(z / T)_k",
            axis="Confidence after temperature scaling, as on the other pages: 0.83 is 83 %",
        ),
        Score(
            key="entropy",
            name="Entropy",
            description="How evenly the probabilities are spread over the diagnoses, in nats.",
            paper="Shannon 1948; as an OOD score in Hendrycks and Gimpel 2017",
            formula=r"-\sum_k p_k \log p_k",
            cost="A softmax; the run's temperature.",
            quantity="The entropy of the probabilities",
            fit=_of_logits(_entropy),
        ),
        Score(
            key="margin",
            name="Margin",
            description="How close the second diagnosis comes to the first.",
            paper="Scheffer et al. 2001 (IDA, LNCS 2189)",
            formula=r"1 - (p_{(1)} - p_{(2)})",
            cost="A softmax and a sort; the run's temperature.",
            quantity="The lead of the first diagnosis over the second",
            fit=_of_logits(_margin),
            to_display=lambda s: 1 - s,
            rejected_side="under",
            from_display=lambda v: 1 - v,
            span=(0.0, 1.0),
            shown_formula=r"p_{(1)} - p_{(2)}",
        ),
        Score(
            key="max_logit",
            name="Highest logit",
            description="How little evidence there is for the best diagnosis, before it is compared with the others.",
            paper="Hendrycks et al. 2022 (arXiv:1911.11132)",
            formula=r"-\max_k z_k",
            cost="A maximum; nothing is fitted.",
            quantity="The highest logit",
            fit=_of_logits(lambda z, _: -z.max(axis=1)),
            to_display=lambda s: -s,
            rejected_side="under",
            from_display=lambda v: -v,
            shown_formula=r"\max_k z_k",
        ),
        Score(
            key="energy",
            name="Energy",
            description="How little evidence there is for all diagnoses together.",
            paper="Liu et al. 2020 (arXiv:2010.03759), at T = 1",
            formula=r"-\log \sum_k e^{z_k}",
            cost="A logarithm of a sum; nothing is fitted.",
            quantity="The evidence for all diagnoses (negative energy)",
            fit=_of_logits(lambda z, _: -log_sum_exp(z)),
            to_display=lambda s: -s,
            rejected_side="under",
            from_display=lambda v: -v,
            shown_formula=r"\log \sum_k e^{z_k}",
        ),
        Score(
            key="mahalanobis",
            name="Mahalanobis distance",
            description="How many standard deviations the features lie from the nearest diagnosis, squared.",
            paper="Lee et al. 2018 (arXiv:1807.03888), last layer only",
            formula=r"\min_k (f - \mu_k)^\top \Sigma^{-1} (f - \mu_k)",
            cost="One matrix product; means and a covariance of the training set.",
            quantity="The Mahalanobis distance to the nearest diagnosis",
            unusual=True,
            fit=mahalanobis,
            to_display=lambda s: max(s, 0.0) ** 0.5,
            rejected_side="over",
            from_display=lambda v: max(v, 0.0) ** 2,
            distances=True,
            shown_formula=r"\sqrt{\min_k (f - \mu_k)^\top \Sigma^{-1} (f - \mu_k)}",
        ),
        Score(
            key="relative_mahalanobis",
            name="Relative Mahalanobis distance",
            description="How much farther away the nearest diagnosis is than the mean of all images.",
            paper="Ren et al. 2021 (arXiv:2106.09022)",
            formula=r"\min_k d_{\Sigma}(f, \mu_k)^2 - d_{\Sigma_0}(f, \mu_0)^2",
            cost="Two matrix products; means and two covariances of the training set.",
            quantity="The distance to the nearest diagnosis minus that to the mean of all",
            unusual=True,
            fit=relative_mahalanobis,
            distances=True,
        ),
        Score(
            key="knn",
            name="Nearest neighbours",
            description="How far the 50th nearest image of the training set is, by direction of the features.",
            paper="Sun et al. 2022 (arXiv:2204.06507)",
            formula=r"\Vert \tfrac{f}{\Vert f \Vert} - \tfrac{f_{(50)}}{\Vert f_{(50)} \Vert} \Vert",
            cost="A product with every image of the training set: the slowest, and it keeps them all.",
            quantity="The distance to the 50th nearest training image",
            unusual=True,
            fit=nearest_neighbours,
            distances=True,
        ),
        Score(
            key="vim",
            name="Virtual logit (ViM)",
            description="How much of the features training images do not explain, against the evidence for diagnoses.",
            paper="Wang et al. 2022 (arXiv:2203.10807), null space outside of the stored components",
            formula=r"\alpha \Vert f^{\perp} \Vert - \log \sum_k e^{z_k}",
            cost="The stored residual and a logarithm of a sum; one factor of the training set.",
            quantity="The residual minus the evidence for all diagnoses",
            unusual=True,
            fit=vim,
        ),
        Score(
            key="residual",
            name="Residual",
            description="How much of the features lies outside the directions in which dermoscopic images vary.",
            paper="Wang et al. 2022 (arXiv:2203.10807), its part without the logits",
            formula=r"\Vert f^{\perp} \Vert",
            cost="Nothing: a run stores it.",
            quantity="The residual of the features",
            unusual=True,
            fit=residual,
        ),
        Score(
            key="layer3_residual",
            name="Residual of layer 3",
            description="How much of layer 3's features lies outside the directions in which dermoscopic images vary.",
            paper="Wang et al. 2022 (arXiv:2203.10807), the residual; Lee et al. 2018 (arXiv:1807.03888), the stage",
            formula=r"\Vert f_3^{\perp} \Vert",
            cost="Nothing: a run stores it.",
            quantity="The layer 3 residual",
            unusual=True,
            fit=layer3_residual,
        ),
        Score(
            key="photograph",
            name="Clinical photograph",
            description="How much layer 3 takes the image for a photograph of skin without a dermatoscope.",
            paper="Hendrycks et al. 2019 (arXiv:1812.04606), learning from such images; here a linear probe of layer 3",
            formula=r"w^\top f_3 + b",
            cost="Nothing: a run stores it, where it had clinical photographs to learn from.",
            quantity="The evidence for a clinical photograph",
            unusual=True,
            fit=photograph,
            learned=True,
        ),
        Score(
            key="confidence_or_layer3",
            name="Unsure or unusual",
            description="Confidence finds mistakes, layer 3 finds OOD images: the rarer of the two.",
            paper="Xia and Bouganis 2022 (arXiv:2207.07506), the idea; joined here by rank",
            formula=r"\max_j \hat F_j(s_j)",
            cost="Both scores, and their ranks among the validation set.",
            quantity="The more extreme of two scores",
            fit=_joined("scaled_confidence", "layer3_residual"),
            axis="Unsure or unusual: 0.95 is more than 95 % of validation images, 1 the most extreme",
            together=("scaled_confidence", "layer3_residual"),
        ),
        Score(
            key="confidence_or_unusual",
            name="Unsure, unusual or photograph",
            description="Confidence finds mistakes, layer 3 OOD images, a probe clinical photographs: the rarest.",
            paper="Xia and Bouganis 2022 (arXiv:2207.07506), the idea; joined here by rank",
            formula=r"\max_j \hat F_j(s_j)",
            cost="The three scores, and their ranks among the validation set.",
            quantity="The most extreme of three scores",
            fit=_joined("scaled_confidence", "layer3_residual", "photograph"),
            axis="Unsure or unusual: 0.95 is more than 95 % of validation images, 1 the most extreme",
            together=("scaled_confidence", "layer3_residual", "photograph"),
            learned=True,
        ),
        Score(
            key="confidence_or_vim",
            name="Unsure or unexplained",
            description="Confidence finds mistakes, the virtual logit finds OOD images: the rarer of the two.",
            paper="Xia and Bouganis 2022 (arXiv:2207.07506), the idea; joined here by rank",
            formula=r"\max_j \hat F_j(s_j)",
            cost="Both scores, and their ranks among the validation set.",
            quantity="The more extreme of two scores",
            fit=_joined("scaled_confidence", "vim"),
            axis="Unsure or unexplained: 0.95 is more than 95 % of validation images, 1 the most extreme",
            together=("scaled_confidence", "vim"),
        ),
        Score(
            key="confidence_or_mahalanobis",
            name="Unsure or far",
            description="Confidence finds mistakes, the Mahalanobis distance finds OOD images: the rarer of the two.",
            paper="Xia and Bouganis 2022 (arXiv:2207.07506), the idea; joined here by rank",
            formula=r"\max_j \hat F_j(s_j)",
            cost="Both scores, and their ranks among the validation set.",
            quantity="The more extreme of two scores",
            fit=_joined("scaled_confidence", "mahalanobis"),
            axis="Unsure or far away: 0.95 is more than 95 % of validation images, 1 the most extreme",
            together=("scaled_confidence", "mahalanobis"),
            distances=True,
        ),
    )
}
"""The scores by key."""

DEFAULT = "confidence_or_layer3"
"""What a run's own policy uses: a mistake and an OOD image are two things, so a pair; of the residuals that of layer 3,
for it turns away more OOD images where 99 % of the calibration set is kept. Chosen with those OOD images in sight."""

DEFAULT_LEARNED = "confidence_or_unusual"
"""The same with the evidence for a clinical photograph, which nothing that knows dermoscopy alone turns away: what a
run's own policy uses that had some to learn from."""


def _available(knows_photographs: bool) -> dict[str, Score]:
    return {key: score for key, score in SCORES.items() if knows_photographs or not score.learned}


def offered(run: Run) -> dict[str, Score]:
    """The scores that a run has, by key: those that are learned only where it had something to learn from.

    Raises:
        RunError: Its features are missing or damaged.
    """
    return _available(run.knows_photographs)


def default_score(run: Run) -> str:
    """The key of the score of a run's own policy.

    Raises:
        RunError: As in `offered`.
    """
    return DEFAULT_LEARNED if run.knows_photographs else DEFAULT


def ood_score(key: str) -> Score:
    """The score of a key.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in SCORES:
        raise ConfigError(f"'{key}' is not a known OOD score.", f"Choose one of {', '.join(SCORES)}.")
    return SCORES[key]


class Scorer:
    """The scores of one run, each fitted when it is first asked for.

    Args:
        known: What they are fitted on.

    Examples:
        >>> from pathlib import Path
        >>> from lesion_core.ood.model_outputs import outputs_of
        >>> from lesion_core.runs.classifier import open_run
        >>> run = open_run(Path("checkpoints/resnet50-isic2019"))
        >>> scorer = Scorer.of(run)
        >>> len(scorer("confidence", outputs_of(run, run.part("test").head(5))))
        5
    """

    def __init__(self, known: FitData) -> None:
        self.known = known
        self._fitted: dict[str, Function] = {}

    @classmethod
    def of(cls, run: Run, temperature: float | None = None) -> Scorer:
        """The scores of a run; `temperature` takes the place of its own.

        Raises:
            RunError: As in `FitData.of`.
        """
        return cls(FitData.of(run, temperature))

    def function(self, key: str) -> Function:
        """The fitted function of a score.

        Raises:
            ConfigError: The key is unknown.
            DataError: It cannot be fitted.
        """
        if key not in self._fitted:
            self._fitted[key] = ood_score(key).fit(self.known)
        return self._fitted[key]

    def __call__(self, key: str, outputs: Outputs) -> Floats:
        """Scores (N,) float64, higher = more OOD; N may be 0.

        Raises:
            ConfigError: The key is unknown.
            DataError: It needs features, and the outputs are logits only.
        """
        return self.function(key)(outputs)

    @property
    def keys(self) -> tuple[str, ...]:
        """The scores that can be fitted, as `offered` has them."""
        return tuple(_available(not np.isnan(self.known.train.photograph).any()))

    def all(self, outputs: Outputs, keys: Collection[str] | None = None) -> dict[str, Floats]:
        """The scores by key, each (N,) float64; by default `keys`."""
        return {key: self(key, outputs) for key in (self.keys if keys is None else keys)}

    def limits(self, key: str, threshold: float) -> dict[str, float]:
        """A threshold on a score as a threshold on each of its parts: itself, or those that it joins."""
        function = self.function(key)
        return function.limits(threshold) if isinstance(function, CombinedScore) else {key: threshold}

    def threshold(self, key: str, limits: Mapping[str, float]) -> float | None:
        """The way back: limits on the parts of a score as one threshold on it, None where there is none."""
        function = self.function(key)
        return function.threshold(limits) if isinstance(function, CombinedScore) else limits[key]
