"""Where the database is, whether it is held because it was restored, and what a release would set going.

The row and the fence are in migration 0009: no batch is claimed while `held_since` is set. Never claims or sends.
"""

from __future__ import annotations

from typing import Final

from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.home import Held, Outstanding, Planned
from clarion.domain.ids import Id

LOOK_AROUND: Final = "SELECT look_around($1, $2)"
"""Asked by each new connection; see migration 0009."""

# index: none, one row.
_HELD: Final = "SELECT held_since, held_because FROM home WHERE held_since IS NOT NULL"
_HOLD: Final = "UPDATE home SET held_since = now(), held_because = $1 WHERE held_since IS NULL"
_LET_GO: Final = """
WITH before AS (SELECT renumbered FROM home WHERE held_since IS NOT NULL FOR UPDATE)
UPDATE home SET held_since = NULL, held_because = NULL, renumbered = false FROM before RETURNING before.renumbered
"""

# index: none, every membership. Ids of another server's transactions may lie ahead of ours: '3' lies before all.
_RENUMBER: Final = (
    "UPDATE group_member SET added_xid = '3' WHERE added_xid >= pg_snapshot_xmin(pg_current_snapshot())",
    "DELETE FROM group_member_removed",
    "UPDATE run SET started_snapshot = pg_current_snapshot() WHERE finished_at IS NULL AND NOT snapshot_done",
)

# index: run_unfinished; delivery_pkey by run.
_OUTSTANDING: Final = """
SELECT a.id AS account_id, a.name AS account, c.id AS campaign_id, c.name AS campaign, c.state, count(*) AS runs,
       coalesce(sum(d.waiting + r.unfrozen) FILTER (WHERE r.state <> 'paused'), 0)::bigint AS sending,
       coalesce(sum(d.waiting + r.unfrozen) FILTER (WHERE r.state = 'paused'), 0)::bigint AS paused,
       sum(d.on_the_wire)::bigint AS on_the_wire
FROM (
    SELECT *, CASE WHEN snapshot_done THEN 0 ELSE greatest(selected_count - next_seq + 1, 0) END AS unfrozen
    FROM run WHERE finished_at IS NULL AND state IN ('preparing', 'sending', 'paused')
) AS r
JOIN campaign AS c ON c.id = r.campaign_id
JOIN account AS a ON a.id = r.account_id
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'pending') AS waiting,
           count(*) FILTER (WHERE state = 'sending') AS on_the_wire
    FROM delivery WHERE run_id = r.id
) AS d
GROUP BY a.id, c.id ORDER BY a.id, c.id
"""

# index: campaign_due, execution_due.
_PLANNED: Final = """
SELECT a.id AS account_id, a.name AS account, p.campaign_id, p.campaign, p.is_call, p.at, p.at <= now() AS is_overdue
FROM (
    SELECT account_id, id AS campaign_id, name AS campaign, false AS is_call, start_at AS at
    FROM campaign WHERE state = 'scheduled' AND start_at IS NOT NULL
    UNION ALL
    SELECT e.account_id, c.id, c.name, true, e.execute_at
    FROM execution AS e JOIN campaign AS c ON c.id = e.campaign_id WHERE e.state = 'scheduled'
) AS p JOIN account AS a ON a.id = p.account_id
ORDER BY p.at, p.campaign_id
"""

# index: campaign_by_account, in full.
_RUNNING: Final = "SELECT account_id, id FROM campaign WHERE state = 'running' ORDER BY id"

# index: run_unfinished, campaign_pkey.
_STOP_OTHERS: Final = """
UPDATE run SET state = 'stopped', state_reason = $1, recheck_at = NULL,
    snapshot_done = run.snapshot_done OR run.read_at > run.started_at
FROM campaign AS c
WHERE c.id = run.campaign_id AND c.state NOT IN ('running', 'paused')
  AND run.finished_at IS NULL AND run.state IN ('preparing', 'sending', 'paused')
"""


class HomeStore:
    """Implements `application.ports.home.Home` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def held(self) -> Held | None:
        """Since when nothing is sent, and why."""
        row = await self._connection.fetchrow(_HELD)
        return Held(*row) if row else None

    async def hold(self, because: str) -> None:
        """Holds the database."""
        await self._connection.execute(_HOLD, because)

    async def let_go(self) -> bool:
        """Lets the sending go on. Runs in the caller's transaction."""
        renumbered = await self._connection.fetchval(_LET_GO)
        if renumbered:
            await self._connection.execute("SET LOCAL statement_timeout = 0")
            for statement in _RENUMBER:
                await self._connection.execute(statement, timeout=None)
        return renumbered is not None

    async def outstanding(self) -> list[Outstanding]:
        """What is not over, by account and campaign."""
        return [Outstanding(**row) for row in await self._connection.fetch(_OUTSTANDING)]

    async def planned(self) -> list[Planned]:
        """What starts by the clock."""
        return [Planned(**row) for row in await self._connection.fetch(_PLANNED)]

    async def running(self) -> list[tuple[Id, Id]]:
        """Campaigns that run."""
        return [(Id(account), Id(campaign)) for account, campaign in await self._connection.fetch(_RUNNING)]

    async def stop_others(self, reason: str) -> int:
        """Stops runs of campaigns that do not run themselves."""
        return int((await self._connection.execute(_STOP_OTHERS, reason)).rpartition(" ")[2])
