"""Imports whose process dies: wholly absent, then whole, and given up after three tries."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from tests.support import stage
from tests.support.people import all_contacts, new_account, read_import, save, upload

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import groups
from clarion.domain.contact_import import ImportState
from clarion.pipeline.importing import merge_next

MERGING_PROCESS = """
import asyncio, signal, sys
from clarion.adapters.postgres.database import open_database
from clarion.pipeline import importing

async def main():
    database = await open_database(sys.argv[1], max_size=4, application_name="merging")
    written = importing._Merge._write
    slices = 0

    async def write(self, *arguments):
        nonlocal slices
        await written(self, *arguments)
        slices += 1
        if slices == 2:
            print("half", flush=True)
            signal.pause()

    importing._Merge._write = write
    await importing.merge_next(database)

asyncio.run(main())
"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'merging'"


async def killed_in_the_middle(database: PostgresDatabase, url: str) -> None:
    """Runs a merge in a process of its own, kills it when two slices are written, and waits for its sessions' end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MERGING_PROCESS, url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"half\n"
    os.kill(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL

    async def is_forgotten() -> bool:
        async with database.reading() as tx:
            return not await tx.connection.fetchval(SESSIONS)

    await stage.until(is_forgotten)


async def test_f18_an_import_killed_twice_is_wholly_absent_and_then_whole(
    database: PostgresDatabase, database_url: str
) -> None:
    account_id = await new_account(database)
    await save(database, account_id, email="p7@mail.example", first_name="Before")
    addresses = [f"p{n}@mail.example" for n in range(30_000)]
    body = ("email,first name\n" + "".join(f"{address},After\n" for address in addresses)).encode()
    import_id = await upload(database, account_id, body, group="G")
    for _ in range(2):
        await killed_in_the_middle(database, database_url)
        assert [one.first_name for one in await all_contacts(database, account_id)] == ["Before"]
        async with database.reading() as session:
            assert await groups.list_groups(session, account_id=account_id, after=None, limit=1) == []
    while (await read_import(database, account_id, import_id)).state is ImportState.MERGING:
        await merge_next(database)
    people = await all_contacts(database, account_id)
    assert sorted(str(one.email) for one in people) == sorted(addresses)
    assert {one.first_name for one in people} == {"After"}
    done = await read_import(database, account_id, import_id)
    assert (done.rows_read, done.rows_created, done.rows_updated, done.tries) == (30_000, 29_999, 1, 3)
    async with database.reading() as session:
        assert (await groups.list_groups(session, account_id=account_id, after=None, limit=1))[0].members == 30_000


async def test_an_import_that_died_three_times_is_given_up(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    import_id = await upload(database, account_id, b"email\na@b.example\n")
    async with database.reading() as session:
        for _ in range(3):
            await session.imports.count_try(import_id)
    assert await merge_next(database)
    done = await read_import(database, account_id, import_id)
    assert (done.state, "3 tries" in str(done.problem)) == (ImportState.FAILED, True)
    assert not await merge_next(database)
