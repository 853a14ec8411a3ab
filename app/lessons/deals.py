"""What is dealt for a question: answers, maps or images of the chosen run, for each visitor anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app import state
from app.cache import images as cached_images
from app.cache import lessons as measured
from app.cache import results as cached_results
from app.cache import runs as cached_runs
from app.figures.style import name_of
from app.lessons.given import Card, Dealing, Help
from lesion_core.analysis.predictions import most_probable
from lesion_core.data.samples import Sample, synthetic_samples
from lesion_core.errors import DataError
from lesion_core.runs.classifier import Run
from lesion_core.teaching.lessons import Dealt

SURE = 0.7
"""Confidence from which a mistake can be planted: one of which the model was not sure warns by itself."""
PLANTED = 0.3
"""Share of the helped images whose answer is a planted wrong one."""
SYNTHETIC_PER_DIAGNOSIS = 5
"""Of synthetic images, so that three series of ten find other ones."""


def deal(run: Run, question: Dealt, seed: int, dealt: Collection[str] = ()) -> Dealing:
    """The items of a question.

    Args:
        run: The run.
        question: What is to be dealt.
        seed: The same seed deals the same.
        dealt: Ids of images that this visitor has seen.

    Raises:
        LesionError: The run lacks what is to be dealt.
    """
    rng = np.random.default_rng(seed)
    if question.deal == "answers":
        return Dealing(_answers(run, question, rng), real=True)
    if question.deal == "maps":
        return Dealing(_maps(run, question, rng), real=True)
    return _images(run, question.n, question.help, rng, dealt)


def _half_right(correct: NDArray[np.bool_], n: int, rng: np.random.Generator) -> list[int]:
    """Places of n items in any order, half of them right: so that always saying the same is worth nothing."""
    wanted = {True: n // 2, False: n - n // 2}
    if any((correct == kind).sum() < count for kind, count in wanted.items()):
        raise DataError("This run has too few right or wrong answers to deal.", "Choose another run.")
    chosen = [rng.choice(np.flatnonzero(correct == kind), count, replace=False) for kind, count in wanted.items()]
    return [int(place) for place in rng.permutation(np.concatenate(chosen))]


def _real(run: Run) -> Mapping[str, Sample]:
    """The images of the data folder by id, in the form that the run asks for."""
    root = state.data_root()
    return cached_images.all_real_samples(root, run.config.settings.images) if root else {}


def _answers(run: Run, question: Dealt, rng: np.random.Generator) -> tuple[Card, ...]:
    here = _real(run) if question.pictures else {}
    data = cached_results.answers_of(run, "test")
    said, confidence = most_probable(data.probabilities), data.probabilities.max(axis=1)
    correct, images = said == data.truth, data.table["image_id"].to_numpy(str)
    return tuple(
        Card(
            f"The model says **{name_of(data.classes[said[i]])}**, with a confidence of **{confidence[i]:.2f}**.",
            bool(correct[i]),
            image=images[i] if images[i] in here else "",
            answer=data.classes[said[i]],
            confidence=float(confidence[i]),
        )
        for i in _half_right(correct, question.n, rng)
    )


def _maps(run: Run, question: Dealt, rng: np.random.Generator) -> tuple[Card, ...]:
    here = _real(run) if question.pictures else {}
    table = measured.maps(run).reset_index(drop=True)
    right = (table["label"] == table["answer"]).to_numpy(bool)
    inside, area = (table[column].to_numpy(np.float64) for column in ("inside", "area"))
    peak, said = table["peak"].to_numpy(bool), table["answer"].to_numpy(str)
    images = table["image_id"].to_numpy(str)
    return tuple(
        Card(
            f"**{100 * inside[i]:.0f} %** of the map lies inside the lesion, which covers {100 * area[i]:.0f} % of the "
            f"image. The map's peak is {'inside' if peak[i] else 'outside'}. The model says {name_of(said[i])}.",
            bool(right[i]),
            image=images[i] if images[i] in here else "",
            answer=said[i],
            share=float(inside[i]),
        )
        for i in _half_right(right, question.n, rng)
    )


def _images(run: Run, n: int, help_: Help, rng: np.random.Generator, dealt: Collection[str]) -> Dealing:
    cards, real = candidates(run)
    left = [card for card in cards if card.image not in dealt]
    order = [left[int(i)] for i in rng.permutation(len(left))]
    if help_ == "nothing":
        chosen = _over_diagnoses(order, n, rng)
    else:
        wrong = [card for card in order if not card.right]
        sure = [card for card in wrong if card.confidence >= SURE]
        planted = (sure + [card for card in wrong if card not in sure])[: round(PLANTED * n)]
        right = _over_diagnoses([card for card in order if card.right], n - len(planted), rng)
        mixed = [*(_planted(card) for card in planted), *right]
        chosen = [mixed[int(i)] for i in rng.permutation(len(mixed))]
    if len(chosen) < 3:
        raise DataError("There are too few images left to deal.", "Begin the lesson again.")
    return Dealing(tuple(chosen), help_, real)


def _planted(card: Card) -> Card:
    return Card(card.text, card.right, card.image, card.truth, card.answer, card.confidence, planted=True)


def _over_diagnoses(cards: Sequence[Card], n: int, rng: np.random.Generator) -> list[Card]:
    """Up to n of the cards over all diagnoses, in any order."""
    found = in_turn(cards, rng)[:n]
    return [found[int(i)] for i in rng.permutation(len(found))]


def in_turn(cards: Sequence[Card], rng: np.random.Generator) -> list[Card]:
    """The cards in turn from each diagnosis, so that not most of the first ones are moles."""
    by_truth: dict[str, list[Card]] = {}
    for card in cards:
        by_truth.setdefault(card.truth, []).append(card)
    codes = [str(code) for code in rng.permutation(sorted(by_truth))]
    most = max(map(len, by_truth.values()), default=0)
    return [by_truth[code][turn] for turn in range(most) for code in codes if turn < len(by_truth[code])]


def candidates(run: Run) -> tuple[list[Card], bool]:
    """Images to read, with what the run says of them, and whether they are real: of its test set where they are in the
    data folder, one per lesion, else synthetic ones.

    Raises:
        LesionError: There is no network to ask about synthetic ones.
    """
    everything = _real(run)
    data = cached_results.answers(run, "test")
    if data is not None and everything:
        said, confidence = most_probable(data.probabilities), data.probabilities.max(axis=1)
        rows = pd.DataFrame(
            {"image": data.table["image_id"].to_numpy(str), "lesion": data.groups, "place": np.arange(len(said))}
        )
        here = rows[rows["image"].isin(set(everything))].drop_duplicates("lesion")
        cards = [
            _card(str(image), data.classes[data.truth[i]], data.classes[said[i]], confidence[i])
            for image, i in zip(here["image"], here["place"], strict=True)
            if data.truth[i] >= 0 and said[i] >= 0
        ]
        if len(cards) >= 40:
            return cards, True
    cards = []
    for sample in synthetic_samples(SYNTHETIC_PER_DIAGNOSIS):
        found = cached_runs.predict(run, cached_images.picture(sample).image)
        cards.append(_card(sample.id, str(sample.truth), found.code, found.confidence))
    return cards, False


def _card(image: str, truth: str, answer: str, confidence: float) -> Card:
    return Card("", truth == answer, image, truth, answer, float(confidence))


def sample_of(run: Run, image: str) -> Sample:
    """The sample of a dealt image.

    Raises:
        DataError: Its file has gone since.
    """
    everything = _real(run)
    if image in everything:
        return everything[image]
    for sample in synthetic_samples(SYNTHETIC_PER_DIAGNOSIS):
        if sample.id == image:
            return sample
    raise DataError("An image that was dealt is not here any more.", "Begin the lesson again.")
