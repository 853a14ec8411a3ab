"""What the command robustness prints with `--json`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lesion_core.cli.schema_parts import (
    Count,
    FingerprintField,
    NotesField,
    Output,
    RunNameField,
    Value,
    WrittenField,
)


class SeverityFigure(Output):
    """A figure at a severity with its 95 % interval, by lesion."""

    severity: Annotated[Count, Field(description="0 is the image as it is")]
    metric: Annotated[
        str,
        Field(
            description="error, balanced_error, calibration_error; with a policy rejected and "
            "error_kept, that of the images answered"
        ),
    ]
    value: Value
    low: Value
    high: Value
    more: Annotated[Value, Field(description="how much higher than at severity 0, same images and resamples")]
    more_low: Value
    more_high: Value
    n_images: Annotated[Count, Field(description="images that the value is of")]
    n_groups: Annotated[Count, Field(description="lesions that it is of")]


class OutcomeShare(Output):
    """The share of images with an outcome, with its 95 % interval by lesion."""

    outcome: str
    n: Annotated[Count, Field(description="images with it")]
    share: Value
    low: Value
    high: Value


class UnderChange(Output):
    """A run's answers under one change."""

    drawn: Annotated[str, Field(description="whether the training of the shipped runs drew it; empty if not")]
    n: Annotated[Count, Field(description="images")]
    lesions: Count
    figures: list[SeverityFigure]
    outcomes: Annotated[list[OutcomeShare], Field(description="right and wrong, before and after, over all severities")]
    turned_away: Annotated[
        list[OutcomeShare] | None,
        Field(description="rejected in time, too late, for nothing, or without need; null without a policy"),
    ]


class BesideAlexNet(Output):
    """A change's balanced error, its rise, and both over AlexNet's."""

    change: str
    metric: Annotated[str, Field(description="error, more (its rise), be, rbe")]
    value: Value
    low: Value
    high: Value
    weak: Annotated[bool, Field(description="AlexNet hardly loses here: not to be relied on")]


class MeanOfChanges(Output):
    """A mean or median over changes."""

    metric: Annotated[
        str, Field(description="mbe, median_be, mean_rbe, median_rbe; mean_error and mean_more without AlexNet")
    ]
    value: Value
    low: Value
    high: Value


class AgainstAlexNet(Output):
    """Balanced errors over AlexNet's published ones: a fixed unit, no place in a published table."""

    compared: Annotated[list[str], Field(description="changes that means and medians are over")]
    of: Annotated[Count, Field(description="changes that were published")]
    n: Annotated[Count, Field(description="images, the same under every change")]
    lesions: Count
    changes: list[BesideAlexNet]
    summary: list[MeanOfChanges]


class RobustnessView(Output):
    """A set of images seen as one list of classes."""

    counts: Annotated[dict[str, Count], Field(description="images of each class")]
    changes: Annotated[dict[str, UnderChange], Field(description="by the change's key")]
    outcomes: Annotated[list[OutcomeShare], Field(description="over all changes together")]
    against: Annotated[
        dict[str, AgainstAlexNet], Field(description="by benchmark; only changes with all five severities")
    ]


class Robust(Output):
    """How much it takes to change a run's answers."""

    run: RunNameField
    fingerprint: FingerprintField
    written: WrittenField
    backend: Annotated[str, Field(description="how the network was computed")]
    agreement: Annotated[float, Field(description="share of unchanged images with the answer of float32")]
    sample: Annotated[str, Field(description="which images, in a sentence")]
    views: Annotated[dict[str, RobustnessView], Field(description="by the key of the set of images")]
    notes: NotesField
