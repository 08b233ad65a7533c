"""How many requests a sender may have on the wire at once, and since when none: slower when told, faster when it works.

Owns no task and no message, and is given the time. Halves when the other side says that we are too fast, goes down to
one when nothing could be said or heard a few times on end, and grows by one with every answer. Where to read next:
`http_channel`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from clarion.domain.health import NO_WAY
from clarion.domain.outcome import Outcome, Reason

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 30.0
"""Of pauses that the other side did not ask for."""
_PERHAPS: Final = frozenset({Reason.CONNECTION_FAILED, Reason.NO_ANSWER})
_BORNE: Final = 2
"""So many of these without an answer in between may be chance."""
_MOSTLY: Final = 10
"""After so many good answers a failure is a new one: some in between are no reason to wait ever longer."""
_STANDS_STILL: Final = NO_WAY | {Reason.THROTTLED, Reason.NO_ANSWER}


class Brake:
    """The room of one sender in one worker: `allowed` requests at once, none before `until`."""

    __slots__ = ("_most", "_strikes", "_taken", "allowed", "last", "until")

    def __init__(self, most: int) -> None:
        self._most = most
        self._strikes = 0
        self._taken = 0
        self.allowed = most
        self.until = 0.0
        self.last: Outcome | None = None
        """What made it stand still, while it does."""

    def feel(self, outcomes: Sequence[Outcome], pause_s: float | None, now: float) -> None:
        """Takes in what one request came to, and for how long the other side wants to be left alone, if it said so."""
        failed = next((one for one in outcomes if one.reason in _STANDS_STILL), None)
        if failed is None:
            self._taken += len(outcomes)
            if now >= self.until:
                self._strikes, self.last = 0, None
            self.allowed = min(self._most, self.allowed + 1)
            return
        if now < self.until and pause_s is None:
            # Requests that went out together fail together: that is one failure.
            return
        self._strikes = 1 if self._taken >= _MOSTLY else self._strikes + 1
        self._taken = 0
        if failed.reason in _PERHAPS and self._strikes <= _BORNE:
            return
        self.allowed = max(1, self.allowed // 2) if failed.reason is Reason.THROTTLED else 1
        own = _FIRST_PAUSE_S * 2 ** min(self._strikes - 1, 20) * random.uniform(0.75, 1.25)
        self.last = failed
        self.until = max(self.until, now + (min(own, _LONGEST_PAUSE_S) if pause_s is None else pause_s))

    def stands(self, now: float) -> bool:
        """Whether nothing may go out now."""
        return now < self.until
