"""A reader study for a class: each person reads images alone, with the model's answer, and with its answer and map.

An arm has as many images that the model gets right as each other arm, and as many that it gets wrong. Which image comes
in which arm, and in which order, is dealt per person, so that over a class each image is read in every arm: what
differs between the arms is the help. What a person says alone of an image that the model gets wrong is what following
is compared with.
"""

from __future__ import annotations

import random
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from lesion_core.config import Settings
from lesion_core.errors import ConfigError
from lesion_core.labels import ISIC2019, diagnosis
from lesion_core.teaching.asked import AskedQuestion, ImageId, check_codes, one_of, options_of

Arm = Literal["alone", "answer", "map"]
ARMS: dict[Arm, str] = {"alone": "alone", "answer": "with the answer", "map": "with answer and map"}
"""Arms, and what a person reads for each."""
MOST_IMAGES = 60


class ReadingImage(Settings):
    """An image to read.

    Attributes:
        image: The id of the sample.
        map: The id of the image with the map of the model's answer over it.
        truth: The code of its diagnosis.
        answer: The code that the model says.
        confidence: How sure it is, in [0, 1].
    """

    image: ImageId = Field(min_length=1)
    map: ImageId = Field(min_length=1)
    truth: str
    answer: str
    confidence: float = Field(ge=0, le=1)


class Dealt(NamedTuple):
    """One image as it was dealt to a person."""

    image: ReadingImage
    arm: Arm


class Reading(NamedTuple):
    """One image that somebody read.

    Attributes:
        arm: What was shown beside it.
        truth: The code of its diagnosis.
        answer: The code that the model says.
        said: The code that the person said.
    """

    arm: Arm
    truth: str
    answer: str
    said: str


class ReadingQuestion(AskedQuestion):
    """The diagnosis of image after image, each in one of three arms."""

    kind: Literal["reading"] = "reading"
    reads: Annotated[tuple[ReadingImage, ...], Field(min_length=3, max_length=MOST_IMAGES)]
    codes: Annotated[tuple[str, ...], Field(min_length=2, max_length=9)] = ISIC2019

    @model_validator(mode="after")
    def _in_three_arms(self) -> Self:
        check_codes(self.codes)
        wrong = sum(one.answer != one.truth for one in self.reads)
        if wrong % len(ARMS) or len(self.reads) % len(ARMS):
            raise ValueError(
                f"{len(self.reads)} images, of which the model gets {wrong} wrong, cannot be dealt evenly to three arms"
            )
        if not wrong:
            raise ValueError("the model gets none of the images wrong, so nobody can follow it")
        if len({one.image for one in self.reads}) < len(self.reads):
            raise ValueError("an image is there twice")
        if others := {one.truth for one in self.reads} - set(self.codes):
            raise ValueError(f"{min(others)} is not among the diagnoses to choose from")
        return self

    def deal(self, person: str) -> tuple[Dealt, ...]:
        """The images of a person in their order, arm after arm; the same text deals the same."""
        rng = random.Random(f"{self.key} {person}")
        arms: dict[Arm, list[ReadingImage]] = {arm: [] for arm in rng.sample(list(ARMS), len(ARMS))}
        for wrong in (True, False):
            some = [one for one in self.reads if (one.answer != one.truth) == wrong]
            rng.shuffle(some)
            for number, own in enumerate(arms.values()):
                own += some[number :: len(ARMS)]
        return tuple(Dealt(image, arm) for arm, own in arms.items() for image in rng.sample(own, len(own)))

    def images(self, person: str = "") -> tuple[str, ...]:
        """The person's images in their order, and after all of them their maps; empty where the arm shows none."""
        dealt = self.deal(person)
        return (*(one.image.image for one in dealt), *(one.image.map if one.arm == "map" else "" for one in dealt))

    def public(self, *, revealed: bool = False, person: str = "") -> dict[str, object]:
        """As for all questions: the model's answers only in the arms that show them, and images by their place."""
        told = super().public(revealed=revealed, person=person)
        del told["reads"]
        dealt = self.deal(person)
        items: list[dict[str, object]] = []
        for place, (image, arm) in enumerate(dealt):
            item: dict[str, object] = {"arm": ARMS[arm], "image": place}
            item["map"] = len(dealt) + place if arm == "map" else None
            item["model"] = None
            if arm != "alone" or revealed:
                item["model"] = {"text": diagnosis(image.answer).name, "confidence": round(image.confidence, 2)}
            items.append(item | ({"right": image.truth, "planted": image.answer != image.truth} if revealed else {}))
        return told | {"items": items, "options": options_of(self.codes)}

    def check(self, raw: object) -> tuple[str, ...]:
        """The answers so far, from the person's first image on; see `check_answer`."""
        if not isinstance(raw, list | tuple):
            raise ConfigError("The answer is not a list of diagnoses.", "Reload the page and answer again.")
        if not 1 <= len(raw) <= len(self.reads):
            raise ConfigError(f"{len(raw)} answers to {len(self.reads)} images.", "Reload the page and answer again.")
        return tuple(one_of(one, self.codes) for one in raw)

    def readings(self, person: str, answers: tuple[str, ...]) -> list[Reading]:
        """What a person said of the images that were dealt, for those that were answered."""
        return [
            Reading(arm, image.truth, image.answer, said)
            for (image, arm), said in zip(self.deal(person), answers, strict=False)
        ]
