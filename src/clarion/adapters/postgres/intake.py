"""Stores groups of calls that bring their recipients: one statement a step, however many calls and recipients.

The open run of each campaign is locked for as long as its group is being stored; that lock is what keeps a pause, a
stop or an edit from falling in between. Where to read next: `application.intake`, `pipeline.intake`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from clarion.adapters.postgres.campaigns import CampaignStore
from clarion.adapters.postgres.connection import Connection, columns
from clarion.adapters.postgres.executions import EXECUTION, execution_of
from clarion.adapters.postgres.intake_reach import REACH, reached_of
from clarion.application.ports.batches import BATCH_SIZE
from clarion.application.ports.executions import Earlier
from clarion.application.ports.intake import (
    CalledCampaign,
    Found,
    NewContact,
    OpenRun,
    Reached,
    Sought,
    Wanted,
    Writing,
)
from clarion.domain.campaign import CampaignKind, CampaignState, Category, ChannelPolicy, Lane, lane_of
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import RETRY_DEADLINE
from clarion.domain.device import PLATFORM_OF
from clarion.domain.ids import Id, new_ids
from clarion.domain.providers.provider import ProviderName

ACCEPTS: Final = timedelta(hours=1)
"""How long one run takes calls before the next one does."""
FIRST_BATCH: Final = -2_000_000_000
"""Batches are claimed in the order of their numbers: those of calls come before those of any audience in their lane."""

# index: campaign_pkey, run_open. The lock is taken in the order of ids, so that two groups never wait for each other;
# a run that was closed, paused or stopped while it was waited for is not among the locked any more.
_LOCK_OPEN: Final = """
WITH open AS (
    SELECT id, campaign_id, lane, next_seq, next_batch, channel, sender_id, channel_policy FROM run
    WHERE campaign_id = ANY($1::bytea[]) AND accepts_until IS NOT NULL AND accepts_until > now() AND state = 'sending'
    ORDER BY id FOR NO KEY UPDATE
)
SELECT c.id, c.account_id, c.kind, c.category, c.state, c.creates_contacts, c.high_throughput,
       c.end_at IS NOT NULL AND c.end_at <= now() AS is_over,
       open.id AS run_id, open.lane, open.next_seq, open.next_batch, open.channel, open.channel_policy,
       s.provider, s.config ->> 'app' AS app
FROM campaign AS c LEFT JOIN open ON open.campaign_id = c.id
LEFT JOIN sender AS s ON s.id = open.sender_id AND open.channel = 'push'
WHERE c.id = ANY($1::bytea[]) ORDER BY open.id
"""

# index: execution_once.
_EARLIER: Final = f"""
SELECT {EXECUTION}, e.body_hash FROM unnest($1::bytea[], $2::text[]) AS g (campaign_id, request_id)
JOIN execution AS e ON e.campaign_id = g.campaign_id AND e.request_id = g.request_id
"""

_SEEN: Final = "SELECT c.id, c.email, c.email_key, c.consent_email, c.status FROM contact AS c WHERE"

# index: per recipient one of contact_pkey, contact_by_email, contact_by_phone, contact_by_external_id, or
# contact_identity_pkey and contact_pkey; then suppression_pkey and
# campaign_suppression_pkey. A contact's own columns come first.
_FIND: Final = f"""
SELECT c.id, c.email, c.consent_email, c.status, CASE WHEN q.address_key IS NULL THEN s.reason ELSE 'unsubscribed' END
FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::bool[]) WITH ORDINALITY
     AS w (account_id, campaign_id, contact_id, namespace, value, address_key, is_marketing, place)
LEFT JOIN LATERAL (
    {_SEEN} c.id = w.contact_id AND c.account_id = w.account_id AND c.deleted_at IS NULL
    UNION ALL
    {_SEEN} w.namespace = 'email' AND c.account_id = w.account_id AND c.email_key = w.value AND c.deleted_at IS NULL
    UNION ALL
    {_SEEN} w.namespace = 'phone' AND c.account_id = w.account_id AND c.phone = w.value AND c.deleted_at IS NULL
    UNION ALL
    {_SEEN} w.namespace = 'external_id' AND c.account_id = w.account_id AND c.external_id = w.value
        AND c.deleted_at IS NULL
    UNION ALL
    {_SEEN} c.account_id = w.account_id AND c.deleted_at IS NULL AND c.id = (
        SELECT i.contact_id FROM contact_identity AS i
        WHERE i.account_id = w.account_id AND i.namespace = w.namespace AND i.value = w.value)
    LIMIT 1
) AS c ON true
LEFT JOIN suppression AS s
    ON s.account_id = w.account_id AND s.channel = 'email' AND s.address_key = coalesce(w.address_key, c.email_key)
    AND (s.reason <> 'unsubscribed' OR w.is_marketing)
LEFT JOIN campaign_suppression AS q
    ON q.campaign_id = w.campaign_id AND q.channel = 'email' AND q.address_key = coalesce(w.address_key, c.email_key)
