"""Limits hold for all workers together, and what they hold back is in nobody's way."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest
from tests.support import stage
from tests.support.database import StatementLog, opened
from tests.support.patience import PATIENCE_S
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import SEALER, working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.pace_rules import WarmUpDraft
from clarion.application.runs import report_run
from clarion.application.sender_rules import SenderDraft
from clarion.application.senders import update_sender
from clarion.domain.campaign import Lane
from clarion.domain.pace import Booking
from clarion.pipeline import pacing

NEVER = 0.001
"""A message in 17 minutes: the first one goes, and no test sees the second."""

_DAY_S = 24 * 60 * 60


@pytest.fixture
async def one_day() -> None:
    """Keeps midnight (UTC) out of a test of what a day allows: where it is near, it is waited for."""
    left_s = _DAY_S - time.time() % _DAY_S
    if left_s < PATIENCE_S:
        await asyncio.sleep(left_s)


async def limit(made: Stage, draft: SenderDraft) -> None:
    """Changes the stage's sender as the API does."""
    async with made.database.transaction() as tx:
        await update_sender(tx, account_id=made.account_id, sender_id=made.sender_id, draft=draft, sealer=SEALER)


async def book(made: Stage, wanted: Mapping[str, int], patience_s: float = 1.0) -> Booking:
    async with made.database.reading() as tx:
        return await tx.pace.book(made.account_id, made.sender_id, wanted, patience_s)


async def reasons(made: Stage) -> Counter[tuple[str, str | None]]:
    return Counter((await made.rows()).values())


async def standing(made: Stage, **counts: int) -> None:
    """Waits until the deliveries are in these states and nobody holds a batch."""
    run_id = await made.run_id()
    await stage.until(lambda: stage.settled(made.database, run_id, counts))


def addresses(count: int, domain: str) -> list[str]:
    return [f"person{n}@{domain}" for n in range(count)]


@pytest.mark.usefixtures("one_day")
async def test_bookings_at_once_never_use_more_than_the_cap_of_the_day(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["one@x.example"])
    await limit(made, SenderDraft(daily_cap=50))
    bookings = await asyncio.gather(*(book(made, {"": 7}) for _ in range(12)))
    assert sum(booking.may_go for booking in bookings) == 50
    assert (await book(made, {"": 1})).may_go == 0


@pytest.mark.usefixtures("one_day")
async def test_what_was_booked_and_not_granted_is_there_again(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["one@x.example"])
    await limit(made, SenderDraft(daily_cap=5))
    assert (await book(made, {"": 9})).may_go == 5
    async with database.reading() as tx:
        await tx.pace.give_back(made.sender_id, 2)
    assert (await book(made, {"": 9})).may_go == 2


async def test_a_booking_waits_its_turn_and_beyond_its_patience_books_nothing(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["one@x.example"], rate=0.01)
    first, second, third = [await book(made, {"": 9}, patience) for patience in (1.0, 3600.0, 60.0)]
    assert (first.may_go, first.wait_s) == (9, 0.0)
    assert second.may_go == 9
    assert 900 - PATIENCE_S < second.wait_s <= 900
    assert (third.may_go, third.held_by) == (0, made.sender_id)
    assert (await book(made, {"": 1}, 3600.0)).wait_s <= 1800, "nothing was booked by the one that was refused"


async def test_an_exhausted_domain_takes_nothing_from_the_others(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["one@x.example"])
    await limit(made, SenderDraft(domain_rates={"slow.example": NEVER, "quick.example": 20.0}))
    booking = await book(made, {"": 100, "slow.example": 30, "quick.example": 30})
    assert booking.room == {"": 100, "slow.example": 1, "quick.example": 21}
    assert (booking.may_go, booking.wait_s) == (122, 0.0)
    assert (await book(made, {"": 100, "slow.example": 30})).room == {"": 100, "slow.example": 0}


async def test_the_limits_of_an_account_hold_over_all_its_senders(database: PostgresDatabase) -> None:
    made = await stage.build(database, ["one@x.example"])
    await made.execute(
        "UPDATE account SET rate_per_second = 1, domain_rates = jsonb_build_object('slow.example', 0.001::float8)"
    )
    async with database.reading() as tx:
        limits = await tx.pace.limits(made.sender_id)
    assert (limits.rate, limits.domains) == (1.0, frozenset({"slow.example"}))
    booking = await book(made, {"": 300, "slow.example": 2})
    assert (booking.room["slow.example"], booking.refused_by["slow.example"]) == (1, made.account_id)
    assert (await book(made, {"": 1}, 0.5)).held_by == made.account_id


