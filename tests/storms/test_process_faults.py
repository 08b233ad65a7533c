"""Processes that lack something: a disk for their log (F26), file descriptors (F58), a schema they know (F60)."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from tests.crash.ground import environment
from tests.crash.supervisor import Supervisor
from tests.support import scene, stage
from tests.support.database import Databases, opened
from tests.support.sink import Sink
from tests.support.workers import working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.entrypoints.supervision import EXIT_HOPELESS

_END_SESSIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'clarion-%' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A campaign on a database of its own, and processes to send it."""

    url: str
    database: PostgresDatabase
    sink: Sink
    supervisor: Supervisor
    scene: scene.Scene
    log: Path

    async def everybody_once(self) -> None:
        """Starts the campaign, waits for its end, and checks that everybody got one message."""
        run_id = await scene.start(self.database, self.scene)
        await scene.finished(self.database, run_id)
        assert await stage.states(self.database, run_id) == {"sent": self.scene.recipients}
        assert len(self.sink.recipients()) == len(set(self.sink.recipients())) == self.scene.recipients


@asynccontextmanager
async def site(
    databases: Databases, *, recipients: int, local_part: str = "person.", connections: int = 10, log: str = ""
) -> AsyncIterator[Site]:
    url = await databases.create_migrated()
    with tempfile.TemporaryDirectory(prefix="clarion-storm-") as name:
        said = Path(log or f"{name}/processes.log")
        async with Sink(keep_data=False) as sink, opened(url) as database:
            made = await scene.build(
                database, recipients=recipients, port=sink.port, connections=connections, local_part=local_part
            )
            async with Supervisor(environment(url, Path(name), CLARION_LOG_LEVEL="debug"), said) as supervisor:
                yield Site(url, database, sink, supervisor, made, said)
    await databases.drop(url)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
async def test_f26_a_log_that_cannot_be_written_stops_nobody(databases: Databases) -> None:
    async with site(databases, recipients=800, log="/dev/full") as here:
        here.supervisor.keep(worker=1, scheduler=1)
        run_id = await scene.start(here.database, here.scene)
        await here.sink.wait_accepted(100)
        connection = await asyncpg.connect(here.url)
        await connection.fetchval(_END_SESSIONS)  # what is told of a lost database is lost too
        await connection.close()
        await scene.finished(here.database, run_id)
        assert await stage.states(here.database, run_id) == {"sent": 800}
        here.supervisor.fill()
        assert not here.supervisor.surprises
    assert len(here.sink.recipients()) == len(set(here.sink.recipients())) == 800


async def test_f58_a_worker_that_may_open_no_more_files_sends_over_what_it_has(databases: Databases) -> None:
    async with site(databases, recipients=1_000, local_part="slow0.02+", connections=100) as here:
        child = here.supervisor.start("worker")
        here.supervisor.start("scheduler")
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(child.pid, resource.RLIMIT_NOFILE, (48, hard))
        await here.everybody_once()
    assert here.sink.most_open < 48


async def test_f60_a_process_older_than_its_database_says_so_and_does_nothing(databases: Databases) -> None:
    async with site(databases, recipients=1) as here:
        await here.database.pool.execute("UPDATE alembic_version SET version_num = '9999'")
        for role in ("worker", "scheduler", "api"):
            assert await here.supervisor.start(role).ended() == EXIT_HOPELESS, role
        assert here.log.read_text("utf-8").count("which is newer than this program knows") >= 3


async def test_f60_columns_that_a_newer_version_adds_disturb_nobody_who_is_sending(
    database: PostgresDatabase, database_url: str
) -> None:
    async with Sink(keep_data=False) as sink:
        made = await scene.build(database, recipients=2_000, port=sink.port, local_part="slow0.002+")
        async with working(database, database_url):
            run_id = await scene.start(database, made)
            await sink.wait_accepted(100)
            for table in ("batch", "run", "campaign", "contact", "sender", "delivery", "suppression"):
                await database.pool.execute(f'ALTER TABLE "{table}" ADD COLUMN of_the_next_version text')
            await scene.finished(database, run_id)
        assert await stage.states(database, run_id) == {"sent": 2_000}
    assert len(sink.recipients()) == len(set(sink.recipients())) == 2_000
