"""Every failpoint lies on the way of an ordinary run: a name that nothing passes would let its gate hold idly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from tests.integration.http.conftest import client_with, serving
from tests.support import calls, stage
from tests.support.patience import PATIENCE_S
from tests.support.sink import Sink
from tests.support.workers import working

from clarion import failpoints
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.access import create_account
from clarion.application.ports.receipts import Receipt, ReceiptState
from clarion.bootstrap import open_app
from clarion.domain.campaign import Lane
from clarion.domain.content import EmailContent
from clarion.domain.ids import new_id
from clarion.pipeline.intake import Intake
from clarion.settings import Settings

LARGE = EmailContent(subject="Hello", html=f"<p>{'much ' * 16_000}</p>")


@pytest.fixture
async def _telling() -> AsyncIterator[None]:
    failpoints.arm("*:tell")
    yield
    failpoints.arm("")


@pytest.mark.usefixtures("_telling")
async def test_every_point_is_passed(
    database: PostgresDatabase, database_url: str, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    passed: set[str] = set()

    def missing() -> set[str]:
        passed.update(line.split()[1] for line in capfd.readouterr().err.splitlines() if line.startswith("failpoint "))
        return set(failpoints.POINTS) - passed

    async with Sink() as sink:
        await _call_and_lose_it(database, sink)
        await _schedule(database, sink)
        async with working(database, database_url, lease_s=1):
            await _use_the_api(settings)
            async with asyncio.timeout(PATIENCE_S):
                while missing() > {"draining"}:
                    await asyncio.sleep(0.05)
    assert not missing()


async def _call_and_lose_it(database: PostgresDatabase, sink: Sink) -> None:
    """A small message in a batch whose worker is gone."""
    called = await calls.build(database, ["small@x.example"], port=sink.port)
    await Intake(database).submit(calls.call(called, "small@x.example"))
    async with database.reading() as tx:
        assert await tx.batches.claim("lost", Lane.TRANSACTIONAL, [], timedelta(0))


async def _schedule(database: PostgresDatabase, sink: Sink) -> None:
    """Large messages, answered late, of a campaign whose time has come."""
    due = await stage.build(database, [f"slow0.6+{n}@x.example" for n in range(3)], port=sink.port, email=LARGE)
    await due.execute("UPDATE campaign SET state = 'scheduled', start_at = now() WHERE id = $1", due.campaign_id)


async def _use_the_api(settings: Settings) -> None:
    async with open_app(settings) as app, serving(app) as base_url:
        async with app.database.transaction() as tx:
            account, _, secret = await create_account(tx, name="Points")
        async with client_with(base_url, secret) as client:
            root = f"/v1/accounts/{account.id.hex()}"
            made = await client.post(f"{root}/groups", json={"name": "Readers"}, headers={"Idempotency-Key": "k"})
            assert made.status_code == httpx.codes.CREATED
            csv = {"Content-Type": "text/csv"}
            taken = await client.post(f"{root}/imports", content=b"email\nnew@x.example\n", headers=csv)
            assert taken.status_code == httpx.codes.ACCEPTED
        await app.inbox.put([Receipt(new_id(), "e1", ReceiptState.DELIVERED, ref="nobody's")])
