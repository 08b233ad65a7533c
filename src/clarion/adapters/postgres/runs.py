"""Runs: opening one over the audience it was counted for, reporting on it, closing it.

The audience is the membership visible in the snapshot that the run recorded at its start, so later changes to groups
neither add nor lose anyone. Where to read next: `freezing`, which writes the rows that `batches` then moves.
"""

from __future__ import annotations

from typing import Final

import asyncpg
import msgspec

from clarion.adapters.postgres import audience, freezing
from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.runs import RunSource, Slice, StateCount
from clarion.domain.campaign import (
    RUN_TRANSITIONS,
    AudienceCount,
    Campaign,
    Category,
    Run,
    RunState,
    lane_of,
)
from clarion.domain.content import EmailContent
from clarion.domain.delivery import RETRY_DEADLINE, DeliveryState
from clarion.domain.ids import Id

_FRAGMENT: Final = {
    "account": "$1",
    "groups": "$2::bytea[]",
    "contacts": "$3::bytea[]",
    "marketing": "($4::text = 'marketing')",
}

# One statement, so both counts and the snapshot see the same membership; on its own, because only a plain SELECT is
# given parallel workers.
_COUNT: Final = "SELECT ({selected}), ({blocked}), pg_current_snapshot()::text"

_OPEN: Final = """
INSERT INTO run (id, account_id, campaign_id, ordinal, state, category, lane, revision_id, sender_id, group_ids,
                 contact_ids, selected_count, started_snapshot, end_at, deadline_at)
SELECT $1::bytea, $2::bytea, $6::bytea, (SELECT coalesce(max(ordinal), 0) + 1 FROM run WHERE campaign_id = $6),
       'preparing', $5::text, $7::text, $8::bytea, $9::bytea, $3::bytea[],
       ARRAY(SELECT id FROM contact WHERE id = ANY($4::bytea[]) AND account_id = $2 AND deleted_at IS NULL),
       $12::bigint, $13::text::pg_snapshot, $10::timestamptz, now() + $11::interval
"""

_COLUMNS: Final = """
r.id, r.campaign_id, c.name AS campaign_name, r.ordinal, r.state, r.state_reason, r.category, r.selected_count,
r.snapshot_done, r.started_at, r.finished_at
"""

# index: run_pkey.
_GET: Final = f"""
SELECT {_COLUMNS} FROM run AS r JOIN campaign AS c ON c.id = r.campaign_id WHERE r.account_id = $1 AND r.id = $2
"""

# index: run_by_account.
_LIST: Final = f"""
SELECT {_COLUMNS} FROM run AS r JOIN campaign AS c ON c.id = r.campaign_id
WHERE r.account_id = $1 AND r.id > $2 AND ($3::bytea IS NULL OR r.campaign_id = $3) ORDER BY r.id LIMIT $4
"""

# index: delivery_pkey by run.
_COUNTS: Final = "SELECT state, reason, count(*) FROM delivery WHERE run_id = $1 GROUP BY state, reason ORDER BY 3 DESC"

# index: run_active.
_MOVE_ACTIVE: Final = """
UPDATE run SET state = $2, state_reason = $3
WHERE campaign_id = $1 AND state = ANY($4::text[]) RETURNING id
"""

# index: run_pkey.
_SOURCE: Final = """
SELECT r.id, r.account_id, a.name AS account_name, r.campaign_id, c.name AS campaign_name, r.category,
       m.email, r.sender_id, r.started_at
FROM run AS r
JOIN account AS a ON a.id = r.account_id
JOIN campaign AS c ON c.id = r.campaign_id
JOIN message_revision AS m ON m.id = r.revision_id
WHERE r.id = $1
"""

# index: batch_pkey; then delivery_pkey by run, once a run is out of batches.
_IS_THROUGH: Final = """
SELECT state = 'sending' AND snapshot_done AND NOT EXISTS (SELECT FROM batch WHERE run_id = $1) FROM run WHERE id = $1
"""
_COMPLETE: Final = """
WITH closed AS (
    UPDATE run SET state = 'completed', finished_at = now()
    WHERE id = $1 AND state = 'sending' AND snapshot_done
      AND NOT EXISTS (SELECT FROM batch WHERE run_id = $1)
      AND NOT EXISTS (SELECT FROM delivery WHERE run_id = $1 AND state IN ('pending', 'sending'))
    RETURNING campaign_id
), campaign_closed AS (
    UPDATE campaign SET state = 'completed', updated_at = now()
    FROM closed WHERE campaign.id = closed.campaign_id AND campaign.state = 'running'
)
SELECT EXISTS (SELECT FROM closed)
"""

# index: delivery_pkey by run. Deliveries that no batch holds any more get a batch again.
_ADOPT: Final = """
WITH orphaned AS (
    SELECT seq FROM delivery WHERE run_id = $1 AND state = 'pending' ORDER BY seq LIMIT $2
), run_now AS (
    UPDATE run SET next_batch = next_batch + 1
    WHERE id = $1 AND state = 'sending' AND EXISTS (SELECT FROM orphaned)
      AND NOT EXISTS (SELECT FROM batch WHERE run_id = $1)
    RETURNING next_batch - 1 AS no, lane
)
INSERT INTO batch (run_id, no, lane, first_seq, last_seq, seqs, epoch)
SELECT $1, run_now.no, run_now.lane, min(seq), max(seq), array_agg(seq),
       (SELECT max(epoch) FROM delivery WHERE run_id = $1)
FROM orphaned, run_now GROUP BY run_now.no, run_now.lane
RETURNING no
"""

