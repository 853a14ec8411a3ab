"""The published errors of AlexNet that robustness figures are divided by, frozen, with their sources.

They are constants: of another network, on other images, in other classes. A figure over them is a fixed unit in which
runs can be compared with each other; it does not place a run in a published table.

`alexnet.csv` holds balanced errors (1 - balanced accuracy, mean over five severities) and flip rates at full precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from lesion_core.errors import ConfigError

WEAK = 0.05
"""Under this loss of AlexNet a relative error is marked: a lesion more or less moves it twenty times its weight."""

ALSO_CALLED = {"characters": "char", "char": "characters", "contrast_down": "contrast", "contrast": "contrast_down"}
"""Changes that are the same and have another name in another benchmark."""


@cache
def _published() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_name("alexnet.csv"), float_precision="round_trip")


def _of(benchmark: str) -> Mapping[str, float]:
    rows = _published()
    own = rows[(rows["benchmark"] == benchmark) & (rows["change"] != "clean")]
    return MappingProxyType(dict(zip(own["change"].astype(str), own["error"].astype(float), strict=True)))


def _clean(benchmark: str) -> float:
    rows = _published()
    return float(rows["error"][(rows["benchmark"] == benchmark) & (rows["change"] == "clean")].iloc[0])


@dataclass(frozen=True)
class Reference:
    """AlexNet's figures in one benchmark.

    Attributes:
        key: The name in links, files and on the command line.
        name: The benchmark's own name.
        plain: What it was measured on, one sentence.
        source: Where the figures are from.
        errors: By the benchmark's name of a change, over 0: the balanced error, mean over five severities; or of a
            sequence, the flip rate.
        clean: The balanced error on images as they are; NaN of flip rates.
        two_classes: Its answers are one of two; else one of several diagnoses.
    """

    key: str
    name: str
    plain: str
    source: str
    errors: Mapping[str, float]
    clean: float = float("nan")
    two_classes: bool = True

    def error(self, change: str) -> float:
        """AlexNet's figure under a change, by either of its names; NaN where none was published.

        Examples:
            >>> round(REFERENCES["sam_c"].error("characters"), 4), REFERENCES["sam_c"].error("hair")
            (0.219, nan)
        """
        return self.errors.get(change, self.errors.get(ALSO_CALLED.get(change, ""), float("nan")))

    def loss(self, change: str) -> float:
        """How much higher that is than on images as they are; NaN where none was published.

        Examples:
            >>> round(REFERENCES["sam_c"].loss("pixelate"), 4)
            0.008
        """
        return self.error(change) - self.clean


_SAM = "DBO-DKFZ/SCP-Robustness-Benchmark 5c2802f, code/baseline; Maron et al. 2021, Eur J Cancer 155:191-199"
_SAM_IMAGES = "melanoma or nevus, 319 images of 85 lesions"

REFERENCES: dict[str, Reference] = {
    r.key: r
    for r in (
        Reference(
            key="sam_c",
            name="SAM-C",
            plain=f"AlexNet under 14 changes, {_SAM_IMAGES}.",
            source=_SAM,
            errors=_of("SAM-C"),
            clean=_clean("SAM"),
        ),
        Reference(
            key="sam_c_extra",
            name="SAM-C, extra changes",
            plain=f"AlexNet under four more changes, {_SAM_IMAGES}.",
            source=_SAM,
            errors=_of("SAM-C-Extra"),
            clean=_clean("SAM"),
        ),
        Reference(
            key="dermamnist_c",
            name="DermaMNIST-C",
            plain="AlexNet under 15 changes, seven diagnoses, 2,005 images of HAM10000 at 224 px.",
            source="francescodisalvo05/medmnistc-api 8acfd27, medmnistc/utils/baselines.py; Di Salvo, Doerrich and "
            "Ledig 2024 (arXiv:2406.17536)",
            errors=_of("DermaMNIST-C"),
            clean=_clean("DermaMNIST-C"),
            two_classes=False,
        ),
        Reference(
            key="sam_p",
            name="SAM-P",
            plain=f"Flip rates of AlexNet over 10 sequences of 31 frames, {_SAM_IMAGES}.",
            source=_SAM,
            errors=_of("SAM-P"),
        ),
        Reference(
            key="sam_p_extra",
            name="SAM-P, extra sequences",
            plain=f"Flip rates of AlexNet over four more sequences, {_SAM_IMAGES}.",
            source=_SAM,
            errors=_of("SAM-P-Extra"),
        ),
    )
}
"""By key. ImageNet's own figures are left out: nothing of dermoscopy may be divided by them."""


BENCHMARKS = ("sam_c", "sam_c_extra", "dermamnist_c")
"""Keys of those whose errors a run's are divided by: no flip rates."""


def benchmarks(two_classes: bool) -> tuple[str, ...]:
    """Those of `BENCHMARKS` whose answers are one of two, or one of several.

    Examples:
        >>> benchmarks(True)
        ('sam_c', 'sam_c_extra')
    """
    return tuple(key for key in BENCHMARKS if REFERENCES[key].two_classes == two_classes)


def reference(key: str) -> Reference:
    """AlexNet's figures of a key.

    Raises:
        ConfigError: The key is unknown.
    """
    if key not in REFERENCES:
        raise ConfigError(f"There are no published errors '{key}'.", f"Choose one of {', '.join(REFERENCES)}.")
    return REFERENCES[key]


def weak(loss: float) -> bool:
    """Whether a relative error over this loss of AlexNet has to be marked.

    Examples:
        >>> weak(REFERENCES["sam_c"].loss("pixelate")), weak(REFERENCES["sam_c"].loss("gaussian_noise")), weak(np.nan)
        (True, False, False)
    """
    return bool(np.isfinite(loss) and loss < WEAK)
