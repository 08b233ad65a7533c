"""The crew of one lane: claims its batches, drives several of them at once, and gives them all back at a stop.

Each lane has a crew of its own in every worker, with its own room, so that a call's message never waits until bulk mail
makes way. Where to read next: `worker`, which keeps the leases of all crews.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from datetime import timedelta

from clarion.application.ports import Database
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Lane
from clarion.domain.ids import Id
from clarion.entrypoints.bell import IDLE_S, WorkQueue
from clarion.entrypoints.carefully import carefully
from clarion.failpoints import failpoint
from clarion.pipeline import quarantine, settling
from clarion.pipeline.health import Health
from clarion.pipeline.line import Line
from clarion.pipeline.pacing import Meter, Pace
from clarion.pipeline.patience import set_within
from clarion.pipeline.plans import NoRoute, Plans
from clarion.pipeline.precedence import Precedence
from clarion.pipeline.sending import Drive
from clarion.telemetry import Event, logger


@dataclass(slots=True)
class Crew:
    """Sends the batches of one lane. `at_once` bounds its batches, `per_sender` those on one sender."""

    database: Database
    queue: WorkQueue
    plans: Plans
    health: Health
    precedence: Precedence
    lane: Lane
    name: str
    lease: timedelta
    stopping: asyncio.Event
    at_once: int
    per_sender: int
    _held: dict[asyncio.Task[None], ClaimedBatch] = field(default_factory=dict)
    _sizes: dict[Id, int] = field(default_factory=dict)
    _meters: dict[Id, Meter] = field(default_factory=dict)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _line: Line = field(init=False)

    def __post_init__(self) -> None:
        self._line = Line(self.per_sender)

    @property
    def held(self) -> list[ClaimedBatch]:
        """The batches it holds now."""
        return list(self._held.values())

    def wake(self) -> None:
        """Makes it look for work now."""
        room, self._room = self._room, asyncio.Event()
        room.set()

    async def work(self) -> None:
        """Claims and drives batches until `stopping` is set.

        Ends by itself: cut off in the middle, a claim could leave a lease that nobody knows of.
        """
        while not self.stopping.is_set():
            await carefully(self._claim)

    async def until_idle(self) -> None:
        """Returns once it holds nothing."""
        while self._held:
            await asyncio.wait(list(self._held))

    async def drop(self) -> int:
        """Cuts off what is still being driven; returns how many batches that were."""
        late = list(self._held)
        for drive in late:
            drive.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)

    async def _claim(self) -> None:
        room = self._room
        batch = await self._claim_one() if len(self._held) < self.at_once else None
        if batch is None:
            await set_within(room, IDLE_S)
            return
        failpoint("after_claim")
        drive = asyncio.create_task(self._drive(batch))
        self._held[drive] = batch
        drive.add_done_callback(self._let_go)

    async def _claim_one(self) -> ClaimedBatch | None:
        failpoint("before_claim")
        busy = self._line.busy(self._held.values(), time.monotonic())
        with self._first():
            batch = await self.queue.take(self.name, self.lane, busy, self.lease)
        if batch is not None:
            self._line.joined(batch, time.monotonic())
        return batch

    async def _drive(self, batch: ClaimedBatch) -> None:
        try:
            with self._first():
                await self._send(batch)
        except Exception:
            await quarantine.give_back(self.database, batch)
            raise

    async def _send(self, batch: ClaimedBatch) -> None:
        route = await self.plans.route(batch)
        if route is NoRoute.WAITING:
            return
        if route is NoRoute.BROKEN:
            await settling.give_up(self.database, batch, "The sender or the message of this run cannot be used")
            return
        meter = self._meters.setdefault(route.sender.id, Meter())
        pace = Pace(self.database, batch.account_id, route.sender.id, route.limits, self.stopping, meter)
        drive = Drive(
            batch, self.database, route, self.stopping, self._sizes, pace, self.health, self.precedence, self._line
        )
        await drive.run()
        await settling.settle(self.database, batch)

    def _first(self) -> contextlib.AbstractContextManager[None]:
        return self.precedence.taken() if self.lane is Lane.TRANSACTIONAL else contextlib.nullcontext()

    def _let_go(self, drive: asyncio.Task[None]) -> None:
        batch = self._held.pop(drive)
        self.wake()
        with contextlib.suppress(asyncio.CancelledError):
            if error := drive.exception():
                logger().error(Event.BATCH_FAILED, run_id=batch.run_id.hex(), batch=batch.no, exc_info=error)
