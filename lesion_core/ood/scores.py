"""The scores that tell that a picture is not what the model was trained on, in one registry.

One convention everywhere: **a higher score means more out of distribution (OOD)**, OOD is the positive class, and
a picture is kept iff ``score <= threshold``, so one exactly on the threshold is kept.

`confidence` is the published one, of the plain softmax: rules such as "unknown under 0.8" mean it. What a person
is shown are the probabilities after the run's temperature: `scaled_confidence`, `entropy` and `margin` are of those.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lesion_core.analysis.metrics import softmax
from lesion_core.analysis.predictions import Floats
from lesion_core.errors import ConfigError, DataError
from lesion_core.ood.distances import (
    Function,
    layer3_residual,
    log_sum_exp,
    mahalanobis,
    nearest_neighbours,
    relative_mahalanobis,
    residual,
    vim,
)
from lesion_core.ood.model_outputs import FitData, Outputs
from lesion_core.runs.classifier import Run


@dataclass(frozen=True)
class Score:
    """One way to tell that a picture is not what the model was trained on.

    Attributes:
        key: The name in links, files and on the command line.
        name: The name on the screen.
        description: What it measures, one sentence.
        paper: Where it is from.
        formula: In TeX; z are the logits, p the probabilities after the temperature T, f the penultimate features.
        cost: What it takes, one sentence.
        quantity: What is shown to a person in place of the score, a noun.
        fit: Learns what the score needs from the train split; fast where nothing is needed.
        to_display: The score as that quantity.
        from_display: The quantity as the score again, for thresholds that a person sets.
        rejected_side: Where the quantity of a rejected picture lies from that of the threshold.
        together: The two scores that this one joins; empty where it is one by itself.
        distances: It needs the principal components of the features, not only logits and residual.
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

    @property
    def parts(self) -> tuple[str, ...]:
        """The keys that a policy has a threshold for."""
        return self.together or (self.key,)


class CombinedScore:
    """Two scores on one scale: a picture is rejected if it is too far out in either.

    Each score becomes its *rank* among the select split: 0.95 where 95 % of those pictures score lower, linear
    between them, and past the highest it goes on at the distance from the median to the highest. The joint score is
    the higher rank, so one threshold on it is a threshold on each score that is equally rare among dermoscopy.

    Args:
        parts: Key and fitted function of each score.
        select: The pictures to rank among.

    Raises:
        DataError: There is no picture to rank among.
    """

    def __init__(self, parts: Mapping[str, Function], select: Outputs) -> None:
        if not len(select):
            raise DataError("There are no pictures to rank scores among.", "A run needs a select split for two scores.")
        self.parts = parts
        self._ranks: dict[str, tuple[Floats, Floats, float]] = {}
        for key, function in parts.items():
            scores, counts = np.unique(function(select), return_counts=True)
            spread = float(scores[-1] - np.quantile(scores, 0.5))
            self._ranks[key] = scores, np.cumsum(counts) / counts.sum(), spread if spread > 0 else 1.0

    def __call__(self, outputs: Outputs) -> Floats:
        """The higher rank, (N,) float64."""
        return np.asarray(np.max([self._rank(key, f(outputs)) for key, f in self.parts.items()], axis=0))

    def _rank(self, key: str, scores: Floats) -> Floats:
        known, shares, spread = self._ranks[key]
        below = shares[0] + (scores - known[0]) / spread
        above = 1 + (scores - known[-1]) / spread
        between = np.interp(scores, known, shares)
        return np.where(scores < known[0], below, np.where(scores > known[-1], above, between))

    def limits(self, threshold: float) -> dict[str, float]:
        """The threshold on each score that a threshold on the joint score is."""
        limits = {}
        for key, (known, shares, spread) in self._ranks.items():
            if threshold < shares[0]:
                limit = known[0] + (threshold - shares[0]) * spread
            elif threshold > 1:
                limit = known[-1] + (threshold - 1) * spread
            else:
                limit = np.interp(threshold, shares, known)
            # Rounding must not reject the picture that the threshold was taken from.
            limits[key] = float(limit + 1e-12 * (1 + abs(limit)))
        return limits

    def threshold(self, limits: Mapping[str, float]) -> float | None:
        """The threshold on the joint score that these limits are; None where they are not equally rare."""
        ranks = [float(self._rank(key, np.array([limit]))[0]) for key, limit in limits.items()]
        return ranks[0] if max(ranks) - min(ranks) < 1e-6 else None


def _of_logits(function: Callable[[Floats, float], Floats]) -> Callable[[FitData], Function]:
    return lambda known: lambda outputs: function(outputs.logits, known.temperature)


def _entropy(logits: Floats, temperature: float) -> Floats:
    p = softmax(logits, temperature)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1))


