"""The diagnoses: one code, one name, one colour and one malignancy each, and the maps between label sets.

The eight diagnoses of ISIC 2019 contain the seven of HAM10000 and ISIC 2018 (AKIEC = AK + SCC), which
contain the two sides of benign against malignant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lesion_core.errors import ConfigError, DataError

Malignancy = Literal["malignant", "premalignant", "benign"]


@dataclass(frozen=True)
class Diagnosis:
    """One diagnosis of ISIC 2019 (or a union of them).

    Attributes:
        code: Short code in capitals, as in the ISIC 2019 ground truth.
        name: Plain English name.
        malignancy: The clinical side it is counted on.
        colour: Hex colour, the same on every page (Okabe and Ito's palette, warm for malignant).
        plain: One sentence for a student.
    """

    code: str
    name: str
    malignancy: Malignancy
    colour: str
    plain: str


DIAGNOSES: dict[str, Diagnosis] = {
    d.code: d
    for d in (
        Diagnosis(
            code="MEL",
            name="melanoma",
            malignancy="malignant",
            colour="#D55E00",
            plain="A cancer of the pigment cells; dangerous because it can spread early.",
        ),
        Diagnosis(
            code="NV",
            name="melanocytic nevus",
            malignancy="benign",
            colour="#56B4E9",
            plain="A common mole: a harmless cluster of pigment cells.",
        ),
        Diagnosis(
            code="BCC",
            name="basal cell carcinoma",
            malignancy="malignant",
            colour="#E69F00",
            plain="The most common skin cancer; it grows locally and rarely spreads.",
        ),
        Diagnosis(
            code="AK",
            name="actinic keratosis",
            malignancy="premalignant",
            colour="#CC79A7",
            plain="A rough patch from sun damage that can become a squamous cell carcinoma.",
        ),
        Diagnosis(
            code="BKL",
            name="benign keratosis",
            malignancy="benign",
            colour="#0072B2",
            plain="Seborrheic keratosis, solar lentigo or lichen-planus-like keratosis; harmless.",
        ),
        Diagnosis(
            code="DF",
            name="dermatofibroma",
            malignancy="benign",
            colour="#009E73",
            plain="A firm, harmless nodule of fibrous tissue.",
        ),
        Diagnosis(
            code="VASC",
            name="vascular lesion",
            malignancy="benign",
            colour="#6E6E6E",
            plain="A harmless growth of blood vessels: angioma, angiokeratoma or a small haemorrhage.",
        ),
        Diagnosis(
            code="SCC",
            name="squamous cell carcinoma",
            malignancy="malignant",
            colour="#B8A400",
            plain="A cancer of the outer skin cells; it can spread when it is left untreated.",
        ),
    )
}
"""The eight diagnoses in the order of the ISIC 2019 ground truth. The palette's black and pale yellow,
which vanish into ink and ground, are a dark grey and a deeper yellow here."""

ISIC2019: tuple[str, ...] = tuple(DIAGNOSES)
HAM10000: tuple[str, ...] = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
BINARY: tuple[str, ...] = ("benign", "malignant")

AKIEC = Diagnosis(
    code="AKIEC",
    name="actinic keratosis or Bowen's disease (HAM10000)",
    malignancy="premalignant",
    colour="#CC79A7",
    plain="Actinic keratosis and Bowen's disease, which HAM10000 and ISIC 2018 count as one. "
    "AK and SCC of ISIC 2019 are merged into it.",
)

PREMALIGNANT_COUNTS_AS: Literal["malignant", "benign"] = "malignant"
"""The side of AK in the binary view. HAM10000's AKIEC cannot be split, and it holds carcinomas, so the
side that a patient is safe on is the only one that both label sets can share."""

_SPELLINGS: dict[str, str] = {
    **{code.lower(): code for code in DIAGNOSES},
    **{d.name: d.code for d in DIAGNOSES.values()},
    "akiec": "AKIEC",
    "actinic keratoses": "AK",
    "solar or actinic keratosis": "AK",
    "nevus": "NV",
    "naevus": "NV",
    "melanoma, nos": "MEL",
    "melanoma in situ": "MEL",
    "melanoma invasive": "MEL",
    "melanoma metastasis": "MEL",
    "seborrheic keratosis": "BKL",
    "solar lentigo": "BKL",
    "lentigo simplex": "BKL",
    "pigmented benign keratosis": "BKL",
    "lichen planus like keratosis": "BKL",
    "lichen planus-like keratosis": "BKL",
    "squamous cell carcinoma, nos": "SCC",
    "squamous cell carcinoma in situ": "SCC",
    "bowen's disease": "SCC",
    "squamous cell carcinoma, invasive": "SCC",
    "hemangioma": "VASC",
    "angioma": "VASC",
    "angiokeratoma": "VASC",
    "pyogenic granuloma": "VASC",
    "vascular": "VASC",
    "benign keratosis-like lesions": "BKL",
    "basal cell carcinoma, nos": "BCC",
    "malignant melanocytic proliferations (melanoma)": "MEL",
    "benign soft tissue proliferations - vascular": "VASC",
}


def diagnosis(code: str) -> Diagnosis:
    """The diagnosis of a code, AKIEC included.

    Raises:
        DataError: The code is unknown.
    """
    if code == "AKIEC":
        return AKIEC
    if code in DIAGNOSES:
        return DIAGNOSES[code]
    raise DataError(f"'{code}' is not a known diagnosis.", f"Choose one of {', '.join(DIAGNOSES)} and AKIEC.")


def parse_diagnosis(text: str) -> str | None:
    """The code for a spelling as data sets write it ('nv', 'Melanoma Invasive'), or None where there is none."""
    return _SPELLINGS.get(" ".join(str(text).strip().lower().split()))


def _groups(source: tuple[str, ...], target: tuple[str, ...]) -> list[list[int]]:
    """For each target class, the indices of the source classes that it contains."""
    if source == target:
        return [[i] for i in range(len(source))]

    def member(code: str, goal: str) -> bool:
        if goal in BINARY and code not in BINARY:
            side = diagnosis(code).malignancy
            return goal == (PREMALIGNANT_COUNTS_AS if side == "premalignant" else side)
        return code == goal or (goal == "AKIEC" and code in ("AK", "SCC"))

    groups = [[i for i, code in enumerate(source) if member(code, goal)] for goal in target]
    if sorted(i for group in groups for i in group) != list(range(len(source))):
        raise ConfigError(
            f"The classes {', '.join(source)} do not map onto {', '.join(target)}.",
            "Classes can be merged (AK and SCC into AKIEC, all into benign and malignant), never split.",
        )
    return groups


def convert_probabilities(
    probabilities: ArrayLike, source: tuple[str, ...], target: tuple[str, ...]
) -> NDArray[np.float64]:
    """Merge class probabilities into a coarser label set by adding them up.

    Args:
        probabilities: (N, len(source)), each row in [0, 1] and summing to 1.
        source: Class order of the columns.
        target: Class order wanted: the same, HAM10000's seven, or benign and malignant.

    Returns:
        (N, len(target)) float64. A target class that no source class belongs to has probability 0.

    Raises:
        ConfigError: A source class fits no target class, or the columns do not fit `source`.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] != len(source):
        raise ConfigError(
            f"Probabilities of shape {p.shape} do not fit {len(source)} classes.", "Give one column per class."
        )
    return np.stack([p[:, group].sum(axis=1) for group in _groups(source, target)], axis=1)


