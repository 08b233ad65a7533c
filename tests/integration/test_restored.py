"""A database that was restored from a backup is held, says what it would send, and sends exactly that when it may."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.conftest import TEST_KEY
from tests.support import stage
from tests.support.database import Databases, StatementLog, opened, with_database
from tests.support.serving import COMMAND, environment, private_directory
from tests.support.sink import Sink
from tests.support.stage import Stage
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase, open_database
from clarion.adapters.postgres.embedded import EmbeddedServer, binaries
from clarion.application.ports.batches import Attempted, ClaimedBatch, Turn
from clarion.application.ports.home import Held
from clarion.application.restored import release, release_paused
from clarion.domain.campaign import CampaignState, Lane
from clarion.domain.errors import Conflict, Unavailable
from clarion.domain.outcome import Outcome

LEASE = timedelta(minutes=5)
PEOPLE = stage.MANY[:60]


@pytest.fixture(scope="module")
def other_server() -> Iterator[EmbeddedServer]:
    """A second server, to restore on."""
    with private_directory() as place, EmbeddedServer(place / "data", durable=False) as server:
        yield server


async def held(database: PostgresDatabase) -> Held | None:
    async with database.reading() as tx:
        return await tx.home.held()


async def claim(database: PostgresDatabase) -> ClaimedBatch | None:
    async with database.reading() as tx:
        return await tx.batches.claim("hand", Lane.BULK, [], LEASE)


async def half_sent(database: PostgresDatabase, port: int) -> tuple[Stage, ClaimedBatch]:
    """A campaign with 20 of 60 recipients frozen: 10 sent, 4 on the wire and 6 waiting, by a worker with a lease.

    Its ids of transactions lie far ahead of any new server's.
    """
    made = await stage.build(database, PEOPLE, port=port)
    await made.execute("UPDATE group_member SET added_xid = '5000000000'")
    await made.start()
    await made.execute("UPDATE run SET started_snapshot = '5000000001:5000000001:'")
    async with database.transaction() as tx:
        await tx.runs.take_slice(20, 20)
    batch = await claim(database)
    assert batch is not None
    async with database.reading() as tx:
        people = await tx.batches.recipients(batch, frozenset())
        await tx.batches.turn(batch, Turn(intent=[(r.seq, r.address) for r in people[:10]]))
        sent = [Attempted(r.seq, Outcome.sent("250 2.0.0 fine")) for r in people[:10]]
        await tx.batches.turn(batch, Turn(attempted=sent, intent=[(r.seq, r.address) for r in people[10:14]]))
    return made, batch


def run(*command: str | Path) -> str:
    """Runs a program to its end and gives what it said."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


async def restored_on(server: EmbeddedServer, url: str, name: str, place: Path) -> str:
    """Dumps a database and restores it on another server; returns its URL there."""
    dump = place / f"{name}.dump"
    await asyncio.to_thread(run, binaries() / "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={url}")
    await Databases(server.url).execute(f'CREATE DATABASE "{name}"')
    copy = with_database(server.url, name)
    await asyncio.to_thread(run, binaries() / "pg_restore", "--exit-on-error", f"--dbname={copy}", dump)
    return copy


