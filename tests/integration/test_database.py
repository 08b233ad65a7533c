"""Transactions when the database is away, full, busy or in the way; the barrier; the wake-up call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from tests.support.database import Databases, StatementLog, opened
from tests.support.patience import PATIENCE_S

from clarion.adapters.postgres.database import PostgresDatabase, PostgresTransaction, open_database
from clarion.adapters.postgres.locks import account_key
from clarion.adapters.queue.postgres import WorkSignal
from clarion.domain.errors import Unavailable
from clarion.domain.ids import new_id

_KILL_OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()
"""


async def _kill_sessions(databases: Databases, url: str) -> None:
    connection = await asyncpg.connect(databases.server_url)
    await connection.fetchval(_KILL_OTHERS, urlsplit(url).path[1:])
    await connection.close()


async def test_leaving_the_block_commits_and_an_error_undoes(database: PostgresDatabase) -> None:
    await database.pool.execute("CREATE TABLE note (number int)")
    async with database.transaction() as tx:
        await tx.connection.execute("INSERT INTO note VALUES (1)")

    async def change_one_s_mind() -> None:
        async with database.transaction() as tx:
            await tx.connection.execute("INSERT INTO note VALUES (2)")
            raise LookupError

    with pytest.raises(LookupError):
        await change_one_s_mind()
    assert [row["number"] for row in await database.pool.fetch("SELECT number FROM note")] == [1]


async def test_a_transaction_costs_no_statement_beyond_begin_and_commit(
    database: PostgresDatabase, statement_log: StatementLog
) -> None:
    async with database.transaction() as tx:
        await tx.connection.execute("SELECT 1")
    statement_log.clear()
    async with database.transaction() as tx:
        await tx.connection.execute("SELECT 1")
    assert statement_log.statements == ["BEGIN;", "SELECT 1", "COMMIT;"]


async def test_documents_come_and_go_as_plain_values(database: PostgresDatabase) -> None:
    document = {"city": "Zürich", "tags": ["a", None, 1.5, True]}
    assert await database.pool.fetchval("SELECT $1::jsonb", document) == document


async def test_f30_with_every_connection_busy_the_answer_comes_while_they_still_are(database_url: str) -> None:
    async with opened(database_url, max_size=1) as patient, patient.transaction():
        hasty = PostgresDatabase(patient.pool, acquire_timeout_s=0.5)
        with pytest.raises(Unavailable):
            async with hasty.transaction():
                pass


async def test_f22_an_absent_server_is_unavailable_at_once_and_with_a_pause_to_wait() -> None:
    async with opened("postgresql://nobody@127.0.0.1:1/none") as database:
        with pytest.raises(Unavailable) as caught:
            async with database.reading():
                pass
        assert caught.value.retry_after_s > 0
    with pytest.raises(Unavailable):
        await open_database("postgresql://nobody@127.0.0.1:1/none", min_size=1)


async def test_f21_a_session_lost_in_a_transaction_is_unavailable_and_the_next_one_works(
    database: PostgresDatabase, databases: Databases, database_url: str
) -> None:
    async def lose_it() -> None:
        async with database.transaction() as tx:
            await _kill_sessions(databases, database_url)
            await tx.connection.execute("SELECT 1")

    with pytest.raises(Unavailable):
        await lose_it()
    async with database.transaction() as tx:
        assert await tx.connection.fetchval("SELECT 1") == 1


async def test_sessions_lost_while_idle_cost_nobody_an_error(
    database: PostgresDatabase, databases: Databases, database_url: str
) -> None:
    lost = asyncio.Event()
    async with database.reading() as tx:
        tx.connection.add_termination_listener(lambda _: lost.set())
    await _kill_sessions(databases, database_url)
    async with asyncio.timeout(PATIENCE_S):
        await lost.wait()  # until the end has reached us, a session looks alive and its next user is told to try again
    for _ in range(3):
        async with database.reading() as tx:
            assert await tx.connection.fetchval("SELECT 1") == 1


