"""What every provider that tells later must come to: each row ends once, in whatever order and however often told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import groupby, permutations
from typing import Any

import pytest
from tests.conformance.tellers import ACCEPTED, DELIVERED, FAILED, TELLERS
from tests.support import stage
from tests.support.database import opened
from tests.support.lending import Lender
from tests.support.letters import sent_through
from tests.support.sms_stand_in import Fate, number
from tests.support.texts import sms

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.ports.batches import Attempted, Turn
from clarion.application.ports.receipts import Forged
from clarion.domain.campaign import Lane
from clarion.domain.delivery import DeliveryId
from clarion.domain.outcome import Verdict
from clarion.pipeline import receipts, snapshot
from clarion.pipeline.inbox import NewsInbox
from clarion.pipeline.receipts import Applied

ENDS = {DELIVERED: "delivered", FAILED: "bounced"}
ORDERS = [(end, order) for end in ENDS for order in sorted(set(permutations([ACCEPTED, ACCEPTED, end, end])))]
"""Everything told twice, in every order: of each message the first before our own commit of its outcome."""
LEASE = timedelta(hours=1)


@pytest.fixture(scope="module")
async def database(lender: Lender) -> AsyncIterator[PostgresDatabase]:
    """One for all providers; each has an account of its own in it."""
    url = await lender.lend()
    async with opened(url) as shared:
        yield shared
    await lender.take_back(url)


@pytest.mark.parametrize("provider", TELLERS)
async def test_a_row_ends_once_in_whatever_order_it_is_told_and_by_nobody_else(
    database: PostgresDatabase, provider: str
) -> None:
    made = await stage.build(database, [f"{provider}-{n}@x.example" for n in range(len(ORDERS))])
    run_id = await made.start()
    await snapshot.take_slice(database)
    inbox = NewsInbox(database)
    sequence = range(1, len(ORDERS) + 1)
    async with TELLERS[provider](made.sender_id, inbox) as teller, database.reading() as tx:
        batch = await tx.batches.claim(provider, Lane.BULK, [], LEASE)
        assert batch is not None
        assert batch.run_id == run_id
        await tx.batches.turn(batch, Turn(intent=[(seq, number(Fate.TAKEN, seq)) for seq in sequence]))
        messages = [sms(number(Fate.TAKEN, seq), key=str(DeliveryId(run_id, seq))) for seq in sequence]
        outcomes = await sent_through(teller.channel, messages)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        taken = {one.to: one for one in await teller.taken()}
        of = [(taken[message.to], order) for message, (_, order) in zip(messages, ORDERS, strict=True)]

        calls = teller.forged((of[0][0], DELIVERED))
        await teller.tell([(of[0][0], ACCEPTED)])  # a reader that is at work, not one that has no certificate yet
        for call in calls:
            with pytest.raises(Forged):
                teller.read(call)
        await teller.tell([(one, order[0]) for one, order in of])
        assert await _apply(made) == Applied(waiting=len(of))  # what is being sent is not moved
        answers = [Attempted(seq, outcome) for seq, outcome in zip(sequence, outcomes, strict=True)]
        await tx.batches.turn(batch, Turn(attempted=answers), made.sender_id)
        passed = [await _states(made)]
        for place in range(1, 4):
            await teller.tell([(one, order[place]) for one, order in of])
            applied = await _apply(made)
            assert (applied.waiting, applied.lost) == (0, 0)
            passed.append(await _states(made))
    await inbox.aclose()
    ways = [[state for state, _ in groupby(way)] for way in zip(*passed, strict=True)]
    assert ways == [["sent", ENDS[end]] for end, _ in ORDERS]


async def _apply(made: stage.Stage) -> Applied:
    """Applies what waits, its time put forward."""
    await made.execute("UPDATE receipt SET due_at = now() WHERE due_at IS NOT NULL")
    return await receipts.apply_due(made.database)


async def _states(made: stage.Stage) -> Sequence[Any]:
    """The rows' states by number."""
    async with made.database.reading() as tx:
        rows = await tx.deliveries.page(await made.run_id(), None, None, 0, 1000)
    return [row.state.value for row in sorted(rows, key=lambda row: row.id.seq)]
