"""Reading runs as callers know them: the parts of one start together, and what became of their deliveries.

Every count comes from the rows, or, of a removed part, from what they were when it was removed. Nothing here moves a
run; that is `runs`. Where to read next: `domain.campaign.whole`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import asyncpg

from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.hindrances import HINDRANCES
from clarion.application.ports.runs import StateCount
from clarion.domain.campaign import Category, Run, RunState, whole
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import DeliveryState
from clarion.domain.ids import Id

_COLUMNS: Final = f"""
r.id, r.number, r.campaign_id, c.name AS campaign_name, r.ordinal, r.state, r.state_reason, r.category,
r.selected_count, r.snapshot_done, r.started_at, r.finished_at, r.test_address, r.accepts_until, r.recheck_at,
r.removed_at, r.channel, r.sender_id, {HINDRANCES.format(row="r", active="sending")}
"""

# index: run_pkey, run_by_lead. The first part, and those that name it.
_PARTS: Final = """
CROSS JOIN LATERAL (
    SELECT * FROM run WHERE id = lead.id UNION ALL SELECT * FROM run WHERE part_of = lead.id
) AS r
"""

# index: run_pkey. By the id of any part.
_GET: Final = f"""
SELECT lead.id AS lead, {_COLUMNS}
FROM (SELECT coalesce(part_of, id) AS id FROM run WHERE account_id = $1 AND id = $2) AS lead
{_PARTS}
JOIN campaign AS c ON c.id = r.campaign_id
ORDER BY r.id
"""

# index: run_by_account.
_LIST: Final = f"""
SELECT lead.id AS lead, {_COLUMNS}
FROM (
    SELECT id FROM run
    WHERE account_id = $1 AND id > $2 AND ($3::bytea IS NULL OR campaign_id = $3) AND part_of IS NULL
    ORDER BY id LIMIT $4
) AS lead
{_PARTS}
JOIN campaign AS c ON c.id = r.campaign_id
ORDER BY lead.id, r.id
"""

# index: run_rollup_by_run, run_pkey, delivery_pkey by run. A removed run has its rollup and nothing else.
_COUNTS: Final = """
SELECT state, reason, count FROM run_rollup WHERE run_id = $1
UNION ALL
SELECT state, reason, count(*) FROM delivery
WHERE run_id = $1 AND (SELECT removed_at IS NULL FROM run WHERE id = $1) GROUP BY state, reason
ORDER BY 3 DESC
"""

# index: run_by_campaign, run_rollup_by_run. Every part of every run.
_RUNS_SENT: Final = """
SELECT r.campaign_id, r.channel, array_agg(r.id) FILTER (WHERE r.removed_at IS NULL) AS kept,
       coalesce(sum(removed.count), 0)::bigint AS sent
FROM run AS r LEFT JOIN LATERAL (
    SELECT sum(count) AS count FROM run_rollup
    WHERE run_id = r.id AND state IN ('sent', 'delivered', 'bounced', 'complained')
) AS removed ON r.removed_at IS NOT NULL
WHERE r.account_id = $1 AND r.campaign_id = ANY($2::bytea[]) AND r.test_address IS NULL
GROUP BY r.campaign_id, r.channel
"""

# index: delivery_pkey by run. The ids come as a parameter: it tells in which partitions to look.
_COUNT_SENT: Final = """
SELECT run_id, count(*) FROM delivery
WHERE run_id = ANY($1::bytea[]) AND state IN ('sent', 'delivered', 'bounced', 'complained') GROUP BY run_id
"""


async def get(connection: Connection, account_id: Id, run_id: Id) -> Run | None:
    """One run of the account, by the id of any of its parts."""
    found = _wholes(await connection.fetch(_GET, account_id, run_id))
    return found[0] if found else None


async def page(
    connection: Connection, account_id: Id, campaign_id: Id | None, after: Id | None, *, limit: int
) -> list[Run]:
    """A page ordered by id."""
    return _wholes(await connection.fetch(_LIST, account_id, after or b"", campaign_id, limit))


async def counts(connection: Connection, part_id: Id) -> list[StateCount]:
    """Deliveries of one part by state and reason."""
    rows = await connection.fetch(_COUNTS, part_id)
    return [StateCount(DeliveryState(state), reason, count) for state, reason, count in rows]


async def count_sent(
    connection: Connection, account_id: Id, campaign_ids: Sequence[Id]
) -> dict[tuple[Id, ChannelName], int]:
    """How many messages of each of these campaigns left on each channel."""
    campaigns = await connection.fetch(_RUNS_SENT, account_id, list(campaign_ids))
    wanted = [run for row in campaigns for run in row["kept"] or ()]
    found = await connection.fetch(_COUNT_SENT, wanted) if wanted else []
    sent = {row["run_id"]: row["count"] for row in found}
    totals = {
        (Id(id_), ChannelName(channel)): removed + sum(sent.get(run, 0) for run in kept or ())
        for id_, channel, kept, removed in campaigns
    }
    return {what: total for what, total in totals.items() if total}


def _wholes(rows: Sequence[asyncpg.Record]) -> list[Run]:
    """The runs that callers know, of the parts that stand one after the other in the rows."""
    return [whole([_part(row) for row in parts]) for _, parts in groupby(rows, key=lambda row: bytes(row["lead"]))]


def _part(row: asyncpg.Record) -> Run:
    facts = dict(row)
    del facts["lead"]
    facts |= {"state": RunState(facts["state"]), "category": Category(facts["category"])}
    return Run(**{**facts, "channel": ChannelName(facts["channel"])})