async def test_two_workers_together_keep_to_the_rate_of_a_sender(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink, AsyncExitStack() as workers:
        made = await stage.build(database, stage.MANY[:150], port=sink.port, rate=50.0)
        for name in ("first", "second"):
            await workers.enter_async_context(working(database, database_url, name=name))
        began = time.time()
        await made.start()
        await made.finished()
        took_s = sink.accepted[-1].at - began
    assert len(set(sink.recipients())) == len(sink.recipients()) == 150
    assert took_s >= 150 / 50 - 1, "faster than the rate, by more than the second that may be ahead"


async def test_two_workers_together_keep_to_the_rate_of_a_domain(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink, AsyncExitStack() as workers:
        made = await stage.build(
            database, [*addresses(80, "slow.example"), *addresses(80, "x.example")], port=sink.port
        )
        await limit(made, SenderDraft(domain_rates={"slow.example": 20.0}))
        for name in ("first", "second"):
            await workers.enter_async_context(working(database, database_url, name=name))
        began = time.time()
        await made.start()
        await made.finished()
        slow = [one.at for one in sink.accepted if one.rcpt_to[0].endswith("@slow.example")]
    assert len(sink.accepted) == len(set(sink.recipients())) == 160
    assert slow[-1] - began >= (80 - 21) / 20 - 1


async def test_recipients_of_other_domains_are_not_held_up_and_no_batch_is_held(
    database: PostgresDatabase, database_url: str
) -> None:
    mixed = [address for n in range(60) for address in (f"a{n}@slow.example", f"b{n}@x.example")]
    async with Sink() as sink, working(database, database_url):
        made = await stage.build(database, mixed, port=sink.port)
        await limit(made, SenderDraft(domain_rates={"slow.example": NEVER}))
        await made.start()
        await standing(made, sent=61, pending=59)
        assert (await reasons(made))["pending", "paced"] == 59
        small = await stage.build(database, addresses(5, "slow.example"), port=sink.port)
        await small.start()
        await small.finished()  # another account's is no concern of this limit
        await limit(made, SenderDraft(domain_rates=None))
        await made.finished()
    assert len(sink.recipients()) == len(set(sink.recipients())) == 125
    assert await reasons(made) == {("sent", None): 120}


async def test_a_held_campaign_says_until_when_and_goes_on_when_the_limit_is_raised(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink, working(database, database_url):
        made = await stage.build(database, addresses(30, "x.example"), port=sink.port, rate=NEVER)
        run_id = await made.start()
        await standing(made, sent=1, pending=29)
        until = (await made.campaign()).rate_limited_until
        assert until is not None
        assert timedelta(minutes=15) < until - datetime.now(UTC) < timedelta(minutes=18)
        async with database.reading() as tx:
            assert (await report_run(tx, account_id=made.account_id, run_id=run_id)).run.rate_limited_until == until
        await limit(made, SenderDraft(rate_per_second=None))
        await made.finished()
        assert (await made.campaign()).rate_limited_until is None
    assert len(set(sink.recipients())) == len(sink.recipients()) == 30


@pytest.mark.parametrize("end", ["pause", "stop"])
async def test_what_waits_for_its_pace_is_paused_and_stopped_at_once(
    database: PostgresDatabase, database_url: str, end: str
) -> None:
    async with Sink() as sink, working(database, database_url):
        made = await stage.build(database, addresses(30, "x.example"), port=sink.port, rate=NEVER)
        await made.start()
        await standing(made, sent=1, pending=29)
        if end == "stop":
            await made.stop()
            await standing(made, sent=1, cancelled=29)
            return
        await made.pause()
        await limit(made, SenderDraft(rate_per_second=None))
        async with database.reading() as tx:
            assert await tx.pace.let_go() == 0, "nothing of a paused run is let go"
        await made.resume()
        await made.finished()
    assert len(set(sink.recipients())) == len(sink.recipients()) == 30


@pytest.mark.usefixtures("one_day")
async def test_a_warm_up_is_exact_with_two_workers_across_a_restart_and_from_day_to_day(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink, AsyncExitStack() as workers:
        made = await stage.build(database, addresses(120, "x.example"), port=sink.port)
        await limit(made, SenderDraft(warm_up=WarmUpDraft(per_day=[30, 50])))
        for name in ("first", "second"):
            await workers.enter_async_context(working(database, database_url, name=name))
        await made.start()
        await standing(made, sent=30, pending=90)
        assert (await reasons(made))["pending", "paced"] == 90
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        assert (await made.campaign()).rate_limited_until == datetime.combine(tomorrow, datetime.min.time(), UTC)
        await workers.aclose()
        async with working(database, database_url, name="third"):
            async with database.reading() as tx:
                assert await tx.pace.let_go() == 0
            await next_day(made)
            await standing(made, sent=80, pending=40)
            await next_day(made)
            await made.finished()
    assert len(set(sink.recipients())) == len(sink.recipients()) == 120


async def next_day(made: Stage) -> None:
    """Moves everything that knows the day back by one."""
    await made.execute("UPDATE sender SET warm_up_from = warm_up_from - 1")
    await made.execute("UPDATE pace SET day = day - 1, next_free_at = next_free_at - interval '1 day'")


@pytest.mark.usefixtures("one_day")
async def test_waiting_for_our_own_limit_is_not_counted_against_a_deadline(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink() as sink, working(database, database_url):
        made = await stage.build(database, addresses(10, "x.example"), port=sink.port)
        await limit(made, SenderDraft(daily_cap=1))
        await made.start()
        await standing(made, sent=1, pending=9)
    await made.execute("UPDATE run SET deadline_at = now() + interval '1 minute'")
    assert await pacing.spare(database) == 1
    assert await pacing.spare(database) == 0
    async with database.reading() as tx:
        assert await tx.connection.fetchval("SELECT deadline_at > now() + interval '47 hours' FROM run")


async def test_batches_of_a_sender_without_room_stay_untouched(database: PostgresDatabase) -> None:
    made = await stage.build(database, addresses(40, "x.example"), rate=NEVER)
    await made.start()
    async with database.transaction() as tx:
        await tx.runs.take_slice(1000, 1000)
    assert (await book(made, {"": 1})).may_go == 1
    async with database.reading() as tx:
        for lane in Lane:
            assert await tx.batches.claim("worker", lane, [], timedelta(seconds=30)) is None
        await tx.pace.reopen(made.sender_id)
        assert await tx.batches.claim("worker", Lane.BULK, [], timedelta(seconds=30)) is not None


async def test_only_as_much_is_let_go_as_there_is_room_for(database: PostgresDatabase, database_url: str) -> None:
    async with Sink() as sink, AsyncExitStack() as workers:
        await workers.enter_async_context(working(database, database_url))
        made = await stage.build(database, addresses(30, "x.example"), port=sink.port, rate=NEVER)
        await made.start()
        await standing(made, sent=1, pending=29)
        await workers.aclose()
        await made.execute(
            "INSERT INTO batch (run_id, no, lane, first_seq, last_seq, seqs, epoch, due_at, paced_by, paced_domain) "
            "SELECT run_id, no + n, lane, first_seq, last_seq, seqs, epoch, due_at, paced_by, paced_domain "
            "FROM batch, generate_series(1, 3) AS n"
        )
        await made.execute("UPDATE pace SET next_free_at = now(), rate = 10")
        async with database.reading() as tx:
            assert await tx.pace.let_go() == 1
            assert await tx.pace.let_go() == 0, "the first one is still there to be claimed"


@pytest.mark.parametrize("limited", [False, True])
async def test_only_what_is_limited_costs_a_statement(database_url: str, *, limited: bool) -> None:
    log = StatementLog()
    async with opened(database_url, log, max_size=10) as database, Sink() as sink:
        made = await stage.build(database, addresses(60, "x.example"), port=sink.port)
        if limited:
            await limit(made, SenderDraft(rate_per_second=10_000.0))
        async with working(database, database_url):
            await made.start()
            await made.finished()
    assert any("book(" in statement for statement in log.statements) is limited
