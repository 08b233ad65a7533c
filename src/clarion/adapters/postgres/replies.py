"""Stored replies to requests with an Idempotency-Key: one row a key, under an advisory lock while it is worked on.

Never decides what to answer; see `entrypoints/http/idempotency.py`.
"""

from __future__ import annotations

from typing import Final

from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.locks import reply_key
from clarion.application.ports.replies import KEPT_FOR, Kept, Reply, ReplyKey

CLAIM_LAPSES: Final = "15 minutes"
"""After this long without a reply, work that no transaction spanned counts as never begun."""

# index: none, a lock.
_HOLD: Final = "SELECT pg_try_advisory_xact_lock($1)"

# index: idempotency_pkey.
_FIND: Final = f"""
SELECT body_hash, status, reply, content_type
FROM idempotency
WHERE api_key_id = $1 AND path = $2 AND key = $3 AND created_at > now() - $4::interval
  AND (status IS NOT NULL OR created_at > now() - interval '{CLAIM_LAPSES}')
"""

# index: idempotency_pkey.
_KEEP: Final = """
INSERT INTO idempotency (api_key_id, path, key, body_hash, status, reply, content_type)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (api_key_id, path, key) DO UPDATE
SET body_hash = excluded.body_hash, status = excluded.status, reply = excluded.reply,
    content_type = excluded.content_type, created_at = now()
"""

# index: idempotency_pkey.
_RELEASE: Final = "DELETE FROM idempotency WHERE api_key_id = $1 AND path = $2 AND key = $3 AND status IS NULL"

# index: idempotency_by_age.
_SWEEP: Final = """
WITH old AS (
    SELECT api_key_id, path, key FROM idempotency
    WHERE created_at < now() - $1::interval ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM idempotency AS i USING old
    WHERE i.api_key_id = old.api_key_id AND i.path = old.path AND i.key = old.key
    RETURNING 1
)
SELECT count(*) FROM gone
"""


class ReplyStore:
    """Implements `application.ports.replies.Replies` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def hold(self, key: ReplyKey) -> bool:
        """Takes this key for the transaction; False while another transaction holds it."""
        return bool(await self._connection.fetchval(_HOLD, reply_key(key.api_key_id, key.path, key.key)))

    async def find(self, key: ReplyKey) -> Kept | None:
        """Reads what is known of the key within the last 24 hours."""
        row = await self._connection.fetchrow(_FIND, key.api_key_id, key.path, key.key, KEPT_FOR)
        if row is None:
            return None
        reply = Reply(row["status"], row["reply"], row["content_type"]) if row["status"] is not None else None
        return Kept(row["body_hash"], reply)

    async def keep(self, key: ReplyKey, body_hash: bytes, reply: Reply) -> None:
        """Stores the reply, in the place of a claim or of one that is too old."""
        await self._write(key, body_hash, reply.status, reply.body, reply.content_type)

    async def claim(self, key: ReplyKey, body_hash: bytes) -> None:
        """Notes that work has begun."""
        await self._write(key, body_hash, None, None, None)

    async def release(self, key: ReplyKey) -> None:
        """Forgets a claim whose work came to nothing."""
        await self._connection.execute(_RELEASE, key.api_key_id, key.path, key.key)

    async def sweep(self, limit: int) -> int:
        """Deletes up to `limit` replies older than 24 hours."""
        return int(await self._connection.fetchval(_SWEEP, KEPT_FOR, limit))

    async def _write(
        self, key: ReplyKey, body_hash: bytes, status: int | None, body: bytes | None, content_type: str | None
    ) -> None:
        await self._connection.execute(_KEEP, key.api_key_id, key.path, key.key, body_hash, status, body, content_type)
