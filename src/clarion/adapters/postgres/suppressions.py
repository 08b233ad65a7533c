"""Stores suppressed addresses by their canonical key; never makes a key itself.

The send path asks this table in its own statements. Where to read next: `application.suppressions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clarion.adapters.postgres.connection import Connection, columns
from clarion.application.ports.suppressions import NewSuppression
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id
from clarion.domain.suppression import CampaignSuppression, Suppression, SuppressionReason

_SUPPRESSION = "channel, address_key, reason, source, created_at"

# index: suppression_pkey. `unsubscribed` is the weakest reason: any other replaces it, nothing replaces another. In the
# order of the keys, so that two who suppress the same addresses cannot lock each other out.
_ADD = """
INSERT INTO suppression (account_id, channel, address_key, reason, source)
SELECT DISTINCT ON (account_id, channel, address_key) *
FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS given (account_id, channel, address_key, reason, source)
ORDER BY account_id, channel, address_key, reason = 'unsubscribed'
ON CONFLICT (account_id, channel, address_key) DO UPDATE
    SET reason = excluded.reason, source = excluded.source, created_at = now()
    WHERE suppression.reason = 'unsubscribed' AND excluded.reason <> 'unsubscribed'
"""

# index: suppression_pkey.
_REMOVE = "DELETE FROM suppression WHERE account_id = $1 AND channel = $2 AND address_key = $3 RETURNING true"

# index: suppression_pkey.
_RESUBSCRIBE = """
DELETE FROM suppression AS s USING unnest($2::bytea[], $3::text[]) AS g (account_id, address_key)
WHERE s.account_id = g.account_id AND s.channel = $1 AND s.address_key = g.address_key AND s.reason = 'unsubscribed'
"""

# index: suppression_pkey.
_FIND = f"SELECT {_SUPPRESSION} FROM suppression WHERE account_id = $1 AND channel = $2 AND address_key = $3"

# index: suppression_pkey.
_LIST = f"""
SELECT {_SUPPRESSION} FROM suppression
WHERE account_id = $1 AND (channel, address_key) > ($2, $3) AND ($4::text IS NULL OR channel = $4)
ORDER BY channel, address_key LIMIT $5
"""

# index: run_pkey, delivery_pkey, contact_pkey. What the mail was sent to; before that, where it would go.
_DELIVERY_ADDRESS = """
SELECT run.channel, coalesce(delivery.address, CASE run.channel WHEN 'email' THEN contact.email
                                                               WHEN 'sms' THEN contact.phone END)
