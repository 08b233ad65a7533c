"""An API process killed while calls come in: what was answered is stored, and what was not may be sent again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.conftest import TEST_KEY
from tests.support import calls
from tests.support.ports import free_port, until_listening
from tests.support.stage import Stage

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.access import create_key
from clarion.domain.access import Permission

PEOPLE = [f"p{n}@load.example" for n in range(400)]
ANSWERED_BEFORE_THE_KILL = 60


@contextmanager
def api(database_url: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Runs `clarion api` for the block."""
    port = free_port()
    env = {
        **os.environ, "CLARION_DATABASE_URL": database_url, "CLARION_DATA_DIR": str(folder / "data"),
        "CLARION_SECRET_KEY": TEST_KEY, "CLARION_PORT": str(port), "CLARION_REQUESTS_PER_SECOND": "100000",
    }  # fmt: skip
    with (folder / "api.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "clarion.entrypoints.cli", "api"], env=env, stderr=log)
    try:
        until_listening(port)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


async def call_all(made: Stage, key: str, url: str, addresses: list[str], on_answer: asyncio.Semaphore) -> set[str]:
    """Calls once for each address, sixteen at a time; returns those that were answered 202."""
    answered: set[str] = set()
    path = f"/v1/accounts/{made.account_id.hex()}/campaigns/{made.campaign_id.hex()}/trigger"
    room = asyncio.Semaphore(16)

    async def one(client: httpx.AsyncClient, address: str) -> None:
        async with room:
            body = {"requestId": f"r-{address}", "recipients": [{"contact": {"email": address}}]}
            try:
                while (answer := await client.post(path, json=body)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
                    await asyncio.sleep(0.1)
            except httpx.TransportError:
                return
            if answer.status_code == httpx.codes.ACCEPTED:
                answered.add(address)
                on_answer.release()

    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        await asyncio.gather(*(one(client, address) for address in addresses))
    return answered


async def stored(database: PostgresDatabase) -> list[str]:
    """The address of every delivery."""
    async with database.reading() as tx:
        return [row["address"] for row in await tx.connection.fetch("SELECT address FROM delivery")]


async def test_a_killed_api_loses_no_answered_call_and_a_repeat_writes_to_nobody_twice(
    database: PostgresDatabase, database_url: str, tmp_path: Path
) -> None:
    made = await calls.build(database, PEOPLE)
    async with database.transaction() as tx:
        _, key = await create_key(
            tx, account_id=made.account_id, name="calls", permissions=[Permission.CAMPAIGNS_EXECUTE]
        )
    answers = asyncio.Semaphore(0)
    with api(database_url, tmp_path) as (process, url):
        calling = asyncio.create_task(call_all(made, key, url, PEOPLE, answers))
        for _ in range(ANSWERED_BEFORE_THE_KILL):
            await answers.acquire()
        process.kill()
        answered = await calling
    before = await stored(database)
    assert ANSWERED_BEFORE_THE_KILL <= len(answered) < len(PEOPLE)
    assert answered <= set(before)
    with api(database_url, tmp_path) as (_, url):
        left = [address for address in PEOPLE if address not in answered]
        assert await call_all(made, key, url, left, answers) == set(left)
    assert sorted(await stored(database)) == sorted(PEOPLE)
