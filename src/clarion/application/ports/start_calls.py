"""Storage of starts by a call, as far as it takes to tell a repeated call from another start.

Implemented by the store of the same name, over the ledger of executions. Next: `application.start_calls`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from clarion.domain.ids import Id


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStart:
    """A start that is to be kept: which campaign, the digest of what the call asks, the run it opened, and whose."""

    id: Id
    account_id: Id
    campaign_id: Id
    body_hash: bytes
    run_id: Id | None
    created_by: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a call came, by the database's clock, and the last same start that was stored by then."""

    at: datetime
    last: Id | None


class StartCalls(Protocol):
    """Starts by a call."""

    async def arrive(self, campaign_id: Id, body_hash: bytes, waited_s: float) -> Arrival:
        """Notes a call that came `waited_s` ago, and the last same start. Comes before `hold`."""
        ...

    async def hold(self, campaign_id: Id, body_hash: bytes, arrival: Arrival, window_s: float) -> bool:
        """Waits for the same start where it is under way, and keeps others waiting until the transaction ends.

        True when one was stored since the arrival, or was answered less than `window_s` before it.
        """
        ...

    async def add(self, start: KeptStart) -> None:
        """Keeps a start."""
        ...

    async def was_started(self, campaign_id: Id, but: Id, window_s: float) -> bool:
        """Whether another start of the campaign that was no test is kept of the last `window_s`."""
        ...

    async def answered(self, start_id: Id) -> None:
        """Notes that a start is being answered now; called after its transaction has committed."""
        ...
