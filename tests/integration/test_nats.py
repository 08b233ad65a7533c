"""NATS restarted, wiped, frozen, forgetful, babbling or never there: everyone gets one message, and soon."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TypeVar

import pytest
from tests.support import scene, stage
from tests.support.nats import NatsServer, nats_server, purge
from tests.support.patience import PATIENCE_S
from tests.support.ports import free_port
from tests.support.sink import Sink
from tests.support.workers import queue_of, scheduling, stream_to, working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.queue.jetstream import Away, JetStream, Place
from clarion.adapters.queue.nats import NatsQueue, from_bytes, to_bytes
from clarion.application.ports.announcements import Announced
from clarion.domain.campaign import Lane
from clarion.domain.ids import new_id

T = TypeVar("T")

RECIPIENTS = 4_000
SLOW = "slow0.006+"  # the sink takes 6 ms to answer, so that a run lasts long enough to be disturbed
LEASE = timedelta(seconds=30)


@pytest.fixture
def server() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


@pytest.fixture
def place(server: NatsServer) -> Place:
    return Place([server.url], f"t{secrets.token_hex(6)}", 1)


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink(keep_data=False) as sink:
        yield sink


async def disturbed(
    database: PostgresDatabase, url: str, place: Place, sink: Sink, trouble: Callable[[], None]
) -> list[str]:
    """Whom a run reached that was disturbed when a few hundred messages had left."""
    made = await scene.build(database, recipients=RECIPIENTS, port=sink.port, local_part=SLOW)
    async with working(database, url, place=place):
        run_id = await scene.start(database, made)
        await sink.wait_accepted(300)
        assert len(sink.accepted) < RECIPIENTS / 2, "it was over before the trouble began"
        await asyncio.to_thread(trouble)
        await scene.finished(database, run_id)
        assert await stage.states(database, run_id) == {"sent": RECIPIENTS}
    return sink.recipients()


async def _is_announced(database: PostgresDatabase) -> bool:
    async with database.reading() as tx:
        return bool(await tx.connection.fetchval("SELECT EXISTS (SELECT FROM batch WHERE announced_at IS NOT NULL)"))


async def _insisting(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer to a question that is asked again when a second was too short for it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(Away):
                return await ask()


async def _is_through(stream: JetStream) -> bool:
    info = await _insisting(partial(stream.consumer, "bulk", "email"))
    return not info.num_pending and not info.num_ack_pending


def everybody_once(recipients: list[str]) -> bool:
    return len(recipients) == len(set(recipients)) == RECIPIENTS


async def test_f31_a_restart_of_nats_loses_and_doubles_nothing(
    database: PostgresDatabase, database_url: str, server: NatsServer, place: Place, sink: Sink
) -> None:
    def restart() -> None:
        server.kill()
        server.start()
        server.until_healthy()

    assert everybody_once(await disturbed(database, database_url, place, sink, restart))


async def test_f31_a_run_ends_without_nats_when_it_stays_away(
    database: PostgresDatabase, database_url: str, server: NatsServer, place: Place, sink: Sink
) -> None:
    assert everybody_once(await disturbed(database, database_url, place, sink, server.kill))


async def test_f32_a_nats_that_lost_its_data_loses_and_doubles_nothing(
    database: PostgresDatabase, database_url: str, server: NatsServer, place: Place, sink: Sink
) -> None:
    def wipe() -> None:
        server.kill()
        server.wipe()
        server.start()
        server.until_healthy()

    assert everybody_once(await disturbed(database, database_url, place, sink, wipe))


async def test_f33_a_frozen_nats_holds_up_neither_a_run_nor_the_start_of_another(
    database: PostgresDatabase, database_url: str, server: NatsServer, place: Place, sink: Sink
) -> None:
    other = await stage.build(database, ["other@x.example"], port=sink.port)
    made = await scene.build(database, recipients=RECIPIENTS, port=sink.port, local_part=SLOW)
    try:
        async with working(database, database_url, place=place):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(300)
            server.send(signal.SIGSTOP)
            await other.start()
            await other.finished()
            await scene.finished(database, run_id)
            server.send(signal.SIGCONT)
    finally:
        server.send(signal.SIGCONT)
    assert len(sink.recipients()) == len(set(sink.recipients())) == RECIPIENTS + 1


async def test_f38_what_nats_acknowledged_and_lost_is_announced_again(
    database: PostgresDatabase, database_url: str, place: Place, sink: Sink
) -> None:
    made = await stage.build(database, ["a@x.example"], port=sink.port)
    async with scheduling(database, database_url, place):
        await made.start()
        await stage.until(lambda: _is_announced(database))
        await purge(place)
    async with working(database, database_url, place=place):
        await made.finished()
    assert sink.recipients() == ["a@x.example"]


async def test_g7_everything_announced_many_times_over_is_sent_once(
    database: PostgresDatabase, database_url: str, place: Place, sink: Sink
) -> None:
    made = await scene.build(database, recipients=5_000, port=sink.port)
    async with (
        working(database, database_url, place=place, babbles=True, name="a"),
        working(database, database_url, place=place, babbles=True, name="b"),
    ):
        run_id = await scene.start(database, made)
        await scene.finished(database, run_id)
    assert len(sink.recipients()) == len(set(sink.recipients())) == 5_000


async def test_a_worker_sends_when_nats_was_never_there(
    database: PostgresDatabase, database_url: str, sink: Sink
) -> None:
    nowhere = Place([f"nats://127.0.0.1:{free_port()}"], "nowhere", 1)
    made = await stage.build(database, ["a@x.example", "b@x.example"], port=sink.port)
    async with working(database, database_url, place=nowhere):
        await made.start()
        await made.finished()
    assert sorted(sink.recipients()) == ["a@x.example", "b@x.example"]


async def test_a_worker_finds_work_that_nobody_announces(
    database: PostgresDatabase, database_url: str, place: Place, sink: Sink
) -> None:
    made = await stage.build(database, ["a@x.example"], port=sink.port)
    async with scheduling(database, database_url, None), queue_of(database, database_url, place) as queue:
        assert isinstance(queue, NatsQueue)
        await made.start()
        async with asyncio.timeout(PATIENCE_S):
            while not queue.is_there:
                await asyncio.sleep(0.01)
            while await queue.take("worker", Lane.BULK, [], LEASE) is None:
                await queue.wait(0.2)


async def test_f37_nonsense_on_the_stream_is_thrown_away(
    database: PostgresDatabase, database_url: str, place: Place, sink: Sink
) -> None:
    made = await stage.build(database, ["a@x.example"], port=sink.port)
    async with working(database, database_url, place=place), stream_to(place) as stream:
        await _insisting(partial(stream.consumer, "bulk", "email"))
        for nonsense in (b"", b"\xff\x00", b"{}", b"a b c d", to_bytes(Announced(new_id(), 1, 0, new_id()))):
            await _insisting(partial(stream.publish, "bulk", "email", nonsense))
        await made.start()
        await made.finished()
        await stage.until(lambda: _is_through(stream))
    assert sink.recipients() == ["a@x.example"]


def test_an_announcement_is_read_as_it_was_written() -> None:
    said = Announced(new_id(), 2_147_483_647, 7, new_id())
    assert from_bytes(to_bytes(said)) == said
    assert from_bytes(to_bytes(said) + b"0") is None
