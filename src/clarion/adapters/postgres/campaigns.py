"""Campaigns and the revisions of their messages, and the exact counts of whom a campaign would reach.

State changes are guarded by the states they may come from; the tables of transitions are in `domain.campaign`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeVar

import asyncpg
import msgspec

from clarion.adapters.postgres import audience, audience_data
from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.hindrances import HINDRANCES
from clarion.domain.campaign import AudienceCount, Campaign, CampaignKind, CampaignState, Category, ChannelPolicy
from clarion.domain.content import EmailContent, PushContent, SmsContent
from clarion.domain.ids import Id, parse_id
from clarion.domain.segment import Rule

T = TypeVar("T")

_COLUMNS: Final = f"""
c.id, c.number, c.name, c.description, c.kind, c.category, c.state, c.state_reason, c.group_ids, c.segment_ids,
c.contact_ids, c.sender_id, c.revision_id, m.email, m.sms, m.push, c.sms_sender_id, c.push_sender_ids,
c.channel_policy, c.channel_order, c.selected_count,
c.include_conversation_history, c.auto_cancel_on_message_received, c.outreach_language, c.timezone, c.start_at,
c.end_at, c.recheck_seconds, c.creates_contacts, c.high_throughput, c.extras, c.created_at, c.updated_at, c.started_at,
{HINDRANCES.format(row="c", active="running")}
"""

_FROM: Final = "campaign AS c LEFT JOIN message_revision AS m ON m.id = c.revision_id"

# index: campaign_pkey.
_GET: Final = f"SELECT {_COLUMNS} FROM {_FROM} WHERE c.account_id = $1 AND c.id = $2"

# index: campaign_number_key.
_GET_BY_NUMBER: Final = f"SELECT {_COLUMNS} FROM {_FROM} WHERE c.account_id = $1 AND c.number = $2"

# index: campaign_by_account.
_LIST: Final = f"""
SELECT {_COLUMNS} FROM {_FROM}
WHERE c.account_id = $1 AND c.id > $2 AND ($3::text IS NULL OR c.state = $3) ORDER BY c.id LIMIT $4
"""

# index: campaign_by_account.
_SLICE: Final = f"""
SELECT {_COLUMNS} FROM {_FROM}
WHERE c.account_id = $1 AND c.state <> 'archived' ORDER BY c.id OFFSET $2 LIMIT $3
"""
_COUNT: Final = "SELECT count(*) FROM campaign WHERE account_id = $1 AND state <> 'archived'"

_ADD: Final = """
INSERT INTO campaign (account_id, id, name, description, category, state, group_ids, contact_ids, sender_id,
    revision_id, include_conversation_history, auto_cancel_on_message_received, outreach_language, start_at, end_at,
    kind, segment_ids, channel_order, timezone, recheck_seconds, creates_contacts, high_throughput, extras,
    sms_sender_id, push_sender_ids, channel_policy, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
    $24, $25, $26, $27, $27)
"""

_ADD_REVISION: Final = """
INSERT INTO message_revision (account_id, campaign_id, id, email, sms, push) VALUES ($1, $2, $3, $4, $5, $6)
"""

# index: campaign_pkey.
_REPLACE: Final = """
UPDATE campaign SET name = $3, description = $4, category = $5, state = $6, group_ids = $7, contact_ids = $8,
    sender_id = $9, revision_id = $10, include_conversation_history = $11, auto_cancel_on_message_received = $12,
    outreach_language = $13, start_at = $14, end_at = $15, kind = $16, segment_ids = $17, channel_order = $18,
    timezone = $19, recheck_seconds = $20, creates_contacts = $21, high_throughput = $22, extras = $23,
    sms_sender_id = $24, push_sender_ids = $25, channel_policy = $26, updated_at = clock_timestamp()
WHERE account_id = $1 AND id = $2
"""

# index: campaign_pkey, run_by_campaign, execution_without_run.
_REMOVE: Final = """
DELETE FROM campaign WHERE account_id = $1 AND id = $2
  AND NOT EXISTS (SELECT FROM run WHERE campaign_id = $2)
  AND NOT EXISTS (SELECT FROM execution WHERE campaign_id = $2 AND run_id IS NULL)
