"""Reading the ledger: one recipient of one run at a time, or pages of them.

Nothing here moves a delivery; that is `batches`. Implemented by the store of the same name.
"""

from __future__ import annotations

from typing import Any, Protocol

from clarion.domain.delivery import Attempt, Delivery, DeliveryState
from clarion.domain.ids import Id


class Deliveries(Protocol):
    """Deliveries as reports show them. The caller has checked that the run is the account's."""

    async def get(self, run_id: Id, seq: int) -> Delivery | None:
        """One delivery by its number."""
        ...

    async def given(self, run_id: Id, seq: int) -> dict[str, Any]:
        """What the call said of this recipient: `profile` and `context`; empty for whoever belongs to an audience."""
        ...

    async def attempts(self, run_id: Id, seq: int) -> list[Attempt]:
        """Tries before the last, oldest first."""
        ...

    async def page(
        self, run_id: Id, state: DeliveryState | None, reason: str | None, after_seq: int, limit: int
    ) -> list[Delivery]:
        """A page ordered by number within the run."""
        ...
