"""How often something may happen: token buckets."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


@dataclass
class Bucket:
    """A token bucket: `most` at once, and then `per_second`.

    Attributes:
        most: Tokens that it holds at most; it is full at first.
        per_second: Tokens that come back.
        left: Tokens in it at the time `seen`.
    """

    most: float
    per_second: float
    left: float = field(init=False)
    seen: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.left = self.most

    def fill(self, now: float) -> float:
        """What is in it now, seconds of any clock that does not run backwards."""
        if self.seen is not None:
            self.left = min(self.most, self.left + max(0.0, now - self.seen) * self.per_second)
        self.seen = now
        return self.left

    def take(self, now: float) -> bool:
        """Take a token; False where none is left."""
        if self.fill(now) < 1:
            return False
        self.left -= 1
        return True


class Limiter:
    """A bucket for each of many: persons, rooms, clients. Those that were quiet longest are forgotten first.

    Args:
        most: As of `Bucket`.
        per_second: As of `Bucket`.
        keep: Buckets that are kept.
        clock: Gives seconds.
    """

    def __init__(
        self, most: float, per_second: float, keep: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._per_second, self._keep, self._clock = most, per_second, keep, clock
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def _bucket(self, who: Hashable) -> Bucket:
        bucket = self._buckets.setdefault(who, Bucket(self._most, self._per_second))
        self._buckets.move_to_end(who)
        while len(self._buckets) > self._keep:
            self._buckets.popitem(last=False)
        return bucket

    def take(self, who: Hashable) -> bool:
        """Whether this one may once more."""
        return self._bucket(who).take(self._clock())

    def empty(self, who: Hashable) -> bool:
        """Whether this one may not now; nothing is taken."""
        return self._bucket(who).fill(self._clock()) < 1
