"""Senders and their limits. Secrets come here sealed and leave only through `sealed_secrets`.

Never opens a seal; that is `adapters/sealing`. How far a limit is used is in `pace`. Next: `application/senders`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from clarion.adapters.postgres.connection import Connection
from clarion.domain.channel import ChannelName
from clarion.domain.health import Health
from clarion.domain.ids import Id
from clarion.domain.pace import WarmUp
from clarion.domain.providers import PROVIDERS, ProviderName
from clarion.domain.sender import Sender
from clarion.domain.sms import SmsRules

SENDER_COLUMNS: Final = """
sender.id, name, sender.provider, sender.config, sender.sms, from_address, rate_per_second, domain_rates, daily_cap,
warm_up, warm_up_from, sender.pool, weight, created_at, updated_at,
h.is_shut, h.reason AS shut_reason, h.reply AS shut_reply, h.changed_at AS shut_changed_at, h.try_at
"""
SENDER_FROM: Final = "sender LEFT JOIN sender_health AS h ON h.sender_id = sender.id"

# index: sender_account_id_name_key refuses a second sender of the same name.
_ADD: Final = """
INSERT INTO sender (account_id, id, name, channel, provider, config, sms, from_address, rate_per_second, domain_rates,
                    daily_cap, warm_up, warm_up_from, pool, weight, secrets_sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (account_id, name) DO NOTHING RETURNING id
"""

# index: sender_pkey.
_GET: Final = f"SELECT {SENDER_COLUMNS} FROM {SENDER_FROM} WHERE account_id = $1 AND id = $2"
_GET_LOCKED: Final = f"{_GET} FOR UPDATE OF sender"
_GET_WITH_SECRETS: Final = f"""
SELECT {SENDER_COLUMNS}, secrets_sealed FROM {SENDER_FROM} WHERE account_id = $1 AND id = $2
"""
_FIND_ANYWHERE: Final = f"SELECT {SENDER_COLUMNS}, account_id, secrets_sealed FROM {SENDER_FROM} WHERE sender.id = $1"
# index: sender_pkey. In the order of their ids; the lock is the one that a reference takes.
_HOLD: Final = """
SELECT id, channel FROM sender WHERE account_id = $1 AND id = ANY($2::bytea[]) ORDER BY id FOR KEY SHARE
"""
# No index: a walk through the table, which has a row per sender; calls that name one so are counted and few.
_OF_TWILIO: Final = """
SELECT id FROM sender
WHERE provider = 'twilio' AND config->>'account_sid' = $1 AND from_address = $2 ORDER BY id LIMIT 1
"""
# No index: a walk through the table, which has a row per sender, once in a while.
_STAYING: Final = f"""
SELECT {SENDER_COLUMNS}, secrets_sealed FROM {SENDER_FROM} WHERE sender.provider = 'smpp' ORDER BY sender.id LIMIT $1
"""
# index: sender_account_id_name_key or sender_pkey, whichever has fewer to pass over.
_LIST: Final = f"SELECT {SENDER_COLUMNS} FROM {SENDER_FROM} WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"
# index: sender_account_id_name_key; every sender of the account is looked at.
_OLDEST: Final = f"""
SELECT DISTINCT ON (sender.channel) {SENDER_COLUMNS} FROM {SENDER_FROM} WHERE account_id = $1
ORDER BY sender.channel, sender.id
"""
# index: sender_by_pool.
_OF_POOL: Final = f"SELECT {SENDER_COLUMNS} FROM {SENDER_FROM} WHERE account_id = $1 AND sender.pool = $2"
# index: sender_pkey.
_SEALED: Final = "SELECT secrets_sealed FROM sender WHERE id = $1"
# index: sender_pkey, sender_account_id_name_key.
_REPLACE: Final = """
UPDATE sender SET name = $3, channel = $4, provider = $5, config = $6, sms = $7, from_address = $8,
    rate_per_second = $9, domain_rates = $10, daily_cap = $11, warm_up = $12, warm_up_from = $13, pool = $14,
    weight = $15, secrets_sealed = $16, updated_at = clock_timestamp()
WHERE account_id = $1 AND id = $2
  AND NOT EXISTS (SELECT FROM sender AS other WHERE other.account_id = $1 AND other.name = $3 AND other.id <> $2)
RETURNING id
"""

# index: campaign_by_sender, campaign_by_sms_sender, campaign_by_push_sender.
_REMOVE: Final = """
DELETE FROM sender WHERE account_id = $1 AND id = $2
  AND NOT EXISTS (SELECT FROM campaign WHERE sender_id = $2)
  AND NOT EXISTS (SELECT FROM campaign WHERE sms_sender_id = $2)
  AND NOT EXISTS (SELECT FROM campaign WHERE push_sender_ids @> ARRAY[$2::bytea])
  AND NOT EXISTS (SELECT FROM run WHERE sender_id = $2)
RETURNING id
"""


class SenderStore:
    """Implements `application.ports.senders.Senders` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, account_id: Id, sender: Sender, secrets_sealed: bytes | None) -> bool:
        """Stores a new sender; False when the name is taken."""
        return await self._connection.fetchval(_ADD, account_id, *_fields(sender), secrets_sealed) is not None

    async def get(self, account_id: Id, sender_id: Id, *, lock: bool = False) -> Sender | None:
        """The sender without its secrets; locked until the transaction ends when asked to."""
        row = await self._connection.fetchrow(_GET_LOCKED if lock else _GET, account_id, sender_id)
        return sender_of(row) if row else None

    async def hold(self, account_id: Id, sender_ids: Sequence[Id]) -> dict[Id, ChannelName]:
        """Those of these senders that are here, and their channels, kept from being deleted."""
        rows = await self._connection.fetch(_HOLD, account_id, list(sender_ids)) if sender_ids else []
        return {Id(sender_id): ChannelName(channel) for sender_id, channel in rows}

    async def page(self, account_id: Id, after: Id | None, limit: int) -> list[Sender]:
        """A page ordered by id."""
        return [sender_of(row) for row in await self._connection.fetch(_LIST, account_id, after or b"", limit)]

    async def oldest(self, account_id: Id) -> list[Sender]:
        """The first sender on each channel."""
        return [sender_of(row) for row in await self._connection.fetch(_OLDEST, account_id)]

    async def of_pool(self, account_id: Id, pool: str) -> list[Sender]:
        """Every sender of a pool."""
        return [sender_of(row) for row in await self._connection.fetch(_OF_POOL, account_id, pool)]

    async def replace(self, account_id: Id, sender: Sender, secrets_sealed: bytes | None) -> bool:
        """Stores every field anew; False when the name is taken."""
        return await self._connection.fetchval(_REPLACE, account_id, *_fields(sender), secrets_sealed) is not None

    async def remove(self, account_id: Id, sender_id: Id) -> bool:
        """Deletes it; False when a campaign or a run names it."""
        return await self._connection.fetchval(_REMOVE, account_id, sender_id) is not None

    async def get_with_secrets(self, account_id: Id, sender_id: Id) -> tuple[Sender, bytes | None] | None:
        """The sender, and its secrets as they were sealed."""
        row = await self._connection.fetchrow(_GET_WITH_SECRETS, account_id, sender_id)
        return (sender_of(row), row["secrets_sealed"]) if row else None

    async def find_anywhere(self, sender_id: Id) -> tuple[Id, Sender, bytes | None] | None:
        """A sender of any account: whose it is, and its secrets as they were sealed."""
        row = await self._connection.fetchrow(_FIND_ANYWHERE, sender_id)
        return (Id(row["account_id"]), sender_of(row), row["secrets_sealed"]) if row else None

    async def of_twilio(self, account_sid: str, number: str) -> Id | None:
        """The sender that has this number at Twilio, of whatever account."""
        found: Id | None = await self._connection.fetchval(_OF_TWILIO, account_sid, number)
        return found

    async def staying(self, limit: int) -> list[tuple[Sender, bytes | None]]:
        """Senders of all accounts whose news comes over a connection of ours, with their sealed secrets."""
        return [(sender_of(row), row["secrets_sealed"]) for row in await self._connection.fetch(_STAYING, limit)]

    async def sealed_secrets(self, sender_id: Id) -> bytes | None:
        """Its secrets as they were sealed."""
        sealed: bytes | None = await self._connection.fetchval(_SEALED, sender_id)
        return sealed


