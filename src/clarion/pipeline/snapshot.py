"""First stage: the audience of a started run becomes deliveries, a slice at a time.

A slice's deliveries, batches and cursor are written together, so a crash repeats or loses nothing. Sending begins with
the first, smaller slice. Next: `sending`.
"""

from __future__ import annotations

from typing import Final

from clarion.application.ports import Database
from clarion.failpoints import failpoint

FIRST_SLICE: Final = 1_000
"""Recipients of a run's first slice: few, so that the first message is on the wire at once."""
SLICE: Final = 10_000
"""Recipients of every further slice."""


async def take_slice(database: Database) -> bool:
    """Freezes the next slice of one run; False when every run is frozen.

    Safe to repeat because the cursor moves in the transaction that writes the rows, and the run stays locked meanwhile.
    """
    failpoint("before_slice")
    async with database.transaction() as tx:
        taken = await tx.runs.take_slice(FIRST_SLICE, SLICE)
        if taken is not None and taken.deliveries:
            await tx.announce_work()
            failpoint("before_slice_commit")
    if taken is not None:
        failpoint("after_slice")
    return taken is not None
