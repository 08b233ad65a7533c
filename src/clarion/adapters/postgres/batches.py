"""The queue: leases on batches, and the statements that move deliveries. One statement a step, never one a recipient.

Every statement here is safe to repeat: the epoch fences an old holder, and a row moves only from the state it is in.
The delivery states and their order are `domain.delivery.TRANSITIONS`. Which batch is next: `claiming`. Then read
`pipeline/sending.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

import asyncpg

from clarion.adapters.postgres import claiming
from clarion.adapters.postgres.connection import Connection
from clarion.adapters.postgres.locks import account_key
from clarion.application.ports.batches import ClaimedBatch, Recipient, Turn, TurnResult
from clarion.domain.campaign import Lane, RunState
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason, Verdict

# What a batch holds, as parameters wherever it can be: they tell the planner in which partition to look, and that it is
# a range. Between a table and rows that it knows nothing of, it would read the whole run.
_MEMBERS: Final = "d.run_id = $1 AND d.seq BETWEEN $2 AND $3 AND (b.seqs IS NULL OR d.seq = ANY(b.seqs))"

# index: delivery_pkey by range, contact_pkey per row. Who came with a call need not be a contact.
_RECIPIENTS: Final = """
SELECT d.seq, d.address, {key}, d.attempts,
       CASE WHEN c.deleted_at IS NOT NULL THEN 'contact_deleted'
            WHEN c.status <> 'active' THEN 'contact_blocked'{barred} END, d.given{columns}
FROM delivery AS d LEFT JOIN contact AS c ON c.id = d.contact_id{join}
WHERE d.run_id = $1 AND d.seq BETWEEN $2 AND $3 AND ($4::int[] IS NULL OR d.seq = ANY($4))
  AND d.state = 'pending' AND (d.not_before IS NULL OR d.not_before <= now())
