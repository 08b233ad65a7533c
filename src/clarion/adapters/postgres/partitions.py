"""The partitions of `delivery` and `delivery_attempt`: one for the runs that began in a month, and one for the rest.

Owns making them ahead of time, dropping them, and telling how far the future is covered. Every lock it takes it waits
for only briefly, so that nobody who sends waits for it. Never decides what has had its time; that is `retention`.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import asyncpg

from clarion.adapters.postgres.connection import ABSENT_ERRORS, Connection
from clarion.adapters.postgres.locks import PARTITION_KEY
from clarion.domain.errors import Unavailable

MONTHS_AHEAD: Final = 2
"""Made beyond the present month: nobody has to look after them for two months."""

PLACES: Final = r"""
SELECT relname AS name,
       decode(substring(bound FROM $$FROM \('\\x([0-9a-f]+)'\)$$), 'hex') AS starts,
       decode(substring(bound FROM $$TO \('\\x([0-9a-f]+)'\)$$), 'hex') AS ends
FROM (SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound
      FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'delivery'::regclass) AS p
WHERE bound <> 'DEFAULT'
"""
"""The partitions with a range of run ids; `starts` is null for the one that holds everything of before."""

IN_PLACE: Final = "(p.starts IS NULL OR r.id >= p.starts) AND r.id < p.ends"

# index: the catalog's.
_UNCOVERED: Final = f"""
SELECT month::date
FROM date_trunc('month', now() AT TIME ZONE 'UTC') AS present,
     generate_series(present, present + make_interval(months => $1), '1 month') AS month
WHERE NOT EXISTS (
    SELECT FROM ({PLACES}) AS p, id_floor(month AT TIME ZONE 'UTC') AS floor
    WHERE (p.starts IS NULL OR floor >= p.starts) AND floor < p.ends)
ORDER BY month
"""

_BRIEFLY: Final = "SELECT set_config('lock_timeout', '200ms', true)"
_ALONE: Final = "SELECT pg_try_advisory_xact_lock($1)"
_LOCK: Final = "LOCK TABLE delivery, delivery_attempt IN ACCESS EXCLUSIVE MODE"
_COVER: Final = "SELECT cover_month($1)"

# index: run_pkey by the range of the partition. A day more than its month: clocks differ.
_DROPPABLE: Final = f"""
SELECT p.name, p.starts, p.ends FROM ({PLACES}) AS p
WHERE p.ends <= id_floor(now() - interval '1 day')
  AND NOT EXISTS (SELECT FROM run AS r WHERE {IN_PLACE} AND r.removed_at IS NULL)
ORDER BY p.ends LIMIT 1
"""

# index: run_removed.
_MARK_GONE: Final = """
UPDATE run SET rows_gone = true
WHERE removed_at IS NOT NULL AND NOT rows_gone AND ($1::bytea IS NULL OR id >= $1) AND id < $2
"""

_UNSORTED: Final = "SELECT EXISTS (SELECT FROM delivery_default)"


async def cover(connection: Connection, months_ahead: int = MONTHS_AHEAD) -> list[date]:
    """Makes what is missing for this month and those ahead; returns the months that it made.

    Safe to repeat because a month that is there is left alone. One that cannot be locked soon, or of which the default
    partition holds rows already, is left to that one: nothing is lost by it, only dropped less cheaply.
    """
    made = []
    for row in await connection.fetch(_UNCOVERED, months_ahead):
        try:
            async with connection.transaction():
                await connection.execute(_BRIEFLY)
                if await connection.fetchval(_ALONE, PARTITION_KEY):
                    await connection.execute(_COVER, row["month"])
                    made.append(row["month"])
        except (asyncpg.LockNotAvailableError, asyncpg.CheckViolationError, asyncpg.DuplicateTableError):
            continue
    return made


async def drop_oldest(connection: Connection) -> str | None:
    """Drops the oldest partition of which every run has been removed, and returns its name; None when there is none.

    Its files go at once, whatever it held. When it cannot be locked within a moment it is left for the next time.
    """
    try:
        async with connection.transaction():
            await connection.execute(_BRIEFLY)
            if not await connection.fetchval(_ALONE, PARTITION_KEY):
                return None
            if await connection.fetchrow(_DROPPABLE) is None:
                return None
            await connection.execute(_LOCK)
            return await _drop(connection, await connection.fetchrow(_DROPPABLE))
    except asyncpg.LockNotAvailableError:
        return None


async def _drop(connection: Connection, place: asyncpg.Record | None) -> str | None:
    """Drops what was found again once nobody else could add to it."""
    if place is None:
        return None
    name, starts, ends = place
    attempts = name.replace("delivery", "delivery_attempt", 1)
    await connection.execute(f'DROP TABLE "{name}", "{attempts}"')
    await connection.execute(_MARK_GONE, starts, ends)
    return str(name)


async def describe(url: str) -> tuple[bool, str]:
    """Whether this month and those ahead have their partitions and the default one is empty; and that in words.

    Raises `Unavailable` when the database cannot be reached.
    """
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (*ABSENT_ERRORS, asyncpg.PostgresError) as error:
        raise Unavailable(f"The database cannot be reached: {error}") from error
    try:
        missing = [f"{row['month']:%Y-%m}" for row in await connection.fetch(_UNCOVERED, MONTHS_AHEAD)]
        unsorted = await connection.fetchval(_UNSORTED)
    finally:
        await connection.close()
    if missing:
        return False, f"no partition for the runs of {', '.join(missing)}: start `clarion scheduler` or `serve`"
    if unsorted:
        return False, "delivery_default holds runs that no month was made for; they go by their retention, more slowly"
    return True, f"made for this month and {MONTHS_AHEAD} ahead"
