"""Runs: moving them and closing them.

A run is over when its rows say so. Where to read next: `opening`, which makes a run, `freezing`, which writes the rows
that `batches` then moves, and `run_reports`, which reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from clarion.adapters.postgres import audience, freezing, run_reports
from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.opening import due_rechecks, open_run, reread
from clarion.application.ports.batches import BATCH_SIZE
from clarion.application.ports.runs import Opening, Rechecked, RunSource, Slice, StateCount
from clarion.domain.campaign import RUN_TRANSITIONS, AudienceCount, Campaign, Category, Run, RunState
from clarion.domain.channel import ChannelName
from clarion.domain.content import EmailContent, PushContent, SmsContent
from clarion.domain.ids import Id
from clarion.domain.segment import Rule

# index: run_by_campaign. What is ended while its audience is read again is not read to its end. Locked in the order of
# their ids, as whoever freezes an audience does.
_MOVE_ACTIVE: Final = """
WITH held AS (
    SELECT id FROM run WHERE campaign_id = $1 AND state = ANY($4::text[]) ORDER BY id FOR UPDATE
)
UPDATE run SET state = $2, state_reason = $3,
    recheck_at = CASE WHEN $2 IN ('stopped', 'failed') THEN NULL ELSE recheck_at END,
    snapshot_done = snapshot_done OR ($2 IN ('stopped', 'failed') AND read_at > started_at)
FROM held WHERE run.id = held.id
"""
# index: run_by_campaign.
_ACTIVE: Final = """
SELECT EXISTS (SELECT FROM run
               WHERE campaign_id = $1 AND state IN ('preparing', 'sending', 'paused') AND test_address IS NULL)
"""

# index: run_pkey, run_by_lead. The leading part reads the audience again; when it fails, the others end with whom they
# have.
_FAIL: Final = """
UPDATE run SET recheck_at = NULL, snapshot_done = snapshot_done OR read_at > started_at,
    state = CASE WHEN id = $1 THEN 'failed' ELSE state END,
    state_reason = CASE WHEN id = $1 THEN $2 ELSE state_reason END
WHERE (id = $1 AND state = ANY($3::text[])) OR (part_of = $1 AND finished_at IS NULL)
"""

# index: run_by_campaign.
_CLOSE_INTAKE: Final = """
UPDATE run SET accepts_until = now() WHERE campaign_id = $1 AND finished_at IS NULL AND accepts_until > now()
"""

# index: run_by_campaign.
_CLOSE_RECHECK: Final = """
UPDATE run SET recheck_at = NULL, snapshot_done = snapshot_done OR read_at > started_at
WHERE campaign_id = $1 AND state IN ('preparing', 'sending', 'paused') RETURNING id
"""

# index: run_pkey.
_SOURCE: Final = """
SELECT r.id, r.account_id, a.name AS account_name, r.campaign_id, c.name AS campaign_name, r.category,
       r.channel, m.email, m.sms, m.push, r.sender_id, r.started_at, r.context
