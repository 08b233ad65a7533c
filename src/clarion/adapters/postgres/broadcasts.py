"""Reads broadcasts with their run, and the messages of an account, newest first.

Both are views of rows that `campaigns`, `runs` and `batches` write. Where to read next: `application.broadcasts`.
"""

from __future__ import annotations

from typing import Final

import asyncpg

from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.broadcasts import BroadcastsAsked, MessagesAsked, Sent
from clarion.domain.broadcast import Broadcast
from clarion.domain.campaign import CampaignState, RunState
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import DeliveryState
from clarion.domain.ids import Id

# index: campaign_by_account backwards from the cursor; run_by_campaign for each, run_by_lead for the parts of its run.
_NEWEST: Final = """
SELECT c.id, c.number, c.state, c.state_reason, c.extras -> $4 AS said, c.created_at,
       r.number AS run_number, r.state AS run_state, r.selected_count + coalesce(p.selected, 0) AS selected,
       r.next_seq - 1 + coalesce(p.frozen, 0) AS frozen
FROM campaign AS c
LEFT JOIN LATERAL (
    SELECT id, number, state, selected_count, next_seq FROM run
    WHERE run.campaign_id = c.id AND run.test_address IS NULL AND run.part_of IS NULL ORDER BY ordinal LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT sum(selected_count)::int AS selected, sum(next_seq - 1)::int AS frozen FROM run WHERE run.part_of = r.id
) AS p ON true
WHERE c.account_id = $1 AND c.kind = 'broadcast' AND c.extras ? $4 AND c.state NOT IN ('draft', 'scheduled')
  AND ($2::bytea IS NULL OR c.id < $2) AND ($5::bytea IS NULL OR c.id = $5)
  AND ($6::bigint IS NULL OR c.number = $6)
  AND ($7::timestamptz IS NULL OR c.created_at >= $7) AND ($8::timestamptz IS NULL OR c.created_at <= $8)
ORDER BY c.id DESC LIMIT $3
"""

# index: run_by_account backwards from the cursor; for each run, delivery_pkey backwards, a page of it at most.
_MESSAGES: Final = """
SELECT r.id AS run_id, d.seq, r.number AS run_number, c.number AS campaign_number, d.contact_id, r.channel, d.address,
       d.state, coalesce(CASE r.channel WHEN 'sms' THEN m.sms ->> 'text' WHEN 'push' THEN m.push ->> 'body'
                         ELSE coalesce(m.email ->> 'text', m.email ->> 'subject') END, '') AS text,
       (SELECT c.extras -> word FROM unnest($12::text[]) AS word WHERE c.extras ? word LIMIT 1) AS said,
       r.started_at AS created_at, d.changed_at
FROM run AS r
JOIN campaign AS c ON c.id = r.campaign_id
JOIN message_revision AS m ON m.id = r.revision_id
CROSS JOIN LATERAL (
    SELECT seq, contact_id, address, state, changed_at FROM delivery
    WHERE run_id = r.id AND seq <= CASE WHEN r.id = $2::bytea THEN $3::int - 1 ELSE 2147483647 END
      AND seq BETWEEN coalesce($6::int, 1) AND coalesce($6::int, 2147483647)
      AND ($7::bytea IS NULL OR contact_id = $7)
      AND ($9::text[] IS NULL OR state = ANY($9))
    ORDER BY seq DESC LIMIT $4
) AS d
WHERE r.account_id = $1 AND r.test_address IS NULL AND r.removed_at IS NULL AND ($2::bytea IS NULL OR r.id <= $2)
  AND ($5::bigint IS NULL OR r.number = $5) AND ($8::bigint IS NULL OR c.number = $8)
  AND ($10::timestamptz IS NULL OR r.started_at >= $10) AND ($11::timestamptz IS NULL OR r.started_at <= $11)
ORDER BY r.id DESC, d.seq DESC LIMIT $4
"""


class BroadcastStore:
    """Broadcasts and messages of all accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def newest(self, account_id: Id, before: Id | None, limit: int, asked: BroadcastsAsked) -> list[Broadcast]:
        """Broadcasts that were started, with ids below `before`, newest first."""
        rows = await self._connection.fetch(
            _NEWEST,
            account_id,
            before,
            limit,
            asked.said_in,
            asked.only,
            asked.number,
            asked.created_from,
            asked.created_until,
        )
        return [_broadcast(row) for row in rows]

    async def messages(
        self, account_id: Id, before: tuple[Id, int] | None, limit: int, asked: MessagesAsked
    ) -> list[Sent]:
        """Messages below a place (run and number in it), newest first."""
        run_id, seq = before or (None, None)
        rows = await self._connection.fetch(
            _MESSAGES,
            account_id,
            run_id,
            seq,
            limit,
            asked.run_number,
            asked.seq,
            asked.contact_id,
            asked.campaign_number,
            None if asked.states is None else list(asked.states),
            asked.created_from,
            asked.created_until,
            list(asked.said_in),
        )
        return [
            Sent(**{**row, "state": DeliveryState(row["state"]), "channel": ChannelName(row["channel"])})
            for row in rows
        ]


def _broadcast(row: asyncpg.Record) -> Broadcast:
    facts = dict(row)
    run_state = facts["run_state"]
    return Broadcast(
        **{
            **facts,
            "state": CampaignState(facts["state"]),
            "run_state": RunState(run_state) if run_state else None,
        }
    )
