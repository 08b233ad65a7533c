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
from clarion.domain.campaign import AudienceCount, Category, Lane, PartCount, lane_of
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import RETRY_DEADLINE
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id, new_ids
from clarion.domain.segment import fixed_at

# index: none, one row.
_IS_HELD: Final = "SELECT EXISTS (SELECT FROM home WHERE held_since IS NOT NULL)"

# A row for each part; the first leads, and the others name it and share its ordinal.
_OPEN: Final = """
INSERT INTO run (id, account_id, campaign_id, ordinal, state, category, lane, revision_id, sender_id, group_ids,
                 contact_ids, selected_count, started_snapshot, end_at, deadline_at, segment_rules, test_address,
                 context, recheck_at, channel, part_of, channel_policy)
SELECT p.id, $2::bytea, $6::bytea, (SELECT coalesce(max(ordinal), 0) + 1 FROM run WHERE campaign_id = $6),
       'preparing', $5::text, $7::text, $8::bytea, p.sender_id, $3::bytea[],
       ARRAY(SELECT id FROM contact WHERE id = ANY($4::bytea[]) AND account_id = $2 AND deleted_at IS NULL),
       p.selected, $13::text::pg_snapshot, $10::timestamptz, now() + $11::interval, $14::jsonb, p.test_address,
       $16::jsonb, now() + make_interval(secs => $17::int), p.channel,
       CASE WHEN p.place > 1 THEN ($1::bytea[])[1] END, $19::text
FROM unnest($1::bytea[], $9::bytea[], $12::bigint[], $15::text[], $18::text[])
     WITH ORDINALITY AS p (id, sender_id, selected, test_address, channel, place)
ORDER BY p.place
"""

# index: run_recheck. The leading part stands for all.
_DUE: Final = """
SELECT account_id, campaign_id, id FROM run
WHERE recheck_at <= now() AND snapshot_done AND state = 'sending' AND part_of IS NULL ORDER BY recheck_at LIMIT $1
"""

# index: run_pkey, run_by_lead. The next reading is due an interval after this one began, and never before this one is
# through.
_REREAD: Final = """
UPDATE run
SET snapshot_cursor = '\\x', snapshot_done = false, started_snapshot = pg_current_snapshot(), read_at = now(),
    segment_rules = $2, recheck_at = now() + make_interval(secs => $3::int), deadline_at = now() + $4::interval
WHERE (id = $1 OR part_of = $1) AND recheck_at <= now() AND snapshot_done AND state = 'sending'
RETURNING id
"""


async def open_run(connection: Connection, account_id: Id, opening: Opening) -> AudienceCount:
    """Counts the audience, then creates the run over the very snapshot that was counted.

    Raises `Unavailable` while the database is held.
    """
    campaign, tests = opening.campaign, opening.test_addresses
    if await connection.fetchval(_IS_HELD):
        raise Unavailable("The database was restored from a backup; nothing starts until its operator says so", 60)
    now = await connection.fetchval("SELECT now()")
    rules = [fixed_at(rule, now) for rule in opening.rules]
    parts = tuple(campaign.parts if tests is None else tests)
    asked = parts if tests is None else [part._replace(channel=ChannelName.EMAIL) for part in parts]
    counted, snapshot = await audience.count(connection, account_id, campaign, rules, asked)
    if tests is not None:  # nobody's consent is asked, and each part writes to its address for everyone
        everyone = [PartCount(part.channel, counted.selected, counted.selected) for part in parts]
        counted = AudienceCount(counted.selected, counted.selected, tuple(everyone))
    await connection.execute(
        _OPEN,
        [opening.run_id, *new_ids(len(parts) - 1)],
        account_id,
        list(campaign.group_ids),
        list(campaign.contact_ids),
        campaign.category,
        campaign.id,
        lane_of(campaign.category) if tests is None else Lane.TRANSACTIONAL,
        campaign.revision_id,
        [part.sender_id for part in parts],
        campaign.end_at,
        RETRY_DEADLINE[campaign.category],
        [part.selected for part in counted.parts],
        snapshot,
        [rule_to_json(rule) for rule in rules],
        [None if tests is None else tests[part] for part in parts],
        opening.context,
        campaign.recheck_seconds if opening.rechecks else None,
        [part.channel for part in parts],
        campaign.channel_policy,
    )
    return counted


async def due_rechecks(connection: Connection, limit: int) -> list[tuple[Id, Id, Id]]:
    """Runs whose audience is to be read again, as (account, campaign, run)."""
    return [(Id(account), Id(campaign), Id(run)) for account, campaign, run in await connection.fetch(_DUE, limit)]


async def reread(connection: Connection, recheck: Rechecked) -> bool:
    """Lets the audience of a run be read again from the beginning, as it is now."""
    now = await connection.fetchval("SELECT now()")
    rules = [rule_to_json(fixed_at(rule, now)) for rule in recheck.rules]
    deadline = RETRY_DEADLINE[Category(recheck.category)]
    return bool(await connection.fetch(_REREAD, recheck.run_id, rules, recheck.seconds, deadline))
