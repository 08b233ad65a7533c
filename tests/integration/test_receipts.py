"""Receipts: in any order, twice, of nobody, before our own commit, in parts, and what a permanent failure ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from tests.support import stage
from tests.support.stage import Stage

from clarion import failpoints
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.ports.batches import Attempted, Turn
from clarion.application.ports.receipts import Inbound, News, Receipt, ReceiptState
from clarion.domain.campaign import Category, Lane
from clarion.domain.delivery import DeliveryId, DeliveryState
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.receipt import moved_by
from clarion.pipeline import receipts, retaining, snapshot
from clarion.pipeline.inbox import NewsInbox
from clarion.pipeline.receipts import Applied

PAIRS = list(product(DeliveryState, ReceiptState))
_STAND = "UPDATE delivery SET state = $3, reason = $4, attempts = 1 WHERE run_id = $1 AND seq = $2"
_NAME = "INSERT INTO provider_ref (sender_id, ref, run_id, seq, part, parts) VALUES ($1, $2, $3, $4, $5, $6)"


class Desk:
    """Where the news of one stage's run comes in, and what it does is looked at."""

    def __init__(self, made: Stage, run_id: Id) -> None:
        self.made = made
        self.run_id = run_id
        self.database = made.database
        self.inbox = NewsInbox(made.database)

    def receipt(self, told: ReceiptState, seq: int, event: str = "", **more: Any) -> Receipt:
        """A receipt that names its delivery."""
        named = Receipt(self.made.sender_id, event or f"{seq}:{told}", told, delivery_id=DeliveryId(self.run_id, seq))
        return named._replace(**more)

    async def stand(self, seq: int, state: str, reason: str | None = None) -> None:
        """Puts a delivery into a state, as if it had been tried."""
        await self.made.execute(_STAND, self.run_id, seq, state, reason)

    async def name(self, ref: str, seq: int, part: int = 1, parts: int = 1) -> None:
        """What the provider called a message, as the turn that recorded its outcome wrote it."""
        await self.made.execute(_NAME, self.made.sender_id, ref, self.run_id, seq, part, parts)

    async def hear(self, *news: News) -> Applied:
        """Stores news and applies what waits, its time put forward."""
        await self.inbox.put(news)
        await self.made.execute("UPDATE receipt SET due_at = now() WHERE due_at IS NOT NULL")
        return await receipts.apply_due(self.database)

    async def states(self) -> dict[int, tuple[str, str | None]]:
        """State and reason by number."""
        async with self.database.reading() as tx:
            found = await tx.deliveries.page(self.run_id, None, None, 0, 1000)
        return {row.id.seq: (row.state.value, row.reason) for row in found}

    async def waiting(self) -> int:
        """How many receipts wait to be applied."""
        async with self.database.reading() as tx:
            return int(await tx.connection.fetchval("SELECT count(*) FROM receipt WHERE due_at IS NOT NULL"))


async def _desk(database: PostgresDatabase, people: int, category: Category = Category.MARKETING) -> Desk:
    made = await stage.build(database, [f"p{n:02}@x.example" for n in range(people)], category=category)
    run_id = await made.start()
    await snapshot.take_slice(database)
    return Desk(made, run_id)


async def test_the_statement_moves_deliveries_as_the_rule_says(database: PostgresDatabase) -> None:
    desk = await _desk(database, len(PAIRS))
    for seq, (state, _) in enumerate(PAIRS, start=1):
        await desk.stand(seq, state)
    applied = await desk.hear(*[desk.receipt(told, seq) for seq, (_, told) in enumerate(PAIRS, start=1)])
    found = await desk.states()
    assert {pair: found[seq][0] for seq, pair in enumerate(PAIRS, start=1)} == {
        (state, told): (moved_by(state, told) or state).value for state, told in PAIRS
    }
    moves = sum(moved_by(*pair) is not None for pair in PAIRS)
    assert applied == Applied(moved=moves, unchanged=len(PAIRS) - moves - 3, waiting=3)
    assert await desk.waiting() == 3  # those of what is being sent
    for seq, (state, _) in enumerate(PAIRS, start=1):
        if state is DeliveryState.SENDING:
            await desk.stand(seq, "sent")
    assert (await desk.hear()).moved == 2
    assert await desk.waiting() == 0