ORDER BY w.place
"""

# In the order of their names, so that two groups never wait for each other.
_CREATE: Final = """
WITH given AS (
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::text[])
        AS g (id, account_id, namespace, value, shown)
), made AS (
    INSERT INTO contact (id, account_id, email, email_key, phone, external_id)
    SELECT id, account_id,
           CASE WHEN namespace = 'email' THEN shown END, CASE WHEN namespace = 'email' THEN value END,
           CASE WHEN namespace = 'phone' THEN value END, CASE WHEN namespace = 'external_id' THEN value END
    FROM given ORDER BY account_id, namespace, value
    ON CONFLICT DO NOTHING RETURNING id
), further AS (
    SELECT g.* FROM given AS g JOIN made USING (id) WHERE g.namespace NOT IN ('email', 'phone', 'external_id')
), named AS (
    INSERT INTO contact_identity (account_id, namespace, value, contact_id)
    SELECT account_id, namespace, value, id FROM further ORDER BY account_id, namespace, value
    ON CONFLICT DO NOTHING RETURNING contact_id
)
SELECT (SELECT count(*) FROM further) = (SELECT count(*) FROM named)
"""

# index: run_pkey, batch_pkey. One statement: nothing of a group is there without the rest. While nobody has claimed the
# run's last batch it grows, so that a worker that is behind catches up with fewer and larger ones; the number that the
# new batch would have had stays unused when more of them follow.
_WRITE: Final = """
WITH called AS (
    INSERT INTO execution (id, account_id, campaign_id, kind, state, request_id, body_hash, run_id, first_seq,
                           last_seq, created_by, parts)
    SELECT id, account_id, campaign_id, 'recipients', 'triggered', request_id, body_hash, run_id, first_seq, last_seq,
           created_by, parts
    FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[], $5::bytea[], $6::bytea[], $7::int[], $8::int[],
                $9::text[], $26::jsonb[])
        AS e (id, account_id, campaign_id, request_id, body_hash, run_id, first_seq, last_seq, created_by, parts)
    ON CONFLICT (campaign_id, request_id) WHERE request_id IS NOT NULL DO NOTHING
    RETURNING id, created_at
), written AS (
    INSERT INTO delivery (run_id, seq, contact_id, address, state, reason, given, device_id)
    SELECT * FROM unnest($10::bytea[], $11::int[], $12::bytea[], $13::text[], $14::text[], $15::text[], $16::jsonb[],
                         $27::bytea[])
), due AS (
    SELECT * FROM unnest($17::bytea[], $18::int[], $19::text[], $20::int[], $21::int[])
        AS d (run_id, no, lane, first_seq, last_seq)
), grown AS (
    UPDATE batch AS b SET last_seq = due.last_seq FROM due
    WHERE b.run_id = due.run_id AND b.no = due.no - 1 AND b.worker IS NULL AND b.seqs IS NULL
      AND due.last_seq - b.first_seq < $25::int
    RETURNING b.run_id, due.no
), queued AS (
    INSERT INTO batch (run_id, no, lane, first_seq, last_seq)
    SELECT * FROM due WHERE (run_id, no) NOT IN (SELECT run_id, no FROM grown)
    RETURNING run_id, no
), advanced AS (
    UPDATE run SET next_seq = a.next_seq, selected_count = selected_count + a.added,
        next_batch = coalesce((SELECT max(no) + 1 FROM queued WHERE queued.run_id = run.id), next_batch)
    FROM unnest($22::bytea[], $23::int[], $24::int[]) AS a (run_id, next_seq, added)
    WHERE run.id = a.run_id
)
SELECT id, created_at, (SELECT count(pg_notify('clarion_work', lane)) FROM (SELECT DISTINCT lane FROM due) AS lanes)
FROM called
"""

# index: campaign_pkey; run_open, run_by_campaign.
_HOLD_CAMPAIGN: Final = "SELECT id FROM campaign WHERE id = $1 AND account_id = $2 FOR NO KEY UPDATE"
_OPEN_RUN: Final = """
INSERT INTO run (id, account_id, campaign_id, ordinal, state, category, lane, revision_id, sender_id, group_ids,
                 contact_ids, selected_count, snapshot_done, next_batch, end_at, accepts_until, deadline_at, channel,
                 part_of, channel_policy)
SELECT p.id, c.account_id, c.id, (SELECT coalesce(max(ordinal), 0) + 1 FROM run WHERE campaign_id = c.id),
       'sending', c.category, $4::text, c.revision_id, p.sender_id, '{}', '{}', 0, true, $5::int, c.end_at,
       least(now() + $6::interval, c.end_at), least(now() + $6::interval, c.end_at) + $7::interval, p.channel,
       CASE WHEN p.place > 1 THEN ($3::bytea[])[1] END, c.channel_policy
FROM campaign AS c,
     unnest($3::bytea[], $8::text[], $9::bytea[]) WITH ORDINALITY AS p (id, channel, sender_id, place)