FROM run AS r
JOIN account AS a ON a.id = r.account_id
JOIN campaign AS c ON c.id = r.campaign_id
JOIN message_revision AS m ON m.id = r.revision_id
WHERE r.id = $1
"""

# Calls may add recipients to an open run, and one with a recheck reads its audience again.
_NOT_OPEN: Final = "recheck_at IS NULL AND (accepts_until IS NULL OR accepts_until <= now())"

# index: batch_pkey; then delivery_pkey by run, once a run is out of batches.
_IS_THROUGH: Final = f"""
SELECT state = 'sending' AND snapshot_done AND {_NOT_OPEN} AND NOT EXISTS (SELECT FROM batch WHERE run_id = $1)
FROM run WHERE id = $1
"""

# index: run_pkey, campaign_pkey. Who closes the last run of a campaign sees that it is the last.
_HOLD_CAMPAIGN: Final = """
SELECT c.id FROM run AS r JOIN campaign AS c ON c.id = r.campaign_id WHERE r.id = $1 FOR NO KEY UPDATE OF c
"""

# index: run_pkey, batch_pkey, delivery_pkey by run, run_by_campaign.
_COMPLETE: Final = f"""
WITH closed AS (
    UPDATE run SET state = 'completed', finished_at = now()
    WHERE id = $1 AND state = 'sending' AND snapshot_done AND {_NOT_OPEN}
      AND NOT EXISTS (SELECT FROM batch WHERE run_id = $1)
      AND NOT EXISTS (SELECT FROM delivery WHERE run_id = $1 AND state IN ('pending', 'sending'))
    RETURNING campaign_id
), campaign_closed AS (
    UPDATE campaign SET state = 'completed', updated_at = now()
    FROM closed
    WHERE campaign.id = closed.campaign_id AND campaign.state = 'running' AND campaign.kind = 'broadcast'
      AND NOT EXISTS (SELECT FROM run AS other
                      WHERE other.campaign_id = campaign.id AND other.id <> $1 AND other.test_address IS NULL
                        AND other.state IN ('preparing', 'sending', 'paused'))
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
_UNFINISHED: Final = f"""
SELECT id, state FROM run
WHERE finished_at IS NULL AND (state IN ('stopped', 'failed') OR (state = 'sending' AND {_NOT_OPEN}))
ORDER BY id LIMIT $1
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

    async def open(self, account_id: Id, opening: Opening) -> AudienceCount:
        """Counts the audience and creates the run over it."""
        return await open_run(self._connection, account_id, opening)

    async def among(
        self, account_id: Id, campaign: Campaign, rules: Sequence[Rule], keys: Sequence[str]
    ) -> dict[str, Id]:
        """Who of these addresses belongs to the audience now."""
        query, values = audience.among(account_id, campaign, rules, keys)
        return {key: Id(contact_id) for key, contact_id in await self._connection.fetch(query, *values)}

    async def due_rechecks(self, limit: int) -> list[tuple[Id, Id, Id]]:
        """Runs whose audience is to be read again."""
        return await due_rechecks(self._connection, limit)

    async def reread(self, recheck: Rechecked) -> bool:
        """Lets the audience of a run be read again from the beginning."""
        return await reread(self._connection, recheck)

    async def get(self, account_id: Id, run_id: Id) -> Run | None:
        """One run of the account, by the id of any of its parts."""
        return await run_reports.get(self._connection, account_id, run_id)

    async def page(self, account_id: Id, campaign_id: Id | None, after: Id | None, limit: int) -> list[Run]:
        """A page ordered by id."""
        return await run_reports.page(self._connection, account_id, campaign_id, after, limit=limit)

    async def counts(self, part_id: Id) -> list[StateCount]:
        """Deliveries of one part by state and reason: counted from the rows while they are kept."""
        return await run_reports.counts(self._connection, part_id)

    async def count_sent(self, account_id: Id, campaign_ids: Sequence[Id]) -> dict[tuple[Id, ChannelName], int]:
        """How many messages of each of these campaigns left on each channel."""
        return await run_reports.count_sent(self._connection, account_id, campaign_ids)

    async def move_active(self, campaign_id: Id, target: RunState, reason: str | None = None) -> int:
        """Moves runs where the table of transitions allows."""
        status = await self._connection.execute(_MOVE_ACTIVE, campaign_id, target, reason, _sources(target))
        return int(status.rpartition(" ")[2])

    async def fail(self, run_id: Id, reason: str) -> None:
        """Fails one run."""
        await self._connection.execute(_FAIL, run_id, reason, _sources(RunState.FAILED))

    async def has_active(self, campaign_id: Id) -> bool:
        """Whether the campaign has a run, tests aside, that is not over."""
        return bool(await self._connection.fetchval(_ACTIVE, campaign_id))

    async def close_intake(self, campaign_id: Id) -> None:
        """Lets the campaign's runs take no more calls."""
        await self._connection.execute(_CLOSE_INTAKE, campaign_id)

    async def end(self, campaign_id: Id, reason: str) -> None:
        """Ends the campaign's runs because its time is over. Runs in the caller's transaction."""
        for row in await self._connection.fetch(_CLOSE_RECHECK, campaign_id):
            await self._connection.fetchval(_COMPLETE, row["id"])
        await self.move_active(campaign_id, RunState.STOPPED, reason)

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
            channel=ChannelName(row["channel"]),
            email=msgspec.convert(row["email"], EmailContent | None),
            sms=msgspec.convert(row["sms"], SmsContent | None),
            push=msgspec.convert(row["push"], PushContent | None),
            sender_id=row["sender_id"],
            started_at=row["started_at"],
            context=row["context"],
        )

    async def take_slice(self, first: int, limit: int, most_waiting: int | None = None) -> Slice | None:
        """Freezes the next slice of one run. Runs in the caller's transaction, whose lock it needs."""
        return await freezing.take_slice(self._connection, first, limit, most_waiting)

    async def complete(self, run_id: Id) -> bool:
        """Closes the run and its campaign when nothing is open; gives stray pending deliveries a batch again."""
        if not await self._connection.fetchval(_IS_THROUGH, run_id):
            return False
        async with self._connection.transaction():
            await self._connection.execute(_HOLD_CAMPAIGN, run_id)
            if await self._connection.fetchval(_COMPLETE, run_id):
                return True
        await self._connection.execute(_ADOPT, run_id, BATCH_SIZE)
        return False

    async def unfinished(self, limit: int) -> list[tuple[Id, RunState]]:
        """Runs that may be due to be closed, oldest first."""
        return [(Id(run_id), RunState(state)) for run_id, state in await self._connection.fetch(_UNFINISHED, limit)]

    async def close_stopped(self, run_id: Id) -> bool:
        """Marks a stopped run finished once nothing of it is open."""
        return await self._connection.fetchval(_CLOSE_STOPPED, run_id) is not None


def _sources(target: RunState) -> list[RunState]:
    return [state for state, targets in RUN_TRANSITIONS.items() if target in targets]
