"""Receipts: storing what providers tell, and the statements that apply it, each over a batch of thousands.

Never decides what a receipt does: that is `domain.receipt`. A receipt leaves the table with the transaction that
applied it, so the table holds only what waits. Where to read next: `pipeline/receipts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from clarion.adapters.postgres.connection import Connection, columns
from clarion.adapters.postgres.locks import RECEIPTS_KEY
from clarion.application.ports.receipts import FIRST_WAIT, Due, Move, Receipt, ReceiptState
from clarion.domain.channel import ChannelName
from clarion.domain.delivery import DeliveryState
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason

# index: receipt_pkey. What was lost and is told again waits again: names of events begin anew like those of messages.
# In the order of their names, so that two who are told the same cannot lock each other out.
_KEEP: Final = """
INSERT INTO receipt (sender_id, event_id, ref, run_id, seq, state, reason, detail, occurred_at, due_at)
SELECT sender_id, event_id, nullif(ref, ''), run_id, seq, state, reason, detail, occurred_at, now() + $10::interval
FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[], $5::int[], $6::text[], $7::text[], $8::text[],
            $9::timestamptz[])
    AS r (sender_id, event_id, ref, run_id, seq, state, reason, detail, occurred_at)
ORDER BY sender_id, event_id
ON CONFLICT (sender_id, event_id) DO UPDATE SET due_at = excluded.due_at, received_at = now()
WHERE receipt.due_at IS NULL
"""

BY_KEY: Final = """
set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
set_config('enable_seqscan', 'off', true)
"""
"""Until the transaction ends every row is looked up by its key, however few rows a table had when it was last analysed
or when a statement was planned."""

# index: receipt_due.
_HAS_DUE: Final = "SELECT EXISTS (SELECT FROM receipt WHERE due_at <= now())"

# A statement of its own, so that the ones after it see what the holder before committed.
_ALONE: Final = f"SELECT pg_try_advisory_xact_lock($1), {BY_KEY}"

# index: receipt_due, then per row provider_ref_pkey, run_pkey, sender_pkey, delivery_pkey. A delivery id that a
# provider echoes counts only in a run of its sender's account; a ref that contradicts it is an old one. Who is meant is
# found out first (OFFSET 0): only then both columns of the key come from one place, and no run is read for one row.
_DUE: Final = """
SELECT n.sender_id, n.event_id, n.ref, n.state, n.reason, n.detail, n.age, n.part, n.parts, d.run_id, d.seq, d.state,
       d.attempts
FROM (
    SELECT t.*, now() - t.received_at AS age, coalesce(p.part, 1) AS part, coalesce(p.parts, 1) AS parts,
           coalesce(p.run_id, r.id) AS of_run, coalesce(p.seq, t.seq) AS of_seq
    FROM (SELECT * FROM receipt WHERE due_at <= now() ORDER BY due_at LIMIT $1) AS t
    LEFT JOIN provider_ref AS p ON p.sender_id = t.sender_id AND p.ref = t.ref
        AND (t.run_id IS NULL OR (p.run_id = t.run_id AND p.seq = t.seq))
    LEFT JOIN run AS r ON r.id = t.run_id AND r.account_id = (SELECT account_id FROM sender WHERE id = t.sender_id)
    OFFSET 0
) AS n LEFT JOIN delivery AS d ON d.run_id = n.of_run AND d.seq = n.of_seq
"""

# index: provider_ref_pkey. The words for states sort in the order in which a later word wins.
_NOTE_PARTS: Final = """
UPDATE provider_ref AS p SET state = t.state
FROM (SELECT sender_id, ref, max(state) AS state FROM unnest($1::bytea[], $2::text[], $3::text[])
          AS told (sender_id, ref, state) GROUP BY sender_id, ref) AS t
WHERE p.sender_id = t.sender_id AND p.ref = t.ref AND (p.state IS NULL OR p.state < t.state)
"""

# index: provider_ref_by_run.
_PARTS: Final = """
SELECT p.run_id, p.seq, p.part, p.state
FROM (SELECT DISTINCT * FROM unnest($1::bytea[], $2::int[]) AS named (run_id, seq)) AS m
JOIN provider_ref AS p ON p.run_id = m.run_id AND p.seq = m.seq AND p.parts > 1
"""

# index: delivery_pkey.
_MOVE: Final = """
UPDATE delivery AS d
SET state = m.after, reason = m.reason, reply = coalesce(nullif(m.reply, ''), d.reply), not_before = NULL,
    changed_at = now()
