"""Storage of pace: bookings under the limits of senders, accounts and recipient domains, shared by all workers.

Everything is reckoned by the database's clock. Implemented by the store of the same name; read with
`pipeline/pacing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Category
from clarion.domain.ids import Id
from clarion.domain.pace import Booking, Limits, Waiting


class Paces(Protocol):
    """How far each limit is used, and the batches that wait for room under one."""

    async def limits(self, sender_id: Id) -> Limits:
        """What limits the mail of this sender now."""
        ...

    async def book(self, account_id: Id, sender_id: Id, wanted: Mapping[str, int], patience_s: float) -> Booking:
        """Books a window under every limit at once: messages by recipient domain, "" for domains without limit.

        All workers book on the same rows, so together they keep to the limits. Nothing is booked when the sender or
        the account has no room within `patience_s`. Booking twice costs room, never a limit.
        """
        ...

    async def give_back(self, sender_id: Id, messages: int) -> None:
        """Returns messages to today's cap that were booked and then not granted."""
        ...

    async def set_aside(self, batch: ClaimedBatch, waiting: Sequence[Waiting]) -> None:
        """Moves deliveries of a held batch to batches that wait for their limits. A stale epoch moves none."""
        ...

    async def let_go(self) -> int:
        """Makes due as many waiting batches as their limits have room for now; returns how many."""
        ...

    async def spare(self, deadlines: Mapping[Category, timedelta]) -> int:
        """Moves the deadlines of runs that have not begun all they hold, so that none fails by waiting for us."""
        ...

    async def slow(self, owner: Id, domain: str, seen_rate: float) -> bool:
        """Halves what leaves here, from `seen_rate` when not slowed yet; False when that was done a moment ago."""
        ...

    async def reopen(self, owner: Id) -> None:
        """Lets a changed limit hold at once: nobody waits for what was booked under the one before."""
        ...

    async def forget(self, owner: Id) -> None:
        """Removes what is known of a sender that is deleted."""
        ...
