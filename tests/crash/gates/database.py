"""G4: the database server is killed and started again in the middle of a run, while a client goes on writing."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.ground import SHORT_LEASE_S, SLOW, Ground, ground, seconds_until
from tests.crash.report import Report
from tests.support.database import Databases

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.application import contacts
from clarion.application.contacts import ContactDraft
from clarion.domain.errors import Unavailable
from clarion.domain.ids import Id

WORKERS = 2
BACK_WITHIN_S = 10.0
"""The promise; a machine that nobody else uses takes less than one."""
DOWN_S = 1.0
ON_THE_WIRE = 3 * 200
"""What one worker may have put to the database as an intent, of which it does not know whether it was committed."""


@dataclass(frozen=True, slots=True)
class Size:
    """So many kills of the server during so many recipients."""

    kills: int
    recipients: int


TIERS = {"P": Size(3, 4_000), "N": Size(100, 100_000), "R": Size(500, 500_000)}


async def run(chance: random.Random, tier: str, _databases: Databases) -> Report:
    """On a server of its own: it is not the others' that dies."""
    size = TIERS[tier]
    folder = Path(tempfile.mkdtemp(prefix="clarion-crash-"))
    try:
        with EmbeddedServer(folder / "data") as server:
            async with ground(
                Databases(server.url), chance, recipients=size.recipients, local_part=SLOW, lease_s=SHORT_LEASE_S
            ) as site:
                return await _shake(site, server, size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _shake(site: Ground, server: EmbeddedServer, size: Size) -> Report:
    site.supervisor.keep(worker=WORKERS, scheduler=1)
    observer = await site.start(to_be_hurt=True)
    client = Client(site.database, site.scene.account_id)
    writing = asyncio.create_task(client.write())
    pauses: list[float] = []
    for count in site.moments(size.kills):
        if not await site.progress(observer, count):
            break
        pauses.append(await _kill(server, site))
    seconds = await site.over()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    verdict = await site.settle(observer, unknown_limit=len(pauses) * WORKERS * ON_THE_WIRE)
    verdict.expect_blows(len(pauses), size.kills)
    if max(pauses, default=0.0) > BACK_WITHIN_S:
        verdict.complain(f"sending came back {max(pauses):.1f} s after the database")
    if lost := await client.lost():
        verdict.complain(f"{lost} of {len(client.acknowledged)} acknowledged writes are lost")
    longest = round(max(pauses, default=0.0), 1)
    return Report.of(
        verdict, seconds, "marketing", kills=len(pauses), longest_pause_s=longest, acknowledged=len(client.acknowledged)
    )


async def _kill(server: EmbeddedServer, site: Ground) -> float:
    """Kills the server and starts it again; returns the seconds from its start to the next accepted message."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await asyncio.sleep(DOWN_S)  # the fault under test: nobody answers meanwhile
    server.stop()
    server.start()  # from the main thread, which waits: the server lives no longer than its starter
    before = len(site.witness.accepted)
    return await seconds_until(lambda: len(site.witness.accepted) > before or not site.is_under_way)


@dataclass(slots=True)
class Client:
    """Somebody who saves one contact after the other and notes which were acknowledged."""

    database: PostgresDatabase
    account_id: Id
    acknowledged: list[Id] = field(default_factory=list)

    async def write(self) -> None:
        """Goes on until it is cancelled."""
        number = 0
        while True:
            number += 1
            draft = ContactDraft(external_id=f"kept-{number}")
            try:
                async with self.database.transaction() as tx:
                    contact, _ = await contacts.save_contact(tx, account_id=self.account_id, draft=draft)
            except Unavailable:
                await asyncio.sleep(0.1)
            else:
                self.acknowledged.append(contact.id)
                await asyncio.sleep(0.02)

    async def lost(self) -> int:
        """How many of the acknowledged are not there."""
        async with self.database.reading() as tx:
            kept = await tx.connection.fetchval("SELECT count(*) FROM contact WHERE id = ANY($1)", self.acknowledged)
        return len(self.acknowledged) - int(kept)
