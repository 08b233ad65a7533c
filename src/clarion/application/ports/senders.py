"""Storage of senders, and the seal on their secrets.

Connects to nothing; that is `channel`. Implemented by the store of the same name and `adapters/sealing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id
from clarion.domain.sender import Sender


class Sealer(Protocol):
    """Encrypts small secrets with a key from the settings."""

    def seal(self, secret: bytes) -> bytes:
        """Encrypts and authenticates."""
        ...

    def open(self, sealed: bytes) -> bytes:
        """Gives the secret back. Raises `Unavailable` when no configured key opens it."""
        ...


class Senders(Protocol):
    """Senders of one account; their secrets are stored sealed and never listed."""

    async def add(self, account_id: Id, sender: Sender, secrets_sealed: bytes | None) -> bool:
        """Stores a new sender; False when the name is taken."""
        ...

    async def get(self, account_id: Id, sender_id: Id, *, lock: bool = False) -> Sender | None:
        """The sender without its secrets; locked, nobody else changes, deletes or names it in this transaction."""
        ...

    async def hold(self, account_id: Id, sender_ids: Sequence[Id]) -> dict[Id, ChannelName]:
        """Those of these senders that are here, and their channels; none is deleted while the transaction lasts."""
        ...

    async def page(self, account_id: Id, after: Id | None, limit: int) -> list[Sender]:
        """A page ordered by id."""
        ...

    async def oldest(self, account_id: Id) -> list[Sender]:
        """The sender on each channel that was made first."""
        ...

    async def of_pool(self, account_id: Id, pool: str) -> list[Sender]:
        """Every sender of a pool."""
        ...

    async def replace(self, account_id: Id, sender: Sender, secrets_sealed: bytes | None) -> bool:
        """Stores every field anew (the secrets too); False when the name is taken."""
        ...

    async def remove(self, account_id: Id, sender_id: Id) -> bool:
        """Deletes it; False when a campaign uses it."""
        ...

    async def get_with_secrets(self, account_id: Id, sender_id: Id) -> tuple[Sender, bytes | None] | None:
        """The sender, and its secrets as they were sealed."""
        ...

    async def find_anywhere(self, sender_id: Id) -> tuple[Id, Sender, bytes | None] | None:
        """A sender of any account, for its provider's calls: whose it is, and its secrets as they were sealed."""
        ...

    async def of_twilio(self, account_sid: str, number: str) -> Id | None:
        """The sender of any account that has this number at Twilio, for calls that name nothing else."""
        ...

    async def staying(self, limit: int) -> list[tuple[Sender, bytes | None]]:
        """Senders of all accounts whose news comes over a connection of ours, with their sealed secrets."""
        ...

    async def sealed_secrets(self, sender_id: Id) -> bytes | None:
        """Its secrets as they were sealed."""
        ...