RETURNING id
"""

# index: campaign_pkey.
_MOVE: Final = """
UPDATE campaign SET state = $4, state_reason = $5, updated_at = clock_timestamp()
WHERE account_id = $1 AND id = $2 AND state = ANY($3::text[]) RETURNING id
"""
_MARK_STARTED: Final = """
UPDATE campaign
SET state = 'running', state_reason = NULL, updated_at = now(), selected_count = $3,
    started_at = CASE WHEN state = 'running' THEN started_at ELSE now() END,
    start_at = CASE WHEN start_at > now() THEN now() ELSE start_at END
WHERE account_id = $1 AND id = $2
"""

# index: campaign_due.
_DUE: Final = """
SELECT account_id, id FROM campaign WHERE state = 'scheduled' AND start_at <= now() ORDER BY start_at LIMIT $1
"""

# index: campaign_over.
_OVERDUE: Final = """
SELECT account_id, id FROM campaign WHERE state IN ('running', 'paused') AND end_at <= now() ORDER BY end_at LIMIT $1
"""

# index: contact_group_account_id_name_key, contact_group_pkey.
_RESOLVE_GROUPS: Final = """
SELECT id, name FROM contact_group WHERE account_id = $1 AND (name = ANY($2::text[]) OR id = ANY($3::bytea[]))
"""

# index: segment_account_id_name_key, segment_pkey.
_RESOLVE_SEGMENTS: Final = """
SELECT id, name FROM segment WHERE account_id = $1 AND (name = ANY($2::text[]) OR id = ANY($3::bytea[]))
FOR KEY SHARE
"""

# index: contact_pkey.
_KNOWN_CONTACTS: Final = """
SELECT id FROM contact WHERE id = ANY($2::bytea[]) AND account_id = $1 AND deleted_at IS NULL
"""


class CampaignStore:
    """Implements `application.ports.campaigns.Campaigns` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, account_id: Id, campaign: Campaign) -> None:
        """Stores a new campaign."""
        await self._connection.execute(_ADD, account_id, *_editable(campaign), campaign.created_at)

    async def add_revision(self, account_id: Id, campaign: Campaign) -> None:
        """Stores one immutable revision."""
        content = (campaign.email, campaign.sms, campaign.push)
        await self._connection.execute(_ADD_REVISION, account_id, campaign.id, campaign.revision_id, *content)

    async def get(self, account_id: Id, campaign_id: Id, *, lock: bool = False) -> Campaign | None:
        """The campaign with its current content."""
        query = _GET + " FOR UPDATE OF c" if lock else _GET
        row = await self._connection.fetchrow(query, account_id, campaign_id)
        return _campaign(row) if row else None

    async def get_by_number(self, account_id: Id, number: int) -> Campaign | None:
        """The campaign with its current content, by its number."""
        row = await self._connection.fetchrow(_GET_BY_NUMBER, account_id, number)
        return _campaign(row) if row else None

    async def page(self, account_id: Id, after: Id | None, limit: int, state: CampaignState | None) -> list[Campaign]:
        """A page ordered by id."""
        return [_campaign(row) for row in await self._connection.fetch(_LIST, account_id, after or b"", state, limit)]

    async def slice(self, account_id: Id, skip: int, limit: int) -> tuple[int, list[Campaign]]:
        """How many there are that are not put away, and some of them by their place."""
        rows = await self._connection.fetch(_SLICE, account_id, skip, limit)
        return await self._connection.fetchval(_COUNT, account_id), [_campaign(row) for row in rows]

    async def replace(self, account_id: Id, campaign: Campaign) -> None:
        """Stores every editable field anew."""
        await self._connection.execute(_REPLACE, account_id, *_editable(campaign))

    async def remove(self, account_id: Id, campaign_id: Id) -> bool:
        """Deletes a campaign that never ran."""
        return await self._connection.fetchval(_REMOVE, account_id, campaign_id) is not None

    async def move(
        self,
        account_id: Id,
        campaign_id: Id,
        sources: frozenset[CampaignState],
        target: CampaignState,
        reason: str | None = None,
    ) -> bool:
        """Changes the state where it is one of `sources`."""
        moved = await self._connection.fetchval(_MOVE, account_id, campaign_id, list(sources), target, reason)
        return moved is not None

    async def mark_started(self, account_id: Id, campaign_id: Id, selected: int) -> None:
        """Running from now on, with its audience counted; a start time in the future gives way to the real one."""
        await self._connection.execute(_MARK_STARTED, account_id, campaign_id, selected)

    async def now(self) -> datetime:
        """The database clock."""
        now: datetime = await self._connection.fetchval("SELECT clock_timestamp()")
        return now

    async def due(self, limit: int) -> list[tuple[Id, Id]]:
        """Scheduled campaigns whose time has come."""
        return [(Id(account), Id(campaign)) for account, campaign in await self._connection.fetch(_DUE, limit)]

    async def overdue(self, limit: int) -> list[tuple[Id, Id]]:
        """Started campaigns whose end has passed."""
        return [(Id(account), Id(campaign)) for account, campaign in await self._connection.fetch(_OVERDUE, limit)]

    async def resolve_groups(self, account_id: Id, names_or_ids: list[str]) -> dict[str, Id]:
        """Finds groups by name, else by id."""
        return await self._resolve(_RESOLVE_GROUPS, account_id, names_or_ids)

    async def resolve_segments(self, account_id: Id, names_or_ids: list[str]) -> dict[str, Id]:
        """Finds segments by name, else by id."""
        return await self._resolve(_RESOLVE_SEGMENTS, account_id, names_or_ids)

    async def _resolve(self, statement: str, account_id: Id, names_or_ids: list[str]) -> dict[str, Id]:
        ids = [id_ for text in names_or_ids if (id_ := parse_id(text))]
        rows = await self._connection.fetch(statement, account_id, names_or_ids, ids)
        by_id = {row["id"].hex(): Id(row["id"]) for row in rows}
        by_name = {row["name"]: Id(row["id"]) for row in rows}
        found = by_id | by_name
        return {text: found[text] for text in names_or_ids if text in found}

    async def known_contacts(self, account_id: Id, contact_ids: list[Id]) -> set[Id]:
        """Which of these contacts exist."""
        return {Id(row["id"]) for row in await self._connection.fetch(_KNOWN_CONTACTS, account_id, contact_ids)}

    async def count_audience(self, account_id: Id, campaign: Campaign, rules: Sequence[Rule]) -> AudienceCount:
        """Counts who would be reached now; see `AudienceCount` for what is exact."""
        counted, _ = await audience.count(self._connection, account_id, campaign, rules, campaign.parts)
        return counted

    async def count_missing(
        self, account_id: Id, campaign: Campaign, rules: Sequence[Rule], paths: list[tuple[str, ...]]
    ) -> dict[tuple[str, ...], int]:
        """Counts, in one pass over the audience, who has nothing at each path: a column, or `attributes` and keys."""
        return await audience_data.count_missing(self._connection, account_id, campaign, rules, paths)

    async def longest(
        self, account_id: Id, campaign: Campaign, rules: Sequence[Rule], paths: list[tuple[str, ...]]
    ) -> dict[tuple[str, ...], str]:
        """Finds, in one pass over the audience, the longest value at each path, as text."""
        return await audience_data.longest(self._connection, account_id, campaign, rules, paths)