FROM unnest($1::bytea[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS m (run_id, seq, before, after, reason, reply)
WHERE d.run_id = m.run_id AND d.seq = m.seq AND d.state = m.before
RETURNING d.run_id, d.seq
"""

# index: delivery_pkey, then run_pkey: the other way round a whole run could be read for one row of it.
_RECIPIENTS: Final = """
SELECT r.account_id, r.channel, d.run_id, d.seq, d.address
FROM (SELECT d.run_id, d.seq, d.address FROM unnest($1::bytea[], $2::int[]) AS m (run_id, seq)
      JOIN delivery AS d ON d.run_id = m.run_id AND d.seq = m.seq WHERE d.address IS NOT NULL OFFSET 0) AS d
JOIN run AS r ON r.id = d.run_id
"""

# index: receipt_pkey.
_TAKE_OUT: Final = """
DELETE FROM receipt AS r USING unnest($1::bytea[], $2::text[]) AS g (sender_id, event_id)
WHERE r.sender_id = g.sender_id AND r.event_id = g.event_id
"""

# index: receipt_pkey.
_PUT_OFF: Final = """
UPDATE receipt AS r SET due_at = now() + w.wait
FROM unnest($1::bytea[], $2::text[], $3::interval[]) AS w (sender_id, event_id, wait)
WHERE r.sender_id = w.sender_id AND r.event_id = w.event_id
"""

# Looked up thousands of times a second: half of what reading the rows costs would be making these.
_TOLD: Final = {state.value: state for state in ReceiptState}
_STATES: Final = {state.value: state for state in DeliveryState}


class ReceiptStore:
    """Implements `application.ports.receipts.Receipts` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def keep(self, receipts: Sequence[Receipt]) -> None:
        """Stores receipts."""
        once = {one[:2]: one for one in receipts}.values()
        rows = [(*one[:2], one.ref, *(one.delivery_id or (None, None)), one.state, *one[5:]) for one in once]
        await self._connection.execute(_KEEP, *columns(rows), FIRST_WAIT)

    async def has_due(self) -> bool:
        """Whether there is a receipt to apply."""
        return bool(await self._connection.fetchval(_HAS_DUE))

    async def alone(self) -> bool:
        """Makes this transaction the only one that applies receipts."""
        return bool(await self._connection.fetchval(_ALONE, RECEIPTS_KEY))

    async def due(self, limit: int) -> list[Due]:
        """Reads the receipts that are due, oldest first, with what each is about."""
        return [_due(row) for row in await self._connection.fetch(_DUE, limit)]

    async def note_parts(self, told: Sequence[Due]) -> list[tuple[Id, int, int, ReceiptState | None]]:
        """Writes down what was told of parts, and reads all parts of their messages."""
        await self._connection.execute(_NOTE_PARTS, *columns([(one.sender_id, one.ref, one.told) for one in told]))
        rows = await self._connection.fetch(_PARTS, *columns([(one.run_id, one.seq) for one in told]))
        return [(Id(run_id), seq, part, state and ReceiptState(state)) for run_id, seq, part, state in rows]

    async def move(self, moves: Sequence[Move]) -> set[tuple[Id, int]]:
        """Moves deliveries that still stand where they stood."""
        return {(Id(run_id), seq) for run_id, seq in await self._connection.fetch(_MOVE, *columns(moves))}

    async def recipients(self, moves: Sequence[Move]) -> list[tuple[Id, ChannelName, Id, int, str]]:
        """Whose deliveries these are, and where they went."""
        rows = await self._connection.fetch(_RECIPIENTS, *columns([(one.run_id, one.seq) for one in moves]))
        return [
            (Id(account_id), ChannelName(channel), Id(run_id), seq, address)
            for account_id, channel, run_id, seq, address in rows
        ]

    async def take_out(self, done: Sequence[Due]) -> None:
        """Deletes receipts that are done with."""
        await self._connection.execute(_TAKE_OUT, *columns([one[:2] for one in done]))

    async def put_off(self, waiting: Sequence[tuple[Due, timedelta | None]]) -> None:
        """Lets receipts wait."""
        await self._connection.execute(_PUT_OFF, *columns([(*one[:2], wait) for one, wait in waiting]))


def _due(row: asyncpg.Record) -> Due:
    sender_id, event_id, ref, told, reason, detail, age, part, parts, run_id, seq, state, attempts = row
    return Due(
        sender_id,
        event_id,
        ref,
        _TOLD[told],
        reason and Reason(reason),
        detail,
        age,
        part,
        parts,
        run_id,
        seq,
        _STATES.get(state),
        attempts or 0,
    )
