"""The scheduler: everything that happens by the clock or ahead of the sending, until it is told to stop.

Freezes audiences, merges imports, starts what is due, takes back what a lost worker held, closes runs, removes what has
had its time. Sends nothing; that is `worker`. Any number may run beside each other, every step is safe to repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from clarion.application.ports import Database
from clarion.bootstrap import App, open_announcers
from clarion.domain.campaign import Lane
from clarion.entrypoints.bell import IDLE_S, Bell
from clarion.entrypoints.carefully import keep_on, until_told
from clarion.pipeline import (
    announcing,
    due,
    importing,
    inbound,
    pacing,
    quarantine,
    receipts,
    recovering,
    retaining,
    settling,
    snapshot,
    sweeping,
)
from clarion.pipeline.patience import set_within
from clarion.telemetry import Event, logger

LET_GO_S: Final = 0.5
"""How often what waits for its pace is looked at."""
HEAR_S: Final = 0.25
"""How often news is looked for: a ring for each commit of it would hold up all the others that ring."""
SWEEP_S: Final = 60.0
"""How often what has had its time is removed."""
ANNOUNCE_S: Final = 0.005
"""The least time between two announcements of a lane: calls that come meanwhile are announced together."""


@dataclass(slots=True)
class Scheduler:
    """One scheduler process. What it is in the middle of at a stop is undone by the database and done by another."""

    database: Database
    bell: Bell
    keeps_days: int = retaining.DEFAULT_DAYS
    announcers: Sequence[announcing.Announcer] = ()
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _rung: asyncio.Event = field(default_factory=asyncio.Event)
    _freezing: snapshot.Freezing = field(init=False)

    def __post_init__(self) -> None:
        self._freezing = snapshot.Freezing(self.database)

    async def run(self) -> None:
        """Works until `stopping` is set."""
        steps: tuple[Callable[[], Awaitable[None]], ...]
        steps = (
            self._listen,
            self._freeze,
            self._import,
            self._tick,
            self._let_go,
            self._sweep,
            self._retain,
            self._hear,
        )
        steps = (*steps, *(self._announcing(announcer, lane) for announcer in self.announcers for lane in Lane))
        loops = [asyncio.create_task(keep_on(step)) for step in steps]
        await self.stopping.wait()
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    async def _listen(self) -> None:
        """Wakes the waiting loops at a ring. Whoever took an event before looking for work has missed nothing."""
        if await self.bell.wait(IDLE_S):
            rung, self._rung = self._rung, asyncio.Event()
            rung.set()

    async def _until_let_go(self) -> None:
        """Waits while the database is held because it was restored: its state stays what the backup has."""
        while True:
            async with self.database.reading() as tx:
                if await tx.home.held() is None:
                    return
            await asyncio.sleep(IDLE_S)

    async def _freeze(self) -> None:
        await self._until_let_go()
        rung = self._rung
        if wait_s := await self._freezing.step():
            await set_within(rung, min(wait_s, IDLE_S))

    async def _import(self) -> None:
        rung = self._rung
        if not await importing.merge_next(self.database):
            await set_within(rung, IDLE_S)

    async def _tick(self) -> None:
        await self._until_let_go()
        await recovering.recover(self.database)
        await quarantine.isolate(self.database)
        await due.start_due(self.database)
        await due.execute_due(self.database)
        await due.end_overdue(self.database)
        await due.read_again(self.database)
        await settling.close_runs(self.database)
        await asyncio.sleep(IDLE_S)

    def _announcing(self, announcer: announcing.Announcer, lane: Lane) -> Callable[[], Awaitable[None]]:
        """The loop of one lane on one channel, which waits for no other's."""

        async def announce() -> None:
            rung = self._rung
            again_s = await announcing.announce(self.database, announcer, lane)
            await asyncio.sleep(ANNOUNCE_S)
            await set_within(rung, again_s)

        return announce

    async def _let_go(self) -> None:
        await pacing.let_go(self.database)
        await asyncio.sleep(LET_GO_S)

    async def _hear(self) -> None:
        """Applies the news that came. It is asked for so often that nobody has to ring for it."""
        await self._until_let_go()
        applied = await receipts.apply_due(self.database)
        read = await inbound.read_new(self.database)
        if applied.taken < receipts.AT_ONCE and read < inbound.AT_ONCE:
            await asyncio.sleep(HEAR_S)

    async def _sweep(self) -> None:
        await asyncio.sleep(SWEEP_S)
        await self._until_let_go()
        await pacing.spare(self.database)
        await sweeping.sweep(self.database)

    async def _retain(self) -> None:
        await retaining.cover(self.database)
        await asyncio.sleep(SWEEP_S)
        await self._until_let_go()
        await retaining.retain(self.database, self.keeps_days)


async def run(app: App) -> None:
    """Keeps `app`'s clock until SIGTERM or SIGINT."""
    async with open_announcers(app) as announcers:
        scheduler = Scheduler(app.database, app.work, app.settings.retention_days, announcers)
        until_told(scheduler.stopping)
        logger().info(Event.SCHEDULER_STARTED)
        await scheduler.run()
    logger().info(Event.SCHEDULER_STOPPED)
