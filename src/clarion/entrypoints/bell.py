"""How work comes to a process: the bell that tells a waiting one to look, and the queue that hands a worker batches.

What is behind them is an adapter (`adapters/queue`). Their users are `worker`, `crew` and `scheduler`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final, Protocol

from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Lane
from clarion.domain.ids import Id

IDLE_S: Final = 1.0
"""How long an idle loop waits when nobody rings: the bound on what a lost announcement costs."""


class Bell(Protocol):
    """Tells that there may be work. A ring may be lost, doubled or needless; nothing depends on it but speed."""

    async def wait(self, timeout_s: float) -> Collection[str]:
        """Waits for a ring at most `timeout_s`; gives the lanes it was rung for, or "" for anything."""
        ...


class WorkQueue(Bell, Protocol):
    """Hands out batches. Whatever it is made of, the lease in the database decides who holds one."""

    async def take(self, worker: str, lane: Lane, busy_senders: Sequence[Id], lease: timedelta) -> ClaimedBatch | None:
        """Leases the next batch that it knows of and whose sender is not busy; None when there is none now."""
        ...
