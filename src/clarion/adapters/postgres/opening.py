"""Opening a run over the audience it was counted for, and reading that audience again later.

Members of groups are those visible in the snapshot that the run recorded, so later changes neither add nor lose anyone.
Rules are kept as they were, with every moment relative to now made absolute. Where to read next: `freezing`.
"""

from __future__ import annotations

from typing import Final

from clarion.adapters.postgres import audience
from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.runs import Opening, Rechecked
from clarion.application.segment_rules import rule_to_json
from clarion.domain.campaign import AudienceCount, Category, Lane, lane_of
from clarion.domain.delivery import RETRY_DEADLINE
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id
from clarion.domain.segment import fixed_at

# index: none, one row.
_IS_HELD: Final = "SELECT EXISTS (SELECT FROM home WHERE held_since IS NOT NULL)"

_OPEN: Final = """
INSERT INTO run (id, account_id, campaign_id, ordinal, state, category, lane, revision_id, sender_id, group_ids,
                 contact_ids, selected_count, started_snapshot, end_at, deadline_at, segment_rules, test_address,
                 context, recheck_at)
SELECT $1::bytea, $2::bytea, $6::bytea, (SELECT coalesce(max(ordinal), 0) + 1 FROM run WHERE campaign_id = $6),
       'preparing', $5::text, $7::text, $8::bytea, $9::bytea, $3::bytea[],
       ARRAY(SELECT id FROM contact WHERE id = ANY($4::bytea[]) AND account_id = $2 AND deleted_at IS NULL),
       $12::bigint, $13::text::pg_snapshot, $10::timestamptz, now() + $11::interval, $14::jsonb, $15::text, $16::jsonb,
       now() + make_interval(secs => $17::int)
"""

# index: run_recheck.
_DUE: Final = """
SELECT account_id, campaign_id, id FROM run
WHERE recheck_at <= now() AND snapshot_done AND state = 'sending' ORDER BY recheck_at LIMIT $1
"""

# index: run_pkey. The next reading is due an interval after this one began, and never before this one is through.
_REREAD: Final = """
UPDATE run
SET snapshot_cursor = '\\x', snapshot_done = false, started_snapshot = pg_current_snapshot(), read_at = now(),
    segment_rules = $2, recheck_at = now() + make_interval(secs => $3::int), deadline_at = now() + $4::interval
WHERE id = $1 AND recheck_at <= now() AND snapshot_done AND state = 'sending'
RETURNING id
"""


async def open_run(connection: Connection, account_id: Id, opening: Opening) -> AudienceCount:
    """Counts the audience, then creates the run over the very snapshot that was counted.

    Raises `Unavailable` while the database is held.
    """
    campaign = opening.campaign
    if await connection.fetchval(_IS_HELD):
        raise Unavailable("The database was restored from a backup; nothing starts until its operator says so", 60)
    now = await connection.fetchval("SELECT now()")
    rules = [fixed_at(rule, now) for rule in opening.rules]
    query, values = audience.counting(account_id, campaign, rules)
    counted = await connection.fetchrow(query, *values)
    selected, blocked, snapshot, _ = counted or (0, 0, None, None)
    is_test = opening.test_address is not None
    await connection.execute(
        _OPEN,
        opening.run_id,
        account_id,
        list(campaign.group_ids),
        list(campaign.contact_ids),
        campaign.category,
        campaign.id,
        Lane.TRANSACTIONAL if is_test else lane_of(campaign.category),
        campaign.revision_id,
        campaign.sender_id,
        campaign.end_at,
        RETRY_DEADLINE[campaign.category],
        selected,
        snapshot,
        [rule_to_json(rule) for rule in rules],
        opening.test_address,
        opening.context,
        campaign.recheck_seconds if opening.rechecks else None,
    )
    return AudienceCount(selected, selected if is_test else selected - blocked)


async def due_rechecks(connection: Connection, limit: int) -> list[tuple[Id, Id, Id]]:
    """Runs whose audience is to be read again, as (account, campaign, run)."""
    return [(Id(account), Id(campaign), Id(run)) for account, campaign, run in await connection.fetch(_DUE, limit)]


async def reread(connection: Connection, recheck: Rechecked) -> bool:
    """Lets the audience of a run be read again from the beginning, as it is now."""
    now = await connection.fetchval("SELECT now()")
    rules = [rule_to_json(fixed_at(rule, now)) for rule in recheck.rules]
    deadline = RETRY_DEADLINE[Category(recheck.category)]
    return await connection.fetchval(_REREAD, recheck.run_id, rules, recheck.seconds, deadline) is not None
