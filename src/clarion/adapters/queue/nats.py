"""The queue of many machines: announcements of batches over NATS JetStream, said by schedulers and heard by workers.

An announcement names a batch; the claim of it in PostgreSQL decides. While NATS is away or says nothing a worker asks
PostgreSQL as if there were no NATS. Where to read next: `jetstream` for the connection, `postgres` for the other way.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from clarion import telemetry
from clarion.adapters.queue.jetstream import Away, JetStream
from clarion.adapters.queue.postgres import PostgresQueue, WorkSignal
from clarion.application.ports import Database
from clarion.application.ports.announcements import Announced, Hearing
from clarion.application.ports.batches import ClaimedBatch
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.domain.ids import Id

FETCH_S: Final = 1.0
"""How long one request for an announcement stands, and how often a silent queue is asked whether it is there."""
SILENCE_S: Final = 5.0
"""How often an idle worker asks PostgreSQL although NATS is there: who announces may be gone."""
WAITING: Final = 4
"""Announcements that a worker keeps for when its room lets it claim them."""
WAITING_S: Final = 0.5
"""How long it keeps them before another worker may have them."""
REST_S: Final = 1.0
"""How long an announcement rests when nobody seems to have room for its sender."""
_SAID: Final = re.compile(rb"([0-9a-f]{24}) (-?\d{1,10}) (\d{1,10}) ([0-9a-f]{24})")


def to_bytes(announced: Announced) -> bytes:
    """An announcement as it travels: ids and numbers, readable by people."""
    run_id, no, epoch, sender_id = announced
    return f"{run_id.hex()} {no} {epoch} {sender_id.hex()}".encode()


def from_bytes(said: bytes) -> Announced | None:
    """Reads an announcement; None when it is none."""
    found = _SAID.fullmatch(said)
    if found is None:
        return None
    run_id, no, epoch, sender_id = found.groups()
    return Announced(Id(bytes.fromhex(run_id.decode())), int(no), int(epoch), Id(bytes.fromhex(sender_id.decode())))


@dataclass(slots=True)
class _Standing:
    """Whether NATS was there at the last look; what changes is logged once."""

    role: str
    is_there: bool | None = None

    def back(self) -> None:
        if not self.is_there:
            telemetry.queue_there.labels(self.role).set(1)
            telemetry.logger().info(telemetry.Event.QUEUE_BACK, role=self.role)
        self.is_there = True

    def lost(self, problem: str) -> None:
        if self.is_there is not False:
            telemetry.queue_there.labels(self.role).set(0)
            telemetry.logger().warning(telemetry.Event.QUEUE_AWAY, role=self.role, problem=problem)
        self.is_there = False


class NatsAnnouncer:
    """Implements `pipeline.announcing.Announcer`."""

    def __init__(self, stream: JetStream, channel: ChannelName) -> None:
        self._stream = stream
        self.channel = channel
        """Whose batches it announces."""
        self._known: dict[Lane, tuple[int, datetime]] = {}
        self._standing = _Standing("scheduler")

    async def hearing(self, lane: Lane) -> Hearing | None:
        """How many announcements nobody has heard; new is a queue or a connection that is not that of the last look."""
        try:
            info = await self._stream.consumer(lane, self.channel)
        except Away as problem:
            self._standing.lost(str(problem))
            return None
        self._standing.back()
        seen = (self._stream.connections, info.created)
        is_new = self._known.get(lane) != seen
        self._known[lane] = seen
        return Hearing(info.num_pending or 0, is_new)

    async def announce(self, lane: Lane, announced: Sequence[Announced]) -> Sequence[Announced]:
        """Says all at once; they are stored in this order. Gives back those without an answer."""
        said = [self._stream.publish(lane, self.channel, to_bytes(one)) for one in announced]
        answers = await asyncio.gather(*said, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, Away):
                raise answer
        return [one for one, answer in zip(announced, answers, strict=True) if isinstance(answer, Away)]


@dataclass(slots=True, eq=False)
class _Heard:
    """An announcement that came and was not claimed yet."""

    announced: Announced
    message: Msg

    @property
    def is_again(self) -> bool:
        """Whether somebody had it before and could not use it."""
        return bool(self.message.metadata.num_delivered > 1)


@dataclass(slots=True)
class _Desk:
    """The announcements of one lane and channel as this worker has them: those it may claim, and if it wants more."""

    lane: Lane
    channel: ChannelName
    waiting: list[_Heard] = field(default_factory=list)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    is_there: bool = False
    heard_at: float = field(default_factory=time.monotonic)

    def next(self, busy: Collection[Id]) -> _Heard | None:
        """Takes out the first whose sender has room."""
        for heard in self.waiting:
            if heard.announced.sender_id not in busy:
                self.waiting.remove(heard)
                return heard
        return None

    async def give_back(self, heard: _Heard, rest_s: float) -> None:
        """Lets another worker have an announcement, after a rest."""
        if heard in self.waiting:
            self.waiting.remove(heard)
            with contextlib.suppress(NatsError):
                await heard.message.nak(rest_s)

    def wants(self, *, more: bool) -> None:
        """Says that there is room: for one more than it has, or while it has few."""
        if more or len(self.waiting) < WAITING:
            self.wanted.set()


class NatsQueue:
    """Implements `entrypoints.bell.WorkQueue`: claims the batches it hears of; else asks PostgreSQL."""

    def __init__(
        self,
        stream: JetStream,
        database: Database,
        signal: WorkSignal,
        lanes: Collection[Lane],
        channels: Collection[ChannelName],
    ) -> None:
        self._stream = stream
        self._database = database
        self._signal = signal
        self._otherwise = PostgresQueue(database, signal, channels)
        self._desks = [_Desk(lane, channel) for lane in lanes for channel in channels]
        self._standing = _Standing("worker")
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begins to listen; returns at once."""
        for desk in self._desks:
            self._tasks.add(asyncio.create_task(self._listen(desk), name=f"queue-{desk.lane}-{desk.channel}"))

    async def aclose(self) -> None:
        """Stops listening and lets other workers have at once what was not claimed."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for desk in self._desks:
            for heard in list(desk.waiting):
                await desk.give_back(heard, 0)

    @property
    def is_there(self) -> bool:
        """Whether NATS brings the announcements now; while False PostgreSQL is asked."""
        return all(desk.is_there for desk in self._desks)

    async def wait(self, timeout_s: float) -> Collection[str]:
        """Waits for an announcement, or for a NOTIFY."""
        return await self._signal.wait(timeout_s)

    async def take(self, worker: str, lane: Lane, busy_senders: Sequence[Id], lease: timedelta) -> ClaimedBatch | None:
        """Claims the first batch that was announced and whose sender is not busy.

        Asks PostgreSQL for any batch while NATS is away, and every few seconds while it says nothing.
        """
        desks = [desk for desk in self._desks if desk.lane is lane]
        for desk in desks:
            while desk.is_there and (heard := desk.next(busy_senders)) is not None:
                desk.wants(more=True)
                if batch := await self._claim(worker, heard, lease):
                    return batch
            for heard in [heard for heard in desk.waiting if heard.is_again]:
                await desk.give_back(heard, REST_S)
            desk.wants(more=False)
        if all(desk.is_there and time.monotonic() - desk.heard_at < SILENCE_S for desk in desks):
            return None
        batch = await self._otherwise.take(worker, lane, busy_senders, lease)
        if batch is None:
            for desk in desks:
                desk.heard_at = time.monotonic()
        return batch

    async def _claim(self, worker: str, heard: _Heard, lease: timedelta) -> ClaimedBatch | None:
        """Claims a batch by its name. The announcement has then done its work, whatever came of it.

        A batch that cannot be claimed although nobody holds it, of a paused run say, is to be announced anew.
        """
        run_id, no, epoch, _ = heard.announced
        async with self._database.reading() as tx:
            batch = await tx.batches.claim_named(worker, run_id, no, epoch, lease)
            if batch is None:
                await tx.announcements.put_off(heard.announced)
        with contextlib.suppress(NatsError):
            await heard.message.ack()
        return batch

    async def _listen(self, desk: _Desk) -> None:
        """Hears announcements for ever."""
        while True:
            try:
                await self._stream.consumer(desk.lane, desk.channel)
                subscription = await self._stream.subscription(desk.lane, desk.channel)
                desk.is_there, desk.heard_at = True, time.monotonic()
                self._standing.back()
                await self._hear(desk, subscription)
            except (Away, NatsError, OSError) as error:
                desk.is_there = False
                self._standing.lost(str(error) or type(error).__name__)
                self._signal.set(desk.lane)
                await asyncio.sleep(FETCH_S)

    async def _hear(self, desk: _Desk, subscription: JetStreamContext.PullSubscription) -> None:
        """Fetches one announcement after the other while they are wanted; never returns, but raises."""
        while True:
            message = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FETCH_S):
                    await desk.wanted.wait()
            if desk.wanted.is_set():
                message = await self._stream.next(subscription, FETCH_S)
            if message is None:
                await self._stream.consumer(desk.lane, desk.channel)  # raises when it is not there any more
            else:
                await self._heard(desk, message)

    async def _heard(self, desk: _Desk, message: Msg) -> None:
        desk.heard_at = time.monotonic()
        announced = from_bytes(message.data)
        if announced is None:
            telemetry.logger().warning(telemetry.Event.QUEUE_NONSENSE, lane=desk.lane)
            await message.term()
            return
        desk.wanted.clear()
        heard = _Heard(announced, message)
        desk.waiting.append(heard)
        asyncio.get_running_loop().call_later(WAITING_S, self._tire, desk, heard)
        self._signal.set(desk.lane)

    def _tire(self, desk: _Desk, heard: _Heard) -> None:
        """Lets others have what there was no room for in time."""
        if heard in desk.waiting:
            task = asyncio.get_running_loop().create_task(desk.give_back(heard, REST_S if heard.is_again else 0))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
