"""Starts by a call, kept in the ledger of executions, and the lock that makes two same starts wait for each other.

Times are the database's, read at the statement (`clock_timestamp`), because a transaction may wait for a lock in
between. Where to read next: `application.start_calls`.
"""

from __future__ import annotations

from typing import Final

from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.locks import start_key
from clarion.application.ports.start_calls import Arrival, KeptStart
from clarion.domain.ids import Id

# index: execution_audience.
_LAST: Final = """
SELECT id, answered_at FROM execution WHERE campaign_id = $1 AND kind = 'audience' AND body_hash = $2
ORDER BY created_at DESC LIMIT 1
"""
_ARRIVE: Final = f"""
SELECT clock_timestamp() - make_interval(secs => $3) AS at, last.id
FROM (VALUES (1)) AS one LEFT JOIN ({_LAST}) AS last ON true
"""
_HOLD: Final = "SELECT pg_advisory_xact_lock($1)"
_IS_SAME: Final = f"""
SELECT last.id IS DISTINCT FROM $3 OR last.answered_at > $4::timestamptz - make_interval(secs => $5)
FROM ({_LAST}) AS last
"""

_ADD: Final = """
INSERT INTO execution (id, account_id, campaign_id, kind, state, body_hash, run_id, created_by, created_at)
VALUES ($1, $2, $3, 'audience', 'triggered', $4, $5, $6, clock_timestamp())
"""

# index: execution_audience; run by its primary key.
_WAS_STARTED: Final = """
SELECT EXISTS (
    SELECT FROM execution AS e JOIN run AS r ON r.id = e.run_id
    WHERE e.campaign_id = $1 AND e.kind = 'audience' AND e.id <> $2 AND r.test_address IS NULL
      AND e.created_at > clock_timestamp() - make_interval(secs => $3)
)
"""

# index: execution_pkey.
_ANSWERED: Final = "UPDATE execution SET answered_at = clock_timestamp() WHERE id = $1"


class StartCallStore:
    """Implements `application.ports.start_calls.StartCalls` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def arrive(self, campaign_id: Id, body_hash: bytes, waited_s: float) -> Arrival:
        """Notes a call that came `waited_s` ago, and the last same start."""
        row = await self._connection.fetchrow(_ARRIVE, campaign_id, body_hash, waited_s)
        if row is None:
            raise AssertionError("one row is joined to whatever there is")
        return Arrival(row["at"], Id(row["id"]) if row["id"] else None)

    async def hold(self, campaign_id: Id, body_hash: bytes, arrival: Arrival, window_s: float) -> bool:
        """Waits for the same start; whether one was stored since the arrival or answered just before it."""
        await self._connection.execute(_HOLD, start_key(campaign_id, body_hash))
        same = await self._connection.fetchval(_IS_SAME, campaign_id, body_hash, arrival.last, arrival.at, window_s)
        return bool(same)

    async def add(self, start: KeptStart) -> None:
        """Keeps a start."""
        await self._connection.execute(
            _ADD, start.id, start.account_id, start.campaign_id, start.body_hash, start.run_id, start.created_by
        )

    async def was_started(self, campaign_id: Id, but: Id, window_s: float) -> bool:
        """Whether another start that was no test is kept of the last `window_s`."""
        return bool(await self._connection.fetchval(_WAS_STARTED, campaign_id, but, window_s))

    async def answered(self, start_id: Id) -> None:
        """Notes that a start is being answered now."""
        await self._connection.execute(_ANSWERED, start_id)
