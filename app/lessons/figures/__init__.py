"""The figures that a lesson's file may name: one entry each, with the arguments that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.lessons.figures import calibration, counting, leakage, maps, planted, rejection, two_networks
from app.lessons.given import Given
from app.lessons.shown import Shown
from lesion_core.config import Settings
from lesion_core.runs.classifier import Run


@dataclass(frozen=True)
class LessonFigure:
    """A figure.

    Attributes:
        description: What it shows, a noun.
        arguments: The settings that its arguments are.
        make: Draws it of a run, with the answers that were given; raises a LesionError where the run lacks what it
            needs, whose remedy is the command that makes it.
    """

    description: str
    arguments: type[Settings]
    make: Callable[[Run, Any, Given], Shown]


NONE = calibration.NoArguments
FIGURES: dict[str, LessonFigure] = {
    "leakage_two_tests": LessonFigure("balanced accuracy of two ways to split", NONE, leakage.two_tests),
    "leakage_several_images": LessonFigure("accuracy where the lesion was trained on", NONE, leakage.several_images),
    "siblings": LessonFigure("images whose lesion has another image", NONE, leakage.siblings),
    "confident_right": LessonFigure(
        "how many confident answers are right", calibration.At, calibration.confident_right
    ),
    "confident_missed": LessonFigure("misses with high confidence", calibration.At, calibration.confident_missed),
    "temperature": LessonFigure("what one temperature changes", NONE, calibration.temperature),
    "series_of_answers": LessonFigure("how well confidence tells", NONE, calibration.series_of_answers),
    "series_of_maps": LessonFigure("how well maps tell", NONE, maps.series_of_maps),
    "maps_when_called": LessonFigure(
        "what a map tells of one diagnosis beside the lesion's size", maps.Diagnosis, maps.maps_when_called
    ),
    "drawn_changes": LessonFigure("answers after code drew over images", maps.Diagnosis, maps.drawn_changes),
    "planted_answers": LessonFigure("nevi with a ruler, by what was trained", NONE, planted.planted_answers),
    "planted_maps": LessonFigure("how much of the map lies on the ruler", NONE, planted.planted_maps),
    "planted_noticed": LessonFigure("whether scores notice the ruler", NONE, planted.planted_noticed),
    "two_networks": LessonFigure(
        "one image as two networks see it, without a ruler and with it", two_networks.Nevus, two_networks.two_networks
    ),
    "slices_at_random": LessonFigure("slices that mean nothing", maps.Slices, maps.slices_at_random),
    "real_slices": LessonFigure("slices by artefact, site, age or sex", maps.Groups, maps.real_slices),
    "own_line": LessonFigure("what a line on the confidence does", rejection.Line, rejection.own_line),
    "let_through": LessonFigure("OOD images that pass", rejection.Kind, rejection.let_through),
    "turned_away": LessonFigure("diagnoses that are turned away", rejection.Line, rejection.turned_away),
    "rules": LessonFigure("ways to reject beside each other", rejection.Share, rejection.rules),
    "of_a_thousand": LessonFigure("1,000 people as dots", counting.Prevalence, counting.of_a_thousand),
    "alarms_by_prevalence": LessonFigure(
        "what an alarm means by prevalence", counting.Prevalence, counting.alarms_by_prevalence
    ),
    "price_of_a_miss": LessonFigure("what must be flagged to miss little", counting.Costs, counting.price_of_a_miss),
    "reader_study": LessonFigure("own reading alone and with help", NONE, counting.reader_study),
    "human_against_model": LessonFigure("own reading beside the model's", NONE, counting.human_against_model),
}
ARGUMENTS: dict[str, type[Settings]] = {key: figure.arguments for key, figure in FIGURES.items()}


def shown(run: Run, figure: str, arguments: dict[str, Any], given: Given) -> Shown:
    """A figure of a run.

    Raises:
        LesionError: The run lacks what the figure needs.
    """
    entry = FIGURES[figure]
    return entry.make(run, entry.arguments.model_validate(arguments, strict=False), given)
