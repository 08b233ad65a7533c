"""Batches whose drive fails again and again: given back, taken apart, and in the end what cannot be sent is failed.

A claim counts as a try until the batch is settled; whoever makes progress starts from none. Few batches ever come here,
so each is a statement of its own. Where to read next: `pipeline/quarantine.py`, which decides when.
"""

from __future__ import annotations

from typing import Final

from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.batches import ClaimedBatch
from clarion.application.ports.quarantine import Failing, Quarantined
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason

_MEMBERS: Final = "d.run_id = $1 AND d.seq BETWEEN $2 AND $3 AND ($4::int[] IS NULL OR d.seq = ANY($4))"
_BATCH: Final = "run_id = $1 AND no = $5 AND epoch = $6"

# index: batch_pkey, delivery_pkey by range. While something of it may be on the wire, its lease runs out.
_GIVE_BACK: Final = f"""
UPDATE batch AS b
SET worker = NULL, lease_until = NULL, epoch = b.epoch + 1, due_at = now() + random() * tries * interval '2 seconds',
    tries = CASE WHEN EXISTS (SELECT FROM delivery AS d WHERE {_MEMBERS} AND d.epoch = $6) THEN 1 ELSE tries END
WHERE {_BATCH} AND worker IS NOT NULL
  AND NOT EXISTS (SELECT FROM delivery AS d WHERE {_MEMBERS} AND d.state = 'sending')
RETURNING no
"""

# index: batch_failing.
_FAILING: Final = """
SELECT run_id, first_seq, last_seq, seqs, no, epoch, tries,
       coalesce(cardinality(seqs), last_seq - first_seq + 1) AS size
FROM batch WHERE tries > 1 AND worker IS NULL ORDER BY due_at LIMIT $1
"""

# index: batch_pkey, delivery_pkey by range. A lost worker got somewhere when its claim's epoch stands on a delivery.
_FORGIVE: Final = f"""
UPDATE batch AS b SET tries = 0
WHERE {_BATCH} AND worker IS NULL AND EXISTS (SELECT FROM delivery AS d WHERE {_MEMBERS} AND d.epoch = $6 - 1)
RETURNING no
"""

# index: batch_pkey, delivery_pkey by range, run_pkey. The pieces are due at different moments, so that a worker that
# one of them ends does not take the same others with it each time.
_TAKE_APART: Final = f"""
WITH gone AS (
    DELETE FROM batch WHERE {_BATCH} AND worker IS NULL RETURNING lane, epoch
), pieces AS (
    SELECT array_agg(seq) AS seqs, row_number() OVER () AS place
    FROM (
        SELECT d.seq, (row_number() OVER (ORDER BY d.seq) - 1) / $7::int AS piece
        FROM delivery AS d WHERE {_MEMBERS} AND d.state = 'pending' AND EXISTS (SELECT FROM gone)
    ) AS members
    GROUP BY piece
), numbered AS (
    UPDATE run SET next_batch = next_batch + (SELECT count(*)::int FROM pieces) WHERE id = $1 RETURNING next_batch
)
INSERT INTO batch (run_id, no, lane, first_seq, last_seq, seqs, epoch, tries, due_at)
SELECT $1, next_batch - place, lane, (SELECT min(s) FROM unnest(seqs) AS s), (SELECT max(s) FROM unnest(seqs) AS s),
       seqs, epoch, $8::int, now() + random() * $8::int * interval '2 seconds'
FROM gone, numbered, pieces
"""

# index: batch_pkey, delivery_pkey by range, run_pkey.
_FAIL: Final = f"""
WITH gone AS (
    DELETE FROM batch WHERE {_BATCH} AND worker IS NULL RETURNING no
), failed AS (
    UPDATE delivery AS d SET state = 'failed', reason = $7, reply = $8, changed_at = now()
    WHERE {_MEMBERS} AND d.state = 'pending' AND EXISTS (SELECT FROM gone)
    RETURNING d.seq
)
SELECT account_id, campaign_id, (SELECT count(*) FROM failed) AS deliveries FROM run WHERE id = $1
"""


class QuarantineStore:
    """Implements `application.ports.quarantine.Quarantine` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def give_back(self, batch: ClaimedBatch) -> bool:
        """Ends the hold on a batch whose drive failed."""
        place = (batch.run_id, batch.first_seq, batch.last_seq, batch.seqs, batch.no, batch.epoch)
        return await self._connection.fetchval(_GIVE_BACK, *place) is not None

    async def failing(self, limit: int) -> list[Failing]:
        """Batches that were claimed more than once and never settled."""
        return [Failing(*row) for row in await self._connection.fetch(_FAILING, limit)]

    async def forgive(self, batch: Failing) -> bool:
        """Counts from none again for a batch whose last holder got somewhere."""
        return await self._connection.fetchval(_FORGIVE, *batch[:6]) is not None

    async def take_apart(self, batch: Failing, size: int, tries: int) -> None:
        """Makes batches of at most `size` of what is pending."""
        await self._connection.execute(_TAKE_APART, *batch[:6], size, tries)

    async def fail(self, batch: Failing, reason: Reason, why: str) -> Quarantined | None:
        """Fails what is pending of a batch and deletes it."""
        row = await self._connection.fetchrow(_FAIL, *batch[:6], reason, why)
        return Quarantined(Id(row["account_id"]), Id(row["campaign_id"]), row["deliveries"]) if row else None
