"""Stores accounts and API keys by the clock of the database.

Digests go in and out; the secrets they are made from never come here. Where to read next: `application.access`.
"""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any

from clarion.adapters.postgres.connection import Connection
from clarion.domain.access import Account, ApiKey, DateStyle, Permission
from clarion.domain.ids import Id

_ACCOUNT = (
    "id, name, created_at, timezone, country, languages, date_style, instance, organisation, sandbox, retention_days, "
    "weight, rate_per_second, domain_rates"
)

_INSERT_ACCOUNT = f"INSERT INTO account (id, name) VALUES ($1, $2) RETURNING {_ACCOUNT}"

# index: account_pkey.
_FIND_ACCOUNT = f"SELECT {_ACCOUNT} FROM account WHERE id = $1"

# index: account_pkey.
_UPDATE_ACCOUNT = f"""
UPDATE account SET name = $2, timezone = $3, country = $4, languages = $5, date_style = $6, instance = $7,
    organisation = $8, sandbox = $9, retention_days = $10, weight = $11,
    rate_per_second = $12, domain_rates = $13
WHERE id = $1 RETURNING {_ACCOUNT}
"""

# index: account_pkey, in full; accounts are few.
_LIST_ACCOUNTS = f"SELECT {_ACCOUNT} FROM account ORDER BY id"

_KEY = "id, account_id, name, permissions, created_at, owner_email, expires_at, last_used_at, revoked_at"

_INSERT_KEY = f"""
INSERT INTO api_key (id, account_id, name, secret_hash, permissions, expires_at, owner_email)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {_KEY}
"""

# index: api_key_pkey.
_FIND_USABLE = f"""
SELECT {_KEY}, secret_hash FROM api_key
WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""

# index: api_key_by_account.
_LIST_KEYS = f"SELECT {_KEY} FROM api_key WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"

# index: api_key_pkey.
_REVOKE = "UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE account_id = $1 AND id = $2 RETURNING id"

# index: api_key_pkey.
_TOUCH = """
UPDATE api_key SET last_used_at = now()
WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""


class AccountStore:
    """The accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(self, account_id: Id, name: str) -> Account:
        """Stores a new account."""
        row = await self._connection.fetchrow(_INSERT_ACCOUNT, account_id, name)
        return _account(row)

    async def find(self, account_id: Id) -> Account | None:
        """Reads one account."""
        row = await self._connection.fetchrow(_FIND_ACCOUNT, account_id)
        return _account(row) if row else None

    async def update(self, account: Account) -> Account:
        """Overwrites what a stored account says of itself."""
        row = await self._connection.fetchrow(_UPDATE_ACCOUNT, *_values(account))
        return _account(row)

    async def list_all(self) -> list[Account]:
        """Reads every account in order of creation."""
        return [_account(row) for row in await self._connection.fetch(_LIST_ACCOUNTS)]


class KeyStore:
    """The API keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def insert(
        self,
        key_id: Id,
        *,
        account_id: Id,
        name: str,
        secret_hash: bytes,
        permissions: frozenset[Permission],
        expires_at: datetime | None,
        owner_email: str | None = None,
    ) -> ApiKey:
        """Stores a new key by the digest of its secret."""
        row = await self._connection.fetchrow(
            _INSERT_KEY, key_id, account_id, name, secret_hash, sorted(permissions), expires_at, owner_email
        )
        return _key(row)

    async def find_usable(self, key_id: Id) -> tuple[ApiKey, bytes] | None:
        """Reads a key that is neither revoked nor expired by the database clock, with its digest."""
        row = await self._connection.fetchrow(_FIND_USABLE, key_id)
        return (_key(row), row["secret_hash"]) if row else None

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[ApiKey]:
        """Reads keys above a cursor in order of creation, revoked ones too."""
        return [_key(row) for row in await self._connection.fetch(_LIST_KEYS, account_id, after or b"", limit)]

    async def revoke(self, account_id: Id, key_id: Id) -> bool:
        """Ends a key; a second call keeps the first time. False: no such key here."""
        return await self._connection.fetchval(_REVOKE, account_id, key_id) is not None

    async def touch(self, key_id: Id) -> None:
        """Notes that the key was used, at most once a minute."""
        await self._connection.execute(_TOUCH, key_id)


def _account(row: Any) -> Account:  # noqa: ANN401 - a driver's record
    return Account(**{**row, "languages": tuple(row["languages"]), "date_style": DateStyle(row["date_style"])})


_values = attrgetter(
    "id",
    "name",
    "timezone",
    "country",
    "languages",
    "date_style",
    "instance",
    "organisation",
    "sandbox",
    "retention_days",
    "weight",
    "rate_per_second",
    "domain_rates",
)


def _key(row: Any) -> ApiKey:  # noqa: ANN401 - a driver's record
    return ApiKey(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        permissions=frozenset(Permission(name) for name in row["permissions"]),
        created_at=row["created_at"],
        owner_email=row["owner_email"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
