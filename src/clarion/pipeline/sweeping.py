"""Removing what has had its time: kept replies, uploads whose client went away, members that left before any open run.

Never touches a run or a delivery. Where to read next: `application.ports.replies`, `importing`.
"""

from __future__ import annotations

from typing import Final

from clarion.application.ports import Database
from clarion.pipeline import importing

_AT_ONCE: Final = 5000
"""Rows removed by one statement."""


async def sweep(database: Database) -> int:
    """Removes what is due and returns how much it was. Safe to repeat because it is a predicate over age."""
    async with database.transaction() as tx:
        removed = await tx.replies.sweep(_AT_ONCE)
        removed += await tx.groups.sweep_removed(_AT_ONCE)
        await tx.batches.tidy()
    return removed + await importing.sweep_abandoned(database)