async def clarion_restored(url: str, place: Path, *options: str) -> str:
    """What `clarion restored` says of this database."""
    env = environment(place, {"CLARION_DATABASE_URL": url, "CLARION_SECRET_KEY": TEST_KEY, "COLUMNS": "300"})
    done = await asyncio.to_thread(
        subprocess.run, [*COMMAND, "restored", *options], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_g16_f67_a_restored_campaign_waits_and_then_sends_exactly_the_rest(
    database: PostgresDatabase, database_url: str, other_server: EmbeddedServer, tmp_path: Path
) -> None:
    async with Sink() as sink:
        made, _ = await half_sent(database, sink.port)
        copy = await restored_on(other_server, database_url, "rest", tmp_path)
        log = StatementLog()
        async with opened(copy, log) as restored, working(restored, copy):
            there = Stage(restored, made.account_id, made.group_id, made.sender_id, made.campaign_id)
            await stage.until(lambda: looked_for_work(log))
            found = await held(restored)
            assert found is not None
            assert "another server" in found.because
            assert sink.recipients() == []
            assert set((await there.rows()).values()) == {("sent", None), ("sending", None), ("pending", None)}
            said = await clarion_restored(copy, tmp_path)
            assert "A release sends 46 messages. Up to 50 of all may have been sent already" in said
            assert await held(restored) == found
            await clarion_restored(copy, tmp_path, "--release")
            await there.execute("UPDATE batch SET lease_until = now() WHERE worker = 'hand'")
            await there.finished()
            assert sorted(sink.recipients()) == sorted(PEOPLE[14:])
            assert await stage.states(restored, await there.run_id()) == {"sent": 56, "unknown": 4}
    assert await held(database) is None


async def looked_for_work(log: StatementLog) -> bool:
    """Whether the workers asked for a batch, and the scheduler whether it may go on, twice each."""
    return all(sum(word in one for one in log.statements) >= 2 for word in ("claim_next", "held_because"))


async def copied(databases: Databases, url: str) -> str:
    """A copy of a database that nobody is connected to, on the same server."""
    return await databases.create(urlsplit(url).path[1:])


async def test_a_release_that_pauses_sends_nothing_until_a_campaign_is_resumed(
    databases: Databases, database_url: str
) -> None:
    async with Sink() as sink:
        async with opened(database_url) as database:
            made, _ = await half_sent(database, sink.port)
        copy = await copied(databases, database_url)
        async with opened(copy) as restored:
            there = Stage(restored, made.account_id, made.group_id, made.sender_id, made.campaign_id)
            async with restored.transaction() as tx:
                assert await release_paused(tx) == 1
            assert await held(restored) is None
            assert (await there.campaign()).state is CampaignState.PAUSED
            await there.execute("UPDATE batch SET lease_until = now()")
            async with restored.reading() as tx:
                await tx.batches.recover(10)
            assert await claim(restored) is None
            await there.resume()
            async with working(restored, copy):
                await there.finished()
        assert sorted(sink.recipients()) == sorted(PEOPLE[14:])
        await databases.drop(copy)


async def test_a_worker_that_held_a_batch_when_the_copy_was_made_sends_nothing_more_of_it(
    databases: Databases, database_url: str
) -> None:
    async with opened(database_url) as database:
        _, batch = await half_sent(database, 9)
    copy = await copied(databases, database_url)
    async with opened(copy) as restored, restored.reading() as tx:
        answer = await tx.batches.turn(batch, Turn(intent=[(15, PEOPLE[14])]))
        assert (answer.granted, answer.holds_lease) == (frozenset(), False)
    await databases.drop(copy)


async def test_while_it_is_held_nothing_is_claimed_and_nothing_starts(database: PostgresDatabase) -> None:
    made = await stage.build(database, PEOPLE)
    waiting = await stage.build(database, PEOPLE)
    await made.start()
    async with database.transaction() as tx:
        await tx.runs.take_slice(20, 20)
        await tx.home.hold("somebody held it by hand")
    assert await claim(database) is None
    with pytest.raises(Unavailable, match="restored from a backup"):
        await waiting.started()
    async with database.transaction() as tx:
        await release(tx)
    assert await claim(database) is not None
    await waiting.started()


async def test_what_is_not_held_cannot_be_released(database: PostgresDatabase) -> None:
    async with database.transaction() as tx:
        with pytest.raises(Conflict) as refused:
            await release(tx)
    assert refused.value.code == "NOT_HELD"


async def look(url: str, mark: str | None = None, *, trusts_failover: bool = False) -> Held | None:
    """Opens a database as a program would, and tells whether it is held."""
    database = await open_database(url, max_size=1, mark=mark, trusts_failover=trusts_failover)
    try:
        return await held(database)
    finally:
        await database.aclose()


async def test_a_copy_of_the_files_is_held_and_the_files_themselves_are_not(database_url: str) -> None:
    assert await look(database_url, "1") is None
    assert await look(database_url, "1") is None
    assert await look(database_url) is None
    found = await look(database_url, "2")
    assert found is not None
    assert "files are a copy" in found.because
    assert await look(database_url, "2") == found


async def test_a_replica_that_took_over_is_held_unless_it_is_trusted(
    database: PostgresDatabase, database_url: str
) -> None:
    before = "UPDATE home SET timeline = timeline - 1"
    async with database.reading() as tx:
        await tx.connection.execute(before)
        assert await look(database_url, trusts_failover=True) is None
        assert await look(database_url) is None
        await tx.connection.execute(before)
    found = await look(database_url)
    assert found is not None
    assert "took over" in found.because


async def test_the_files_of_an_embedded_server_are_told_from_their_copy() -> None:
    with private_directory() as place:
        with EmbeddedServer(place / "data", durable=False) as server:
            mark = server.mark
            assert mark is not None
        assert EmbeddedServer(place / "data").mark == mark
        shutil.copytree(place / "data", place / "copy", ignore=lambda *_: ["socket"])
        assert EmbeddedServer(place / "copy").mark not in {mark, None}


async def test_every_account_hears_of_it(databases: Databases, database_url: str) -> None:
    async with opened(database_url) as database:
        made = await stage.build(database, [])
    copy = await copied(databases, database_url)
    async with opened(copy) as restored, restored.reading() as tx:
        notices = await tx.notices.list_after(made.account_id, None, 10, None)
    assert [notice.kind for notice in notices] == ["restored"]
    await databases.drop(copy)