def _fields(sender: Sender) -> tuple[object, ...]:
    provider = sender.provider
    return (
        sender.id,
        sender.name,
        provider.channel,
        provider.name,
        {key: value for key, value in msgspec.to_builtins(provider).items() if key != "password"},
        msgspec.to_builtins(sender.sms) if sender.sms else None,
        sender.from_address,
        sender.rate_per_second,
        dict(sender.domain_rates),
        sender.daily_cap,
        list(sender.warm_up.per_day) if sender.warm_up else None,
        sender.warm_up.starts_on if sender.warm_up else None,
        sender.pool,
        sender.weight,
    )


def sender_of(row: asyncpg.Record) -> Sender:
    """Reads a row of `SENDER_COLUMNS`."""
    return Sender(
        id=row["id"],
        name=row["name"],
        provider=msgspec.convert(row["config"], PROVIDERS[ProviderName(row["provider"])]),
        sms=msgspec.convert(row["sms"], SmsRules) if row["sms"] else None,
        from_address=row["from_address"],
        rate_per_second=row["rate_per_second"],
        domain_rates=row["domain_rates"],
        daily_cap=row["daily_cap"],
        warm_up=WarmUp(row["warm_up_from"], tuple(row["warm_up"])) if row["warm_up"] else None,
        pool=row["pool"],
        weight=row["weight"],
        health=_health(row),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _health(row: asyncpg.Record) -> Health | None:
    if row["is_shut"] is None:
        return None
    next_try_at = row["try_at"] if row["is_shut"] else None
    return Health(row["is_shut"], row["shut_reason"], row["shut_reply"], row["shut_changed_at"], next_try_at)
