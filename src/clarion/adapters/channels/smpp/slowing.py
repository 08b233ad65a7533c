"""How fast the binds of one channel may go: as fast as answers come, until the centre says that it is too fast.

Owns the pace after ESME_RTHROTTLED and ESME_RMSGQFUL: at once half of what went before, then a little more each second.
This is one process's own reflex; what all workers do about it is `pipeline/pacing`. Never reads a clock.
"""

from __future__ import annotations

from typing import Final

_BACK_OFF: Final = 0.5
_DEAF_S: Final = 1.0
"""Refusals of what had left before we slowed down say nothing about the slower pace."""
_GROWTH: Final = 1.1
"""Per second: from half, the old pace is reached again after seven."""
_LEAST: Final = 1.0
"""Messages a second that are tried whatever the centre says."""
_FREE: Final = 4.0
"""From so many times the pace that was too fast there is no limit any more."""
_BURST_S: Final = 0.05
_SPAN_S: Final = 1.0


class Slowing:
    """Grants room to send, in messages. `window` is what one bind may have on the wire, at most `widest`."""

    __slots__ = ("_began", "_cut_at", "_free_at", "_room", "_spans", "_taken", "_told_at", "rate", "widest", "window")

    def __init__(self, widest: int) -> None:
        self.widest = widest
        self.window = float(widest)
        self.rate: float | None = None
        """Messages a second, or None while there is no limit."""
        self._room = 0.0
        self._told_at = self._cut_at = float("-inf")
        self._free_at = 0.0
        self._began = 0.0
        self._taken = 0
        self._spans = 0.0

    def took(self, count: int, now: float) -> None:
        """The centre took messages: the window opens by one for each windowful."""
        if now - self._began > _SPAN_S:
            # The pace of the last whole second; one long ago says nothing.
            self._spans = self._taken / (now - self._began) if now - self._began < 5 * _SPAN_S else 0.0
            self._began, self._taken = now, 0
        self._taken += count
        if self.window < self.widest:
            self.window = min(self.widest, self.window + count / self.window)

    def too_fast(self, now: float) -> None:
        """The centre said so: half the window and half the pace, once for all that is on the wire."""
        if now - self._cut_at < _DEAF_S:
            return
        self._cut_at = self._told_at = now
        self.window = max(1.0, self.window * _BACK_OFF)
        pace = self._pace(now) if self.rate is None else self.rate
        self._free_at = max(self._free_at if self.rate is not None else 0.0, pace * _FREE)
        self.rate = max(_LEAST, pace * _BACK_OFF)
        self._room = 0.0

    def room(self, now: float) -> int:
        """How many messages may go now; say with `spend` how many went."""
        if self.rate is None:
            return self.widest
        passed = max(0.0, now - self._told_at)
        self._told_at = now
        self.rate *= _GROWTH**passed
        if self.rate > self._free_at:
            self.rate = None
            return self.widest
        self._room = min(max(1.0, self.rate * _BURST_S), self._room + passed * self.rate)
        return int(self._room)

    def spend(self, count: int) -> None:
        """So many went."""
        self._room -= count

    def wait_s(self) -> float:
        """Seconds until the next message may go."""
        return 0.0 if self.rate is None else max(0.0, 1.0 - self._room) / self.rate

    def _pace(self, now: float) -> float:
        return max(_LEAST, self._spans, self._taken / max(now - self._began, 0.1))
