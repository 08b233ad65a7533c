"""The worker: sends what is there to be sent until it is told to stop.

Owns the leases and the drain; the crew of each lane is in `crew`, the stages in `pipeline`; what happens by the clock
is `scheduler`. Any number of workers share one database. A stop finishes the windows on the wire, records them and
gives every batch back: nothing is left uncertain.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from clarion.application.ports import Database
from clarion.application.ports.batches import ClaimedBatch
from clarion.bootstrap import App, open_queue
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.entrypoints.bell import IDLE_S, WorkQueue
from clarion.entrypoints.carefully import keep_on, until_told
from clarion.entrypoints.crew import Crew
from clarion.failpoints import failpoint
from clarion.pipeline.health import Health, mend
from clarion.pipeline.plans import Plans
from clarion.pipeline.precedence import Precedence
from clarion.pipeline.standing import stand_by
from clarion.telemetry import Event, logger

CREWS: Final = {Lane.TRANSACTIONAL: (24, 8), Lane.BULK: (12, 3)}
"""For each lane, how many batches one worker sends at once, and how many of them on one sender."""

_STAND_BY_S: Final = 2.0
"""How soon a sender that was made or changed is stood by for."""


@dataclass(slots=True)
class Worker:
    """One worker process, with a crew for each of its lanes. One that `stands_by` keeps connections for news."""

    database: Database
    plans: Plans
    queue: WorkQueue
    name: str
    lease: timedelta
    lanes: Collection[Lane] = tuple(Lane)
    stands_by: bool = True
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _crews: list[Crew] = field(init=False)

    def __post_init__(self) -> None:
        health, precedence = Health(self.database), Precedence()
        self._crews = [
            Crew(
                self.database, self.queue, self.plans, health, precedence, lane, self.name, self.lease, self.stopping,
                *CREWS[lane],
            )
            for lane in self.lanes
        ]  # fmt: skip

    async def run(self, drain_s: float) -> bool:
        """Works until `stopping` is set, then drains for at most `drain_s`; tells whether it gave everything back."""
        crews = [asyncio.create_task(crew.work()) for crew in self._crews]
        leases = asyncio.create_task(keep_on(self._keep_leases))
        listening = asyncio.create_task(keep_on(self._listen))
        mending = asyncio.create_task(keep_on(self._mend))
        standing = asyncio.create_task(keep_on(self._stand_by))
        await self.stopping.wait()
        for crew in self._crews:
            crew.wake()
        listening.cancel()
        mending.cancel()
        standing.cancel()
        drained = await self._drain(crews, drain_s)
        for loop in (*crews, leases):
            loop.cancel()
        await asyncio.gather(*crews, leases, listening, mending, standing, return_exceptions=True)
        return drained

    async def _drain(self, crews: Sequence[asyncio.Task[None]], drain_s: float) -> bool:
        failpoint("draining")
        held = len(self._held())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await asyncio.wait(crews)
                for crew in self._crews:
                    await crew.until_idle()
        late = sum([await crew.drop() for crew in self._crews])
        if held:
            logger().info(Event.WORKER_STOPPING, batches=held, unfinished=late)
        return all(crew.done() for crew in crews) and not late

    async def _listen(self) -> None:
        """Wakes the crews it was rung for."""
        said = await self.queue.wait(IDLE_S)
        for crew in self._crews:
            if crew.lane in said or "" in said:
                crew.wake()

    async def _mend(self) -> None:
        if not await mend(self.database, self.plans.channels):
            await asyncio.sleep(IDLE_S)

    async def _stand_by(self) -> None:
        await asyncio.sleep(_STAND_BY_S)
        if self.stands_by:
            await stand_by(self.database, self.plans.channels)

    def _held(self) -> list[ClaimedBatch]:
        return [batch for crew in self._crews for batch in crew.held]

    async def _keep_leases(self) -> None:
        await asyncio.sleep(self.lease.total_seconds() / 3)
        held = self._held()
        if held:
            failpoint("before_renewal")
            async with self.database.reading() as tx:
                await tx.batches.renew(held, self.lease)


async def run(app: App, lanes: Collection[Lane], channels: Collection[ChannelName]) -> int:
    """Works for `app` until SIGTERM or SIGINT, then drains; returns the exit status: 1 if something was left behind."""
    settings = app.settings
    async with open_queue(app, lanes, channels) as queue:
        worker = Worker(
            database=app.database,
            plans=Plans(app.database, app.channels, app.links),
            queue=queue,
            name=f"{socket.gethostname()}:{os.getpid()}",
            lease=timedelta(seconds=settings.lease_seconds),
            lanes=lanes,
            stands_by=ChannelName.SMS in channels,
        )
        _collect_seldom()
        until_told(worker.stopping)
        sends = {"lanes": sorted(map(str, lanes)), "channels": sorted(map(str, channels))}
        logger().info(Event.WORKER_STARTED, worker=worker.name, **sends)
        drained = await worker.run(settings.drain_seconds)
    logger().info(Event.WORKER_STOPPED, worker=worker.name, drained=drained)
    return 0 if drained else 1


def _collect_seldom() -> None:
    """Lets the garbage collector look at what was loaded never again and at new objects seldom.

    A batch makes tens of thousands of objects that reference counting frees; walking them costs 5 % of a worker's time.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
