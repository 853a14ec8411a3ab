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
LABELS: tuple[str, ...] = (*DIAGNOSES, "AKIEC")
"""Codes of diagnoses that a data set or a run may know."""

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

WORDS: dict[str, dict[str, str]] = {
    "HAM10000 and ISIC 2018 (Tschandl et al., Sci. Data 5:180161, 2018)": {
        "akiec": "AKIEC",
        "actinic keratoses": "AK",
        "benign keratosis-like lesions": "BKL",
        "seborrheic keratosis": "BKL",
        "solar lentigo": "BKL",
        "lichen planus like keratosis": "BKL",
        "lichen planus-like keratosis": "BKL",
        "bowen's disease": "SCC",
        "bowen disease": "SCC",
        "nevus": "NV",
        "angioma": "VASC",
        "angiokeratoma": "VASC",
        "pyogenic granuloma": "VASC",
        "vascular": "VASC",
    },
    "ISIC Archive, levels 2 to 5 (https://www.isic-archive.com)": {
        "malignant melanocytic proliferations (melanoma)": "MEL",
        "melanoma, nos": "MEL",
        "melanoma in situ": "MEL",
        "melanoma in situ, lentigo maligna type": "MEL",
        "melanoma invasive": "MEL",
        "melanoma invasive, superficial spreading": "MEL",
        "melanoma invasive, nodular": "MEL",
        "melanoma invasive, on chronically sun-exposed skin or lentigo maligna melanoma": "MEL",
        "melanoma metastasis": "MEL",
        "nevus, nos": "NV",
        "nevus, nos, compound": "NV",
        "nevus, nos, dermal": "NV",
        "nevus, nos, junctional": "NV",
        "nevus, acral": "NV",
        "nevus, atypical, dysplastic, or clark": "NV",
        "nevus, balloon cell": "NV",
        "nevus, combined": "NV",
        "nevus, congenital": "NV",
        "nevus, deep penetrating": "NV",
        "nevus, recurrent or persistent": "NV",
        "nevus, reed": "NV",
        "nevus, spitz": "NV",
        "blue nevus": "NV",
        "basal cell carcinoma, nos": "BCC",
        "solar or actinic keratosis": "AK",
        "pigmented benign keratosis": "BKL",
        "lentigo simplex": "BKL",
        "squamous cell carcinoma, nos": "SCC",
        "squamous cell carcinoma, invasive": "SCC",
        "squamous cell carcinoma in situ": "SCC",
        "squamous cell carcinoma in situ, bowens disease": "SCC",
        "hemangioma": "VASC",
        "hemangioma, hobnail": "VASC",
        "benign soft tissue proliferations - vascular": "VASC",
    },
    "PH2 (Mendonça et al., EMBC 2013)": {"common nevus": "NV", "atypical nevus": "NV"},
    "PAD-UFES-20 (Pacheco et al., Data in Brief 32:106221, 2020)": {"ack": "AK", "nev": "NV", "sek": "BKL"},
    "MILK10k (Tschandl et al., J. Invest. Dermatol. 2025)": {"sccka": "SCC", "keratoacanthoma": "SCC"},
    "Derm7pt (Kawahara et al., IEEE J. Biomed. Health Inform. 23:538, 2019)": {
        "clark nevus": "NV",
        "combined nevus": "NV",
        "congenital nevus": "NV",
        "dermal nevus": "NV",
        "recurrent nevus": "NV",
        "reed or spitz nevus": "NV",
        "melanoma (in situ)": "MEL",
        "melanoma (less than 0.76 mm)": "MEL",
        "melanoma (0.76 to 1.5 mm)": "MEL",
        "melanoma (more than 1.5 mm)": "MEL",
    },
    "WHO Classification of Skin Tumours, 4th ed., 2018": {
        "mole": "NV",
        "dysplastic nevus": "NV",
        "junctional nevus": "NV",
        "compound nevus": "NV",
        "intradermal nevus": "NV",
        "acral nevus": "NV",
        "spitz nevus": "NV",
        "reed nevus": "NV",
        "lentigo maligna": "MEL",
        "lentigo maligna melanoma": "MEL",
        "superficial spreading melanoma": "MEL",
        "nodular melanoma": "MEL",
        "acral lentiginous melanoma": "MEL",
        "malignant melanoma": "MEL",
        "metastatic melanoma": "MEL",
        "basalioma": "BCC",
        "senile lentigo": "BKL",
        "cherry angioma": "VASC",
    },
}
"""How data sets write our diagnoses, in their small letters, by where that is published; beside codes and names.

Only words whose meaning is one of the eight stand here. What is another diagnosis (a lichen planus, a scar) or may be
several (*lentigo*, *benign*, *other*) keeps its own word: see `Catalog.table`, column `other_diagnosis`."""

_BRITISH = (("naev", "nev"), ("seborrhoeic", "seborrheic"), ("haemangioma", "hemangioma"))
"""Spellings that differ by country, each with the one in `WORDS`."""


def _spelled(text: str) -> str:
    """A diagnosis without regard to capitals, country, and what stands between its words."""
    word = " ".join(text.lower().replace("_", " ").replace("-", " ").split())
    for british, american in _BRITISH:
        word = word.replace(british, american)
    return word


_SPELLINGS: dict[str, str] = {
    **{code.lower(): code for code in DIAGNOSES},
    **{_spelled(d.name): d.code for d in DIAGNOSES.values()},
    **{_spelled(word): code for words in WORDS.values() for word, code in words.items()},
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
    """The code for a diagnosis as data sets write it, or None where it is none of `WORDS`.

    Capitals, blanks, underscores and hyphens between words, and British spelling do not matter.

    Example:
        >>> [parse_diagnosis(text) for text in ("nv", "Melanoma Invasive", "Atypical_Naevus", "lichen planus")]
        ['NV', 'MEL', 'NV', None]
    """
    return _SPELLINGS.get(_spelled(str(text)))


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


def mergeable(labels: Iterable[object], classes: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """The label set in which a model's answers and given diagnoses can be compared: its own classes, or the seven of
    HAM10000 where only these hold all of the diagnoses.

    Args:
        labels: N codes; one may be missing.
        classes: The model's.

    Returns:
        The label set, and (N,) whether a diagnosis is in it.

    Example:
        >>> mergeable(["AKIEC", "NV"], ISIC2019)[0]  # AKIEC cannot be split into AK and SCC
        ('MEL', 'NV', 'BCC', 'AKIEC', 'BKL', 'DF', 'VASC')
    """
    codes, own = list(labels), tuple(classes)
    among = {
        target: np.array([code in LABELS and _merges((str(code),), target) for code in codes], dtype=bool)
        for target in (own, HAM10000)
        if _merges(own, target)
    }
    best = max(among, key=lambda target: int(among[target].sum()))  # the first of equals: the model's own
    return best, among[best]


def _merges(source: tuple[str, ...], target: tuple[str, ...]) -> bool:
    try:
        return bool(_groups(source, target))
    except ConfigError:
        return False


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
