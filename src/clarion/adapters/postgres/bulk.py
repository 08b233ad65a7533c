"""Feeding COPY without holding up the event loop: rows are encoded in turns with everything else that waits.

Holds no SQL and never decides what is copied. Where to read next: `contacts`, its heaviest user.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

ROWS_A_TURN: Final = 500
"""About two milliseconds of encoding."""

T = TypeVar("T")


async def in_turns(records: Iterable[T]) -> AsyncIterator[T]:
    """Yields the records and lets others run after every `ROWS_A_TURN` of them."""
    for count, record in enumerate(records, 1):
        yield record
        if count % ROWS_A_TURN == 0:
            await asyncio.sleep(0)
