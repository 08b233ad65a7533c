"""The worker: runs every stage of the send path until it is told to stop.

Owns the loops, the leases it holds and the drain; the stages are in `pipeline`. Any number of workers share one
database. A stop finishes the windows on the wire, records them and gives every batch back: nothing is left uncertain.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from clarion.application.ports import Database
from clarion.application.ports.batches import ClaimedBatch
from clarion.bootstrap import App
from clarion.domain.campaign import Lane
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id
from clarion.pipeline import due, importing, recovering, settling, snapshot, sweeping
from clarion.pipeline.plans import Plans
from clarion.pipeline.sending import Drive, set_within
from clarion.telemetry import Event, logger

IDLE_S: Final = 1.0
"""How long an idle loop waits when nobody rings: the bound on what a lost announcement costs."""
SWEEP_S: Final = 60.0
"""How often what has had its time is removed."""
TROUBLE_S: Final = 2.0
"""How long a loop rests after something unforeseen."""


class Bell(Protocol):
    """Tells that there may be work. A ring may be lost, doubled or needless; nothing depends on it but speed."""

    async def wait(self, timeout_s: float) -> bool:
        """Waits for a ring at most `timeout_s`; tells whether there was one."""
        ...


@dataclass(slots=True)
class Worker:
    """One worker process. `drives_at_once` bounds its batches, `drives_per_sender` those on one sender."""

    database: Database
    plans: Plans
    bell: Bell
    name: str
    lease: timedelta
    lanes: Sequence[Lane] = (Lane.TRANSACTIONAL, Lane.BULK)
    drives_at_once: int = 12
    drives_per_sender: int = 3
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _held: dict[asyncio.Task[None], ClaimedBatch] = field(default_factory=dict)
    _sizes: dict[Id, int] = field(default_factory=dict)
    _rung: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, drain_s: float) -> bool:
        """Works until `stopping` is set, then drains for at most `drain_s`; tells whether it gave everything back."""
        claiming = asyncio.create_task(self._claim_until_stopping())
        leases = asyncio.create_task(self._keep_on(self._keep_leases))
        steps = (self._listen, self._freeze, self._import, self._tick, self._sweep)
        loops = [asyncio.create_task(self._keep_on(step)) for step in steps]
        await self.stopping.wait()
        self._make_room()
        for loop in loops:
            loop.cancel()
        drained = await self._drain(claiming, drain_s)
        for loop in (claiming, leases):
            loop.cancel()
        await asyncio.gather(claiming, leases, *loops, return_exceptions=True)
        return drained

    async def _drain(self, claiming: asyncio.Task[None], drain_s: float) -> bool:
        held = len(self._held)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await asyncio.wait([claiming])
                while self._held:
                    await asyncio.wait(list(self._held))
        late = list(self._held)
        for drive in late:
            drive.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if held:
            logger().info(Event.WORKER_STOPPING, batches=held, unfinished=len(late))
        return claiming.done() and not late

    async def _claim_until_stopping(self) -> None:
        """Ends by itself: cut off in the middle, a claim could leave a lease that nobody knows of."""
        while not self.stopping.is_set():
            await self._carefully(self._claim)

    async def _keep_on(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._carefully(step)

    async def _carefully(self, step: Callable[[], Awaitable[None]]) -> None:
        """Takes one loop's step; what goes wrong in it is told and rested after, never the end of the loop."""
        try:
            await step()
        except Unavailable as error:
            logger().warning(Event.DATABASE_DOWN, loop=step.__name__, problem=str(error))
            await asyncio.sleep(TROUBLE_S)
        except Exception:  # noqa: BLE001 - the edge of the worker: told, rested after, never the end of a loop
            logger().exception(Event.TASK_FAILED, loop=step.__name__)
            await asyncio.sleep(TROUBLE_S)

    async def _listen(self) -> None:
        """Wakes the waiting loops at a ring. Whoever took an event before looking for work has missed nothing."""
        if await self.bell.wait(IDLE_S):
            rung, self._rung = self._rung, asyncio.Event()
            rung.set()
            self._make_room()

    def _make_room(self) -> None:
        room, self._room = self._room, asyncio.Event()
        room.set()

    async def _claim(self) -> None:
        room = self._room
        batch = await self._claim_one() if len(self._held) < self.drives_at_once else None
        if batch is None:
            await set_within(room, IDLE_S)
            return
        drive = asyncio.create_task(self._drive(batch))
        self._held[drive] = batch
        drive.add_done_callback(self._let_go)

    async def _claim_one(self) -> ClaimedBatch | None:
        by_sender = Counter(batch.sender_id for batch in self._held.values())
        busy = [sender_id for sender_id, drives in by_sender.items() if drives >= self.drives_per_sender]
        async with self.database.reading() as tx:
            return await tx.batches.claim(self.name, self.lanes, busy, self.lease)

    async def _drive(self, batch: ClaimedBatch) -> None:
        route = await self.plans.route(batch.account_id, batch.run_id, batch.sender_id)
        if route is None:
            await settling.give_up(self.database, batch, "The sender or the message of this run cannot be used")
            return
        await Drive(batch, self.database, route, self.stopping, self._sizes).run()
        await settling.settle(self.database, batch)

    def _let_go(self, drive: asyncio.Task[None]) -> None:
        batch = self._held.pop(drive)
        self._make_room()
        if not drive.cancelled() and (error := drive.exception()):
            logger().error(Event.BATCH_FAILED, run_id=batch.run_id.hex(), batch=batch.no, exc_info=error)

    async def _keep_leases(self) -> None:
        await asyncio.sleep(self.lease.total_seconds() / 3)
        held = list(self._held.values())
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
        await due.stop_overdue(self.database)
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
