"""First stage: the audience of a started run becomes deliveries, a slice at a time.

A slice's deliveries, batches and cursor are written together, so a crash repeats or loses nothing. Sending begins with
the first, smaller slice; far ahead of it, freezing leaves the database to those who send. Next: `sending`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clarion.application.ports import Database
from clarion.application.ports.runs import Slice
from clarion.failpoints import failpoint

FIRST_SLICE: Final = 1_000
"""Recipients of a run's first slice: few, so that the first message is on the wire at once."""
SLICE: Final = 10_000
"""Recipients of every further slice."""
FAR_AHEAD: Final = 50
"""A run is far ahead of its sending when more batches than these wait to be claimed: 25,000 messages."""
_RESTS: Final = 3
"""After a slice that is far ahead, freezing rests so many times as long as it took: others send with that core."""


async def take_slice(database: Database, most_waiting: int | None = None) -> Slice | None:
    """Freezes the next slice of one run; None when every run is frozen, or has more than `most_waiting` batches ready.

    Safe to repeat because the cursor moves in the transaction that writes the rows, and the run stays locked meanwhile.
    """
    failpoint("before_slice")
    async with database.transaction() as tx:
        taken = await tx.runs.take_slice(FIRST_SLICE, SLICE, most_waiting)
        if taken is not None and taken.deliveries:
            await tx.announce_work()
            failpoint("before_slice_commit")
    if taken is not None:
        failpoint("after_slice")
    return taken


@dataclass(slots=True)
class Freezing:
    """The freezing of one scheduler, slice by slice. What is needed soon never waits; what is far ahead does."""

    database: Database
    clock: Callable[[], float] = time.monotonic
    _rests_until: float = 0.0

    async def step(self) -> float:
        """Freezes a slice; returns the seconds until there may be another, unless a run is started before."""
        began = self.clock()
        rests = began < self._rests_until
        taken = await take_slice(self.database, FAR_AHEAD if rests else None)
        if taken is None:
            return self._rests_until - began if rests else float("inf")
        if taken.waiting > FAR_AHEAD:
            now = self.clock()
            self._rests_until = now + _RESTS * (now - began)
        return 0.0
