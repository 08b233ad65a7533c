"""How long things are kept: deliveries are counted for good, shown no longer, and then leave the disk.

Each step is a short transaction and touches only what nobody sends from. Never removes a run, a campaign or a
suppression. Where to read next: `application.ports.retention`, `docs/retention.md`.
"""

from __future__ import annotations

from typing import Final

from clarion.application.ports import Database
from clarion.telemetry import Event, logger

DEFAULT_DAYS: Final = 400
_RUNS: Final = 500
_PIECE: Final = 5000
_PIECES: Final = 40
"""Rows deleted one by one in a pass: a few seconds of work a minute at most."""


async def cover(database: Database) -> None:
    """Makes the partitions of the coming months. Safe to repeat because what is there is left alone."""
    async with database.reading() as tx:
        made = await tx.retention.cover()
    if made:
        logger().info(Event.PARTITIONS_MADE, months=[f"{month:%Y-%m}" for month in made])


async def retain(database: Database, days: int = DEFAULT_DAYS) -> int:
    """Removes what accounts keep no longer; returns how many runs it removed. `days` counts where an account says none.

    Safe to repeat, and beside others that do the same: a run is counted and removed once, in one transaction; what a
    crash leaves for later is found again.
    """
    async with database.reading() as tx:
        expired = await tx.retention.expired(days, _RUNS)
        removed = sum([await tx.retention.remove(run_id) for run_id in expired])
        dropped = await tx.retention.drop_partition()
    deleted = await _delete_leftover(database, days)
    async with database.reading() as tx:
        forgotten = await tx.retention.forget(days, _PIECE)
        for _ in range(_PIECES):
            news = await tx.retention.forget_news(_PIECE)
            forgotten += news
            if news < _PIECE:
                break
    if removed or dropped or deleted or forgotten:
        logger().info(Event.RETENTION_PASSED, runs=removed, dropped=dropped, deleted=deleted, forgotten=forgotten)
    return removed


async def _delete_leftover(database: Database, days: int) -> int:
    """Deletes row by row where a partition holds others' runs for long yet; at most so many rows in a pass."""
    deleted = 0
    async with database.reading() as tx:
        waiting = await tx.retention.leftover(days, _PIECES)
        for _ in range(_PIECES):
            if not waiting:
                break
            piece = await tx.retention.delete_piece(waiting[0], _PIECE)
            deleted += piece
            if piece < _PIECE:
                waiting.pop(0)
    return deleted
