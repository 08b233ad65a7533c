"""The advisory locks, all in one place, so that no two uses share a key by accident.

Owns the keys, never takes a lock. Where to read next: `database.barrier`, `migrate`.
"""

from __future__ import annotations

import hashlib
from typing import Final

MIGRATION_KEY: Final = int.from_bytes(b"clarionm", "big")
"""Held while the schema changes; one migration at a time, whoever starts it."""
PARTITION_KEY: Final = int.from_bytes(b"clarionp", "big")
"""Held while a partition is made or dropped; whoever does not get it leaves it to the one who has."""
RECEIPTS_KEY: Final = int.from_bytes(b"clarionr", "big")
"""Held while receipts are applied; whoever does not get it leaves them to the one who has."""


def account_key(account_id: bytes) -> int:
    """The key of an account: shared by each turn that writes intents, exclusive for a barrier. A signed 64-bit number.

    Two accounts may meet on a key; then a barrier waits for a little more than it must, and is still right.
    """
    return int.from_bytes(hashlib.sha256(b"account" + account_id).digest()[:8], "big", signed=True)


def reply_key(api_key_id: bytes, path: str, key: str) -> int:
    """The key of one Idempotency-Key, held while its first request is worked on. A signed 64-bit number.

    Two requests may meet on a key; then one of them is told that it is in progress, and tries again.
    """
    name = b"\0".join((b"reply", api_key_id, path.encode(), key.encode()))
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)


def start_key(campaign_id: bytes, body_hash: bytes) -> int:
    """The key of one start of a campaign, held while it is worked on; the same start waits. A signed 64-bit number."""
    return int.from_bytes(hashlib.sha256(b"start" + campaign_id + body_hash).digest()[:8], "big", signed=True)


def request_key(campaign_id: bytes, request_id: str) -> int:
    """The key of one request id of a campaign, held while a call for an audience is stored. A signed 64-bit number."""
    name = b"\0".join((b"request", campaign_id, request_id.encode()))
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
