"""The diagnoses and the maps between label sets."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lesion_core.errors import ConfigError, DataError
from lesion_core.labels import (
    AKIEC,
    BINARY,
    DIAGNOSES,
    HAM10000,
    ISIC2019,
    LABELS,
    WORDS,
    convert_codes,
    convert_probabilities,
    diagnosis,
    mergeable,
    parse_diagnosis,
)

MALIGNANT = {"MEL", "BCC", "AK", "SCC", "AKIEC"}


def test_every_diagnosis_has_its_own_code_name_and_colour() -> None:
    assert ISIC2019 == ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
    assert HAM10000 == ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    assert len({d.colour for d in DIAGNOSES.values()}) == len({d.name for d in DIAGNOSES.values()}) == 8
    assert all(re.fullmatch(r"#[0-9A-F]{6}", d.colour) and d.plain.endswith(".") for d in (*DIAGNOSES.values(), AKIEC))


@pytest.mark.parametrize("code", sorted({*ISIC2019, *HAM10000}))
def test_codes_and_names_are_parsed_in_any_case(code: str) -> None:
    entry = diagnosis(code)
    assert entry.code == code
    for text in (code, code.lower(), f"  {code.title()} "):
        assert parse_diagnosis(text) == code
    if code != "AKIEC":
        assert parse_diagnosis(entry.name.upper()) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Melanoma  Invasive", "MEL"),
        ("nevus", "NV"),
        ("Seborrheic keratosis", "BKL"),
        ("solar or actinic keratosis", "AK"),
        ("pyogenic granuloma", "VASC"),
        ("", None),
        ("unknown", None),
        ("nan", None),
        ("NVx", None),
    ],
)
def test_spellings(text: str, code: str | None) -> None:
    assert parse_diagnosis(text) == code


def test_an_unknown_code_lists_the_known() -> None:
    with pytest.raises(DataError, match=r"'XYZ' is not a known diagnosis.*MEL.*AKIEC"):
        diagnosis("XYZ")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (ISIC2019, ISIC2019),
        (ISIC2019, HAM10000),
        (ISIC2019, BINARY),
        (HAM10000, HAM10000),
        (HAM10000, BINARY),
        (BINARY, BINARY),
        (("malignant", "benign"), BINARY),
        (("SCC", "NV"), HAM10000),
    ],
)
@given(data=st.data())
def test_merging_is_the_literal_sum(source: tuple[str, ...], target: tuple[str, ...], data: st.DataObject) -> None:
    shape = (data.draw(st.integers(0, 4)), len(source))
    p = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(0, 1)))
    expected = np.zeros((len(p), len(target)))
    for i, code in enumerate(source):
        if target == BINARY:
            goal = code if code in BINARY else "malignant" if code in MALIGNANT else "benign"
        else:
            goal = "AKIEC" if code in ("AK", "SCC") and "AKIEC" in target else code
        expected[:, target.index(goal)] += p[:, i]
    found = convert_probabilities(p, source, target)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), p.sum(axis=1), atol=1e-12)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (HAM10000, ISIC2019),
        (BINARY, HAM10000),
        (BINARY, ISIC2019),
        (ISIC2019, ("MEL", "NV")),
    ],
)
def test_classes_are_never_split(source: tuple[str, ...], target: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="do not map onto"):
        convert_probabilities(np.full((1, len(source)), 1 / len(source)), source, target)


@pytest.mark.parametrize("bad", [np.zeros(8), np.zeros((2, 7)), np.zeros((1, 2, 8))])
def test_probabilities_of_another_shape_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="do not fit 8 classes"):
        convert_probabilities(bad, ISIC2019, HAM10000)


def test_codes_are_merged_like_probabilities() -> None:
    for source, target in itertools.product((ISIC2019, HAM10000), (ISIC2019, HAM10000, BINARY)):
        if source == HAM10000 and target == ISIC2019:
            continue
        codes = convert_codes(source, target)
        one_hot = convert_probabilities(np.eye(len(source)), source, target)
        assert [target[i] for i in one_hot.argmax(axis=1)] == codes.tolist()


def test_codes_keep_their_shape_and_may_be_few_or_none() -> None:
    assert convert_codes([["AK", "NV"], ["SCC", "AK"]], HAM10000).tolist() == [["AKIEC", "NV"], ["AKIEC", "AKIEC"]]
    assert convert_codes([], HAM10000).shape == (0,)
    assert convert_codes(["benign", "benign"], BINARY).tolist() == ["benign", "benign"]
    assert convert_codes(["malignant", "NV"], BINARY).tolist() == ["malignant", "benign"]


def test_unknown_and_unfitting_codes_are_told_apart() -> None:
    with pytest.raises(DataError, match="'UNK' is not a known diagnosis"):
        convert_codes(["NV", "UNK"], HAM10000)
    with pytest.raises(ConfigError, match="do not map onto"):
        convert_codes(["AKIEC"], ISIC2019)


ALL_WORDS = [(word, code) for words in WORDS.values() for word, code in words.items()]


def test_the_words_of_data_sets_are_of_one_meaning_and_name_their_source() -> None:
    meaning = dict(ALL_WORDS)
    assert all(meaning[word] == code and code in LABELS for word, code in ALL_WORDS), "one word, two diagnoses"
    assert all(word == " ".join(word.lower().split()) and "naev" not in word for word in meaning)
    assert all(re.search(r"\d{4}\)?|https://", source) for source in WORDS), "a source has its year or its address"


@pytest.mark.parametrize(("word", "code"), ALL_WORDS)
def test_words_are_read_as_people_write_them(word: str, code: str) -> None:
    british = word.replace("nev", "naev").replace("seborrheic", "seborrhoeic").replace("hemangioma", "haemangioma")
    for text in (word.upper(), word.title(), word.replace(" ", "_"), word.replace(" ", "  "), british, f" {word}\t"):
        assert parse_diagnosis(text) == code


@pytest.mark.parametrize(
    "word", ["lichen planus", "lentigo", "other", "benign", "malignant", "Inflammatory or infectious diseases", "scar"]
)
def test_what_is_another_diagnosis_or_may_be_several_is_none_of_ours(word: str) -> None:
    assert parse_diagnosis(word) is None


@given(st.lists(st.sampled_from((*LABELS, None, "wart"))), st.sampled_from((ISIC2019, HAM10000, ("MEL", "NV"))))
def test_answers_and_diagnoses_meet_in_a_label_set_that_holds_both(
    labels: list[str | None], classes: tuple[str, ...]
) -> None:
    target, usable = mergeable(labels, classes)
    inside = [label for label, is_usable in zip(labels, usable, strict=True) if is_usable]
    assert set(convert_codes(inside, target)) <= set(target)
    assert np.allclose(convert_probabilities(np.eye(len(classes)), classes, target).sum(axis=1), 1)
    assert target == classes or sum(usable) > sum(label in classes for label in labels), (
        "its own unless others lose less"
    )
    if classes == ISIC2019 and "AKIEC" not in labels:
        assert target == classes and sum(usable) == sum(label in LABELS for label in labels)
