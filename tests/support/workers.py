"""A worker and a scheduler inside the test's own process, on a real database and channel, by NOTIFY or over NATS."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from tests.support.patience import PATIENCE_S
from tests.support.scene import LINKS

from clarion.adapters.channels.registry import ChannelRegistry
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.queue.jetstream import JetStream, Place
from clarion.adapters.queue.nats import NatsAnnouncer, NatsQueue
from clarion.adapters.queue.postgres import PostgresQueue, WorkSignal
from clarion.adapters.sealing import AesSealer
from clarion.application.ports.announcements import Announced
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.entrypoints.scheduler import Scheduler
from clarion.entrypoints.worker import Worker
from clarion.pipeline.inbox import NewsInbox
from clarion.pipeline.plans import Plans

SEALER = AesSealer({0: bytes(32)}, 0)


class Babbler(NatsAnnouncer):
    """Says everything two to five times, in no order, and all of it again with what it says next."""

    said: Sequence[Announced] = ()

    async def announce(self, lane: Lane, announced: Sequence[Announced]) -> Sequence[Announced]:
        babble = [*self.said, *(one for one in announced for _ in range(random.randint(2, 5)))]
        random.shuffle(babble)
        self.said = list(announced)
        return await super().announce(lane, babble)


@asynccontextmanager
async def stream_to(place: Place) -> AsyncIterator[JetStream]:
    """A connection to NATS for the block; it may not be there yet."""
    stream = JetStream(place, "tests")
    stream.start()
    try:
        yield stream
    finally:
        await stream.aclose()


@asynccontextmanager
async def queue_of(
    database: PostgresDatabase, url: str, place: Place | None, lanes: Sequence[Lane] = tuple(Lane)
) -> AsyncIterator[PostgresQueue | NatsQueue]:
    """What a worker takes its batches from: PostgreSQL, or NATS when a place is given."""
    async with AsyncExitStack() as stack:
        signal = WorkSignal(url)
        signal.start()
        stack.push_async_callback(signal.aclose)
        await signal.until_listening()
        if place is None:
            yield PostgresQueue(database, signal, tuple(ChannelName))
            return
        queue = NatsQueue(
            await stack.enter_async_context(stream_to(place)), database, signal, lanes, [ChannelName.EMAIL]
        )
        queue.start()
        stack.push_async_callback(queue.aclose)
        yield queue


@asynccontextmanager
async def scheduling(
    database: PostgresDatabase, url: str, place: Place | None, *, babbles: bool = False
) -> AsyncIterator[NatsAnnouncer | None]:
    """Runs a scheduler for the length of the block; it announces over NATS when a place is given."""
    clock = WorkSignal(url)
    clock.start()
    await clock.until_listening()
    async with AsyncExitStack() as stack:
        announcer = None
        if place is not None:
            kind = Babbler if babbles else NatsAnnouncer
            announcer = kind(await stack.enter_async_context(stream_to(place)), ChannelName.EMAIL)
        scheduler = Scheduler(database, clock, announcers=[announcer] if announcer else [])
        running = asyncio.create_task(scheduler.run())
        try:
            yield announcer
        finally:
            scheduler.stopping.set()
            await running
            await clock.aclose()


@asynccontextmanager
async def working(
    database: PostgresDatabase,
    url: str,
    *,
    name: str = "worker",
    lease_s: float = 30.0,
    drain_s: float = PATIENCE_S,
    place: Place | None = None,
    babbles: bool = False,
    clock_on: PostgresDatabase | None = None,
    public_url: str | None = None,
) -> AsyncIterator[Worker]:
    """Runs one worker and a scheduler for the length of the block, then drains it.

    `clock_on` is where the scheduler's statements go, where those of the worker are counted; `public_url` is where
    providers are told to call.
    """
    inbox = NewsInbox(database)
    channels = ChannelRegistry(SEALER, inbox, helo_name="tests.clarion.example", public_url=public_url)
    async with queue_of(database, url, place) as queue, scheduling(clock_on or database, url, place, babbles=babbles):
        plans = Plans(database, channels, LINKS)
        worker = Worker(database=database, plans=plans, queue=queue, name=name, lease=timedelta(seconds=lease_s))
        running = asyncio.create_task(worker.run(drain_s))
        try:
            yield worker
        finally:
            worker.stopping.set()
            await running
            await channels.aclose()
            await inbox.aclose()
