"""How much work may be asked for at once."""

from __future__ import annotations

from numbers import Integral

from lesion_core.errors import ConfigError

MOST = {
    "resamples": 100_000,
    "bins": 10_000,
    "steps": 1000,
    "epochs": 1000,
    "images at a time": 4096,
    "workers": 64,
    "images": 1_000_000,
    "lesions of each diagnosis": 10_000,
    "images of each kind": 10_000,
    "images of a gallery": 10_000,
    "devices": 1024,
    "nodes": 10_000,
}
"""The largest number that makes sense, of whatever decides how much work is done."""


def check_amount(value: int, what: str, least: int = 1) -> int:
    """A number that decides how much work is done, refused where it is out of range.

    Args:
        value: The number.
        what: Key of `MOST`: what it counts.
        least: The smallest that makes sense.

    Raises:
        ConfigError: It is not a whole number from `least` to the largest that makes sense.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= value <= MOST[what]:
        raise ConfigError(f"{value} {what} are out of range.", f"Ask for at least {least} and at most {MOST[what]:,}.")
    return int(value)
