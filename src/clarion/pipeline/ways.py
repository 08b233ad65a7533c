"""Ways out: by which sender a batch goes. Mostly the one its campaign names; of a pool, a healthy one by weight.

What may have arrived by one sender is never sent by another: such a batch keeps to it, or waits. Where to read next:
`health`, which shuts senders; `plans`, which asks for the way of every batch.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple, Protocol

from clarion.application.ports import Database
from clarion.application.ports.batches import ClaimedBatch
from clarion.application.ports.channel import Channel
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome
from clarion.domain.pace import Limits
from clarion.domain.sender import Sender

SENDER_KEPT_S: Final = 1.0
"""How long a sender is not read again: calls make many small batches, and each would wait for it."""
POSTPONED: Final = timedelta(seconds=5)
"""How long a batch waits for the one sender it may go by."""
_KEPT: Final = 64


class Channels(Protocol):
    """The open ways out, one per sender."""

    def of(self, sender: Sender, sealed_secrets: bytes | None) -> Channel[Any]:
        """The channel of this sender as it is configured now; opened at first use, replaced when it changed."""
        ...

    def stand(self, found: Sequence[tuple[Sender, bytes | None]]) -> None:
        """Keeps connections open over which news of these senders comes, and ends those of senders that are gone."""
        ...

    async def probe(self, sender: Sender, sealed_secrets: bytes | None) -> Outcome:
        """Asks whether the sender answers now, over a connection of its own; `sent` means it does."""
        ...

    async def aclose(self) -> None:
        """Lets what is on the wire finish and closes every connection."""
        ...


class Found(NamedTuple):
    """A sender with its sealed secrets and what limits it."""

    sender: Sender
    secrets_sealed: bytes | None
    limits: Limits

    @property
    def is_shut(self) -> bool:
        """Whether nothing goes by it now."""
        return self.sender.health is not None and self.sender.health.is_shut


class Ways:
    """The senders of one worker's batches, never older than a second: a changed password or limit soon takes effect."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[Id, tuple[list[Found], float]] = {}
        self._reading: dict[Id, asyncio.Task[list[Found]]] = {}

    async def read(self, account_id: Id, sender_id: Id) -> list[Found]:
        """The sender and those of its pool, itself first; empty when it is gone.

        Read again ahead of time, and once for all who ask, so that a batch seldom waits for it.
        """
        found, until = self._kept.get(sender_id, ([], 0.0))
        left_s = until - time.monotonic()
        if left_s > SENDER_KEPT_S / 2:
            return found
        reading = self._reading.get(sender_id)
        if reading is None:
            reading = self._reading[sender_id] = asyncio.create_task(self._read(account_id, sender_id))
            reading.add_done_callback(lambda done: self._was_read(sender_id, done))
        return found if left_s > 0 else await asyncio.shield(reading)

    async def _read(self, account_id: Id, sender_id: Id) -> list[Found]:
        until = time.monotonic() + SENDER_KEPT_S
        async with self._database.reading() as tx:
            ways = await tx.health.ways(account_id, sender_id)
            found = [Found(*way, await tx.pace.limits(way.sender.id)) for way in ways]
        self._kept.pop(sender_id, None)
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        if found:
            self._kept[sender_id] = found, until
        return found

    def _was_read(self, sender_id: Id, done: asyncio.Task[list[Found]]) -> None:
        self._reading.pop(sender_id, None)
        if not done.cancelled():
            done.exception()  # whoever waits for it has it; read ahead of time, it is read again

    async def choose(self, batch: ClaimedBatch, found: Sequence[Found]) -> Found | None:
        """The way this batch goes now; None when it was given back because the only one it may go by is shut."""
        if len(found) == 1:
            return found[0]
        async with self._database.reading() as tx:
            pinned = await tx.health.pinned(batch)
            able = [one for one in found if not one.is_shut and pinned in {None, one.sender.id}]
            if not able:
                await tx.health.postpone(batch, POSTPONED)
                return None
            (chosen,) = random.choices(able, [one.sender.weight for one in able])
            await tx.health.note_way(batch, chosen.sender.id)
        return chosen