async def test_what_is_told_twice_or_late_or_by_nobody_changes_nothing(database: PostgresDatabase) -> None:
    desk = await _desk(database, 3)
    for seq in (1, 2):
        await desk.stand(seq, "sent")
    await desk.name("abc", 1)
    first = Receipt(desk.made.sender_id, "e1", ReceiptState.DELIVERED, ref="abc", detail="id:abc stat:DELIVRD")
    told = desk.receipt(ReceiptState.FAILED, 2, reason=Reason.ADDRESS_REJECTED, detail="no such luck")
    assert await desk.hear(first, first, told) == Applied(moved=2)
    again = first._replace(event_id="e2", state=ReceiptState.ACCEPTED)
    after_the_end = desk.receipt(ReceiptState.DELIVERED, 2)
    assert await desk.hear(first, again, after_the_end) == Applied(unchanged=3)
    assert await desk.states() == {1: ("delivered", None), 2: ("bounced", "address_rejected"), 3: ("pending", None)}

    never_tried = desk.receipt(ReceiptState.DELIVERED, 3)
    assert await desk.hear(never_tried) == Applied(unchanged=1)
    of_nobody = Receipt(desk.made.sender_id, "e3", ReceiptState.DELIVERED, ref="nobody")
    other_account = await stage.build(database, [])
    foreign = desk.receipt(ReceiptState.FAILED, 1)._replace(sender_id=other_account.sender_id)
    no_such = desk.receipt(ReceiptState.DELIVERED, 77, "e4")
    assert await desk.hear(of_nobody, foreign, no_such) == Applied(waiting=3)
    await desk.made.execute("UPDATE receipt SET received_at = now() - interval '61 minutes'")
    assert await desk.hear() == Applied(lost=3)
    assert await desk.hear() == Applied()
    assert (await desk.states())[1] == ("delivered", None)
    async with database.reading() as tx:
        kept = await tx.connection.fetchval("SELECT count(*) FROM receipt WHERE due_at IS NULL")
    assert kept == 3  # to be looked at
    assert await desk.hear(of_nobody) == Applied(waiting=1)  # told again, it may be of a message that has its name now


async def test_a_receipt_that_is_faster_than_our_own_commit_waits_for_it(database: PostgresDatabase) -> None:
    desk = await _desk(database, 1)
    await desk.stand(1, "sending")
    early = Receipt(desk.made.sender_id, "e1", ReceiptState.DELIVERED, ref="m-1")
    assert await desk.hear(early) == Applied(waiting=1)
    await desk.stand(1, "sent")
    await desk.name("m-1", 1)
    assert await desk.hear() == Applied(moved=1)
    assert await desk.states() == {1: ("delivered", None)}


async def test_whatever_a_receipt_proves_sent_is_not_sent_again(database: PostgresDatabase) -> None:
    desk = await _desk(database, 3, Category.TRANSACTIONAL)
    await desk.stand(1, "pending", "worker_lost")
    await desk.stand(2, "unknown", "worker_lost")
    await desk.stand(3, "unknown", "no_answer")
    accepted, delivered = ReceiptState.ACCEPTED, ReceiptState.DELIVERED
    news = desk.receipt(accepted, 1), desk.receipt(delivered, 2), desk.receipt(accepted, 3)
    assert await desk.hear(*news) == Applied(moved=3)
    assert await desk.states() == {1: ("sent", None), 2: ("delivered", None), 3: ("sent", None)}
    async with database.reading() as tx:
        batch = await tx.batches.claim("hand", Lane.TRANSACTIONAL, [], timedelta(seconds=30))
        assert batch is not None
        assert await tx.batches.recipients(batch, frozenset()) == []


