"""The worker: runs every stage of the send path until it is told to stop.

Owns the loops, the leases and the drain; the stages are in `pipeline`, the crew of each lane in `crew`. Any number of
workers share one database. A stop finishes the windows on the wire, records them and gives every batch back: nothing is
left uncertain.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from clarion.application.ports import Database
from clarion.application.ports.batches import ClaimedBatch
from clarion.bootstrap import App
from clarion.domain.campaign import Lane
from clarion.entrypoints.carefully import carefully
from clarion.entrypoints.crew import IDLE_S, Crew
from clarion.pipeline import due, importing, recovering, settling, snapshot, sweeping
from clarion.pipeline.plans import Plans
from clarion.pipeline.sending import set_within
from clarion.telemetry import Event, logger

SWEEP_S: Final = 60.0
"""How often what has had its time is removed."""
CREWS: Final = {Lane.TRANSACTIONAL: (24, 8), Lane.BULK: (12, 3)}
"""For each lane, how many batches one worker sends at once, and how many of them on one sender."""


class Bell(Protocol):
    """Tells that there may be work. A ring may be lost, doubled or needless; nothing depends on it but speed."""

    async def wait(self, timeout_s: float) -> Collection[str]:
        """Waits for a ring at most `timeout_s`; gives the lanes it was rung for, or "" for anything."""
        ...


@dataclass(slots=True)
class Worker:
    """One worker process, with a crew for each lane."""

    database: Database
    plans: Plans
    bell: Bell
    name: str
    lease: timedelta
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _crews: list[Crew] = field(init=False)
    _rung: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._crews = [
            Crew(self.database, self.plans, lane, self.name, self.lease, self.stopping, at_once, per_sender)
            for lane, (at_once, per_sender) in CREWS.items()
        ]

    async def run(self, drain_s: float) -> bool:
        """Works until `stopping` is set, then drains for at most `drain_s`; tells whether it gave everything back."""
        crews = [asyncio.create_task(crew.work()) for crew in self._crews]
        leases = asyncio.create_task(self._keep_on(self._keep_leases))
        steps = (self._listen, self._freeze, self._import, self._tick, self._sweep)
        loops = [asyncio.create_task(self._keep_on(step)) for step in steps]
        await self.stopping.wait()
        self._wake()
        for loop in loops:
            loop.cancel()
        drained = await self._drain(crews, drain_s)
        for loop in (*crews, leases):
            loop.cancel()
        await asyncio.gather(*crews, leases, *loops, return_exceptions=True)
        return drained

    async def _drain(self, crews: Sequence[asyncio.Task[None]], drain_s: float) -> bool:
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

    async def _keep_on(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await carefully(step)

    async def _listen(self) -> None:
        """Wakes the waiting loops at a ring. Whoever took an event before looking for work has missed nothing."""
        said = await self.bell.wait(IDLE_S)
        if "" in said:
            self._wake()
        else:
            for crew in self._crews:
                if crew.lane in said:
                    crew.wake()

    def _wake(self) -> None:
        rung, self._rung = self._rung, asyncio.Event()
        for crew in self._crews:
            crew.wake()
        rung.set()

    def _held(self) -> list[ClaimedBatch]:
        return [batch for crew in self._crews for batch in crew.held]

    async def _keep_leases(self) -> None:
        await asyncio.sleep(self.lease.total_seconds() / 3)
        held = self._held()
        if held:
            async with self.database.reading() as tx:
                await tx.batches.renew(held, self.lease)

    async def _freeze(self) -> None:
        rung = self._rung
        if not await snapshot.take_slice(self.database):
            await set_within(rung, IDLE_S)

    async def _import(self) -> None:
        rung = self._rung
        if not await importing.merge_next(self.database):
            await set_within(rung, IDLE_S)

    async def _tick(self) -> None:
        await recovering.recover(self.database)
        await due.start_due(self.database)
        await due.execute_due(self.database)
        await due.end_overdue(self.database)
        await due.read_again(self.database)
        await settling.close_runs(self.database)
        await asyncio.sleep(IDLE_S)

    async def _sweep(self) -> None:
        await asyncio.sleep(SWEEP_S)
        await sweeping.sweep(self.database)


async def run(app: App) -> int:
    """Works for `app` until SIGTERM or SIGINT, then drains; returns the exit status: 1 if something was left behind."""
    settings = app.settings
    worker = Worker(
        database=app.database,
        plans=Plans(app.database, app.channels, app.links),
        bell=app.work,
        name=f"{socket.gethostname()}:{os.getpid()}",
        lease=timedelta(seconds=settings.lease_seconds),
    )
    _collect_seldom()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stopping.set)
    logger().info(Event.WORKER_STARTED, worker=worker.name)
    drained = await worker.run(settings.drain_seconds)
    logger().info(Event.WORKER_STOPPED, worker=worker.name, drained=drained)
    return 0 if drained else 1


def _collect_seldom() -> None:
    """Lets the garbage collector look at what was loaded never again and at new objects seldom.

    A batch makes tens of thousands of objects that reference counting frees; walking them costs 5 % of a worker's time.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
