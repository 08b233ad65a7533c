"""What one test leaves in its database, the next one that is lent it does not find."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.support import stage
from tests.support.database import Databases, opened
from tests.support.lending import Lender
from tests.support.sink import Sink
from tests.support.workers import working

_TABLES = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
"""
_PLANNED_WITH = """
SELECT relname, relpages, reltuples, relallvisible, pg_relation_size(oid) > 16384 FROM pg_class
WHERE relkind IN ('r', 'p', 'i', 'I') AND relnamespace = 'public'::regnamespace ORDER BY relname
"""
_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences ORDER BY sequencename"
_GUESSES = "SELECT count(*) FROM pg_stats WHERE schemaname = 'public'"

ODD = {
    "a column": "ALTER TABLE contact ADD COLUMN shoe_size int",
    "a column less": "ALTER TABLE account DROP COLUMN name",
    "a column renamed": "ALTER TABLE account RENAME COLUMN name TO title",
    "a table": "CREATE TABLE left_over ()",
    "an index less": "DROP INDEX contact_by_change",
    "a partition less": "DROP TABLE delivery_before, delivery_attempt_before",
    "a partition more": "SELECT cover_month(date '2050-01-01')",
    "a trigger that sleeps": "ALTER TABLE campaign DISABLE TRIGGER ALL",
    "a function": "CREATE FUNCTION left_over() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a function that costs": "ALTER FUNCTION id_floor COST 7",
    "a setting": "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_database()); END $$",
    "a schema": "CREATE SCHEMA left_over",
    "a right": "GRANT SELECT ON contact TO PUBLIC",
    "another version": "UPDATE alembic_version SET version_num = '9999'",
    "much": "INSERT INTO account (id, name) SELECT "
    "substr(sha224(int4send(n)), 1, 12), repeat('-', 500) "
    "FROM generate_series(1, 20000) AS n",
}


@pytest.fixture
async def own_lender(databases: Databases) -> AsyncIterator[Lender]:
    """A lender that nobody else borrows from."""
    lender = Lender(databases)
    yield lender
    await lender.aclose()


async def state_of(url: str) -> list[object]:
    """Everything a test could find in a database: rows, numbers that count on, and what the planner goes by."""
    connection = await asyncpg.connect(url)
    try:
        tables = [row[0] for row in await connection.fetch(_TABLES)]
        rows = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
        found = [rows, await connection.fetchval(_GUESSES)]
        return [*found, await connection.fetch(_SEQUENCES), await connection.fetch(_PLANNED_WITH)]
    finally:
        await connection.close()


async def oid_of(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT oid FROM pg_database WHERE datname = current_database()"))
    finally:
        await connection.close()


async def test_after_a_whole_campaign_the_next_test_finds_what_it_would_in_a_fresh_database(
    own_lender: Lender, databases: Databases
) -> None:
    url = await own_lender.lend()
    async with opened(url) as database, Sink() as sink:
        made = await stage.build(database, stage.MANY[:200], port=sink.port)
        async with working(database, url):
            await made.start()
            await made.finished()
        await made.execute("VACUUM (ANALYZE)")
    before = await oid_of(url)
    await own_lender.take_back(url)
    again = await own_lender.lend()
    fresh = await databases.create_migrated()
    assert await oid_of(again) == before
    assert await state_of(again) == await state_of(fresh)
    await databases.drop(fresh)
    await own_lender.take_back(again)


async def test_who_is_still_there_after_a_test_is_sent_away_and_finds_no_way_back(own_lender: Lender) -> None:
    url = await own_lender.lend()
    lingering = await asyncpg.connect(url)
    await lingering.execute("BEGIN; LOCK TABLE contact; SELECT pg_advisory_lock(1)")
    await own_lender.take_back(url)
    again = await own_lender.lend()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(url)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
        await lingering.execute("SELECT 1")
    async with opened(again) as database:
        assert await database.pool.fetchval("SELECT pg_try_advisory_lock(1)")
    await own_lender.take_back(again)


async def test_a_database_changed_in_any_other_way_than_by_rows_is_lent_to_nobody_again(own_lender: Lender) -> None:
    first = await own_lender.lend()
    await own_lender.take_back(first)
    for what, statement in ODD.items():
        url = await own_lender.lend()
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()
        before = await oid_of(url)
        await own_lender.take_back(url)
        again = await own_lender.lend()
        assert await oid_of(again) != before, what
        await own_lender.take_back(again)
