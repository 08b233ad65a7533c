"""Claiming: which batch is sent next, and the lease on it.

Every claim raises the batch's epoch, which fences whoever held it before. Never touches a delivery. Where to read next:
`batches` for what a holder does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Lane
from clarion.domain.ids import Id

_LEASED: Final = "b.run_id, r.account_id, r.sender_id, b.lane, b.no, b.epoch, b.first_seq, b.last_seq, b.seqs"

# index: batch_queue, a lane's part in its order: a run's first batches before another's later ones, so that a small run
# never waits for a large one. Batches that are leased, not due or of a paused run are stepped over.
_CLAIM: Final = f"""
UPDATE batch AS b
SET worker = $1, lease_until = now() + $4::interval, epoch = b.epoch + 1, announced_at = NULL
FROM run AS r
WHERE r.id = b.run_id AND (b.run_id, b.no) = (
    SELECT q.run_id, q.no
    FROM batch AS q JOIN run AS qr ON qr.id = q.run_id AND qr.state = 'sending'
    WHERE q.lane = $2 AND q.due_at <= now() AND q.worker IS NULL AND qr.sender_id <> ALL($3::bytea[])
    ORDER BY q.no
    LIMIT 1
    FOR UPDATE OF q SKIP LOCKED)
RETURNING {_LEASED}
"""

# index: batch_pkey.
_CLAIM_NAMED: Final = f"""
UPDATE batch AS b
SET worker = $1, lease_until = now() + $5::interval, epoch = b.epoch + 1, announced_at = NULL
FROM run AS r
WHERE r.id = b.run_id AND r.state = 'sending' AND (b.run_id, b.no) = (
    SELECT q.run_id, q.no FROM batch AS q
    WHERE q.run_id = $2 AND q.no = $3 AND q.epoch = $4 AND q.worker IS NULL AND q.due_at <= now()
    FOR UPDATE SKIP LOCKED)
RETURNING {_LEASED}
"""


async def claim(
    connection: Connection, worker: str, lane: Lane, busy_senders: Sequence[Id], lease: timedelta
) -> ClaimedBatch | None:
    """Leases the lane's most urgent batch of a sending run whose sender is not busy; None when there is none."""
    return _claimed(await connection.fetchrow(_CLAIM, worker, lane, list(busy_senders), lease))


async def claim_named(
    connection: Connection, worker: str, run_id: Id, no: int, epoch: int, lease: timedelta
) -> ClaimedBatch | None:
    """Leases this very batch; None when it is gone, was held since this epoch, is not due, or its run is not sending."""
    return _claimed(await connection.fetchrow(_CLAIM_NAMED, worker, run_id, no, epoch, lease))


def _claimed(row: asyncpg.Record | None) -> ClaimedBatch | None:
    return ClaimedBatch(**{**row, "lane": Lane(row["lane"])}) if row else None
