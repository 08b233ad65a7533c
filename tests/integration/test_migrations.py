"""The schema's history against a real server."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.migrations import SchemaError, check_version, known_versions, migrate, read_version
from clarion.domain.errors import Unavailable


async def test_an_empty_database_gets_every_version(empty_database_url: str) -> None:
    assert await read_version(empty_database_url) is None
    assert tuple(await migrate(empty_database_url)) == known_versions()
    await check_version(empty_database_url)


async def test_a_second_migration_adds_nothing(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_migrations_at_the_same_time_take_turns(empty_database_url: str) -> None:
    added = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(map(len, added)) == [0, 0, 0, len(known_versions())]


async def test_a_database_without_schema_asks_for_the_migrate_command(empty_database_url: str) -> None:
    with pytest.raises(SchemaError, match="clarion migrate"):
        await check_version(empty_database_url)


async def test_a_newer_database_is_refused_by_check_and_by_migrate(
    database: PostgresDatabase, database_url: str
) -> None:
    await database.pool.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="newer"):
        await check_version(database_url)
    with pytest.raises(SchemaError, match="newer"):
        await migrate(database_url)


async def test_a_migration_that_fails_leaves_nothing(
    empty_database_url: str,
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("CREATE TABLE run ()")  # in the way of the first version
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(empty_database_url)
    assert await connection.fetchval("SELECT to_regclass('account')") is None
    assert await read_version(empty_database_url) is None
    await connection.close()


async def test_an_absent_server_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await migrate("postgresql://nobody@127.0.0.1:1/none")
