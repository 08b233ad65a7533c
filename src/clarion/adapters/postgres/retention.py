"""Removing what has had its time: deliveries of finished runs, calls, notices, refused rows of imports, news.

A run's counts are written in the transaction from which on its deliveries are not shown, so a report is exact whatever
dies in between. Where to read next: `partitions`, and `docs/retention.md` for what is kept how long.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from clarion.adapters.postgres import partitions
from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.partitions import IN_PLACE, PLACES
from clarion.domain.ids import Id

COUNTING_TIMEOUT_S: Final = 600
"""A run of many millions takes longer to count than a statement of the send path may."""
NEWS_KEPT: Final = timedelta(days=14)
"""How long the providers' names of messages are kept. Centres give up within days, and tell of it then."""
SOON: Final = "31 days"
"""A partition that goes as a whole within this time is waited for; nothing of it is deleted row by row."""

_DAYS: Final = "make_interval(days => coalesce(a.retention_days, $1))"

# index: run_kept, for each account.
_EXPIRED: Final = f"""
SELECT r.id FROM account AS a CROSS JOIN LATERAL (
    SELECT id FROM run
    WHERE account_id = a.id AND removed_at IS NULL AND finished_at < now() - {_DAYS}
    ORDER BY finished_at LIMIT $2
) AS r LIMIT $2
"""

_PATIENTLY: Final = f"SELECT set_config('statement_timeout', '{COUNTING_TIMEOUT_S}s', true)"

# index: run_pkey, delivery_pkey by run, batch_way_by_seq by run.
_REMOVE: Final = """
WITH over AS (
    SELECT id FROM run WHERE id = $1 AND removed_at IS NULL AND finished_at IS NOT NULL FOR UPDATE
), counted AS (
    SELECT state, reason, count(*) AS count FROM delivery
    WHERE run_id = $1 AND EXISTS (SELECT FROM over) GROUP BY state, reason
), closed AS (
    SELECT id FROM over WHERE NOT EXISTS (SELECT FROM counted WHERE state IN ('pending', 'sending'))
), kept AS (
    INSERT INTO run_rollup (run_id, state, reason, count)
    SELECT closed.id, state, reason, count FROM counted, closed
), unsaid AS (
    DELETE FROM batch_way USING closed WHERE batch_way.run_id = closed.id
)
UPDATE run SET removed_at = now() FROM closed WHERE run.id = closed.id RETURNING true
"""

# index: run_pkey by the range of each partition, run_removed.
_LEFTOVER: Final = f"""
WITH place AS MATERIALIZED ({PLACES}), lasting AS MATERIALIZED (
    SELECT * FROM place AS p
    WHERE EXISTS (
        SELECT FROM run AS r JOIN account AS a ON a.id = r.account_id
        WHERE {IN_PLACE} AND r.removed_at IS NULL
          AND (r.finished_at IS NULL OR r.finished_at + {_DAYS} > now() + interval '{SOON}'))
)
SELECT r.id FROM run AS r
WHERE r.removed_at IS NOT NULL AND NOT r.rows_gone
  AND (EXISTS (SELECT FROM lasting AS p WHERE {IN_PLACE}) OR NOT EXISTS (SELECT FROM place AS p WHERE {IN_PLACE}))
ORDER BY r.id LIMIT $2
"""

# index: delivery_pkey by run, delivery_attempt_pkey by run.
_DELETE_PIECE: Final = """
WITH piece AS MATERIALIZED (
    SELECT seq FROM delivery WHERE run_id = $1 ORDER BY seq LIMIT $2
), tries AS (
    DELETE FROM delivery_attempt AS t USING piece WHERE t.run_id = $1 AND t.seq = piece.seq
), gone AS (
    DELETE FROM delivery AS d USING piece WHERE d.run_id = $1 AND d.seq = piece.seq RETURNING 1
)
SELECT count(*) FROM gone
"""

# index: run_pkey.
_MARK_GONE: Final = "UPDATE run SET rows_gone = true WHERE id = $1 AND removed_at IS NOT NULL"

_UNTIL: Final = f"id_floor(now() - {_DAYS})"

# index: execution_by_account, for each account; run_pkey. A call is kept as long as the deliveries it made.
_FORGET_CALLS: Final = f"""
WITH old AS (
    SELECT e.id FROM account AS a CROSS JOIN LATERAL (
        SELECT id, run_id FROM execution
        WHERE account_id = a.id AND id < {_UNTIL} AND state <> 'scheduled' ORDER BY id LIMIT $2
    ) AS e LEFT JOIN run AS r ON r.id = e.run_id
    WHERE e.run_id IS NULL OR r.removed_at IS NOT NULL LIMIT $2
), gone AS (
    DELETE FROM execution AS e USING old WHERE e.id = old.id RETURNING 1
)
SELECT count(*) FROM gone
"""

