"""The queue of one machine: PostgreSQL's own claim, and its LISTEN/NOTIFY on one channel as an asyncio signal.

A call carries no facts, only which lane there may be work in: a lost, doubled or late one costs time until the next
look, never work. Keeps one connection of its own and gets a new one, ever more patiently, when it is lost. Where to
read next: `nats`, the queue of many machines.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from clarion.application.ports import Database
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id

WORK_CHANNEL: Final = "clarion_work"
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
PROBE_EVERY_S: Final = 30.0
_LOST: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# The last one means that the driver was asked between the server's goodbye and the end of the connection.


class WorkSignal:
    """Something may have changed: `wait` returns soon after a NOTIFY by anyone, or when its time is over."""

    def __init__(self, url: str, channel: str = WORK_CHANNEL) -> None:
        self._url = url
        self._channel = channel
        self._event = asyncio.Event()
        self._said: set[str] = set()
        self._listening = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to listen in the background; returns at once."""
        self._task = asyncio.create_task(self._listen(), name="work-signal")

    async def aclose(self) -> None:
        """Stops listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def listening(self) -> bool:
        """Whether calls reach us now; while False only the clock wakes the waiter."""
        return self._listening.is_set()

    async def until_listening(self) -> None:
        """Returns once calls reach us."""
        await self._listening.wait()

    def set(self, said: str = "") -> None:
        """Wakes the waiter of this process without asking the database."""
        self._said.add(said)
        self._event.set()

    async def wait(self, timeout_s: float) -> Collection[str]:
        """Waits for a call, at most `timeout_s`; gives what was said since the last wait: lanes, or "" for anything."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return ()
        self._event.clear()
        said, self._said = self._said, set()
        return said

    async def _listen(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            with contextlib.suppress(*_LOST):
                connection = await asyncpg.connect(
                    self._url, timeout=LONGEST_PAUSE_S, server_settings={"application_name": "clarion-listen"}
                )
                try:
                    await self._hold(connection)
                finally:
                    self._listening.clear()
                    connection.terminate()
                pause = FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _hold(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Listens until the connection is lost; a probe finds out when the other side is gone without a word."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(self._channel, lambda *said: self.set(str(said[-1])))
        self._listening.set()
        self.set()  # what was said while nobody listened
        while not lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_EVERY_S):
                    await lost.wait()
            if not lost.is_set():
                await connection.execute("SELECT 1", timeout=LONGEST_PAUSE_S)


class PostgresQueue:
    """Implements `entrypoints.bell.WorkQueue` by asking the database, when it is rung and when asked."""

    def __init__(self, database: Database, signal: WorkSignal, channels: Collection[ChannelName]) -> None:
        self._database = database
        self._signal = signal
        self._channels = channels

    async def wait(self, timeout_s: float) -> Collection[str]:
        """Waits for a NOTIFY."""
        return await self._signal.wait(timeout_s)

    async def take(self, worker: str, lane: Lane, busy_senders: Sequence[Id], lease: timedelta) -> ClaimedBatch | None:
        """Leases the lane's most urgent batch."""
        async with self._database.reading() as tx:
            return await tx.batches.claim(worker, lane, busy_senders, lease, self._channels)
