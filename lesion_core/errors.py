"""Errors that teach: what is wrong and what to do about it, in words for a person.

Every error that a user can cause is a `LesionError`. Its text is one or two plain sentences in one line, short and
without control characters whatever foreign text it holds, so that the dashboard, the command line and logs can show
``str(error)`` as it is. What reads markup escapes it as any text.
"""

from __future__ import annotations

from typing import Self

from lesion_core.foreign_text import sentence


class LesionError(Exception):
    """A problem that the person at the screen can act on.

    Args:
        problem: What is wrong, one sentence that names what was given.
        remedy: What to do about it, one sentence. It may be empty where the problem says it all.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = sentence(problem, 360)
        self.remedy = sentence(remedy, 230)
        super().__init__(f"{self.problem} {self.remedy}".strip())

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Both sentences survive the way to another process."""
        return type(self), (self.problem, self.remedy)

    def again(self) -> Self:
        """The same error, new: one that is kept and raised again would grow its traceback each time."""
        return type(self)(self.problem, self.remedy)


class DataError(LesionError):
    """A data set that cannot be read: a missing table or column, an unknown diagnosis, duplicate ids."""


class ImageError(LesionError):
    """An image that cannot be used; the subclasses say why."""


class NotAnImageError(ImageError):
    """The bytes are empty or no known image format."""


class TruncatedImageError(ImageError):
    """The file is an image, but ends early or is damaged."""


class ImageTooLargeError(ImageError):
    """The file is over the limit in bytes or in pixels; found before it is decoded."""


class ImageTooSmallError(ImageError):
    """The image has too few pixels to show a lesion."""


class ConfigError(LesionError):
    """Settings that are unknown, out of range or contradict each other."""


class RunError(LesionError):
    """A run folder that is incomplete, altered, or was made for something else."""


class ModelError(LesionError):
    """A model that cannot do what is asked: unknown name, wrong weights, unknown layer or class."""


class BusyError(LesionError):
    """Others are at it: the engine's queue is full, or a folder is being written. Later the same request will work."""


class DownloadError(LesionError):
    """What was asked of a server did not come, and asking for the rest makes no sense now."""


class NotFetchedError(DownloadError):
    """One file that a server does not have, does not give, or gives damaged; others may come."""