# index: run_unfinished.
_UNFINISHED: Final = """
SELECT id, state FROM run
WHERE finished_at IS NULL AND state IN ('sending', 'stopped', 'failed') ORDER BY id LIMIT $1
"""

# index: run_pkey, batch_pkey.
_CLOSE_STOPPED: Final = """
UPDATE run SET finished_at = now()
WHERE id = $1 AND finished_at IS NULL AND state IN ('stopped', 'failed') AND snapshot_done
  AND NOT EXISTS (SELECT FROM batch WHERE run_id = $1)
RETURNING id
"""


class RunStore:
    """Implements `application.ports.runs.Runs` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self, account_id: Id, campaign: Campaign, run_id: Id) -> AudienceCount:
        """Counts the audience, then creates the run over the very snapshot that was counted."""
        groups, people = list(campaign.group_ids), list(campaign.contact_ids)
        counted = await self._connection.fetchrow(
            count_statement(campaign), account_id, groups, people, campaign.category
        )
        selected, blocked, snapshot = counted or (0, 0, None)
        await self._connection.execute(
            _OPEN,
            run_id,
            account_id,
            groups,
            people,
            campaign.category,
            campaign.id,
            lane_of(campaign.category),
            campaign.revision_id,
            campaign.sender_id,
            campaign.end_at,
            RETRY_DEADLINE[campaign.category],
            selected,
            snapshot,
        )
        return AudienceCount(selected, selected - blocked)

    async def get(self, account_id: Id, run_id: Id) -> Run | None:
        """One run of the account."""
        row = await self._connection.fetchrow(_GET, account_id, run_id)
        return _run(row) if row else None

    async def page(self, account_id: Id, campaign_id: Id | None, after: Id | None, limit: int) -> list[Run]:
        """A page ordered by id."""
        return [_run(row) for row in await self._connection.fetch(_LIST, account_id, after or b"", campaign_id, limit)]

    async def counts(self, run_id: Id) -> list[StateCount]:
        """Deliveries by state and reason, counted from the rows."""
        rows = await self._connection.fetch(_COUNTS, run_id)
        return [StateCount(DeliveryState(state), reason, count) for state, reason, count in rows]

    async def move_active(self, campaign_id: Id, target: RunState, reason: str | None = None) -> Id | None:
        """Moves the active run where the table of transitions allows."""
        sources = [state for state, targets in RUN_TRANSITIONS.items() if target in targets]
        moved = await self._connection.fetchval(_MOVE_ACTIVE, campaign_id, target, reason, sources)
        return Id(moved) if moved else None

    async def source(self, run_id: Id) -> RunSource | None:
        """What is the same for every recipient of the run."""
        row = await self._connection.fetchrow(_SOURCE, run_id)
        if row is None:
            return None
        return RunSource(
            run_id=row["id"],
            account_id=row["account_id"],
            account_name=row["account_name"],
            campaign_id=row["campaign_id"],
            campaign_name=row["campaign_name"],
            category=Category(row["category"]),
            email=msgspec.convert(row["email"], EmailContent),
            sender_id=row["sender_id"],
            started_at=row["started_at"],
        )

    async def take_slice(self, first: int, limit: int) -> Slice | None:
        """Freezes the next slice of one run. Runs in the caller's transaction, whose lock it needs."""
        return await freezing.take_slice(self._connection, first, limit)

    async def complete(self, run_id: Id) -> bool:
        """Closes the run and its campaign when nothing is open; gives stray pending deliveries a batch again."""
        if not await self._connection.fetchval(_IS_THROUGH, run_id):
            return False
        if await self._connection.fetchval(_COMPLETE, run_id):
            return True
        await self._connection.execute(_ADOPT, run_id, freezing.BATCH_SIZE)
        return False

    async def unfinished(self, limit: int) -> list[tuple[Id, RunState]]:
        """Runs that may be due to be closed, oldest first."""
        return [(Id(run_id), RunState(state)) for run_id, state in await self._connection.fetch(_UNFINISHED, limit)]

    async def close_stopped(self, run_id: Id) -> bool:
        """Marks a stopped run finished once nothing of it is open."""
        return await self._connection.fetchval(_CLOSE_STOPPED, run_id) is not None


def count_statement(campaign: Campaign) -> str:
    """The statement that counts an audience; one group alone is counted without sorting its members."""
    members = audience.MEMBERS.format(**_FRAGMENT)
    one_group = len(campaign.group_ids) == 1 and not campaign.contact_ids
    selected = audience.COUNT_ONE_GROUP.format(**_FRAGMENT) if one_group else f"SELECT count(*) FROM ({members}) AS m"
    return _COUNT.format(selected=selected, blocked=audience.COUNT_BLOCKED.format(**_FRAGMENT))


def _run(row: asyncpg.Record) -> Run:
    facts = dict(row)
    return Run(
        **{**facts, "state": RunState(facts["state"]), "category": Category(facts["category"])},
    )
