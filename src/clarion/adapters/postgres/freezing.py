"""Freezing an audience: the next slice of a run's people becomes deliveries and batches, in one statement.

The audience is read as of the snapshot the run recorded at its start. Whoever may not be written to gets a row too,
skipped with the reason. Where to read next: `audience` for who is a member, `batches` for what happens to the rows.
"""

from __future__ import annotations

from typing import Final

from clarion.adapters.postgres import audience
from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.runs import Slice

BATCH_SIZE: Final = 500
"""Deliveries claimed together."""

# index: run_unfinished. The lock lasts as long as the slice, so two workers never take the same run. Whoever has the
# fewest frozen comes first, so a small run never waits for a large one.
_NEXT_TO_FREEZE: Final = """
SELECT id, account_id, state, category, lane, group_ids, contact_ids, snapshot_cursor, next_seq, next_batch,
       started_snapshot::text AS started_snapshot
FROM run
WHERE finished_at IS NULL AND NOT snapshot_done
ORDER BY next_seq, id LIMIT 1
FOR UPDATE SKIP LOCKED
"""

_FREEZE: Final = """
WITH slice AS ({members}), placed AS (
    SELECT s.contact_id, c.email,
           ($7::int - 1 + row_number() OVER (ORDER BY s.contact_id))::int AS seq,
           CASE WHEN c.deleted_at IS NOT NULL THEN 'contact_deleted'
                WHEN c.email IS NULL THEN 'no_address'
                WHEN $9::text = 'marketing' AND c.consent_email IS FALSE THEN 'no_consent'
                WHEN p.reason = 'unsubscribed' THEN 'unsubscribed'
                WHEN p.reason IS NOT NULL THEN 'suppressed' END AS refusal
    FROM slice AS s
    JOIN contact AS c ON c.id = s.contact_id
    LEFT JOIN suppression AS p ON p.account_id = $2 AND p.channel = 'email' AND p.address_key = c.email_key
          AND (p.reason <> 'unsubscribed' OR $9 = 'marketing')
), written AS (
    INSERT INTO delivery (run_id, seq, contact_id, address, state, reason)
    SELECT $1::bytea, seq, contact_id, email,
           CASE WHEN refusal IS NOT NULL THEN 'skipped' WHEN $10::bool THEN 'cancelled' ELSE 'pending' END,
           CASE WHEN refusal IS NOT NULL THEN refusal WHEN $10::bool THEN 'run_stopped' END
    FROM placed ORDER BY seq
    RETURNING seq, state
), queued AS (
    INSERT INTO batch (run_id, no, lane, first_seq, last_seq)
    SELECT $1::bytea, $8::int - 1 + row_number() OVER (ORDER BY min(seq)), $11::text, min(seq), max(seq)
    FROM written WHERE state = 'pending' GROUP BY (seq - $7) / $12::int
    RETURNING no
), taken AS (
    SELECT count(*)::int AS deliveries FROM placed
)
UPDATE run
SET snapshot_cursor = coalesce((SELECT contact_id FROM placed ORDER BY seq DESC LIMIT 1), snapshot_cursor),
    next_seq = next_seq + taken.deliveries,
    next_batch = next_batch + (SELECT count(*)::int FROM queued),
    snapshot_done = taken.deliveries < $6::int,
    state = CASE WHEN state = 'preparing' THEN 'sending' ELSE state END
FROM taken
WHERE id = $1
RETURNING id, taken.deliveries, snapshot_done
""".format(  # parameters keep their places across the shared fragment
    members=audience.MEMBERS_AT_START.format(
        groups="$3::bytea[]", contacts="$4::bytea[]", cursor="$5", limit="$6", snapshot="$13::text::pg_snapshot"
    )
)


async def take_slice(connection: Connection, first: int, limit: int) -> Slice | None:
    """Freezes the next slice of one run; see `application.ports.runs.Runs.take_slice`."""
    run = await connection.fetchrow(_NEXT_TO_FREEZE)
    if run is None:
        return None
    row = await connection.fetchrow(
        _FREEZE,
        run["id"],
        run["account_id"],
        run["group_ids"],
        run["contact_ids"],
        run["snapshot_cursor"],
        first if run["next_seq"] == 1 else limit,
        run["next_seq"],
        run["next_batch"],
        run["category"],
        run["state"] in ("stopped", "failed"),
        run["lane"],
        BATCH_SIZE,
        run["started_snapshot"],
    )
    return Slice(*row) if row else None
