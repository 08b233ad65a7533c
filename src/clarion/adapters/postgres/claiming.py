"""Claiming: which batch is sent next, so that every account and run gets its share, and the lease on it.

Every claim raises the batch's epoch, which fences whoever held it before. Never touches a delivery. The rule is in
`docs/fairness.md`. Where to read next: `batches` for what a holder does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from clarion.adapters.postgres.connection import Connection
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id

# One statement and one commit: the text is in migration 0010, where its plan is kept from following young tables.
_CLAIM: Final = "SELECT * FROM claim_next($1, $2, $3, $4, $5)"

# index: batch_pkey.
_CLAIM_NAMED: Final = """
UPDATE batch AS b
SET worker = $1, lease_until = now() + $5::interval, epoch = b.epoch + 1, tries = b.tries + 1, announced_at = NULL
FROM run AS r
WHERE r.id = b.run_id AND r.state = 'sending' AND (b.run_id, b.no) = (
    SELECT q.run_id, q.no FROM batch AS q
    WHERE q.run_id = $2 AND q.no = $3 AND q.epoch = $4 AND q.worker IS NULL AND q.due_at <= now()
    FOR UPDATE SKIP LOCKED)
RETURNING b.run_id, r.account_id, r.sender_id, r.channel, b.lane, b.no, b.epoch, b.first_seq, b.last_seq, b.seqs
"""

# index: run_sending, account_share_pkey, run_share_pkey.
_STANDING: Final = "SELECT account_used, run_used FROM in_line WHERE lane = $1 AND run_id = $2"

# index: run_share_pkey, account_pkey, account_share_pkey. Apart from the claim and without waiting for the disk: claims
# of one account must not wait for each other's commit. A crash loses a batch's worth of somebody's share.
_CHARGE: Final = """
WITH hurried AS (
    SELECT set_config('synchronous_commit', 'off', true)
), by_run AS (
    INSERT INTO run_share AS s (run_id, used, claimed_no) SELECT $1, $6::float8 + $4, $2 FROM hurried
    ON CONFLICT (run_id) DO UPDATE
    SET used = greatest(s.used + $4, EXCLUDED.used), claimed_no = greatest(s.claimed_no, EXCLUDED.claimed_no)
), charge AS (
    SELECT id, $4::float8 / weight AS charge FROM account WHERE id = $7
)
INSERT INTO account_share AS s (account_id, lane, used) SELECT id, $3, $5::float8 + charge FROM charge
ON CONFLICT (account_id, lane) DO UPDATE SET used = greatest(s.used + (SELECT charge FROM charge), EXCLUDED.used)
"""

# index: run_sending; then batch_again and batch_fresh for each run. The order in which claims would come, if each were
# charged before the next: `limit` batches of each run at most are looked at. `b` is a batch, `l` its run in line.
UPCOMING: Final = """
SELECT run_id, no, epoch, account_id, sender_id
FROM (
    SELECT *, account_used + (sum(size) OVER (PARTITION BY account_id ORDER BY run_turn, run_id, place) - size) / weight
              AS turn
    FROM (
        SELECT l.account_id, l.run_id, l.sender_id, l.account_used, b.*, a.weight,
               l.run_used + sum(b.size) OVER (PARTITION BY l.run_id ORDER BY b.place) - b.size AS run_turn
        FROM in_line AS l JOIN account AS a ON a.id = l.account_id, LATERAL (
            SELECT *, row_number() OVER () AS place
            FROM (
                (SELECT b.no, b.epoch, coalesce(cardinality(b.seqs), b.last_seq - b.first_seq + 1) AS size
                 FROM batch AS b
                 WHERE b.run_id = l.run_id AND b.epoch > 0 AND b.worker IS NULL AND b.due_at <= now() AND {condition}
                 ORDER BY b.due_at LIMIT {limit})
                UNION ALL
                (SELECT b.no, b.epoch, coalesce(cardinality(b.seqs), b.last_seq - b.first_seq + 1) AS size
                 FROM batch AS b
                 WHERE b.run_id = l.run_id AND b.epoch = 0 AND b.no > l.claimed_no - 64::bigint AND b.due_at <= now()
                   AND {condition}
                 ORDER BY b.no LIMIT {limit})
            ) AS waiting
        ) AS b
        WHERE l.lane = {lane}
    ) AS by_run
) AS by_account
ORDER BY turn, account_id, run_turn, place LIMIT {limit}
"""
"""Batches that wait, the next one first. Fill in `lane`, `limit` and a `condition` on the batch `b` (or `true`)."""

# index: run_share_pkey, run_pkey; batch_fresh for each run that is sending.
_FORGET: Final = """
DELETE FROM run_share AS s WHERE NOT EXISTS (SELECT FROM run WHERE id = s.run_id AND finished_at IS NULL)
"""
_LOOK_BACK: Final = """
UPDATE run_share AS s SET claimed_no = b.no - 1
FROM run AS r, LATERAL (SELECT no FROM batch WHERE run_id = r.id AND epoch = 0 ORDER BY no LIMIT 1) AS b
WHERE r.id = s.run_id AND r.state = 'sending' AND b.no <= s.claimed_no - 64::bigint
"""


async def claim(
    connection: Connection,
    worker: str,
    lane: Lane,
    busy_senders: Sequence[Id],
    *,
    lease: timedelta,
    channels: Collection[ChannelName],
) -> ClaimedBatch | None:
    """Leases and charges the next batch of the lane, on one of the channels, whose sender is not busy.

    Of the account that has had the least by its weight, and of its run that has had the least. None when there is none.
    """
    row = await connection.fetchrow(_CLAIM, worker, lane, list(channels), list(busy_senders), lease)
    if row is None:
        return None
    *leased, run_used = row.items()
    batch = ClaimedBatch(**{**dict(leased), "channel": ChannelName(row["channel"])}, lane=lane)
    await _charge(connection, batch, row["account_used"], run_used[1])
    return batch


async def claim_named(
    connection: Connection, worker: str, run_id: Id, no: int, epoch: int, *, lease: timedelta
) -> ClaimedBatch | None:
    """Leases this very batch and charges it.

    None when it is gone, was held since this epoch, is not due, or its run is not sending.
    """
    row = await connection.fetchrow(_CLAIM_NAMED, worker, run_id, no, epoch, lease)
    if row is None:
        return None
    batch = ClaimedBatch(**{**row, "lane": Lane(row["lane"]), "channel": ChannelName(row["channel"])})
    standing = await connection.fetchrow(_STANDING, batch.lane, run_id)
    if standing is None:  # it was stopped a moment ago
        return batch
    await _charge(connection, batch, *standing)
    return replace(batch, account_used=standing["account_used"])


async def tidy(connection: Connection) -> None:
    """Forgets what finished runs have had, and finds fresh batches again that were passed over.

    A batch is passed over when its claim was undone late. Safe to repeat because it asks the rows.
    """
    await connection.execute(_FORGET)
    await connection.execute(_LOOK_BACK)


async def _charge(connection: Connection, batch: ClaimedBatch, account_used: float, run_used: float) -> None:
    """Charges a claim to its account and run, which had so much before it."""
    size = batch.last_seq - batch.first_seq + 1 if batch.seqs is None else len(batch.seqs)
    await connection.execute(
        _CHARGE, batch.run_id, batch.no, batch.lane, size, account_used, run_used, batch.account_id
    )