def _margin(logits: Floats, temperature: float) -> Floats:
    best = np.sort(softmax(logits, temperature), axis=1)
    return 1 - (best[:, -1] - best[:, -2])


def _joined(*keys: str) -> Callable[[FitData], Function]:
    return lambda known: CombinedScore({key: SCORES[key].fit(known) for key in keys}, known.select)


SCORES: dict[str, Score] = {
    s.key: s
    for s in (
        Score(
            "confidence",
            "Confidence, as published",
            "How far the highest probability of the plain softmax is from certainty.",
            "Hendrycks and Gimpel 2017 (arXiv:1610.02136), the maximum softmax probability",
            r"1 - \max_k \mathrm{softmax}(z)_k",
            "A softmax; nothing is fitted.",
            "The model's confidence before its temperature",
            _of_logits(lambda z, _: 1 - softmax(z).max(axis=1)),
            lambda s: 1 - s,
            "under",
            lambda v: 1 - v,
        ),
        Score(
            "scaled_confidence",
            "Confidence, temperature-scaled",
            "How far the highest probability that a person is shown is from certainty.",
            "Guo et al. 2017 (arXiv:1706.04599), the temperature; Hendrycks and Gimpel 2017, the score",
            r"1 - \max_k \mathrm{softmax}(z / T)_k",
            "A softmax; the run's temperature.",
            "The model's confidence",
            _of_logits(lambda z, t: 1 - softmax(z, t).max(axis=1)),
            lambda s: 1 - s,
            "under",
            lambda v: 1 - v,
        ),
        Score(
            "entropy",
            "Entropy",
            "How evenly the probabilities are spread over the diagnoses, in nats.",
            "Shannon 1948; as an OOD score in Hendrycks and Gimpel 2017",
            r"-\sum_k p_k \log p_k",
            "A softmax; the run's temperature.",
            "The entropy of the probabilities",
            _of_logits(_entropy),
        ),
        Score(
            "margin",
            "Margin",
            "How close the second diagnosis comes to the first.",
            "Scheffer et al. 2001 (IDA, LNCS 2189)",
            r"1 - (p_{(1)} - p_{(2)})",
            "A softmax and a sort; the run's temperature.",
            "The lead of the first diagnosis over the second",
            _of_logits(_margin),
            lambda s: 1 - s,
            "under",
            lambda v: 1 - v,
        ),
        Score(
            "max_logit",
            "Highest logit",
            "How little evidence there is for the best diagnosis, before it is compared with the others.",
            "Hendrycks et al. 2022 (arXiv:1911.11132)",
            r"-\max_k z_k",
            "A maximum; nothing is fitted.",
            "The highest logit",
            _of_logits(lambda z, _: -z.max(axis=1)),
            lambda s: -s,
            "under",
            lambda v: -v,
        ),
        Score(
            "energy",
            "Energy",
            "How little evidence there is for all diagnoses together.",
            "Liu et al. 2020 (arXiv:2010.03759), at T = 1",
            r"-\log \sum_k e^{z_k}",
            "A logarithm of a sum; nothing is fitted.",
            "The evidence for all diagnoses (negative energy)",
            _of_logits(lambda z, _: -log_sum_exp(z)),
            lambda s: -s,
            "under",
            lambda v: -v,
        ),
        Score(
            "mahalanobis",
            "Mahalanobis distance",
            "How many standard deviations the features lie from the nearest diagnosis, squared.",
            "Lee et al. 2018 (arXiv:1807.03888), last layer only",
            r"\min_k (f - \mu_k)^\top \Sigma^{-1} (f - \mu_k)",
            "One matrix product; means and a covariance of the train split.",
            "The distance from the nearest diagnosis, in standard deviations,",
            mahalanobis,
            lambda s: max(s, 0.0) ** 0.5,
            "over",
            lambda v: max(v, 0.0) ** 2,
            distances=True,
        ),
        Score(
            "relative_mahalanobis",
            "Relative Mahalanobis distance",
            "How much farther the nearest diagnosis is than the middle of all pictures.",
            "Ren et al. 2021 (arXiv:2106.09022)",
            r"\min_k d_{\Sigma}(f, \mu_k)^2 - d_{\Sigma_0}(f, \mu_0)^2",
            "Two matrix products; means and two covariances of the train split.",
            "The distance from the nearest diagnosis, less that from the middle,",
            relative_mahalanobis,
            distances=True,
        ),
        Score(
            "knn",
            "Nearest neighbours",
            "How far the 50th nearest picture of the train split is, by direction of the features.",
            "Sun et al. 2022 (arXiv:2204.06507)",
            r"\Vert \tfrac{f}{\Vert f \Vert} - \tfrac{f_{(50)}}{\Vert f_{(50)} \Vert} \Vert",
            "A product with every picture of the train split: the slowest, and it keeps them all.",
            "The distance to the 50th nearest training picture",
            nearest_neighbours,
            distances=True,
        ),
        Score(
            "vim",
            "Virtual logit (ViM)",
            "How much of the features dermoscopy does not explain, against the evidence for all diagnoses.",
            "Wang et al. 2022 (arXiv:2203.10807), null space outside of the stored components",
            r"\alpha \Vert f^{\perp} \Vert - \log \sum_k e^{z_k}",
            "The stored residual and a logarithm of a sum; one factor of the train split.",
            "What dermoscopy does not explain, less the evidence for a diagnosis,",
            vim,
        ),
        Score(
            "residual",
            "Residual",
            "How much of the features lies outside of the directions in which dermoscopy varies.",
            "Wang et al. 2022 (arXiv:2203.10807), its part without the logits",
            r"\Vert f^{\perp} \Vert",
            "Nothing: a run stores it.",
            "The part of the features that dermoscopy does not explain",
            residual,
        ),
        Score(
            "layer3_residual",
            "Residual of layer 3",
            "How much of an earlier layer's features lies outside of the directions in which dermoscopy varies.",
            "Wang et al. 2022 (arXiv:2203.10807), the residual; Lee et al. 2018 (arXiv:1807.03888), the earlier stage",
            r"\Vert f_3^{\perp} \Vert",
            "Nothing: a run stores it.",
            "The part of layer 3 that dermoscopy does not explain",
            layer3_residual,
        ),
        Score(
            "confidence_or_layer3",
            "Unsure or strange",
            "Confidence finds the mistakes, the residual of layer 3 finds the strangers: the rarer of the two.",
            "Xia and Bouganis 2022 (arXiv:2207.07506), the idea; joined here by rank",
            r"\max_j \hat F_j(s_j)",
            "Both scores, and their ranks among the select split.",
            "The higher of two ranks among dermoscopy",
            _joined("scaled_confidence", "layer3_residual"),
            together=("scaled_confidence", "layer3_residual"),
        ),
        Score(
            "confidence_or_vim",
            "Unsure or unexplained",
            "Confidence finds the mistakes, the virtual logit finds the strangers: the rarer of the two.",
            "Xia and Bouganis 2022 (arXiv:2207.07506), the idea; joined here by rank",
            r"\max_j \hat F_j(s_j)",
            "Both scores, and their ranks among the select split.",
            "The higher of two ranks among dermoscopy",
            _joined("scaled_confidence", "vim"),
            together=("scaled_confidence", "vim"),
        ),
        Score(
            "confidence_or_mahalanobis",
            "Unsure or far",
            "Confidence finds the mistakes, the Mahalanobis distance finds the strangers: the rarer of the two.",
            "Xia and Bouganis 2022 (arXiv:2207.07506), the idea; joined here by rank",
            r"\max_j \hat F_j(s_j)",
            "Both scores, and their ranks among the select split.",
            "The higher of two ranks among dermoscopy",
            _joined("scaled_confidence", "mahalanobis"),
            together=("scaled_confidence", "mahalanobis"),
            distances=True,
        ),
    )
}
"""The scores by key."""

