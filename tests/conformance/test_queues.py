"""What every queue must do: PostgreSQL's own, and NATS over it. One suite for both."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from tests.support import scene, stage
from tests.support.nats import NatsServer, nats_server
from tests.support.patience import PATIENCE_S
from tests.support.workers import queue_of, scheduling, stream_to

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.queue.jetstream import Away, JetStream, Place
from clarion.adapters.queue.nats import NatsQueue, to_bytes
from clarion.application.ports.announcements import Announced
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Category, Lane
from clarion.domain.ids import Id
from clarion.entrypoints.bell import WorkQueue

LEASE = timedelta(hours=1)
TRANSACTIONAL, BULK = Lane.TRANSACTIONAL, Lane.BULK

_DONE = "UPDATE delivery SET state = 'sent' WHERE run_id = $1 AND seq BETWEEN $2 AND $3"
_FREE = "SELECT count(*) FROM batch WHERE worker IS NULL"


@dataclass(slots=True)
class Machines:
    """A scheduler on one database, and as many takers as a test opens."""

    database: PostgresDatabase
    url: str
    place: Place | None
    _stack: AsyncExitStack

    async def taker(self) -> WorkQueue:
        """One more worker's queue, that hears what is announced."""
        queue = await self._stack.enter_async_context(queue_of(self.database, self.url, self.place))
        if isinstance(queue, NatsQueue):
            async with asyncio.timeout(PATIENCE_S):
                while not queue.is_there:
                    await asyncio.sleep(0.01)
        return queue

    async def repeat(self, batch: ClaimedBatch, epoch: int) -> None:
        """Announces a batch once more, whatever became of it."""
        said = Announced(batch.run_id, batch.no, epoch, batch.sender_id)
        if self.place is None:
            async with self.database.reading() as tx:
                await tx.announce_work()
            return
        async with stream_to(self.place) as stream, asyncio.timeout(PATIENCE_S):
            while not await _is_said(stream, batch.lane, said):
                await asyncio.sleep(0.02)

    async def free(self) -> int:
        """Batches that nobody holds."""
        async with self.database.reading() as tx:
            return int(await tx.connection.fetchval(_FREE))

    async def frozen(self, count: int) -> None:
        """Returns once there are so many batches that nobody holds."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.free() < count:
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def nats() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


@pytest.fixture(params=["postgres", "nats"])
async def machines(
    request: pytest.FixtureRequest, database: PostgresDatabase, database_url: str
) -> AsyncIterator[Machines]:
    place = None
    if request.param == "nats":
        server: NatsServer = request.getfixturevalue("nats")
        place = Place([server.url], f"t{secrets.token_hex(6)}", 1)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(scheduling(database, database_url, place))
        yield Machines(database, database_url, place, stack)


async def _is_said(stream: JetStream, lane: Lane, said: Announced) -> bool:
    """Whether the stream has stored it; on a machine that stands still it may not say so in its second."""
    try:
        await stream.until_connected()
        await stream.publish(lane, "email", to_bytes(said))
    except Away:
        return False
    return True


async def taken(
    queue: WorkQueue, lane: Lane = BULK, name: str = "taker", lease: timedelta = LEASE, busy: Collection[Id] = ()
) -> ClaimedBatch:
    """The next batch."""
    async with asyncio.timeout(PATIENCE_S):
        while (batch := await queue.take(name, lane, list(busy), lease)) is None:
            await queue.wait(0.2)
    return batch


async def refused(queue: WorkQueue, lane: Lane = BULK) -> bool:
    """Whether nothing can be taken, also not after a while."""
    for _ in range(10):
        if await queue.take("taker", lane, [], LEASE) is not None:
            return False
        await queue.wait(0.05)
    return True


async def settle(database: PostgresDatabase, batch: ClaimedBatch) -> None:
    """Ends a batch as if all of it had been sent."""
    async with database.reading() as tx:
        await tx.connection.execute(_DONE, batch.run_id, batch.first_seq, batch.last_seq)
        await tx.batches.settle(batch)


async def test_two_takers_take_every_batch_once_and_never_the_same(machines: Machines) -> None:
    made = await scene.build(machines.database, recipients=20_000, port=9)
    takers = [await machines.taker() for _ in range(2)]
    held: list[ClaimedBatch] = []

    async def take_all(queue: WorkQueue, name: str) -> None:
        while len(held) < 40:
            batch = await queue.take(name, BULK, [], LEASE)
            if batch is None:
                await queue.wait(0.05)
            else:
                held.append(batch)

    await scene.start(machines.database, made)
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(take_all(queue, f"taker {n}") for n, queue in enumerate(takers)))
    assert sorted(batch.no for batch in held) == list(range(1, 41))
    assert {batch.epoch for batch in held} == {1}


async def test_a_taker_that_vanishes_loses_its_batch_after_the_lease(machines: Machines) -> None:
    made = await stage.build(machines.database, ["a@x.example"])
    await made.start()
    first = await taken(await machines.taker(), name="vanishes", lease=timedelta(seconds=1))
    second = await taken(await machines.taker(), name="comes after")
    assert (second.run_id, second.no) == (first.run_id, first.no)
    assert second.epoch > first.epoch


async def test_what_was_settled_is_never_taken_again(machines: Machines) -> None:
    made = await stage.build(machines.database, ["a@x.example"])
    await made.start()
    taker = await machines.taker()
    batch = await taken(taker)
    await settle(machines.database, batch)
    for epoch in (0, 1, 2):
        await machines.repeat(batch, epoch)
    assert await refused(taker)


async def test_a_paused_run_is_not_taken_and_a_resumed_one_is(machines: Machines) -> None:
    made = await stage.build(machines.database, ["a@x.example"])
    await made.start()
    await machines.frozen(1)
    await made.pause()
    taker = await machines.taker()
    assert await refused(taker)
    await made.resume()
    assert (await taken(taker)).no == 1


async def test_what_is_given_back_is_taken_again(machines: Machines) -> None:
    made = await stage.build(machines.database, ["a@x.example"])
    await made.start()
    taker = await machines.taker()
    first = await taken(taker)
    async with machines.database.reading() as tx:
        await tx.batches.settle(first)
    second = await taken(taker)
    assert (second.no, second.epoch) == (first.no, first.epoch + 1)


async def test_f34_f35_announcements_that_are_doubled_or_old_are_harmless(machines: Machines) -> None:
    made = await stage.build(machines.database, ["a@x.example"])
    await made.start()
    holder, other = await machines.taker(), await machines.taker()
    batch = await taken(holder)
    for epoch in (0, 0, 1, 1, 0):
        await machines.repeat(batch, epoch)
    if machines.place is not None:  # a claim whose acknowledgement went astray: its epoch is right, and it is held
        await machines.repeat(batch, batch.epoch)
    assert await refused(other)
    assert await refused(holder)


async def test_f36_a_batch_that_takes_longer_than_its_lease_stays_with_who_renews_it(machines: Machines) -> None:
    made = await stage.build(machines.database, ["a@x.example"])
    await made.start()
    batch = await taken(await machines.taker())
    other = await machines.taker()
    for _ in range(3):
        async with machines.database.transaction() as tx:
            await tx.connection.execute("UPDATE batch SET lease_until = now() - interval '1 second'")
            await tx.batches.renew([batch], LEASE)
        await machines.repeat(batch, batch.epoch)
        assert await refused(other)


async def test_a_busy_sender_is_passed_over_and_taken_when_it_has_room(machines: Machines) -> None:
    slow = await stage.build(machines.database, ["slow@x.example"])
    fast = await stage.build(machines.database, ["fast@x.example"])
    await slow.start()
    await machines.frozen(1)
    await fast.start()
    taker = await machines.taker()
    first = await taken(taker, busy=[slow.sender_id])
    assert first.sender_id == fast.sender_id
    assert (await taken(taker)).sender_id == slow.sender_id


async def test_transactional_work_never_waits_behind_bulk(machines: Machines) -> None:
    large = await scene.build(machines.database, recipients=20_000, port=9)
    urgent = await stage.build(machines.database, ["now@x.example"], category=Category.TRANSACTIONAL)
    await scene.start(machines.database, large)
    await machines.frozen(40)
    run_id = await urgent.start()
    batch = await taken(await machines.taker(), TRANSACTIONAL)
    assert batch.run_id == run_id
    assert await machines.free() == 40
