"""One connection to NATS, and the stream that announcements go through: a subject and a consumer per lane and channel.

Makes stream and consumers when they are missing, also after somebody wiped them. What it carries may be lost at any
time. Knows nothing of batches. Where to read next: `nats`, which says and hears the announcements.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

T = TypeVar("T")

ANSWER_S: Final = 1.0
"""How long a question may take; after that the queue counts as away."""
PING_S: Final = 2
KEPT_S: Final = 20.0
"""How long an announcement is kept. Whoever announces says it again after that time."""
HELD_S: Final = 10.0
"""How long a worker may hold an announcement before another one gets it."""
KEPT: Final = 100_000
"""Announcements kept at most; far more than whoever announces ever lets stand."""
SAME_NAME: Final = 10058
"""NATS' code for a stream that is there with another configuration."""


class Away(Exception):
    """NATS does not answer, or refuses; the message says what it was."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where NATS is, and what our part of it is called."""

    servers: Sequence[str]
    prefix: str
    replicas: int


class JetStream:
    """A connection that is made, and made again, in the background. Raises `Away` whenever that takes too long."""

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._name = name
        self._client = Client()
        self._context: JetStreamContext | None = None
        self._greeted = asyncio.Event()
        self._made = 0
        self._problem = "not connected yet"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to connect; returns at once."""
        self._task = asyncio.create_task(self._keep_connected(), name="jetstream")

    async def aclose(self) -> None:
        """Sends what was said and leaves."""
        if self._task is not None:
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await self._client.flush()
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def connections(self) -> int:
        """How many connections there have been: what was said over an earlier one may be lost."""
        return self._made + int(self._client.stats["reconnects"])

    async def consumer(self, lane: str, channel: str) -> ConsumerInfo:
        """How a consumer stands; makes it, and the stream, when it is missing. Raises `Away`."""
        await self.until_connected()
        context, name = self._answering(), f"{lane}-{channel}"
        try:
            try:
                info: ConsumerInfo = await _asked(context.consumer_info(self._place.prefix, name))
            except NotFoundError:
                await _asked(self._make_stream(context))
                info = await _asked(self._make_consumer(context, name, self._subject(lane, channel)))
        except (NatsError, OSError, TimeoutError) as error:
            raise self._away(error) from error
        return info

    async def subscription(self, lane: str, channel: str) -> JetStreamContext.PullSubscription:
        """A way to fetch what the consumer has; for as long as this connection lasts. Raises `Away`."""
        try:
            return await _asked(self._answering().pull_subscribe_bind(f"{lane}-{channel}", stream=self._place.prefix))
        except (NatsError, OSError, TimeoutError) as error:
            raise self._away(error) from error

    async def next(self, subscription: JetStreamContext.PullSubscription, timeout_s: float) -> Msg | None:
        """The next thing that was said; None when nothing is within this time. Raises `Away`."""
        try:
            (message,) = await _asked(subscription.fetch(1, timeout=timeout_s))
        except TimeoutError:
            return None
        except (NatsError, OSError) as error:
            raise self._away(error) from error
        return message

    async def publish(self, lane: str, channel: str, payload: bytes) -> None:
        """Says something; returns once it is stored. Raises `Away` after a second, when it may be stored or not."""
        try:
            await _asked(self._answering().publish(self._subject(lane, channel), payload, timeout=ANSWER_S))
        except (NatsError, OSError, TimeoutError) as error:
            raise self._away(error) from error

    async def describe(self) -> str:
        """One sentence about the servers, for people. Raises `Away`."""
        try:
            info = await _asked(self._answering().account_info())
        except (NatsError, OSError, TimeoutError) as error:
            raise self._away(error) from error
        version = self._client.connected_server_version
        return f"NATS {version.major}.{version.minor}, {info.streams} streams, {self._place.replicas} copies of ours"

    async def until_connected(self) -> None:
        """Returns once NATS has ever greeted us. Raises `Away` when it does not within two seconds."""
        try:
            async with asyncio.timeout(2 * ANSWER_S):
                await self._greeted.wait()
        except TimeoutError:
            raise Away(self._problem) from None

    def _answering(self) -> JetStreamContext:
        if self._context is None or not self._client.is_connected:
            raise Away(self._problem)
        return self._context

    def _away(self, error: Exception) -> Away:
        return Away(str(error) or type(error).__name__)

    def _subject(self, lane: str, channel: str) -> str:
        return f"{self._place.prefix}.{lane}.{channel}"

    async def _make_stream(self, context: JetStreamContext) -> None:
        config = StreamConfig(
            name=self._place.prefix,
            description="Batches of Clarion that are due; may be deleted at any time",
            subjects=[f"{self._place.prefix}.*.*"],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            num_replicas=self._place.replicas,
            max_age=KEPT_S,
            max_msgs=KEPT,
            duplicate_window=KEPT_S,
        )
        try:
            await context.add_stream(config)
        except BadRequestError as error:
            if error.err_code != SAME_NAME:
                raise
            await context.update_stream(config)

    async def _make_consumer(self, context: JetStreamContext, name: str, subject: str) -> ConsumerInfo:
        config = ConsumerConfig(
            durable_name=name,
            filter_subject=subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=HELD_S,
            max_ack_pending=KEPT,
        )
        return await context.add_consumer(self._place.prefix, config)

    async def _keep_connected(self) -> None:
        """Connects for ever. The client finds its way back by itself until a server tells it to go."""
        while True:
            closed = asyncio.Event()

            async def on_closed(closed: asyncio.Event = closed) -> None:
                closed.set()

            self._client = client = Client()
            try:
                await _asked(
                    client.connect(
                        list(self._place.servers),
                        name=self._name,
                        error_cb=self._note,
                        closed_cb=on_closed,
                        connect_timeout=PING_S,
                        ping_interval=PING_S,
                        max_outstanding_pings=1,
                        reconnect_time_wait=1,
                        max_reconnect_attempts=-1,
                    )
                )
                self._greeted.set()
                self._made += 1
                self._context = client.jetstream(timeout=ANSWER_S)
                await closed.wait()
            except (NatsError, OSError, TimeoutError) as error:
                await self._note(error)
            finally:
                with contextlib.suppress(NatsError, OSError, TimeoutError):
                    await client.close()
            await asyncio.sleep(ANSWER_S)

    async def _note(self, error: Exception) -> None:
        self._problem = str(error) or type(error).__name__


async def _asked(question: Coroutine[Any, Any, T]) -> T:
    """Awaits the client in a task of its own, so that whoever asks can be cancelled at any time.

    The client waits by `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that meets the result.
    """
    task = asyncio.create_task(question)
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
    return task.result()
