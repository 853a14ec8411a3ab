"""What the schemas of several commands share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Output(BaseModel):
    """What a program may rely on: the fields named, and no others."""

    model_config = ConfigDict(extra="forbid")


Count = Annotated[int, Field(ge=0)]
Value = float | None
"""Null where it is not defined, such as an interval over one lesion: JSON has no NaN."""
RunNameField = Annotated[str, Field(description="the run's name")]
FingerprintField = Annotated[str, Field(description="the run's fingerprint, which changes with what it holds")]
NotesField = Annotated[list[str], Field(description="sentences on what was left out or differs")]
PictureField = Annotated[str, Field(description="path of the image")]
WrittenField = Annotated[str, Field(description="path of what was written")]


class Interval(Output):
    """A value with its 95 % interval, bootstrapped by lesion."""

    value: Value
    low: Value
    high: Value
    n_images: Annotated[Count, Field(description="images that it is of")]
    n_groups: Annotated[Count, Field(description="lesions that it is of")]


class Measured(Interval):
    """A figure with its 95 % interval, bootstrapped by lesion."""

    metric: str
