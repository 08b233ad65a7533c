"""Reading the ledger: deliveries as reports show them. Nothing here moves a row; that is `batches` and `runs`.

States and their order are in `domain.delivery`; whose run it is has been checked by the caller.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg

from clarion.adapters.postgres.connection import Connection
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from clarion.domain.ids import Id

_COLUMNS: Final = """
d.run_id, d.seq, r.channel, d.contact_id, d.device_id, d.address, d.state, d.reason, d.reply, d.attempts, d.not_before,
d.changed_at"""

# index: delivery_pkey, run_pkey.
_GET: Final = f"""
SELECT {_COLUMNS} FROM delivery AS d JOIN run AS r ON r.id = d.run_id WHERE d.run_id = $1 AND d.seq = $2
"""

# index: delivery_pkey.
_GIVEN: Final = "SELECT given FROM delivery WHERE run_id = $1 AND seq = $2"

# index: delivery_pkey, from the cursor on; other states are stepped over. run_pkey.
_LIST: Final = f"""
SELECT {_COLUMNS} FROM delivery AS d JOIN run AS r ON r.id = d.run_id
WHERE d.run_id = $1 AND d.seq > $4 AND ($2::text IS NULL OR d.state = $2) AND ($3::text IS NULL OR d.reason = $3)
ORDER BY d.seq LIMIT $5
"""

# index: delivery_attempt_pkey.
_ATTEMPTS: Final = """
SELECT no, verdict, reason, reply, ended_at FROM delivery_attempt WHERE run_id = $1 AND seq = $2 ORDER BY no
"""


class DeliveryStore:
    """Implements `application.ports.deliveries.Deliveries` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, run_id: Id, seq: int) -> Delivery | None:
        """One delivery by its number."""
        row = await self._connection.fetchrow(_GET, run_id, seq)
        return _delivery(row) if row else None

    async def given(self, run_id: Id, seq: int) -> dict[str, Any]:
        """What the call said of this recipient."""
        return await self._connection.fetchval(_GIVEN, run_id, seq) or {}

    async def attempts(self, run_id: Id, seq: int) -> list[Attempt]:
        """Tries before the last, oldest first."""
        return [Attempt(**row) for row in await self._connection.fetch(_ATTEMPTS, run_id, seq)]

    async def page(
        self, run_id: Id, state: DeliveryState | None, reason: str | None, after_seq: int, limit: int
    ) -> list[Delivery]:
        """A page ordered by number within the run."""
        rows = await self._connection.fetch(_LIST, run_id, state, reason, after_seq, limit)
        return [_delivery(row) for row in rows]


def _delivery(row: asyncpg.Record) -> Delivery:
    run_id, seq, channel, contact_id, device_id, address, state, *rest = row
    reason, reply, attempts, not_before, changed_at = rest
    return Delivery(
        id=DeliveryId(run_id, seq),
        channel=ChannelName(channel),
        contact_id=contact_id,
        device_id=device_id,
        address=address,
        state=DeliveryState(state),
        reason=reason,
        reply=reply,
        attempts=attempts,
        not_before=not_before,
        changed_at=changed_at,
    )
