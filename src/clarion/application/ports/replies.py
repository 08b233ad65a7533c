"""Storage of replies to requests that came with an Idempotency-Key, so that asking again changes nothing.

A reply is stored in the transaction of its effect: either both are there or neither. Kept for 24 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from clarion.domain.ids import Id

KEPT_FOR: Final = timedelta(hours=24)
"""How long a reply is replayed."""


@dataclass(frozen=True, slots=True)
class ReplyKey:
    """What names a reply: who asked, for what path, under which key of their own."""

    api_key_id: Id
    path: str
    key: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it went out, byte for byte."""

    status: int
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of an earlier request: the digest of its body, and its reply once there is one."""

    body_hash: bytes
    reply: Reply | None


class Replies(Protocol):
    """The stored replies."""

    async def hold(self, key: ReplyKey) -> bool:
        """Takes this key for the transaction; False while another transaction holds it. Never waits."""
        ...

    async def find(self, key: ReplyKey) -> Kept | None:
        """Reads what is known of the key within the last 24 hours; a claim that lapsed counts as unknown."""
        ...

    async def keep(self, key: ReplyKey, body_hash: bytes, reply: Reply) -> None:
        """Stores the reply. The caller holds the key."""
        ...

    async def claim(self, key: ReplyKey, body_hash: bytes) -> None:
        """Notes that work which no one transaction spans has begun; lapses by itself. The caller holds the key."""
        ...

    async def release(self, key: ReplyKey) -> None:
        """Forgets a claim whose work came to nothing."""
        ...

    async def sweep(self, limit: int) -> int:
        """Deletes up to `limit` replies older than 24 hours; returns how many."""
        ...