FROM run
JOIN delivery ON delivery.run_id = run.id AND delivery.seq = $3
LEFT JOIN contact ON contact.id = delivery.contact_id
WHERE run.id = $2 AND run.account_id = $1
"""

# index: campaign_suppression_pkey.
_ADD_FOR_CAMPAIGN = """
INSERT INTO campaign_suppression (account_id, campaign_id, channel, address_key) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING true
"""

# index: campaign_number_key, campaign_suppression_pkey.
_ADD_FOR_NUMBERS = """
INSERT INTO campaign_suppression (account_id, campaign_id, channel, address_key)
SELECT c.account_id, c.id, $1, g.address_key
FROM unnest($2::bytea[], $3::bigint[], $4::text[]) AS g (account_id, number, address_key)
JOIN campaign AS c ON c.number = g.number AND c.account_id = g.account_id
ORDER BY c.id, g.address_key
ON CONFLICT DO NOTHING
"""

_OF_CAMPAIGN = "account_id = $1 AND campaign_id = $2"

# index: campaign_suppression_pkey.
_REMOVE_FOR_CAMPAIGN = f"""
DELETE FROM campaign_suppression WHERE {_OF_CAMPAIGN} AND channel = $3 AND address_key = $4 RETURNING true
"""

_CAMPAIGN_SUPPRESSION = "campaign_id, channel, address_key, created_at"

# index: campaign_suppression_pkey.
_FIND_FOR_CAMPAIGN = f"""
SELECT {_CAMPAIGN_SUPPRESSION} FROM campaign_suppression WHERE {_OF_CAMPAIGN} AND channel = $3 AND address_key = $4
"""
# index: campaign_suppression_pkey.
_LIST_FOR_CAMPAIGN = f"""
SELECT {_CAMPAIGN_SUPPRESSION} FROM campaign_suppression
WHERE {_OF_CAMPAIGN} AND (channel, address_key) > ($3, $4) ORDER BY channel, address_key LIMIT $5
"""


class SuppressionStore:
    """The suppressed addresses of all accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, suppressions: Sequence[NewSuppression]) -> int:
        """Suppresses addresses, all in one statement; returns how many changed."""
        if not suppressions:
            return 0
        status = await self._connection.execute(_ADD, *columns(suppressions))
        return int(status.rpartition(" ")[2])

    async def remove(self, account_id: Id, channel: ChannelName, address_key: str) -> bool:
        """Lifts one suppression; False when there is none."""
        return bool(await self._connection.fetchval(_REMOVE, account_id, channel, address_key))

    async def resubscribe(self, channel: ChannelName, addresses: Sequence[tuple[Id, str]]) -> None:
        """Lifts suppressions that stand for `unsubscribed` and for nothing else, all in one statement."""
        if addresses:
            await self._connection.execute(_RESUBSCRIBE, channel, *columns(addresses))

    async def find(self, account_id: Id, channel: ChannelName, address_key: str) -> Suppression | None:
        """Reads one suppression."""
        row = await self._connection.fetchrow(_FIND, account_id, channel, address_key)
        return _suppression(row) if row else None

    async def list_after(
        self,
        account_id: Id,
        after: tuple[ChannelName, str] | None,
        limit: int,
        channel: ChannelName | None = None,
    ) -> list[Suppression]:
        """Reads suppressions above a cursor, ordered by channel and key."""
        above = after or ("", "")
        rows = await self._connection.fetch(_LIST, account_id, *above, channel, limit)
        return [_suppression(row) for row in rows]

    async def delivery_address(self, account_id: Id, run_id: Id, seq: int) -> tuple[ChannelName, str] | None:
        """The channel and address a delivery of this account was sent to; None when there is no such or no address."""
        row = await self._connection.fetchrow(_DELIVERY_ADDRESS, account_id, run_id, seq)
        return (ChannelName(row[0]), row[1]) if row and row[1] is not None else None

    async def add_for_campaign(self, account_id: Id, campaign_id: Id, channel: ChannelName, address_key: str) -> bool:
        """Keeps one campaign from writing to an address; False when it was kept from that already."""
        added = await self._connection.fetchval(_ADD_FOR_CAMPAIGN, account_id, campaign_id, channel, address_key)
        return bool(added)

    async def add_for_numbers(self, channel: ChannelName, opt_outs: Sequence[tuple[Id, int, str]]) -> None:
        """Keeps campaigns, named by their numbers, from writing to addresses, all in one statement."""
        if opt_outs:
            await self._connection.execute(_ADD_FOR_NUMBERS, channel, *columns(opt_outs))

    async def remove_for_campaign(
        self, account_id: Id, campaign_id: Id, channel: ChannelName, address_key: str
    ) -> bool:
        """Lifts one suppression of a campaign."""
        found = await self._connection.fetchval(_REMOVE_FOR_CAMPAIGN, account_id, campaign_id, channel, address_key)
        return bool(found)

    async def find_for_campaign(
        self, account_id: Id, campaign_id: Id, channel: ChannelName, address_key: str
    ) -> CampaignSuppression | None:
        """Reads one suppression of a campaign."""
        row = await self._connection.fetchrow(_FIND_FOR_CAMPAIGN, account_id, campaign_id, channel, address_key)
        return _campaign_suppression(row) if row else None

    async def list_for_campaign(
        self, account_id: Id, campaign_id: Id, after: tuple[ChannelName, str] | None, limit: int
    ) -> list[CampaignSuppression]:
        """Reads suppressions of a campaign above a cursor, ordered by channel and key."""
        rows = await self._connection.fetch(_LIST_FOR_CAMPAIGN, account_id, campaign_id, *(after or ("", "")), limit)
        return [_campaign_suppression(row) for row in rows]


def _campaign_suppression(row: Any) -> CampaignSuppression:  # noqa: ANN401 - a driver's record
    return CampaignSuppression(
        Id(row["campaign_id"]), ChannelName(row["channel"]), row["address_key"], row["created_at"]
    )


def _suppression(row: Any) -> Suppression:  # noqa: ANN401 - a driver's record
    return Suppression(
        ChannelName(row["channel"]),
        row["address_key"],
        SuppressionReason(row["reason"]),
        row["source"],
        row["created_at"],
    )
