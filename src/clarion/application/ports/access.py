"""Storage of accounts and keys.

Secrets come here only as SHA-256 digests. Where to read next: `application.access`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from clarion.domain.access import Account, ApiKey, Permission
from clarion.domain.ids import Id


class Accounts(Protocol):
    """The accounts."""

    async def insert(self, account_id: Id, name: str) -> Account:
        """Stores a new account."""
        ...

    async def find(self, account_id: Id) -> Account | None:
        """Reads one account."""
        ...

    async def update(self, account: Account) -> Account:
        """Overwrites what a stored account says of itself."""
        ...

    async def list_all(self) -> list[Account]:
        """Reads every account in order of creation, for the command line."""
        ...


class Keys(Protocol):
    """The API keys."""

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
        ...

    async def find_usable(self, key_id: Id) -> tuple[ApiKey, bytes] | None:
        """Reads a key that is neither revoked nor expired by the database clock, with its digest."""
        ...

    async def list_after(self, account_id: Id, after: Id | None, limit: int) -> list[ApiKey]:
        """Reads keys above a cursor in order of creation, revoked ones too."""
        ...

    async def revoke(self, account_id: Id, key_id: Id) -> bool:
        """Ends a key; a second call keeps the first time. False: no such key here."""
        ...

    async def touch(self, key_id: Id) -> None:
        """Notes that the key was used, at most once a minute."""
        ...
