"""When the other side is tried again after it could not be reached: ever more seldom, and never by all at once.

Owns the pauses between tries and the words of the last failure. Never reads a clock and never connects. Where to read
next: `smpp/channel`.
"""

from __future__ import annotations

import random

from clarion.domain.outcome import Outcome


class Knocking:
    """Pauses in seconds, doubling from `first` to `longest`, each drawn up to a quarter shorter or longer."""

    __slots__ = ("_failures", "_first", "_longest", "_next_at", "last")

    def __init__(self, *, first: float, longest: float, last: Outcome) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0
        self._next_at = 0.0
        self.last = last
        """What the last failure was, for whoever waited in vain."""

    @property
    def is_failing(self) -> bool:
        """Whether the other side failed since it last worked: then one try at a time is enough."""
        return self._failures > 0

    def may_try(self, now: float) -> bool:
        """Whether the pause is over."""
        return now >= self._next_at

    def failed(self, outcome: Outcome, now: float) -> None:
        """A try failed. Those that were made together and fail together are one failure."""
        self.last = outcome
        if now < self._next_at:
            return
        pause = min(self._longest, self._first * 2 ** min(self._failures, 20))
        self._failures += 1
        # Jitter, so that workers do not knock together.
        self._next_at = now + pause * random.uniform(0.75, 1.25)

    def worked(self) -> None:
        """The other side works."""
        self._failures = 0