DEFAULT = "confidence_or_layer3"
"""What a run's own policy uses: a mistake and a stranger are two things, so a pair; of the residuals that of layer 3,
for it turns away more strangers where 99 % of the calibrate split is kept. Chosen with those strangers in sight."""


def score(key: str) -> Score:
    """The score of a key.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in SCORES:
        raise ConfigError(f"'{key}' is no known OOD score.", f"Known are {', '.join(SCORES)}.")
    return SCORES[key]


class Scorer:
    """The scores of one run, each fitted when it is first asked for.

    Args:
        known: What they are fitted on.
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
            self._fitted[key] = score(key).fit(self.known)
        return self._fitted[key]

    def __call__(self, key: str, outputs: Outputs) -> Floats:
        """Scores (N,) float64, higher = more OOD; N may be 0.

        Raises:
            ConfigError: The key is unknown.
            DataError: It needs features, and the outputs are logits only.
        """
        return self.function(key)(outputs)

    def all(self, outputs: Outputs, keys: Collection[str] = tuple(SCORES)) -> dict[str, Floats]:
        """The scores by key, each (N,) float64."""
        return {key: self(key, outputs) for key in keys}

    def limits(self, key: str, threshold: float) -> dict[str, float]:
        """A threshold on a score as a threshold on each of its parts: itself, or the two that it joins."""
        function = self.function(key)
        return function.limits(threshold) if isinstance(function, CombinedScore) else {key: threshold}

    def threshold(self, key: str, limits: Mapping[str, float]) -> float | None:
        """The way back: limits on the parts of a score as one threshold on it, None where there is none."""
        function = self.function(key)
        return function.threshold(limits) if isinstance(function, CombinedScore) else limits[key]
