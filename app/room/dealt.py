"""Questions about images that are dealt from a run for a whole class: everybody sees the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar
from zlib import crc32

import numpy as np
from pydantic import ValidationError

from app.figures.style import name_of
from app.lessons import deals
from app.lessons.given import Card
from app.room.images import PHONE_SIDE, class_image, map_name, may_be_shown
from lesion_core.config import first_problem
from lesion_core.errors import DataError
from lesion_core.runs.classifier import Run
from lesion_core.teaching.questions import Item, Question, SeriesQuestion
from lesion_core.teaching.reading import ARMS, ReadingImage, ReadingQuestion

TEXT = "What is it?"
PER_ARM = 10
"""Images of a reader study in each arm, where there are so many."""
FEW = "This run has too few images that a class may see."
REMEDY = "Set LESION_DATA to a data folder, or choose another run."
Q = TypeVar("Q", SeriesQuestion, ReadingQuestion)


def seed_of(code: str, key: str) -> int:
    """The seed of a question in a room: asked again it is the same question, which comes back with its answers."""
    return crc32(f"{code} {key}".encode())


def prepare(question: Question) -> None:
    """Make all images of a question for phones, so that no phone waits for a map.

    Raises:
        LesionError: One of them cannot be shown to a class.
    """
    images = question.images()
    if isinstance(question, ReadingQuestion):
        images = tuple(name for one in question.reads for name in (one.image, one.map))
    for name in filter(None, images):
        class_image(name, PHONE_SIDE)


def reader_study(run: Run, key: str, seed: int, per_arm: int = PER_ARM, text: str = TEXT) -> ReadingQuestion:
    """A reader study: as many images in each arm, and as many of them with a wrong answer of the model.

    Args:
        run: The run whose answers are shown.
        key: The key of the question.
        seed: The same seed chooses the same images; who reads which of them in which arm is dealt per person.
        per_arm: Images in each arm at most.
        text: What is asked of each.

    Raises:
        LesionError: There are too few images, or too few mistakes.
    """
    rng = np.random.default_rng(seed)
    cards = _candidates(run, rng)
    wrong = sorted((card for card in cards if not card.right), key=lambda card: card.confidence < deals.SURE)
    planted = _thirds(wrong, round(deals.PLANTED * per_arm))
    right = _thirds(deals.in_turn([card for card in cards if card.right], rng), per_arm - len(planted) // len(ARMS))
    if not planted or not right:
        raise DataError(FEW, REMEDY)
    reads = tuple(
        ReadingImage(
            image=card.image,
            map=map_name(run, card.answer, card.image),
            truth=card.truth,
            answer=card.answer,
            confidence=card.confidence,
        )
        for card in (*planted, *right)
    )
    return _made(lambda: ReadingQuestion(key=key, text=text, reads=reads, codes=tuple(run.classes)))


def image_series(run: Run, key: str, text: str, seed: int, n: int = 10) -> SeriesQuestion:
    """Images, each with what the model says of it: is it right? Half of them are, where there are so many mistakes.

    Raises:
        LesionError: There are too few images.
    """
    rng = np.random.default_rng(seed)
    cards = _candidates(run, rng)
    wrong = _shown([card for card in cards if not card.right], n - n // 2)
    right = _shown(deals.in_turn([card for card in cards if card.right], rng), n - len(wrong))
    chosen = [*wrong, *right]
    if len(chosen) < 3:
        raise DataError(FEW, REMEDY)
    order = [chosen[int(i)] for i in rng.permutation(len(chosen))]
    items = tuple(
        Item(text=f"The model says {name_of(card.answer)}, {card.confidence:.2f}", image=card.image, right=card.right)
        for card in order
    )
    return _made(lambda: SeriesQuestion(key=key, text=text, items=items))


def _candidates(run: Run, rng: np.random.Generator) -> list[Card]:
    """All images with a truth that the run knows, in any order."""
    cards = [card for card in deals.candidates(run)[0] if card.truth in run.classes]
    return [cards[int(i)] for i in rng.permutation(len(cards))]


def _shown(cards: Sequence[Card], most: int) -> list[Card]:
    """The first that a class may see."""
    return list(islice((card for card in cards if may_be_shown(card.image)), most))


def _thirds(cards: Sequence[Card], per_arm: int) -> list[Card]:
    """So many for each arm, or as many as there are for all arms alike."""
    found = _shown(cards, per_arm * len(ARMS))
    return found[: len(found) - len(found) % len(ARMS)]


def _made(make: Callable[[], Q]) -> Q:
    try:
        return make()
    except ValidationError as error:
        raise DataError(f"This cannot be dealt: {first_problem(error)}", REMEDY) from None
