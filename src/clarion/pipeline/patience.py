"""Waiting well: for a signal with an end to it, and for a database that is away.

Knows nothing of what is waited for. Used by every stage of the send path; where to read next: `sending`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from clarion.application.ports import Database, Transaction
from clarion.domain.errors import Unavailable

T = TypeVar("T")

_DATABASE_AWAY_S: Final = 0.5
"""Between two tries while the database is away."""


async def insisting(database: Database, step: Callable[[Transaction], Awaitable[T]]) -> T:
    """Runs one step on the database, again and again while it is away. The step must be safe to repeat."""
    while True:
        try:
            async with database.reading() as tx:
                return await step(tx)
        except Unavailable:
            await asyncio.sleep(_DATABASE_AWAY_S)


async def set_within(event: asyncio.Event, wait_s: float) -> bool:
    """Waits at most `wait_s` seconds for the event; tells whether it was set."""
    try:
        async with asyncio.timeout(wait_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