def convert_codes(codes: ArrayLike, target: tuple[str, ...]) -> NDArray[np.str_]:
    """Diagnosis codes in a coarser label set: ``['AK', 'NV']`` becomes ``['AKIEC', 'NV']``.

    Raises:
        DataError: A code is unknown.
        ConfigError: A code fits no class of `target`.
    """
    found = np.asarray(codes, dtype=np.str_)
    unique, inverse = np.unique(found, return_inverse=True)
    for code in unique:
        if code not in target:
            diagnosis(str(code))
    source = tuple(str(code) for code in unique)
    renamed = (
        {source[i]: goal for goal, group in zip(target, _groups(source, target), strict=True) for i in group}
        if source != target
        else {code: code for code in source}
    )
    return np.asarray([renamed[code] for code in source], dtype=np.str_)[inverse].reshape(found.shape)


UNKNOWN_LABEL = -2
"""The index of a label that is none of the classes: not -1, which is an undecided answer, and the two must differ."""


def class_indices(codes: Iterable[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Labels as class indices.

    Args:
        codes: N class codes; one that is missing or unknown is none of the classes.
        classes: Codes in the order of the logits.

    Returns:
        (N,) int64 in 0 to K - 1, `UNKNOWN_LABEL` where the code is none of the classes.

    Example:
        >>> class_indices(["MEL", "scar"], ("NV", "MEL")).tolist()
        [1, -2]
    """
    places = {code: place for place, code in enumerate(classes)}
    return np.array([places.get(code, UNKNOWN_LABEL) for code in codes], dtype=np.int64)
