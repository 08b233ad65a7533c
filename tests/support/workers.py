"""A worker and a scheduler inside the test's own process, on a real database and channel, rung by NOTIFY."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from tests.support.scene import LINKS

from clarion.adapters.channels.registry import ChannelRegistry
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.queue.postgres import PostgresQueue, WorkSignal
from clarion.adapters.sealing import AesSealer
from clarion.entrypoints.scheduler import Scheduler
from clarion.entrypoints.worker import Worker
from clarion.pipeline.plans import Plans

SEALER = AesSealer({0: bytes(32)}, 0)


@asynccontextmanager
async def working(
    database: PostgresDatabase, url: str, *, name: str = "worker", lease_s: float = 30.0, drain_s: float = 10.0
) -> AsyncIterator[Worker]:
    """Runs one worker and a scheduler for the length of the block, then drains it."""
    channels = ChannelRegistry(SEALER, helo_name="tests.clarion.example")
    signal, clock = WorkSignal(url), WorkSignal(url)
    for one in (signal, clock):
        one.start()
        await one.until_listening()
    plans = Plans(database, channels, LINKS)
    queue = PostgresQueue(database, signal)
    worker = Worker(database=database, plans=plans, queue=queue, name=name, lease=timedelta(seconds=lease_s))
    scheduler = Scheduler(database, clock)
    running = asyncio.create_task(worker.run(drain_s))
    scheduling = asyncio.create_task(scheduler.run())
    try:
        yield worker
    finally:
        worker.stopping.set()
        await running
        scheduler.stopping.set()
        await scheduling
        await signal.aclose()
        await clock.aclose()
        await channels.aclose()
