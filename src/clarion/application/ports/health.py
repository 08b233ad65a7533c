"""Storage of the health of senders, and of the ways batches went. Shared by all workers.

Implemented by the store of the same name. Where to read next: `pipeline/health`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol

from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.health import Fault
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.domain.sender import Sender


class Way(NamedTuple):
    """A sender by which a batch may go: the one its run names, or one of that one's pool."""

    sender: Sender
    secrets_sealed: bytes | None


class DueForTrial(NamedTuple):
    """A shut sender that is to be tried again, by whoever was given this."""

    account_id: Id
    sender_id: Id
    reason: Reason


class SenderHealth(Protocol):
    """Which senders are shut, and which way batches took."""

    async def shut(self, sender_id: Id, fault: Fault) -> bool:
        """Shuts a sender; False when it is shut already, or gone."""
        ...

    async def take_due(self) -> DueForTrial | None:
        """One shut sender whose time to be tried has come; nobody else gets it while it is tried."""
        ...

    async def keep_shut(self, sender_id: Id) -> None:
        """Ends a trial that failed: the next one comes after the pause, which every trial doubles."""
        ...

    async def open(self, sender_id: Id) -> bool:
        """Opens a shut sender; False when it is open."""
        ...

    async def ways(self, account_id: Id, sender_id: Id) -> list[Way]:
        """The sender and those of its pool, itself first; empty when it is gone."""
        ...

    async def pinned(self, batch: ClaimedBatch) -> Id | None:
        """The only sender that a batch may go by, because something of it may have arrived that way."""
        ...

    async def note_way(self, batch: ClaimedBatch, sender_id: Id) -> None:
        """Writes down by which sender of a pool a batch goes now."""
        ...

    async def postpone(self, batch: ClaimedBatch, wait: timedelta) -> None:
        """Gives a batch back, to be claimed later."""
        ...

    async def sent_by(self, run_id: Id, seqs: Sequence[int]) -> dict[int, Id]:
        """Of deliveries that were tried by a sender of a pool: by which one, the last time."""
        ...
