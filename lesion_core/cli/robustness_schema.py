"""What the commands robustness and consistency print with `--json`."""

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


class OnDrawnImages(Output):
    """What `robustness` and `consistency` tell alike."""

    run: RunNameField
    fingerprint: FingerprintField
    written: WrittenField
    backend: Annotated[str, Field(description="how the network was computed")]
    agreement: Annotated[float, Field(description="share of unchanged images with the answer of float32")]
    sample: Annotated[str, Field(description="which images, in a sentence")]
    notes: NotesField


class Robust(OnDrawnImages):
    """How much it takes to change a run's answers."""

    views: Annotated[dict[str, RobustnessView], Field(description="by the key of the set of images")]


class Consistency(Output):
    """How alike the answers to several images of one lesion are, with its 95 % interval by lesion."""

    metric: Annotated[
        str,
        Field(
            description="several (lesions with more than one answer), sides (right once and wrong once), pairs (two "
            "images of a lesion differ), agreement (with the most frequent answer)"
        ),
    ]
    value: Value
    low: Value
    high: Value
    n_images: Annotated[Count, Field(description="images; of poses, those that there are poses of")]
    n_groups: Annotated[Count, Field(description="lesions")]


class ErrorOfAverage(Output):
    """The balanced error where probabilities of several poses of an image are averaged."""

    average: Annotated[str, Field(description="one (the image as it is), flips (its four flips), all (all poses)")]
    value: Value
    low: Value
    high: Value
    more: Annotated[Value, Field(description="how much higher than without averaging, same images and resamples")]
    more_low: Value
    more_high: Value


class Poses(Output):
    """A run's answers to a set of poses."""

    images: Annotated[Count, Field(description="images that there are poses of")]
    poses: Annotated[Count, Field(description="poses that are compared")]
    plain: Annotated[list[Consistency], Field(description="each pose by itself")]
    flips: Annotated[list[Consistency], Field(description="each pose averaged with its three flips")]
    errors: list[ErrorOfAverage]


class FlipsOfSequence(Output):
    """How often the answer changes from frame to frame."""

    sequence: str
    metric: Annotated[str, Field(description="flip_probability, or flip_rate, that over AlexNet's")]
    value: Value
    low: Value
    high: Value


class MeanOfFlips(Output):
    """A mean over the sequences that AlexNet's flips were published of."""

    metric: Annotated[str, Field(description="mean_flip_probability, mfr")]
    value: Value
    low: Value
    high: Value
    changes: Annotated[Count, Field(description="sequences")]


class Flips(Output):
    """How often the answer changes within sequences of 31 frames."""

    sequences: list[FlipsOfSequence]
    means: list[MeanOfFlips]


class ConsistencyView(Output):
    """A set of images seen as one list of classes."""

    poses: Annotated[dict[str, Poses], Field(description="by the key of the set of poses")]
    repeated: Annotated[
        list[Consistency] | None,
        Field(description="of the whole set: lesions with several photographs; null where there are none"),
    ]
    flips: Annotated[
        dict[str, Flips], Field(description="by sam_p and sam_p_extra; divided by AlexNet's in two classes only")
    ]


class Consistent(OnDrawnImages):
    """Whether a run says the same of one lesion however it is held."""

    views: Annotated[dict[str, ConsistencyView], Field(description="by the key of the set of images")]
