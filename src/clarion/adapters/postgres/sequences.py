"""Reads sequences and stores their events, newest first.

A sequence is a row of `campaign`, written by `campaigns`. Where to read next: `application.sequences`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from clarion.adapters.postgres.connection import Connection
from clarion.domain.campaign_event import CampaignEvent, EventUnit
from clarion.domain.ids import Id
from clarion.domain.sequence import GroupName, Sequence

# index: campaign_sequence backwards from the cursor; contact_group_pkey for each.
_NEWEST: Final = """
SELECT c.id, c.name, c.created_at, g.id AS group_id, g.name AS group_name
FROM campaign AS c LEFT JOIN contact_group AS g ON g.id = c.group_ids[1]
WHERE c.account_id = $1 AND c.kind = 'sequence' AND c.state <> 'archived'
  AND ($2::bytea IS NULL OR c.id < $2) AND ($4::bytea IS NULL OR c.id = $4)
  AND ($5::timestamptz IS NULL OR c.created_at >= $5) AND ($6::timestamptz IS NULL OR c.created_at <= $6)
ORDER BY c.id DESC LIMIT $3
"""

# index: campaign_sequence.
_USING_GROUP: Final = """
SELECT EXISTS (
    SELECT FROM campaign
    WHERE account_id = $1 AND kind = 'sequence' AND state <> 'archived' AND $2::bytea = ANY(group_ids))
"""

_ADD: Final = """
INSERT INTO campaign_event (id, account_id, campaign_id, relative_to, "offset", unit, delivery_hour, message)
VALUES ($2, $1, $3, $4, $5, $6, $7, $8)
"""

# index: campaign_event_pkey.
_REPLACE: Final = """
UPDATE campaign_event SET relative_to = $4, "offset" = $5, unit = $6, delivery_hour = $7, message = $8
WHERE id = $2 AND account_id = $1 AND campaign_id = $3 AND deleted_at IS NULL
"""

# index: campaign_event_pkey.
_REMOVE: Final = """
UPDATE campaign_event SET deleted_at = now() WHERE id = $2 AND account_id = $1 AND deleted_at IS NULL RETURNING true
"""

# index: campaign_event_by_account backwards from the cursor; campaign_pkey for each.
_NEWEST_EVENTS: Final = """
SELECT e.id, e.campaign_id, c.name AS campaign_name, e.relative_to, e."offset", e.unit, e.delivery_hour, e.message,
       e.created_at
FROM campaign_event AS e JOIN campaign AS c ON c.id = e.campaign_id
WHERE e.account_id = $1 AND e.deleted_at IS NULL
  AND ($2::bytea IS NULL OR e.id < $2) AND ($4::bytea IS NULL OR e.id = $4)
  AND ($5::bytea IS NULL OR e.campaign_id = $5) AND ($6::text IS NULL OR c.name = $6)
ORDER BY e.id DESC LIMIT $3
"""

# index: campaign_event_by_account.
_COUNT_BY_FIELD: Final = """
SELECT relative_to, count(*) FROM campaign_event WHERE account_id = $1 AND deleted_at IS NULL GROUP BY relative_to
"""


class SequenceStore:
    """The sequences of all accounts, without archived ones."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def newest(
        self,
        account_id: Id,
        before: Id | None,
        limit: int,
        *,
        only: Id | None = None,
        created_from: datetime | None = None,
        created_until: datetime | None = None,
    ) -> list[Sequence]:
        """Sequences with ids below `before`, newest first, all given conditions met."""
        rows = await self._connection.fetch(_NEWEST, account_id, before, limit, only, created_from, created_until)
        return [_sequence(row) for row in rows]

    async def using_group(self, account_id: Id, group_id: Id) -> bool:
        """Whether a sequence is for this group."""
        return bool(await self._connection.fetchval(_USING_GROUP, account_id, group_id))


class CampaignEventStore:
    """The events of sequences, without deleted ones."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, account_id: Id, event: CampaignEvent) -> None:
        """Stores a new event."""
        await self._connection.execute(_ADD, account_id, *_values(event))

    async def replace(self, account_id: Id, event: CampaignEvent) -> None:
        """Overwrites what an author says of an event."""
        await self._connection.execute(_REPLACE, account_id, *_values(event))

    async def remove(self, account_id: Id, event_id: Id) -> bool:
        """Marks an event as deleted; False when it is not here."""
        return bool(await self._connection.fetchval(_REMOVE, account_id, event_id))

    async def newest(
        self,
        account_id: Id,
        before: Id | None,
        limit: int,
        *,
        only: Id | None = None,
        campaign_id: Id | None = None,
        campaign_name: str | None = None,
    ) -> list[CampaignEvent]:
        """Events with ids below `before`, newest first, all given conditions met."""
        rows = await self._connection.fetch(_NEWEST_EVENTS, account_id, before, limit, only, campaign_id, campaign_name)
        return [CampaignEvent(**{**row, "unit": EventUnit(row["unit"])}) for row in rows]

    async def count_by_field(self, account_id: Id) -> dict[str, int]:
        """How many events are relative to each field."""
        rows = await self._connection.fetch(_COUNT_BY_FIELD, account_id)
        return {row["relative_to"]: row["count"] for row in rows}


def _values(event: CampaignEvent) -> tuple[object, ...]:
    return (
        event.id,
        event.campaign_id,
        event.relative_to,
        event.offset,
        event.unit,
        event.delivery_hour,
        event.message,
    )


def _sequence(row: asyncpg.Record) -> Sequence:
    group = GroupName(Id(row["group_id"]), row["group_name"]) if row["group_id"] else None
    return Sequence(id=Id(row["id"]), name=row["name"], group=group, created_at=row["created_at"])
