"""The pool of connections and the transactions reached through it: the way every store is used.

Turns what the driver raises when the server is away, full or slow into `Unavailable`; everything else passes through.
Holds no SQL of its own but the barrier. Where to read next: the store of each noun beside this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Final, TypeVar

import asyncpg

from clarion.adapters.postgres.accounts import AccountStore, KeyStore
from clarion.adapters.postgres.batches import BatchStore
from clarion.adapters.postgres.broadcasts import BroadcastStore
from clarion.adapters.postgres.campaigns import CampaignStore
from clarion.adapters.postgres.connection import ABSENT_ERRORS, COLLISION_ERRORS, Connection, prepare
from clarion.adapters.postgres.contact_fields import ContactFieldStore
from clarion.adapters.postgres.contacts import ContactStore
from clarion.adapters.postgres.deliveries import DeliveryStore
from clarion.adapters.postgres.executions import ExecutionStore
from clarion.adapters.postgres.groups import GroupStore
from clarion.adapters.postgres.identities import IdentityStore
from clarion.adapters.postgres.imports import ImportStore
from clarion.adapters.postgres.intake import IntakeStore
from clarion.adapters.postgres.locks import account_key
from clarion.adapters.postgres.names import NameStore
from clarion.adapters.postgres.notes import NoteStore
from clarion.adapters.postgres.notices import NoticeStore
from clarion.adapters.postgres.repeats import RepeatStore
from clarion.adapters.postgres.replies import ReplyStore
from clarion.adapters.postgres.runs import RunStore
from clarion.adapters.postgres.segments import SegmentStore
from clarion.adapters.postgres.senders import SenderStore
from clarion.adapters.postgres.sequences import CampaignEventStore, SequenceStore
from clarion.adapters.postgres.suppressions import SuppressionStore
from clarion.domain.errors import Unavailable

T = TypeVar("T")

ACQUIRE_TIMEOUT_S: Final = 2.0
CONNECT_TIMEOUT_S: Final = 5.0
IDLE_IN_TRANSACTION_MS: Final = 60_000
TRIES: Final = 5

_LOST = re.compile("clos(ed|ing)|released")
_BARRIER = "SELECT pg_advisory_xact_lock($1)"
_ANNOUNCE = "SELECT pg_notify('clarion_work', '')"


class PostgresTransaction:
    """A connection and the stores that run on it. Lives as long as the block it was opened in."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def announce_work(self) -> None:
        """Wakes the workers once this transaction commits."""
        await self.connection.execute(_ANNOUNCE)

    async def barrier(self, account_id: bytes) -> None:
        """Waits until every turn of the account that began before has ended. Use it outside a transaction.

        Raises RuntimeError inside one: the lock would be held until its end and stop the account's sending meanwhile.
        """
        if self.connection.is_in_transaction():
            raise RuntimeError("a barrier stands outside of transactions; open it with reading()")
        await self.connection.execute(_BARRIER, account_key(account_id))

    @cached_property
    def accounts(self) -> AccountStore:
        """Accounts."""
        return AccountStore(self.connection)

    @cached_property
    def keys(self) -> KeyStore:
        """API keys."""
        return KeyStore(self.connection)

    @cached_property
    def contacts(self) -> ContactStore:
        """Contacts."""
        return ContactStore(self.connection)

    @cached_property
    def identities(self) -> IdentityStore:
        """Who is called what."""
        return IdentityStore(self.connection)

    @cached_property
    def contact_fields(self) -> ContactFieldStore:
        """Typed contact fields."""
        return ContactFieldStore(self.connection)

    @cached_property
    def notes(self) -> NoteStore:
        """Notes about contacts."""
        return NoteStore(self.connection)

    @cached_property
    def notices(self) -> NoticeStore:
        """What the people of an account should hear of."""
        return NoticeStore(self.connection)

    @cached_property
    def groups(self) -> GroupStore:
        """Groups and their members."""
        return GroupStore(self.connection)

    @cached_property
    def segments(self) -> SegmentStore:
        """Segments, and the contacts that rules select."""
        return SegmentStore(self.connection)

    @cached_property
    def imports(self) -> ImportStore:
        """Contact imports."""
        return ImportStore(self.connection)

    @cached_property
    def suppressions(self) -> SuppressionStore:
        """Suppressions."""
        return SuppressionStore(self.connection)

    @cached_property
    def senders(self) -> SenderStore:
        """Senders."""
        return SenderStore(self.connection)

    @cached_property
    def campaigns(self) -> CampaignStore:
        """Campaigns and their revisions."""
        return CampaignStore(self.connection)

    @cached_property
    def sequences(self) -> SequenceStore:
        """Sequences, for reading."""
        return SequenceStore(self.connection)

    @cached_property
    def campaign_events(self) -> CampaignEventStore:
        """The steps of sequences."""
        return CampaignEventStore(self.connection)

    @cached_property
    def broadcasts(self) -> BroadcastStore:
        """Broadcasts and messages, for reading."""
        return BroadcastStore(self.connection)

    @cached_property
    def names(self) -> NameStore:
        """Names whose capitals do not matter."""
        return NameStore(self.connection)

    @cached_property
    def runs(self) -> RunStore:
        """Runs."""
        return RunStore(self.connection)

    @cached_property
    def deliveries(self) -> DeliveryStore:
        """Deliveries and their attempts."""
        return DeliveryStore(self.connection)

    @cached_property
    def batches(self) -> BatchStore:
        """Batches and their leases."""
        return BatchStore(self.connection)

    @cached_property
    def intake(self) -> IntakeStore:
        """Calls that bring their recipients."""
        return IntakeStore(self.connection)

    @cached_property
    def executions(self) -> ExecutionStore:
        """Calls that set deliveries going."""
        return ExecutionStore(self.connection)

    @cached_property
    def repeats(self) -> RepeatStore:
        """Starts by a call, and whether one is the same as another."""
        return RepeatStore(self.connection)

    @cached_property
    def replies(self) -> ReplyStore:
        """Replies kept for an Idempotency-Key."""
        return ReplyStore(self.connection)


class PostgresDatabase:
    """Where transactions come from: a pool of connections to one PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self.pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """Opens a transaction; leaving the block normally commits it, an exception undoes it.

        Raises `Unavailable` when no connection is free within 2 s, or the server went away, is full or too slow. When
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
            async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                try:
                    yield connection
                except (*ABSENT_ERRORS, asyncpg.InternalClientError):
                    with contextlib.suppress(asyncpg.InterfaceError):  # it may have gone back to the pool as closed
                        connection.terminate()  # the server said goodbye on it: nobody must be handed it again
                    raise
        except COLLISION_ERRORS as error:
            raise Unavailable("Another change was in the way; try again", retry_after_s=1) from error
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
    application_name: str = "clarion",
    setup: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[None]] | None = None,
) -> PostgresDatabase:
    """Opens a pool of `min_size` to `max_size` connections. `setup` is called with each new connection.

    Raises `Unavailable` when the server cannot be reached and `min_size` is above 0.
    """

    async def init(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        await prepare(connection)
        if setup is not None:
            await setup(connection)

    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=min_size,
            max_size=max_size,
            timeout=CONNECT_TIMEOUT_S,
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
    return PostgresDatabase(pool)