_CONTENTS: Final = {"email": EmailContent, "sms": SmsContent, "push": PushContent}


def _content(value: object, kind: type[T]) -> T | None:
    return None if value is None else msgspec.convert(value, kind)


def _editable(campaign: Campaign) -> tuple[object, ...]:
    """The parameters from $2 on that `_ADD` and `_REPLACE` share."""
    return (
        campaign.id,
        campaign.name,
        campaign.description,
        campaign.category,
        campaign.state,
        list(campaign.group_ids),
        list(campaign.contact_ids),
        campaign.sender_id,
        campaign.revision_id,
        campaign.include_conversation_history,
        campaign.auto_cancel_on_message_received,
        campaign.outreach_language,
        campaign.start_at,
        campaign.end_at,
        campaign.kind,
        list(campaign.segment_ids),
        list(campaign.channel_order),
        campaign.timezone,
        campaign.recheck_seconds,
        campaign.creates_contacts,
        campaign.high_throughput,
        campaign.extras,
        campaign.sms_sender_id,
        list(campaign.push_sender_ids),
        campaign.channel_policy,
    )


def _campaign(row: asyncpg.Record) -> Campaign:
    facts = dict(row)
    return Campaign(
        **{
            **facts,
            "kind": CampaignKind(facts["kind"]),
            "category": Category(facts["category"]),
            "state": CampaignState(facts["state"]),
            "group_ids": tuple(facts["group_ids"]),
            "segment_ids": tuple(facts["segment_ids"]),
            "contact_ids": tuple(facts["contact_ids"]),
            "push_sender_ids": tuple(facts["push_sender_ids"]),
            "channel_policy": ChannelPolicy(facts["channel_policy"]),
            "channel_order": tuple(facts["channel_order"]),
            **{name: _content(facts[name], kind) for name, kind in _CONTENTS.items()},
        }
    )
