"""What receipts do: they move deliveries forward, in whatever order they come, and end addresses that do not exist.

Never stores one (`inbox`) and never decides where a delivery may move (`domain.receipt`). A batch is one transaction
with a handful of statements; what is applied is gone with it, so a crash repeats a batch as a whole. Where to read
next: `adapters/postgres/receipts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from clarion import telemetry
from clarion.application.ports import Database, Transaction
from clarion.application.ports.receipts import FIRST_WAIT, Due, Move, ReceiptState
from clarion.application.suppressions import key_of_sent
from clarion.domain.delivery import DeliveryState
from clarion.domain.ids import Id
from clarion.domain.receipt import moved_by, told_of_all
from clarion.failpoints import failpoint
from clarion.pipeline.gone import ENDING, Gone, end_addresses

AT_ONCE: Final = 5000
"""Receipts of one batch."""
GIVEN_UP: Final = timedelta(hours=1)
"""How long a receipt waits for a message that nobody knows of."""

_Place = tuple[Id, int]


class Applied(NamedTuple):
    """What became of some receipts. `moved` of them changed their delivery, `unchanged` had nothing new to tell.

    `waiting` came before our own commit and are tried again; `lost` name a message that nobody knows of.
    """

    moved: int = 0
    unchanged: int = 0
    waiting: int = 0
    lost: int = 0

    @property
    def taken(self) -> int:
        """How many there were."""
        return sum(self)


async def apply_due(database: Database) -> Applied:
    """Applies the receipts that are due, `AT_ONCE` at most; nothing while another process does.

    Safe to repeat because what was applied is gone, and what is told again moves nothing.
    """
    async with database.reading() as tx:
        if not await tx.receipts.has_due():
            return Applied()
    applied = await database.retrying(_apply)
    for fate, count in applied._asdict().items():
        if count:
            telemetry.receipts.labels(fate).inc(count)
    return applied


async def _apply(tx: Transaction) -> Applied:
    if not await tx.receipts.alone():
        return Applied()
    due = await tx.receipts.due(AT_ONCE)
    if not due:
        return Applied()
    moves = _moves(await _told(tx, due))
    moved = await tx.receipts.move(list(moves.values())) if moves else set()
    await _end_unknown_addresses(tx, [move for place, move in moves.items() if place in moved])
    failpoint("before_receipts_commit")
    return await _part_with(tx, due, moved, moves.keys() - moved)


async def _told(tx: Transaction, due: Sequence[Due]) -> dict[_Place, Due]:
    """The strongest word about each delivery. For a message in parts it is what all its parts together come to."""
    strongest: dict[_Place, Due] = {}
    in_parts: list[Due] = []
    for one in due:
        if one.run_id is None or one.seq is None:
            continue
        place = (one.run_id, one.seq)
        if place not in strongest or one.told > strongest[place].told:
            strongest[place] = one
        if one.parts > 1:
            in_parts.append(one)
    if in_parts:
        parts: dict[_Place, list[ReceiptState | None]] = {}
        for run_id, seq, _, state in await tx.receipts.note_parts(in_parts):
            parts.setdefault((run_id, seq), []).append(state)
        for one in in_parts:
            place = (one.run_id or Id(b""), one.seq or 0)
            strongest[place] = strongest[place]._replace(told=told_of_all(parts[place], one.parts))
    return strongest


def _moves(told: dict[_Place, Due]) -> dict[_Place, Move]:
    moves: dict[_Place, Move] = {}
    for (run_id, seq), one in told.items():
        if one.state is None or (one.state is DeliveryState.PENDING and not one.attempts):
            continue  # never tried: whatever the provider speaks of, it is not this
        after = moved_by(one.state, one.told)
        if after is not None:
            reason = one.reason if after is DeliveryState.BOUNCED else None
            moves[run_id, seq] = Move(run_id, seq, one.state, after, reason, one.detail)
    return moves


async def _end_unknown_addresses(tx: Transaction, moves: Sequence[Move]) -> None:
    gone = {(move.run_id, move.seq): move for move in moves if move.reason in ENDING}
    if gone:
        await end_addresses(
            tx,
            [
                Gone(account_id, channel, run_id, seq, key_of_sent(channel, address), move.reason, move.reply)
                for account_id, channel, run_id, seq, address in await tx.receipts.recipients(list(gone.values()))
                if (move := gone[run_id, seq]).reason
            ],
        )


async def _part_with(tx: Transaction, due: Sequence[Due], moved: set[_Place], missed: set[_Place]) -> Applied:
    """Takes out what is done with and lets the rest wait: longer every time, for what nobody knows not for ever.

    What was being sent, or was changed by somebody else meanwhile, is tried again and never given up.
    """
    done: list[Due] = []
    waiting: list[tuple[Due, timedelta | None]] = []
    changed = lost = 0
    for one in due:
        place = (one.run_id, one.seq)
        if one.state is None or one.state is DeliveryState.SENDING or place in missed:
            is_lost = one.state is None and one.age > GIVEN_UP
            lost += is_lost
            waiting.append((one, None if is_lost else max(FIRST_WAIT, one.age / 2)))
        else:
            changed += place in moved
            done.append(one)
    if done:
        await tx.receipts.take_out(done)
    if waiting:
        await tx.receipts.put_off(waiting)
    return Applied(changed, len(done) - changed, len(waiting) - lost, lost)
