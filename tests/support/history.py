"""Runs of the past with their deliveries, written as they would have been left then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from tests.support.stage import Stage

from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.domain.ids import Id

LONG_AGO: Final = datetime(2020, 3, 15, 12, tzinfo=UTC)
PEOPLE: Final = 30
"""Deliveries of one run: a third of them failed, sent and unknown."""

MONTH: Final = "SELECT cover_month($1)"
_RUN = """
INSERT INTO run (id, account_id, campaign_id, ordinal, state, category, lane, revision_id, sender_id, group_ids,
                 contact_ids, selected_count, snapshot_done, started_at, finished_at, deadline_at)
SELECT id_floor($1::timestamptz) || substring(c.id FROM 11) || int4send(o.ordinal), c.account_id, c.id, o.ordinal,
       'completed', c.category, 'bulk', c.revision_id, c.sender_id, '{}', '{}', $3::int, true, $1,
       $1::timestamptz + interval '1 hour', $1::timestamptz + interval '2 days'
FROM campaign AS c, (SELECT coalesce(max(ordinal), 0) + 1 AS ordinal FROM run WHERE campaign_id = $2) AS o
WHERE c.id = $2 RETURNING id
"""
_DELIVERIES = """
INSERT INTO delivery (run_id, seq, contact_id, state, reason, address)
SELECT $1::bytea, n, decode(lpad(to_hex(n), 24, '0'), 'hex'),
       CASE n % 3 WHEN 0 THEN 'failed' WHEN 1 THEN 'sent' ELSE 'unknown' END,
       CASE n % 3 WHEN 0 THEN 'mailbox_full' WHEN 2 THEN 'no_answer' END, 'person' || n || '@x.example'
FROM generate_series(1, $2::int) AS n
"""
_ATTEMPTS = """
INSERT INTO delivery_attempt (run_id, seq, no, verdict)
SELECT $1::bytea, n, 1, 'retry' FROM generate_series(1, $2::int) AS n
"""


async def add_run(connection: Connection, campaign_id: Id, began: datetime, people: int) -> Id:
    """A finished run of the past with deliveries in three states."""
    run_id = await connection.fetchval(_RUN, began, campaign_id, people)
    await connection.execute(_DELIVERIES, run_id, people)
    return Id(run_id)


async def finished_run(made: Stage, began: datetime) -> Id:
    """A run of the past whose deliveries have an earlier attempt each."""
    async with made.database.transaction() as tx:
        run_id = await add_run(tx.connection, made.campaign_id, began, PEOPLE)
        await tx.connection.execute(_ATTEMPTS, run_id, PEOPLE)
    return run_id


async def with_month(database: PostgresDatabase, began: datetime) -> None:
    """Lets the runs of that month have a partition of their own, as they would have had then."""
    async with database.transaction() as tx:
        await tx.connection.execute("DROP TABLE IF EXISTS delivery_before, delivery_attempt_before")
        await tx.connection.execute(MONTH, began.date().replace(day=1))
