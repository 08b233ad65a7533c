"""Freezing an audience: the next slice of a run's people becomes deliveries and batches, in one statement.

The audience is read as of the snapshot the run recorded at its start. Whoever may not be written to gets a row too,
skipped with the reason. Where to read next: `audience` for who is a member, `batches` for what happens to the rows.
"""

from __future__ import annotations

from typing import Final

from clarion.adapters.postgres import audience
from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.segment_sql import where
from clarion.application.ports.runs import Slice
from clarion.application.segment_rules import parse_rule

BATCH_SIZE: Final = 500
"""Deliveries claimed together."""

# index: run_unfinished. The lock lasts as long as the slice, so two workers never take the same run. Whoever has the
# fewest frozen comes first, so a small run never waits for a large one.
_NEXT_TO_FREEZE: Final = """
SELECT id, account_id, campaign_id, state, category, lane, group_ids, contact_ids, segment_rules, test_address,
       snapshot_cursor, next_seq, next_batch, started_snapshot::text AS started_snapshot, read_at,
       read_at > started_at AS is_read_again
FROM run
WHERE finished_at IS NULL AND NOT snapshot_done
ORDER BY next_seq, id LIMIT 1
FOR UPDATE SKIP LOCKED
"""

# index: contact_pkey from the cursor on. Everyone of the slice stands behind it; without saying so, a merge would read
# the contacts of every slice before.
_FREEZE: Final = """
WITH slice AS ({members}), placed AS (
    SELECT s.contact_id, coalesce($14::text, c.email) AS email,
           ($7::int - 1 + row_number() OVER (ORDER BY s.contact_id))::int AS seq,
           CASE WHEN c.deleted_at IS NOT NULL THEN 'contact_deleted'
                WHEN $14::text IS NOT NULL THEN NULL
                WHEN c.status <> 'active' THEN 'contact_blocked'
                WHEN c.email IS NULL THEN 'no_address'
                WHEN $9::text = 'marketing' AND c.consent_email IS FALSE THEN 'no_consent'
                WHEN p.reason = 'unsubscribed' OR q.address_key IS NOT NULL THEN 'unsubscribed'
                WHEN p.reason IS NOT NULL THEN 'suppressed' END AS refusal
    FROM slice AS s
    JOIN contact AS c ON c.id = s.contact_id AND c.id > $5
    LEFT JOIN suppression AS p ON p.account_id = $2 AND p.channel = 'email' AND p.address_key = c.email_key
          AND (p.reason <> 'unsubscribed' OR $9 = 'marketing')
    LEFT JOIN campaign_suppression AS q
           ON q.campaign_id = $15::bytea AND q.channel = 'email' AND q.address_key = c.email_key
    {unwritten}
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
    SELECT (SELECT count(*)::int FROM placed) AS deliveries, count(*) < $6::int AS is_last FROM slice
)
UPDATE run
SET snapshot_cursor = coalesce((SELECT contact_id FROM slice ORDER BY contact_id DESC LIMIT 1), snapshot_cursor),
    next_seq = next_seq + taken.deliveries,
    next_batch = next_batch + (SELECT count(*)::int FROM queued),
    selected_count = CASE WHEN taken.is_last THEN next_seq - 1 + taken.deliveries
                          ELSE greatest(selected_count, next_seq - 1 + taken.deliveries) END,
    snapshot_done = taken.is_last,
    state = CASE WHEN state = 'preparing' THEN 'sending' ELSE state END
FROM taken
WHERE id = $1
RETURNING id, taken.deliveries, snapshot_done
"""

# index: delivery_once_per_contact. Whoever has a delivery of the run gets no other when its audience is read again.
_UNWRITTEN: Final = "WHERE NOT EXISTS (SELECT FROM delivery AS d WHERE d.run_id = $1 AND d.contact_id = s.contact_id)"
_RULES_FROM: Final = 17


def _statement(rules: str | None, *, is_read_again: bool) -> str:
    """The statement for a run with or without rules; parameters keep their places across the shared fragments."""
    selected = "" if rules is None else audience.SELECTED_AT_START.format(rules=rules, **_PLACES)
    members = audience.MEMBERS_AT_START.format(selected=selected, **_PLACES)
    return _FREEZE.format(members=members, unwritten=_UNWRITTEN if is_read_again else "")


_PLACES: Final = {
    "account": "$2",
    "groups": "$3::bytea[]",
    "contacts": "$4::bytea[]",
    "cursor": "$5",
    "limit": "$6",
    "snapshot": "$13::text::pg_snapshot",
    "read_at": "$16::timestamptz",
}


async def take_slice(connection: Connection, first: int, limit: int) -> Slice | None:
    """Freezes the next slice of one run; see `application.ports.runs.Runs.take_slice`."""
    run = await connection.fetchrow(_NEXT_TO_FREEZE)
    if run is None:
        return None
    rules = [parse_rule(rule) for rule in run["segment_rules"]]
    selects, values = where(rules, _RULES_FROM)
    row = await connection.fetchrow(
        _statement(selects if rules else None, is_read_again=run["is_read_again"]),
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
        run["test_address"],
        run["campaign_id"],
        *((run["read_at"], *values) if rules else ()),
    )
    return Slice(*row) if row else None
