"""Databases that one test after another uses: whole and empty when lent, cleaned when they come back, never shared.

To empty the few tables that a test wrote is some twenty times cheaper than to copy a template. Whatever differs from
the template in another way than by rows is not repaired: such a database is dropped. A lent database has a name of its
own each time, so that a process that outlives its test finds nothing behind the address it knows. Roles and settings
of the whole server are not looked at: a test that needs them starts a server of its own.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from tests.support.database import Databases, with_database
from tests.support.patience import PATIENCE_S

from clarion.adapters.postgres.connection import Connection

GROWTH_LIMIT: Final = 8 * 1024 * 1024
"""Emptied tables keep the pages of their indexes; a database that grew by more is not worth keeping."""

_CATALOGS: Final = (
    *("pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_inherits", "pg_proc", "pg_rewrite", "pg_trigger"),
    *("pg_type", "pg_enum", "pg_extension", "pg_policy", "pg_event_trigger", "pg_statistic_ext", "pg_publication"),
    *("pg_default_acl", "pg_largeobject_metadata", "pg_foreign_server", "pg_sequence", "pg_description"),
)
# What makes, changes or drops anything but rows shows in the number or in the newest transaction of a catalog's rows.
# pg_class is read by name instead, for a VACUUM writes there.
_SHAPE: Final = f"""
SELECT md5(concat_ws('|',
    {", ".join(f"(SELECT concat(count(*), ' ', max(xmin::text::bigint)) FROM {name})" for name in _CATALOGS)},
    (SELECT string_agg(concat_ws(' ', oid, relname, relkind, relnamespace, relowner, relpersistence, relispartition,
                                 relreplident, relrowsecurity, reloptions, relacl), ',' ORDER BY oid)
     FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'i', 'I', 'S', 'f')),
    (SELECT string_agg(nspname || coalesce(nspacl::text, ''), ',' ORDER BY oid)
     FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'),
    (SELECT concat_ws(' ', datconnlimit, datacl, encoding, datcollate) FROM pg_database
     WHERE datname = current_database()),
    (SELECT string_agg(concat_ws(' ', setdatabase, setrole, setconfig), ',') FROM pg_db_role_setting
     WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))),
    (SELECT string_agg(version_num, ' ') FROM alembic_version)
)) AS shape, pg_database_size(current_database()) AS size
"""
_WRITTEN: Final = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
  AND pg_relation_size(oid) > 0
"""
_ROWS_GO_FREELY: Final = "SET session_replication_role = replica"  # neither triggers nor foreign keys are asked
_GROWN: Final = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 16384
"""
# What the planner goes by. It must be that of a fresh database: for an index that was vacuumed empty it would expect no
# rows for ever, and choose it for everything.
_ESTIMATES: Final = """
SELECT array_agg(oid) AS oids, array_agg(relpages) AS pages, array_agg(reltuples) AS tuples FROM pg_class
WHERE relkind IN ('r', 'p', 'i', 'I') AND relnamespace = 'public'::regnamespace
"""
_FORGET: Final = """
WITH fresh AS (SELECT * FROM unnest($1::oid[], $2::int[], $3::real[]) AS f(oid, pages, tuples)),
     columns AS (DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM fresh)),
     counters AS (SELECT setval(seqrelid, seqstart, false) FROM pg_sequence),
     tables AS (UPDATE pg_class AS c SET relpages = f.pages, reltuples = f.tuples, relallvisible = 0 FROM fresh AS f
                WHERE c.oid = f.oid AND (c.relpages, c.reltuples, c.relallvisible) <> (f.pages, f.tuples, 0))
SELECT count(*) FROM counters
"""
# What was counted would bring an autovacuum, which finds a table empty while a test fills it, and notes it for good.
_COUNTED: Final = "SELECT pg_stat_force_next_flush()", "SELECT pg_stat_reset()"
_LEAVE: Final = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1"


class Lender:
    """Lends databases that have the newest schema and no rows."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._server: Connection | None = None
        self._free: list[str] = []
        self._fresh: asyncpg.Record | None = None
        self._estimates: asyncpg.Record | None = None
        self._lent = 0

    async def lend(self) -> str:
        """The URL of a database nobody else knows, as a fresh copy of the template would be."""
        if self._free:
            return self._free.pop()
        url = await self._databases.create_migrated()
        if self._fresh is None:
            connection = await asyncpg.connect(url)
            self._fresh, self._estimates = await connection.fetchrow(_SHAPE), await connection.fetchrow(_ESTIMATES)
            assert not await connection.fetch(_WRITTEN), "a migration writes rows that cleaning would take away"
            await connection.close()
        return url

    async def take_back(self, url: str) -> None:
        """Ends whoever is still connected, and keeps the database for another test or drops it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                url = await self._renamed(url)
                is_clean = await self._clean(url)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            is_clean = False
        if is_clean:
            self._free.append(url)
        else:
            await self._databases.drop(url)

    async def aclose(self) -> None:
        """Drops what is not lent."""
        while self._free:
            await self._databases.drop(self._free.pop())
        if self._server is not None:
            await self._server.close()

    async def _renamed(self, url: str) -> str:
        """Its new address, which no process of the test before knows. Fails while anybody is connected to it."""
        if self._server is None or self._server.is_closed():
            self._server = await asyncpg.connect(self._databases.server_url)
        name = urlsplit(url).path[1:]
        while await self._server.fetchval(_LEAVE, name):
            await asyncio.sleep(0.002)
        self._lent += 1
        next_name = f"{name.partition('_again_')[0]}_again_{self._lent}"
        await self._server.execute(f'ALTER DATABASE "{name}" RENAME TO "{next_name}"')
        return with_database(url, next_name)

    async def _clean(self, url: str) -> bool:
        """Whether the database is now as a fresh one is."""
        connection = await asyncpg.connect(url)
        try:
            return await self._is_as_made(connection) and await self._is_emptied(connection)
        finally:
            await connection.close()

    async def _is_as_made(self, connection: Connection) -> bool:
        now = await connection.fetchrow(_SHAPE)
        if now is None or self._fresh is None:
            return False
        return bool(now["shape"] == self._fresh["shape"] and now["size"] < self._fresh["size"] + GROWTH_LIMIT)

    async def _is_emptied(self, connection: Connection) -> bool:
        """Deletes every row, forgets what was known of them, and tells whether the tables have no page left."""
        await connection.execute(_COUNTED[-1])  # what the test did brings no autovacuum in between either
        written = [row[0] for row in await connection.fetch(_WRITTEN)]
        if written:
            await connection.execute(";".join((_ROWS_GO_FREELY, *(f"DELETE FROM {table}" for table in written))))
            await connection.execute(f"VACUUM {', '.join(written)}")
        for index in await connection.fetch(_GROWN):
            await connection.execute(f"REINDEX INDEX {index[0]}")
        await connection.fetchval(_FORGET, *self._estimates or ())
        for statement in _COUNTED:
            await connection.execute(statement)
        return not await connection.fetch(_WRITTEN)
