"""The health of senders, and by which sender of a pool a batch went.

Never talks to a server; that is `pipeline/health`. Where to read next: migration 0006, whose view keeps the runs of a
shut sender from being claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.senders import SENDER_COLUMNS, SENDER_FROM, sender_of
from clarion.application.ports.batches import ClaimedBatch
from clarion.application.ports.health import DueForTrial, Way
from clarion.domain.health import Fault
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason

# index: sender_health_pkey. Shut again within ten minutes, it stays so for longer than the last time.
_SHUT: Final = """
INSERT INTO sender_health AS h (sender_id, is_shut, reason, reply, times, pause, longest_pause, try_at)
SELECT id, true, $2, $3, 1, $4, $5, now() + $4::interval FROM sender WHERE id = $1
ON CONFLICT (sender_id) DO UPDATE
SET (is_shut, reason, reply, changed_at, times, pause, longest_pause, try_at) = (
    SELECT true, $2, $3, now(), again.times, again.pause, $5::interval, now() + again.pause
    FROM (SELECT recent.times + 1 AS times, least($4::interval * 2 ^ least(recent.times, 20), $5::interval) AS pause
          FROM (SELECT CASE WHEN h.changed_at > now() - interval '10 minutes' THEN h.times ELSE 0 END AS times)
               AS recent) AS again)
WHERE NOT h.is_shut
RETURNING true
"""

# index: sender_shut. Whoever moves try_at is the one who tries; nobody else does for longer than a try may take.
_TAKE_DUE: Final = """
UPDATE sender_health AS h
SET pause = least(h.pause * 2, h.longest_pause), try_at = now() + interval '20 seconds'
FROM sender AS s
WHERE s.id = h.sender_id AND h.sender_id = (
    SELECT sender_id FROM sender_health WHERE is_shut AND try_at <= now() ORDER BY try_at LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING s.account_id, h.sender_id, h.reason
"""

# index: sender_health_pkey.
_KEEP_SHUT: Final = "UPDATE sender_health SET try_at = now() + pause WHERE sender_id = $1 AND is_shut"

# index: sender_health_pkey.
_OPEN: Final = """
UPDATE sender_health SET is_shut = false, changed_at = now() WHERE sender_id = $1 AND is_shut RETURNING true
"""

# index: sender_pkey, sender_by_pool, sender_health_pkey.
_WAYS: Final = f"""
SELECT {SENDER_COLUMNS}, sender.secrets_sealed
FROM {SENDER_FROM}, (SELECT id AS named_id, pool AS named_pool FROM sender WHERE account_id = $1 AND id = $2) AS named
WHERE sender.account_id = $1 AND (sender.id = named_id OR sender.pool = named_pool)
ORDER BY sender.id <> named_id, sender.id
"""

# index: batch_way_by_seq, delivery_pkey by range.
_PINNED: Final = """
SELECT sender_id FROM batch_way
WHERE run_id = $1 AND first_seq <= $3 AND last_seq >= $2 AND EXISTS (
    SELECT FROM delivery
    WHERE run_id = $1 AND seq BETWEEN $2 AND $3 AND ($4::int[] IS NULL OR seq = ANY($4))
      AND state = 'pending' AND doubts > 0)
ORDER BY began_at DESC LIMIT 1
"""
_NOTE_WAY: Final = "INSERT INTO batch_way (run_id, first_seq, last_seq, sender_id) VALUES ($1, $2, $3, $4)"

# index: batch_pkey.
_POSTPONE: Final = """
UPDATE batch SET worker = NULL, lease_until = NULL, tries = 0, due_at = now() + $4::interval
WHERE run_id = $1 AND no = $2 AND epoch = $3 AND worker IS NOT NULL
"""

# index: delivery_pkey, batch_way_by_seq.
_SENT_BY: Final = """
SELECT DISTINCT ON (d.seq) d.seq, w.sender_id
FROM delivery AS d JOIN batch_way AS w
  ON w.run_id = $1 AND d.seq BETWEEN w.first_seq AND w.last_seq AND w.began_at <= d.changed_at
WHERE d.run_id = $1 AND d.seq = ANY($2::int[]) AND d.attempts > 0
ORDER BY d.seq, w.began_at DESC
"""


class SenderHealthStore:
    """Implements `application.ports.health.SenderHealth` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def shut(self, sender_id: Id, fault: Fault) -> bool:
        """Shuts a sender; False when it is shut already, or gone."""
        return bool(await self._connection.fetchval(_SHUT, sender_id, fault.reason, fault.reply, *fault.pauses))

    async def take_due(self) -> DueForTrial | None:
        """One shut sender whose time to be tried has come."""
        row = await self._connection.fetchrow(_TAKE_DUE)
        return DueForTrial(row["account_id"], row["sender_id"], Reason(row["reason"])) if row else None

    async def keep_shut(self, sender_id: Id) -> None:
        """Ends a trial that failed: the next one comes after the pause."""
        await self._connection.execute(_KEEP_SHUT, sender_id)

    async def open(self, sender_id: Id) -> bool:
        """Opens a shut sender; False when it is open."""
        return bool(await self._connection.fetchval(_OPEN, sender_id))

    async def ways(self, account_id: Id, sender_id: Id) -> list[Way]:
        """The sender and those of its pool, itself first; empty when it is gone."""
        rows = await self._connection.fetch(_WAYS, account_id, sender_id)
        return [Way(sender_of(row), row["secrets_sealed"]) for row in rows]

    async def pinned(self, batch: ClaimedBatch) -> Id | None:
        """The only sender that a batch may go by."""
        sender_id: Id | None = await self._connection.fetchval(
            _PINNED, batch.run_id, batch.first_seq, batch.last_seq, batch.seqs
        )
        return sender_id

    async def note_way(self, batch: ClaimedBatch, sender_id: Id) -> None:
        """Writes down by which sender of a pool a batch goes now."""
        await self._connection.execute(_NOTE_WAY, batch.run_id, batch.first_seq, batch.last_seq, sender_id)

    async def postpone(self, batch: ClaimedBatch, wait: timedelta) -> None:
        """Gives a batch back, to be claimed later."""
        await self._connection.execute(_POSTPONE, batch.run_id, batch.no, batch.epoch, wait)

    async def sent_by(self, run_id: Id, seqs: Sequence[int]) -> dict[int, Id]:
        """Of deliveries that were tried by a sender of a pool: by which one, the last time."""
        rows = await self._connection.fetch(_SENT_BY, run_id, list(seqs))
        return {row["seq"]: row["sender_id"] for row in rows}
