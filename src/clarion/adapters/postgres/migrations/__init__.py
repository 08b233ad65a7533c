"""The schema's history: which version a database has, and bringing it to ours.

Each version is a plain SQL file with a small module beside it that gives Alembic its place in the row. Alembic writes
the script of what is missing; asyncpg runs it in one transaction, so a database has a version wholly or not at all.
There is no way down: an older program refuses a newer database. Where to read next: `versions/`.
"""

from __future__ import annotations

import asyncio
import io
from enum import StrEnum
from pathlib import Path
from typing import Final

import asyncpg

from clarion.adapters.postgres.connection import ABSENT_ERRORS
from clarion.adapters.postgres.locks import MIGRATION_KEY
from clarion.adapters.postgres.partitions import cover
from clarion.domain.errors import ClarionError, Unavailable

HERE: Final = Path(__file__).parent
OLDEST_SERVER: Final = 15
CONNECT_TIMEOUT_S: Final = 30.0
"""Whoever looks at the schema is a process that starts, on a machine where others may start too."""

_VERSION_TABLE = "SELECT to_regclass('alembic_version') IS NOT NULL"
_VERSION = "SELECT version_num FROM alembic_version"  # one row, no index
_LOCK = "SELECT pg_advisory_xact_lock($1)"


class SchemaError(ClarionError):
    """The database cannot be used by this program as it is; the message says what to do."""

    code = "SCHEMA"


class Fit(StrEnum):
    """How the schema of a database stands to this program."""

    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"


def known_versions() -> tuple[str, ...]:
    """The versions this program knows, oldest first: the numbers its SQL files begin with."""
    return tuple(sorted(path.name.partition("_")[0] for path in (HERE / "versions").glob("*.sql")))


def compare(version: str | None) -> Fit:
    """Tells how a database of this version stands to the program; None is one without a schema."""
    known = known_versions()
    if version == known[-1]:
        return Fit.CURRENT
    return Fit.OLDER if version is None or version in known else Fit.NEWER


async def read_version(url: str) -> str | None:
    """Returns the schema version of the database, None when it has no schema yet.

    Raises `Unavailable` when it cannot be reached, `SchemaError` when the server is older than PostgreSQL 15.
    """
    connection = await _connect(url)
    try:
        return await _read_version(connection)
    finally:
        await connection.close()


async def describe(url: str) -> str:
    """Returns the server's version and the schema's in words. Raises as `check_version` does."""
    await check_version(url)
    connection = await _connect(url)
    try:
        server = connection.get_server_version()
    finally:
        await connection.close()
    return f"PostgreSQL {server.major}.{server.micro}, schema {known_versions()[-1]}"


async def check_version(url: str) -> None:
    """Returns when the database has exactly the schema of this program.

    Raises `SchemaError`, with what to do, when it has not, and `Unavailable` when the database cannot be reached.
    """
    version = await read_version(url)
    match compare(version):
        case Fit.NEWER:
            raise _newer(version)
        case Fit.OLDER:
            had = f"has schema {version}" if version else "has no schema yet"
            raise SchemaError(f"The database {had}, this program needs {known_versions()[-1]}: run `clarion migrate`")
        case Fit.CURRENT:
            return


async def migrate(url: str) -> list[str]:
    """Brings the database to this program's schema, makes partitions ahead, and returns the versions it added.

    Safe to repeat because one migration runs at a time and reads what is missing under its lock. Raises `SchemaError`
    when the database is newer than this program or PostgreSQL is too old, `Unavailable` when it cannot be reached.
    """
    connection = await _connect(url)
    try:
        async with connection.transaction():
            await connection.execute(_LOCK, MIGRATION_KEY)
            version = await _read_version(connection)
            if compare(version) is Fit.NEWER:
                raise _newer(version)
            added = [known for known in known_versions() if version is None or known > version]
            if added:
                await connection.execute(await asyncio.to_thread(_script, version))
        await cover(connection)
        return added
    finally:
        await connection.close()


def _newer(version: str | None) -> SchemaError:
    return SchemaError(
        f"The database has schema {version}, which is newer than this program knows ({known_versions()[-1]}): "
        "start the newer Clarion, or restore a backup from before the update"
    )


async def _connect(url: str) -> asyncpg.Connection[asyncpg.Record]:
    try:
        connection = await asyncpg.connect(
            url, timeout=CONNECT_TIMEOUT_S, server_settings={"application_name": "clarion-migrate", "timezone": "UTC"}
        )
    except (*ABSENT_ERRORS, asyncpg.PostgresError) as error:
        raise Unavailable(f"The database cannot be reached: {error}") from error
    server = connection.get_server_version()
    if server.major < OLDEST_SERVER:
        await connection.close()
        raise SchemaError(f"PostgreSQL {server.major} is too old; Clarion needs {OLDEST_SERVER} or newer")
    return connection


async def _read_version(connection: asyncpg.Connection[asyncpg.Record]) -> str | None:
    if not await connection.fetchval(_VERSION_TABLE):
        return None
    version: str | None = await connection.fetchval(_VERSION)
    return version


def _script(version: str | None, target: str = "head") -> str:
    """Lets Alembic write the SQL from `version` to `target`, its own bookkeeping included, without transactions."""
    from alembic import command  # noqa: PLC0415 - half a second of imports that only a migration needs
    from alembic.config import Config  # noqa: PLC0415 - see above

    written = io.StringIO()
    config = Config(output_buffer=written)
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, f"{version or 'base'}:{target}", sql=True)
    return written.getvalue()
