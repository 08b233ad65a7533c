"""A real PostgreSQL for tests: one server a session, one migrated template a process, and copies of it.

Most tests do not pay for a copy of their own: `lending` lends them one that another test has used.

`CLARION_TEST_DATABASE_URL` names a server to use instead of the embedded one; its user must be allowed to create
databases. Safe under pytest-xdist: names carry the process id.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from tests.support.patience import PATIENCE_S

from clarion.adapters.postgres.database import PostgresDatabase, open_database
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import migrate

URL_VARIABLE = "CLARION_TEST_DATABASE_URL"


@contextmanager
def running_server() -> Iterator[str]:
    """Yields the URL of a server: the one named in the environment, else an embedded one that lives in the block."""
    named = os.environ.get(URL_VARIABLE)
    if named:
        yield named
        return
    place = Path(tempfile.mkdtemp(prefix="clarion-test-"))
    try:
        with EmbeddedServer(place / "data", durable=False) as server:
            yield server.url
    finally:
        shutil.rmtree(place, ignore_errors=True)


def with_database(url: str, name: str) -> str:
    """Returns the URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


class Databases:
    """Makes databases on one server: empty ones, and fast copies of a migrated template."""

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self._template: str | None = None
        self._made = 0
        self._making = asyncio.Lock()
        self._copying = asyncio.Lock()

    async def create(self, template: str | None = None) -> str:
        """Creates a database and returns its URL."""
        self._made += 1
        name = f"clarion_test_{os.getpid()}_{self._made}"
        # FILE_COPY: the default would write every page to the log too, which takes several times as long.
        source = f' TEMPLATE "{template}" STRATEGY FILE_COPY' if template else ""
        async with self._copying:  # each begins and ends with a checkpoint: several at once would hold up who connects
            await self.execute(f'CREATE DATABASE "{name}"{source}')
        return with_database(self.server_url, name)

    async def create_migrated(self) -> str:
        """Creates a database that has the newest schema and returns its URL."""
        async with self._making:
            if self._template is None:
                url = await self.create()
                await migrate(url)
                self._template = urlsplit(url).path[1:]
        return await self.create(self._template)

    async def drop(self, url: str) -> None:
        """Drops a database made here, whoever is still connected."""
        await self.execute(f'DROP DATABASE IF EXISTS "{urlsplit(url).path[1:]}" WITH (FORCE)')

    async def drop_template(self) -> None:
        """Drops the template; for the end of the session."""
        if self._template is not None:
            await self.drop(with_database(self.server_url, self._template))
            self._template = None

    async def execute(self, statement: str) -> None:
        """Runs a statement on the server's own database."""
        connection = await asyncpg.connect(self.server_url, timeout=PATIENCE_S)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class StatementLog:
    """Every statement a database sent, in order; `BEGIN;` and `COMMIT;` among them."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    async def attach(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """Listens on a new connection: pass this as `setup` to `open_database`."""
        connection.add_query_logger(lambda query: self.statements.append(query.query))

    def clear(self) -> None:
        """Forgets what was sent so far."""
        self.statements.clear()

    @property
    def count(self) -> int:
        """How many statements were sent since the last `clear`."""
        return len(self.statements)


@asynccontextmanager
async def opened(
    url: str, log: StatementLog | None = None, *, max_size: int = 5, acquire_timeout_s: float = PATIENCE_S
) -> AsyncIterator[PostgresDatabase]:
    """Opens a database for the block; it is patient, as a machine under test may stand still for seconds."""
    setup = log.attach if log else None
    database = await open_database(
        url, max_size=max_size, statement_timeout_s=PATIENCE_S, acquire_timeout_s=acquire_timeout_s, setup=setup
    )
    try:
        yield database
    finally:
        await database.aclose()