WHERE c.id = $1 AND c.account_id = $2 AND c.kind = 'triggered' AND c.state = 'running'
  AND (c.end_at IS NULL OR c.end_at > now()) AND c.revision_id IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM run WHERE campaign_id = c.id AND accepts_until IS NOT NULL AND accepts_until > now()
                        AND state = 'sending')
RETURNING id
"""


class IntakeStore:
    """Implements `application.ports.intake.Intake` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_open(self, campaign_ids: Collection[Id]) -> dict[Id, CalledCampaign]:
        """The campaigns of a group, their open runs locked."""
        rows = await self._connection.fetch(_LOCK_OPEN, list(campaign_ids))
        by_campaign: dict[Id, list[asyncpg.Record]] = {}
        for row in rows:
            by_campaign.setdefault(Id(row["id"]), []).append(row)
        return {campaign_id: _campaign(parts) for campaign_id, parts in by_campaign.items()}

    async def earlier(self, calls: Sequence[tuple[Id, str]]) -> dict[tuple[Id, str], Earlier]:
        """The executions of these request ids, as far as they are stored."""
        rows = await self._connection.fetch(_EARLIER, *_columns(calls, 2))
        return {
            (Id(row["campaign_id"]), row["request_id"]): Earlier(execution_of(row), row["body_hash"]) for row in rows
        }

    async def find(self, wanted: Sequence[Wanted]) -> list[Found]:
        """What is known of each recipient, in the order asked."""
        return [Found(*row) for row in await self._connection.fetch(_FIND, *_columns(wanted, 7))]

    async def reach(self, sought: Sequence[Sought]) -> list[Reached]:
        """What is known of each recipient beyond their email address, in the order asked."""
        rows = await self._connection.fetch(REACH, *_columns(sought, 6))
        return [reached_of(row) for row in rows]

    async def create(self, contacts: Sequence[NewContact]) -> None:
        """Makes contacts; one that somebody else made meanwhile is left to them."""
        if not await self._connection.fetchval(_CREATE, *_columns(contacts, 5)):
            raise asyncpg.SerializationError("a contact of this name was made meanwhile")

    async def write(self, writing: Writing) -> dict[Id, datetime]:
        """Stores a group; undone and repeated when a request id was stored meanwhile by a call of another kind."""
        *executions, parts = _columns(writing.executions, 10)
        *deliveries, device_ids = _columns(writing.deliveries, 8)
        batches, advances = _columns(writing.batches, 5), _columns(writing.advances, 3)
        rows = await self._connection.fetch(
            _WRITE, *executions, *deliveries, *batches, *advances, BATCH_SIZE, parts, device_ids
        )
        if len(rows) != len(writing.executions):
            raise asyncpg.SerializationError("a request id was stored meanwhile")
        return {Id(row["id"]): row["created_at"] for row in rows}

    async def open_run(self, account_id: Id, campaign_id: Id, run_id: Id) -> bool:
        """Opens a run that takes calls, unless there is one; False when the campaign takes none."""
        if await self._connection.fetchval(_HOLD_CAMPAIGN, campaign_id, account_id) is None:
            return False
        campaign = await CampaignStore(self._connection).get(account_id, campaign_id)
        parts = campaign.parts if campaign else ()
        if campaign is None or not parts:
            return False
        opened = await self._connection.fetch(
            _OPEN_RUN,
            campaign_id,
            account_id,
            [run_id, *new_ids(len(parts) - 1)],
            lane_of(campaign.category),
            FIRST_BATCH,
            ACCEPTS,
            RETRY_DEADLINE[campaign.category],
            [part.channel for part in parts],
            [part.sender_id for part in parts],
        )
        return bool(opened)


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """The rows column by column, as arrays to hand over."""
    return columns(rows) if rows else [[] for _ in range(width)]


def _campaign(parts: Sequence[asyncpg.Record]) -> CalledCampaign:
    """A campaign of the rows of its open run's parts, or of the one row that it has without any."""
    row = parts[0]
    return CalledCampaign(
        id=Id(row["id"]),
        account_id=Id(row["account_id"]),
        kind=CampaignKind(row["kind"]),
        category=Category(row["category"]),
        state=CampaignState(row["state"]),
        creates_contacts=row["creates_contacts"],
        high_throughput=row["high_throughput"],
        is_over=row["is_over"],
        runs=tuple(_open_run(part) for part in parts if part["run_id"] is not None),
        picks_first=row["channel_policy"] == ChannelPolicy.FIRST_AVAILABLE,
    )


def _open_run(row: asyncpg.Record) -> OpenRun:
    run = OpenRun(Id(row["run_id"]), Lane(row["lane"]), row["next_seq"], row["next_batch"], ChannelName(row["channel"]))
    if row["provider"] is not None:
        run.app, run.platform = row["app"], PLATFORM_OF[ProviderName(row["provider"])]
    return run
