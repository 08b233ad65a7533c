"""Pace: how long the next messages of a batch wait before they may go out, shared by all workers.

Owns no clock: whoever books first goes first, on rows in the database. Where to read next: `sending`, which asks before
every window.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from clarion.application.ports import Database
from clarion.domain.sender import Sender
from clarion.pipeline.patience import insisting, set_within


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of one batch: that of its sender. Setting `stopping` cuts a wait short."""

    database: Database
    sender: Sender
    stopping: asyncio.Event

    async def admit(self, messages: int) -> bool:
        """Waits until this many messages may go out; False when the wait was cut short because the worker stops."""
        rate = self.sender.rate_per_second
        if rate is None or not messages:
            return True
        sender_id = self.sender.id
        wait_s = await insisting(self.database, lambda tx: tx.senders.reserve(sender_id, messages, rate))
        return not (wait_s > 0 and await set_within(self.stopping, wait_s))
