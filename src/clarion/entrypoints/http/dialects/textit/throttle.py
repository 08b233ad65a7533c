"""How often a workspace may call: so many requests within any hour, for each scope, whichever of its keys asks.

Counts in this process. Never waits: a request too many is refused with the seconds until one is free again.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from clarion.domain.errors import RateLimited
from clarion.domain.ids import Id

WINDOW_S: Final = 3600.0
_REMEMBERED: Final = 10_000


class Throttle:
    """A sliding window of an hour per workspace and scope."""

    def __init__(self, per_hour: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_hour = per_hour
        self._clock = clock
        self._asked: dict[tuple[Id, str], deque[float]] = {}

    def take(self, account_id: Id, scope: str) -> None:
        """Counts one request. Raises `RateLimited` when the hour is used up; that request is not counted."""
        now = self._clock()
        if len(self._asked) >= _REMEMBERED:
            self._forget_idle(now)
        asked = self._asked.setdefault((account_id, scope), deque())
        while asked and asked[0] <= now - WINDOW_S:
            asked.popleft()
        if len(asked) >= self._per_hour:
            raise RateLimited(max(1, math.ceil(asked[0] + WINDOW_S - now)))
        asked.append(now)

    def _forget_idle(self, now: float) -> None:
        self._asked = {place: asked for place, asked in self._asked.items() if asked[-1] > now - WINDOW_S}