ORDER BY d.seq
"""

# The canonical key of an address where the database knows it; of an SMS the address is its own key.
_KEY: Final = {
    ChannelName.EMAIL: "CASE WHEN c.email = d.address THEN c.email_key END",
    ChannelName.SMS: "d.address",
    ChannelName.PUSH: "NULL",
}

# index: device_pkey. A device may have been retired, or given to somebody else, since the audience was frozen.
_WITH_DEVICE: Final = " LEFT JOIN device AS v ON v.id = d.device_id"
_DEVICE_GONE: Final = """
            WHEN d.device_id IS NOT NULL AND (v.id IS NULL OR v.retired_at IS NOT NULL OR v.contact_id <> d.contact_id)
            THEN 'no_address'"""

# One statement and one commit: the text is in migration 0010, where it may take the account's lock before it looks.
_TURN: Final = f"SELECT run_state, holds_lease, granted FROM turn({', '.join(f'${n}' for n in range(1, 28))})"

# index: batch_pkey.
_RENEW: Final = """
UPDATE batch AS b SET lease_until = now() + $4::interval
FROM unnest($1::bytea[], $2::int[], $3::int[]) AS h (run_id, no, epoch)
WHERE b.run_id = h.run_id AND b.no = h.no AND b.epoch = h.epoch AND b.worker IS NOT NULL
"""

# One statement and one commit: the text is in migration 0010, where its plan is made once a connection.
_SETTLE: Final = "SELECT settle_batch($1, $2, $3, $4, $5)"

# index: batch_leased.
_LOST: Final = """
SELECT run_id, first_seq, last_seq, no, epoch FROM batch
WHERE worker IS NOT NULL AND lease_until < now() ORDER BY lease_until LIMIT $1
"""

# index: batch_pkey, then delivery_pkey by range.
_RECOVER: Final = f"""
WITH expired AS (
    SELECT run_id, no FROM batch
    WHERE run_id = $1 AND no = $4 AND epoch = $5 AND worker IS NOT NULL AND lease_until < now() FOR UPDATE SKIP LOCKED
), freed AS (
    UPDATE batch AS b SET worker = NULL, lease_until = NULL, epoch = b.epoch + 1
    FROM expired AS e WHERE b.run_id = e.run_id AND b.no = e.no
    RETURNING b.run_id, b.first_seq, b.last_seq, b.seqs
), doubted AS (
    UPDATE delivery AS d
    SET state = CASE WHEN r.category = 'transactional' AND d.doubts = 0 THEN 'pending' ELSE 'unknown' END,
        reason = 'worker_lost', doubts = d.doubts + 1, changed_at = now()
    FROM freed AS b JOIN run AS r ON r.id = b.run_id
    WHERE {_MEMBERS} AND d.state = 'sending'
    RETURNING d.run_id, d.seq, d.attempts, d.state
), noted AS (
    INSERT INTO delivery_attempt (run_id, seq, no, verdict, reason)
    SELECT run_id, seq, attempts, 'unknown', 'worker_lost' FROM doubted WHERE state = 'pending'
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM freed
"""

# index: batch_pkey.
_WAITING: Final = """
SELECT min(first_seq), max(last_seq)
FROM (SELECT first_seq, last_seq FROM batch WHERE run_id = $1 AND worker IS NULL ORDER BY no LIMIT $2) AS b
HAVING count(*) > 0
"""

# index: batch_pkey, then delivery_pkey by range.
_CANCEL: Final = f"""
WITH taken AS (
    SELECT * FROM batch
    WHERE run_id = $1 AND first_seq >= $2 AND last_seq <= $3 AND worker IS NULL ORDER BY no LIMIT $5
    FOR UPDATE SKIP LOCKED
), cancelled AS (
    UPDATE delivery AS d SET state = 'cancelled', reason = $4, changed_at = now()
    FROM taken AS b WHERE d.seq BETWEEN b.first_seq AND b.last_seq AND {_MEMBERS} AND d.state = 'pending'
), gone AS (
    DELETE FROM batch AS b USING taken WHERE b.run_id = taken.run_id AND b.no = taken.no
)
SELECT count(*) FROM taken
"""

_CONTACT_COLUMNS: Final = {
    "external_id": "externalId",
    "email": "email",
    "phone": "phone",
    "first_name": "firstName",
    "last_name": "lastName",
    "language": "language",
    "timezone": "timezone",
    "attributes": "attributes",
}
"""Columns a plan may ask for, and their names in templates."""


class BatchStore:
    """Implements `application.ports.batches.Batches` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(
        self,
        worker: str,
        lane: Lane,
        busy_senders: Sequence[Id],
        lease: timedelta,
        channels: Collection[ChannelName] = tuple(ChannelName),
    ) -> ClaimedBatch | None:
        """Leases the lane's most urgent batch of a sending run on one of the channels whose sender is not busy."""
        return await claiming.claim(self._connection, worker, lane, busy_senders, lease=lease, channels=channels)

    async def claim_named(self, worker: str, run_id: Id, no: int, epoch: int, lease: timedelta) -> ClaimedBatch | None:
        """Leases one batch by its name."""
        return await claiming.claim_named(self._connection, worker, run_id, no, epoch, lease=lease)

    async def tidy(self) -> None:
        """Forgets what finished runs have had, and finds what was passed over."""
        await claiming.tidy(self._connection)

    async def recipients(self, batch: ClaimedBatch, columns: frozenset[str]) -> list[Recipient]:
        """Reads the pending, due deliveries of a batch with just the contact columns its plan needs."""
        wanted = [column for column in _CONTACT_COLUMNS if column in columns]
        is_push = batch.channel is ChannelName.PUSH
        query = _RECIPIENTS.format(
            key=_KEY[batch.channel],
            columns="".join(f", c.{column}" for column in wanted),
            barred=_DEVICE_GONE if is_push else "",
            join=_WITH_DEVICE if is_push else "",
        )
        names = [_CONTACT_COLUMNS[column] for column in wanted]
        rows = await self._connection.fetch(query, batch.run_id, batch.first_seq, batch.last_seq, batch.seqs)
        return [
            Recipient(
                seq, address, key, attempts, dict(zip(names, values, strict=True)), barred and Reason(barred), given
            )
            for seq, address, key, attempts, barred, given, *values in rows
        ]

    async def turn(self, batch: ClaimedBatch, turn: Turn, sender_id: Id | None = None) -> TurnResult:
        """Records outcomes and the next intent in one transaction; the shared lock is what `barrier` waits for."""
        connection = self._connection
        try:
            row = await connection.fetchrow(
                _TURN,
                batch.run_id,
                batch.no,
                batch.epoch,
                *_columns_of(turn),
                account_key(batch.account_id),
                sender_id,
                *_refs_of(turn),
            )
        except BaseException:
            with contextlib.suppress(asyncpg.InterfaceError):  # it may be closed already
                connection.terminate()  # whether it was committed is unclear, and so is the state of the connection
            raise
        if row is None:
            return TurnResult(frozenset(), RunState.FAILED, holds_lease=False)
        return TurnResult(frozenset(row["granted"] or ()), RunState(row["run_state"]), row["holds_lease"])

    async def renew(self, batches: Sequence[ClaimedBatch], lease: timedelta) -> None:
        """Extends the leases that are still held, all in one statement."""
        await self._connection.execute(
            _RENEW, [b.run_id for b in batches], [b.no for b in batches], [b.epoch for b in batches], lease
        )

    async def settle(self, batch: ClaimedBatch) -> bool:
        """Deletes a batch that is through, or leaves its rest to be claimed when due; tells if no other waits."""
        place = (batch.run_id, batch.first_seq, batch.last_seq, batch.no)
        return bool(await self._connection.fetchval(_SETTLE, *place, batch.epoch))

    async def recover(self, limit: int) -> int:
        """Takes back batches whose lease ran out."""
        lost = await self._connection.fetch(_LOST, limit)
        return sum([int(await self._connection.fetchval(_RECOVER, *batch)) for batch in lost])

    async def cancel(self, run_id: Id, reason: str, limit: int) -> int:
        """Cancels what is pending in unclaimed batches of a stopped run."""
        places = await self._connection.fetchrow(_WAITING, run_id, limit)
        if places is None:
            return 0
        return int(await self._connection.fetchval(_CANCEL, run_id, *places, reason, limit))


def _columns_of(turn: Turn) -> tuple[Any, ...]:
    """The parameters of `_TURN` from $4 on: the arrays, then the range of each group of them.

    What was accepted is nearly everything and needs two arrays; only the rest is told at length.
    """
    accepted = [(a.seq, a.outcome.reply) for a in turn.attempted if a.outcome.verdict is Verdict.SENT]
    others = [a for a in turn.attempted if a.outcome.verdict is not Verdict.SENT]
    return (
        [seq for seq, _ in accepted],
        [reply for _, reply in accepted],
        [other.seq for other in others],
        [other.outcome.verdict for other in others],
        [other.outcome.reason for other in others],
        [other.outcome.reply for other in others],
        [other.wait for other in others],
        [refusal.seq for refusal in turn.refused],
        [refusal.reason for refusal in turn.refused],
        [refusal.detail for refusal in turn.refused],
        [seq for seq, _ in turn.intent],
        [key for _, key in turn.intent],
        *_range([attempt.seq for attempt in turn.attempted]),
        *_range([refusal.seq for refusal in turn.refused]),
        *_range([seq for seq, _ in turn.intent]),
    )


def _refs_of(turn: Turn) -> tuple[Any, ...]:
    """The provider's names of messages: of which delivery, the name, and which part of how many it is."""
    refs = [
        (one.seq, ref, part, len(one.outcome.refs))
        for one in turn.attempted
        if one.outcome.refs
        for part, ref in enumerate(one.outcome.refs, start=1)
    ]
    return tuple(zip(*refs, strict=True)) if refs else ((), (), (), ())


def _range(seqs: Sequence[int]) -> tuple[int, int]:
    return (min(seqs), max(seqs)) if seqs else (1, 0)