async def test_a_turn_keeps_the_providers_names_and_the_newest_message_has_a_name(database: PostgresDatabase) -> None:
    desk = await _desk(database, 3)
    await desk.name("again", 3)
    async with database.reading() as tx:
        batch = await tx.batches.claim("hand", Lane.BULK, [], timedelta(seconds=30))
        assert batch is not None
        await tx.batches.turn(batch, Turn(intent=[(seq, f"p{seq}") for seq in (1, 2, 3)]))
        early = Receipt(desk.made.sender_id, "e0", ReceiptState.DELIVERED, ref="again")
        assert await desk.hear(early) == Applied(waiting=1)  # by the old name: of what is being sent just now
        names = {1: ("again",), 2: ("a", "b"), 3: ("again", "twice")}
        answers = [Attempted(seq, Outcome.sent("taken", refs)) for seq, refs in names.items()]
        await tx.batches.turn(batch, Turn(attempted=answers[:2]), desk.made.sender_id)
        assert await desk.hear() == Applied(moved=1)
        await tx.batches.turn(batch, Turn(attempted=answers[2:]), desk.made.sender_id)
    parts = [Receipt(desk.made.sender_id, ref, ReceiptState.DELIVERED, ref=ref) for ref in ("a", "b", "twice")]
    assert await desk.hear(*parts) == Applied(moved=2, unchanged=1)
    assert [state for state, _ in (await desk.states()).values()] == ["delivered", "delivered", "sent"]


async def test_a_message_in_parts_is_delivered_with_its_last_part(database: PostgresDatabase) -> None:
    desk = await _desk(database, 2)
    for seq in (1, 2):
        await desk.stand(seq, "sent")
        for no in (1, 2, 3):
            await desk.name(f"{seq}-{no}", seq, no, 3)

    def part(ref: str, told: ReceiptState = ReceiptState.DELIVERED, **more: Any) -> Receipt:
        return Receipt(desk.made.sender_id, f"{ref}:{told}", told, ref=ref)._replace(**more)

    assert await desk.hear(part("1-3"), part("2-1")) == Applied(unchanged=2)
    assert await desk.hear(part("1-1"), part("1-1", ReceiptState.ACCEPTED)) == Applied(unchanged=2)
    named_too = part("1-2", delivery_id=DeliveryId(desk.run_id, 1))
    broken = part("2-2", ReceiptState.FAILED, reason=Reason.ADDRESS_REJECTED)
    assert await desk.hear(named_too, broken, part("2-3")) == Applied(moved=3)
    assert await desk.states() == {1: ("delivered", None), 2: ("bounced", "address_rejected")}


async def test_an_address_that_does_not_exist_is_suppressed(database: PostgresDatabase) -> None:
    desk = await _desk(database, 4)
    for seq in (1, 2, 3, 4):
        await desk.stand(seq, "sent")
    stopped = desk.receipt(ReceiptState.FAILED, 4, reason=Reason.UNSUBSCRIBED, detail="opted out there")
    gone = [
        desk.receipt(ReceiptState.FAILED, seq, reason=Reason.ADDRESS_UNKNOWN, detail="550 nobody") for seq in (1, 2)
    ]
    other = desk.receipt(ReceiptState.FAILED, 3, reason=Reason.MAILBOX_FULL)
    assert await desk.hear(*gone, other, stopped) == Applied(moved=4)
    async with database.reading() as tx:
        rows = await tx.suppressions.list_after(desk.made.account_id, None, 10)
    assert [(row.address_key, row.reason.value, row.source) for row in rows] == [
        ("p00@x.example", "bounced", "550 nobody"),
        ("p01@x.example", "bounced", "550 nobody"),
        ("p03@x.example", "unsubscribed", "opted out there"),
    ]


@pytest.fixture
def _armed() -> Iterator[None]:
    yield
    failpoints.arm("")