# index: notice_by_account or inbound_message_by_account, for each account. An id is as old as what it names.
_FORGET: Final = f"""
WITH old AS (
    SELECT t.id FROM account AS a CROSS JOIN LATERAL (
        SELECT id FROM {{table}} WHERE account_id = a.id AND id < {_UNTIL} ORDER BY id LIMIT $2
    ) AS t LIMIT $2
), gone AS (
    DELETE FROM {{table}} AS t USING old WHERE t.id = old.id RETURNING 1
)
SELECT count(*) FROM gone
"""
_FORGET_NOTICES: Final = _FORGET.format(table="notice")
_FORGET_INBOUND: Final = _FORGET.format(table="inbound_message")

# index: contact_import_by_account, for each account; import_rejection_by_row. The import keeps how many it were.
_FORGET_REJECTIONS: Final = f"""
WITH old AS (
    SELECT j.place FROM account AS a CROSS JOIN LATERAL (
        SELECT rejected.ctid AS place
        FROM contact_import AS i JOIN import_rejection AS rejected ON rejected.import_id = i.id
        WHERE i.account_id = a.id AND i.id < {_UNTIL} AND i.finished_at IS NOT NULL LIMIT $2
    ) AS j LIMIT $2
), gone AS (
    DELETE FROM import_rejection AS j USING old WHERE j.ctid = old.place RETURNING 1
)
SELECT count(*) FROM gone
"""

# index: provider_ref_by_age, provider_ref_pkey.
_FORGET_REFS: Final = """
WITH gone AS (
    DELETE FROM provider_ref AS p
    USING (SELECT sender_id, ref FROM provider_ref WHERE noted_at < now() - $1::interval ORDER BY noted_at LIMIT $2)
        AS old
    WHERE p.sender_id = old.sender_id AND p.ref = old.ref RETURNING 1
)
SELECT count(*) FROM gone
"""

# index: receipt_lost, receipt_pkey.
_FORGET_LOST: Final = """
WITH gone AS (
    DELETE FROM receipt AS r
    USING (SELECT sender_id, event_id FROM receipt
           WHERE due_at IS NULL AND received_at < now() - $1::interval ORDER BY received_at LIMIT $2) AS old
    WHERE r.sender_id = old.sender_id AND r.event_id = old.event_id RETURNING 1
)
SELECT count(*) FROM gone
"""


class RetentionStore:
    """Implements `application.ports.retention.Retention` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def cover(self) -> list[date]:
        """Makes the partitions that are missing."""
        return await partitions.cover(self._connection)

    async def expired(self, days: int, limit: int) -> list[Id]:
        """Finished runs past their account's time."""
        return [Id(row["id"]) for row in await self._connection.fetch(_EXPIRED, days, limit)]

    async def remove(self, run_id: Id) -> bool:
        """Counts a run for good and hides its deliveries."""
        async with self._connection.transaction():
            await self._connection.execute(_PATIENTLY)
            return bool(await self._connection.fetchval(_REMOVE, run_id, timeout=COUNTING_TIMEOUT_S))

    async def drop_partition(self) -> str | None:
        """Drops one partition that nobody needs."""
        return await partitions.drop_oldest(self._connection)

    async def leftover(self, days: int, limit: int) -> list[Id]:
        """Removed runs whose partition is needed for long."""
        return [Id(row["id"]) for row in await self._connection.fetch(_LEFTOVER, days, limit)]

    async def delete_piece(self, run_id: Id, limit: int) -> int:
        """Deletes rows of a removed run, in the order of their numbers."""
        async with self._connection.transaction():
            deleted = int(await self._connection.fetchval(_DELETE_PIECE, run_id, limit))
            if deleted < limit:
                await self._connection.execute(_MARK_GONE, run_id)
        return deleted

    async def forget(self, days: int, limit: int) -> int:
        """Deletes calls, notices, refused rows of imports and inbound messages."""
        return sum(
            [
                int(await self._connection.fetchval(statement, days, limit))
                for statement in (_FORGET_CALLS, _FORGET_NOTICES, _FORGET_REJECTIONS, _FORGET_INBOUND)
            ]
        )

    async def forget_news(self, limit: int) -> int:
        """Deletes names that no receipt comes for any more, and receipts of messages that nobody knows of."""
        return sum(
            [
                int(await self._connection.fetchval(statement, NEWS_KEPT, limit))
                for statement in (_FORGET_REFS, _FORGET_LOST)
            ]
        )