async def test_a_statement_that_takes_too_long_is_unavailable(database_url: str) -> None:
    database = await open_database(database_url, statement_timeout_s=0.1)
    with pytest.raises(Unavailable):
        async with database.reading() as tx:
            await tx.connection.execute("SELECT pg_sleep(30)")
    await database.aclose()


async def test_f29_two_opposite_updates_both_succeed_when_retried(database: PostgresDatabase) -> None:
    await database.pool.execute("CREATE TABLE pair AS SELECT n, 0 AS total FROM generate_series(1, 2) AS n")
    met = asyncio.Barrier(2)
    collisions = 0

    async def add(order: tuple[int, int]) -> None:
        first = True

        async def work(tx: PostgresTransaction) -> None:
            nonlocal first, collisions
            collisions += not first
            await tx.connection.execute("UPDATE pair SET total = total + 1 WHERE n = $1", order[0])
            if first:
                first = False
                await met.wait()  # each holds what the other needs next
            await tx.connection.execute("UPDATE pair SET total = total + 1 WHERE n = $1", order[1])

        await database.retrying(work)

    await asyncio.wait_for(asyncio.gather(add((1, 2)), add((2, 1))), PATIENCE_S)
    assert collisions >= 1
    assert [row["total"] for row in await database.pool.fetch("SELECT total FROM pair")] == [2, 2]


async def test_f29_a_collision_that_is_not_retried_is_unavailable_for_a_second(database: PostgresDatabase) -> None:
    with pytest.raises(Unavailable) as caught:
        async with database.transaction() as tx:
            await tx.connection.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
    assert caught.value.retry_after_s == 1


async def test_a_barrier_waits_for_the_turns_of_its_account_and_for_no_other(database: PostgresDatabase) -> None:
    account, stranger = new_id(), new_id()
    shared = "SELECT pg_advisory_xact_lock_shared($1)"
    async with database.reading() as waiting:
        async with database.transaction() as turn:
            await turn.connection.execute(shared, account_key(account))
            await asyncio.wait_for(waiting.barrier(stranger), PATIENCE_S)
            passed = asyncio.create_task(waiting.barrier(account))
            async with database.reading() as watcher:
                while not await watcher.connection.fetchval(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                ):
                    await asyncio.sleep(0)
            assert not passed.done()
        await asyncio.wait_for(passed, PATIENCE_S)


async def test_a_barrier_inside_a_transaction_is_a_mistake(database: PostgresDatabase) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            await tx.barrier(new_id())


@pytest.fixture
async def work_signal(database_url: str) -> AsyncIterator[WorkSignal]:
    signal = WorkSignal(database_url)
    signal.start()
    await asyncio.wait_for(signal.until_listening(), PATIENCE_S)
    yield signal
    await signal.aclose()


async def test_a_commit_that_announces_work_wakes_the_waiter_and_a_rollback_does_not(
    database: PostgresDatabase, work_signal: WorkSignal
) -> None:
    assert await work_signal.wait(0.01)  # whatever was said before we listened

    async def take_it_back() -> None:
        async with database.transaction() as tx:
            await tx.announce_work()
            raise LookupError

    with pytest.raises(LookupError):
        await take_it_back()
    assert not await work_signal.wait(0.05)
    async with database.transaction() as tx:
        await tx.announce_work()
    assert await work_signal.wait(PATIENCE_S)


async def test_a_signal_whose_session_is_lost_listens_again(
    databases: Databases, database_url: str, work_signal: WorkSignal
) -> None:
    await work_signal.wait(0.01)
    await _kill_sessions(databases, database_url)
    assert await work_signal.wait(PATIENCE_S)  # it says so itself, once it listens again
    assert work_signal.listening
    async with opened(database_url) as fresh, fresh.transaction() as tx:
        await tx.announce_work()
    assert await work_signal.wait(PATIENCE_S)
