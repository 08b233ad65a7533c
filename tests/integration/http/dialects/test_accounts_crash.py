"""A scheduler killed while a start's instances are made: after the restart every lead has one, and nobody two."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.workers import COMMAND
from tests.conftest import TEST_KEY
from tests.integration.http.conftest import Caller
from tests.integration.http.dialects.test_accounts import bounded, started
from tests.support.scene import finished
from tests.support.sink import Sink
from tests.support.stage import until

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.bootstrap import App
from clarion.domain.ids import Id, new_ids
from clarion.pipeline.snapshot import FIRST_SLICE

LEADS: Final = FIRST_SLICE + 200
_CONTACTS: Final = """
INSERT INTO contact (id, account_id, email, email_key)
SELECT id, $1, address, address
FROM unnest($2::bytea[]) WITH ORDINALITY AS made (id, n), LATERAL (SELECT 'lead' || n || '@load.example') AS a (address)
"""
_HELD: Final = "INSERT INTO delivery (run_id, seq, contact_id, state) VALUES ($1, $2, $1, 'pending')"
"""A row in the way of the second slice, until its transaction ends."""
_IN_THE_WAY: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND $1 = ANY (pg_blocking_pids(pid))
"""
_MADE: Final = "SELECT contact_id FROM delivery WHERE run_id = $1"


@contextmanager
def processes(app: App, folder: Path) -> Iterator[None]:
    """Runs a scheduler and a worker for the block, and kills them at its end."""
    url = app.settings.database_url
    assert url
    env = {
        **os.environ, "CLARION_DATABASE_URL": url.reveal(), "CLARION_DATA_DIR": str(folder / "data"),
        "CLARION_SECRET_KEY": TEST_KEY, "CLARION_LEASE_SECONDS": "2",
    }  # fmt: skip
    with (folder / "processes.log").open("ab") as log:
        running = [
            subprocess.Popen((*COMMAND, role), env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            for role in ("scheduler", "worker")
        ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


async def made(database: PostgresDatabase, run_id: Id) -> Counter[bytes]:
    """How many instances each lead has."""
    async with database.reading() as tx:
        return Counter(row["contact_id"] for row in await tx.connection.fetch(_MADE, run_id))


async def test_row_14_a_crash_while_instances_are_made_gives_no_lead_two(
    app: App, caller: Caller, tmp_path: Path
) -> None:
    database: Any = app.database
    ids = new_ids(LEADS)
    async with database.transaction() as tx:
        await tx.connection.execute(_CONTACTS, caller.account.id, ids)
    async with Sink() as sink:
        contacts = {"contacts": [id_.hex() for id_ in ids]}
        campaign_id = await bounded(caller, sink.port, leads=0, audience=contacts)
        assert (await started(caller, campaign_id))["instancesCreated"] == LEADS
        (run,) = (await caller.get("/runs")).json()["data"]["items"]
        run_id = Id(bytes.fromhex(run["id"]))
        async with database.transaction() as tx:
            await tx.connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            await tx.connection.execute(_HELD, run_id, FIRST_SLICE + 100)
            holder = await tx.connection.fetchval("SELECT pg_backend_pid()")

            async def is_in_the_middle() -> bool:
                async with database.reading() as other:
                    return bool(await other.connection.fetchval(_IN_THE_WAY, holder))

            with processes(app, tmp_path):
                await until(is_in_the_middle)
            await tx.connection.execute(
                "DELETE FROM delivery WHERE run_id = $1 AND seq = $2", run_id, FIRST_SLICE + 100
            )
        # The killed scheduler had made the first slice and was making the second.
        assert len(await made(database, run_id)) == FIRST_SLICE
        with processes(app, tmp_path):
            await finished(database, run_id)
    assert await made(database, run_id) == Counter(dict.fromkeys(ids, 1))
    assert max(Counter(sink.recipients()).values()) == 1
