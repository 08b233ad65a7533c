"""The pool of connections, and the transactions and sessions that are opened on it.

Turns what the driver raises when the server is away, full or slow into `Unavailable`; everything else passes through.
Holds no SQL. Where to read next: `transaction`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import asyncpg

from clarion.adapters.postgres.connection import ABSENT_ERRORS, COLLISION_ERRORS, Connection, prepare
from clarion.adapters.postgres.home import LOOK_AROUND
from clarion.adapters.postgres.transaction import PostgresTransaction
from clarion.domain.errors import Unavailable

__all__ = ["PostgresDatabase", "PostgresTransaction", "open_database"]

T = TypeVar("T")

ACQUIRE_TIMEOUT_S: Final = 20.0
"""Opening a connection takes seconds on a machine that is busy, and who gives up before that begins anew."""
CONNECT_TIMEOUT_S: Final = 5.0
IDLE_IN_TRANSACTION_MS: Final = 60_000
TRIES: Final = 5

_LOST = re.compile("clos(ed|ing)|released")


class PostgresDatabase:
    """Where transactions come from: a pool of connections to one PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], acquire_timeout_s: float = ACQUIRE_TIMEOUT_S) -> None:
        self.pool = pool
        self._acquire_timeout_s = acquire_timeout_s

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """Opens a transaction; leaving the block normally commits it, an exception undoes it.

        Raises `Unavailable` when no connection is free in time, or the server went away, is full or too slow. When
        that happens in the commit itself, whether it took place is not known: ask for the row by its id.
        """
        async with self._connection() as connection, connection.transaction():
            yield PostgresTransaction(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[PostgresTransaction]:
        """Opens a session without a transaction: each statement sees the latest commit. Raises `Unavailable`."""
        async with self._connection() as connection:
            yield PostgresTransaction(connection)

    async def retrying(self, work: Callable[[PostgresTransaction], Awaitable[T]]) -> T:
        """Runs `work` in a transaction of its own, again (5 times at most) when it collided with another one.

        Safe to repeat because a collision undoes the whole transaction; `work` must do nothing outside of it.
        Raises `Unavailable` when it collides every time.
        """
        for attempt in range(1, TRIES + 1):
            try:
                async with self._connection() as connection, connection.transaction():
                    return await work(PostgresTransaction(connection))
            except Unavailable as error:
                if attempt == TRIES or not isinstance(error.__cause__, COLLISION_ERRORS):
                    raise
            await asyncio.sleep(random.uniform(0.005, 0.02) * attempt)
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self.pool.acquire(timeout=self._acquire_timeout_s) as connection:
                try:
                    yield connection
                except (*ABSENT_ERRORS, asyncpg.InternalClientError):
                    with contextlib.suppress(asyncpg.InterfaceError):  # it may have gone back to the pool as closed
                        connection.terminate()  # the server said goodbye on it: nobody must be handed it again
                    raise
        except COLLISION_ERRORS as error:
            raise Unavailable("Another change was in the way; try again", retry_after_s=1) from error
        except asyncpg.DiskFullError as error:
            raise Unavailable("The database's disk is full; try again when there is space", retry_after_s=30) from error
        except (*ABSENT_ERRORS, asyncpg.InternalClientError) as error:
            raise Unavailable("The database does not answer; try again") from error
        except asyncpg.InterfaceError as error:
            # The driver says so when a connection that was lost is used once more. A misuse of ours is not hidden.
            if not _LOST.search(str(error)):
                raise
            raise Unavailable("The database connection was lost; try again") from error

    async def aclose(self) -> None:
        """Gives all connections back; ends them by force when one is still busy after 5 s."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()


async def _keep(_connection: object) -> None:
    """Nothing to undo when a connection goes back: no store sets anything that outlives its transaction.

    The driver's own clean-up would be one more statement for every transaction.
    """


async def open_database(
    url: str,
    *,
    min_size: int = 0,
    max_size: int = 10,
    statement_timeout_s: float = 30,
    acquire_timeout_s: float = ACQUIRE_TIMEOUT_S,
    application_name: str = "clarion",
    setup: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[None]] | None = None,
    mark: str | None = None,
    trusts_failover: bool = False,
) -> PostgresDatabase:
    """Opens a pool of `min_size` to `max_size` connections. `setup` is called with each new connection.

    Who finds none free waits `acquire_timeout_s` for one; a process that answers people had better say soon that it is
    overloaded.

    Each looks where it is before it does anything, so that a database that was put in the place of ours is held; the
    `mark` is what else tells one from its copy.

    Raises `Unavailable` when the server cannot be reached and `min_size` is above 0.
    """

    async def init(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        await prepare(connection)
        await connection.execute(LOOK_AROUND, mark, trusts_failover)
        if setup is not None:
            await setup(connection)

    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=min_size,
            max_size=max_size,
            timeout=max(CONNECT_TIMEOUT_S, acquire_timeout_s),
            command_timeout=statement_timeout_s + CONNECT_TIMEOUT_S,
            max_inactive_connection_lifetime=60,
            init=init,
            reset=_keep,
            server_settings={
                "application_name": application_name,
                "statement_timeout": str(int(statement_timeout_s * 1000)),
                "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
                "timezone": "UTC",
                "jit": "off",
            },
        )
    except (*ABSENT_ERRORS, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise Unavailable(f"The database cannot be reached: {error}") from error
    return PostgresDatabase(pool, acquire_timeout_s)