@pytest.mark.usefixtures("_armed")
async def test_what_dies_on_the_way_is_told_again_or_applied_again_and_one_applies_at_a_time(
    database: PostgresDatabase,
) -> None:
    desk = await _desk(database, 1)
    await desk.stand(1, "sent")
    news = desk.receipt(ReceiptState.FAILED, 1, reason=Reason.ADDRESS_UNKNOWN, detail="nobody")
    failpoints.arm("before_inbox_commit:raise")
    with pytest.raises(failpoints.Injected):
        await desk.inbox.put([news])
    assert await desk.waiting() == 0
    failpoints.arm("before_receipts_commit:raise")
    with pytest.raises(failpoints.Injected):
        await desk.hear(news)
    assert (await desk.waiting(), await desk.states()) == (1, {1: ("sent", None)})
    async with database.transaction() as other:
        assert await other.receipts.alone()
        assert await receipts.apply_due(database) == Applied()
    assert await receipts.apply_due(database) == Applied(moved=1)
    assert await desk.states() == {1: ("bounced", "address_unknown")}


async def test_names_are_forgotten_after_two_weeks_and_lost_receipts_too(database: PostgresDatabase) -> None:
    desk = await _desk(database, 1)
    for ref in ("old", "new"):
        await desk.name(ref, 1)
    await desk.inbox.put([Receipt(desk.made.sender_id, name, ReceiptState.DELIVERED, ref=name) for name in "abc"])
    await desk.made.execute("UPDATE provider_ref SET noted_at = now() - interval '15 days' WHERE ref = 'old'")
    await desk.made.execute(
        "UPDATE receipt SET received_at = now() - CASE event_id WHEN 'b' THEN 1 ELSE 15 END * interval '1 day', "
        "due_at = CASE event_id WHEN 'c' THEN due_at END"
    )
    await retaining.retain(database)
    async with database.reading() as tx:
        refs = await tx.connection.fetch("SELECT ref FROM provider_ref")
        left = await tx.connection.fetch("SELECT event_id FROM receipt ORDER BY 1")
    assert [row["ref"] for row in refs] == ["new"]
    assert [row["event_id"] for row in left] == ["b", "c"]  # c still waits


async def test_news_that_comes_at_once_shares_commits_and_what_cannot_be_stored_harms_nobody(
    database: PostgresDatabase,
) -> None:
    desk = await _desk(database, 1)
    sender_id = desk.made.sender_id
    fine = [Receipt(sender_id, f"e{n}", ReceiptState.ACCEPTED, ref=f"r{n}", detail="wo\0rds") for n in range(40)]
    odd = Receipt(sender_id, "b\0d" * 1000, ReceiptState.ACCEPTED, ref="\ud800")
    broken = desk.receipt(ReceiptState.ACCEPTED, 2**40)
    ends = await asyncio.gather(*[desk.inbox.put([one]) for one in [*fine, odd, broken]], return_exceptions=True)
    assert [end is None for end in ends] == [True] * 41 + [False]
    assert await desk.waiting() == 41
    await desk.inbox.aclose()
    with pytest.raises(Unavailable):
        await desk.inbox.put(fine[:1])


async def test_the_same_news_brought_to_two_processes_at_once_is_stored_and_does_what_it_does_once(
    database: PostgresDatabase,
) -> None:
    desk = await _desk(database, 40)
    for seq in range(1, 41):
        await desk.stand(seq, "sent")
    told: list[News] = [desk.receipt(ReceiptState.DELIVERED, seq) for seq in range(1, 41)]
    wrote: list[News] = [Inbound(desk.made.sender_id, f"m{n}", "+12025550101", "", f"{n}") for n in range(40)]
    news, other = [*told, *wrote], NewsInbox(database)
    await asyncio.gather(desk.inbox.put(news), other.put(news[::-1]), *(other.put([one]) for one in news))
    assert await desk.waiting() == 40
    await desk.made.execute("UPDATE receipt SET due_at = now() WHERE due_at IS NOT NULL")
    applied = await asyncio.gather(*(receipts.apply_due(database) for _ in range(3)))
    assert sum(one.moved for one in applied) == sum(one.taken for one in applied) == 40
    async with database.reading() as tx:
        kept = await tx.inbound.list_after(desk.made.account_id, None, 1000)
    assert sorted(int(one.text) for one in kept) == list(range(40))
