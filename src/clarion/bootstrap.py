"""The composition root: from settings to a running application. The only place that knows which adapter is which.

Holds no rule of its own. Where to read next: `entrypoints`, which get the `App` handed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from clarion.adapters.channels.probing import RelayProber
from clarion.adapters.channels.registry import ChannelRegistry
from clarion.adapters.postgres.database import ACQUIRE_TIMEOUT_S, PostgresDatabase, open_database
from clarion.adapters.postgres.directory import DirectoryInUse, DirectoryLock
from clarion.adapters.postgres.embedded import EmbeddedServer
from clarion.adapters.postgres.migrations import SchemaError, check_version, read_version
from clarion.adapters.postgres.migrations import describe as check_database
from clarion.adapters.postgres.migrations import migrate as migrate_database
from clarion.adapters.postgres.partitions import describe as check_partitions
from clarion.adapters.queue.jetstream import Away, JetStream, Place
from clarion.adapters.queue.nats import NatsAnnouncer, NatsQueue
from clarion.adapters.queue.postgres import PostgresQueue, WorkSignal
from clarion.adapters.sealing import AesSealer, KeyRing
from clarion.application.access_tokens import AccessTokens
from clarion.domain.campaign import Lane
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Unavailable
from clarion.pipeline.inbox import NewsInbox
from clarion.rendering.links import Links
from clarion.rendering.tokens import TokenSigner
from clarion.settings import Settings

__all__ = [
    "App",
    "DirectoryInUse",
    "DirectoryLock",
    "EmbeddedServer",
    "KeyRing",
    "SchemaError",
    "check_database",
    "check_nats",
    "check_partitions",
    "check_ready",
    "database_url",
    "migrate_database",
    "open_announcers",
    "open_app",
    "open_queue",
    "read_version",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Everything an entry point needs, made once a process."""

    settings: Settings
    database: PostgresDatabase
    sealer: AesSealer
    signer: TokenSigner
    tokens: AccessTokens
    cursor_key: bytes
    work: WorkSignal
    channels: ChannelRegistry
    inbox: NewsInbox
    prober: RelayProber
    links: Links


def database_url(settings: Settings) -> str:
    """Where the database is: the configured one, or the embedded server's socket in the data directory."""
    if settings.database_url is not None:
        return settings.database_url.reveal()
    return EmbeddedServer(settings.data_dir).url


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    pool_size: int | None = None,
    role: str = "clarion",
    acquire_timeout_s: float = ACQUIRE_TIMEOUT_S,
) -> AsyncIterator[App]:
    """Builds the application and takes it down at the end of the block; the database must be running and migrated.

    Raises `SchemaError` when its schema is not this program's, `Unavailable` when it does not answer.
    """
    url = database_url(settings)
    await check_version(url)
    ring = KeyRing(settings.secret_keys())
    database = await open_database(
        url,
        max_size=pool_size or settings.api_pool_size,
        statement_timeout_s=settings.statement_timeout_seconds,
        acquire_timeout_s=acquire_timeout_s,
        application_name=f"clarion-{role}",
        mark=EmbeddedServer(settings.data_dir).mark if settings.embedded else None,
        trusts_failover=settings.trust_failover,
    )
    work = WorkSignal(url)
    work.start()
    sealer = AesSealer(ring.subkeys("sealing"), ring.current)
    signer = TokenSigner(ring.subkeys("links"), ring.current)
    tokens = AccessTokens(ring.subkeys("access tokens"), ring.current)
    inbox = NewsInbox(database)
    channels = ChannelRegistry(sealer, inbox, helo_name=settings.helo_name, public_url=settings.public_url)
    try:
        yield App(
            settings=settings,
            database=database,
            sealer=sealer,
            signer=signer,
            tokens=tokens,
            cursor_key=ring.subkeys("cursors")[ring.current],
            work=work,
            channels=channels,
            inbox=inbox,
            prober=RelayProber(channels, patience_s=settings.relay_check_seconds),
            links=Links(settings.link_base_url, signer, settings.unsubscribe_mailbox),
        )
    finally:
        await channels.aclose()
        await inbox.aclose()
        await work.aclose()
        await database.aclose()


async def check_ready(settings: Settings) -> None:
    """Returns when the database answers with this program's schema. Raises `SchemaError` or `Unavailable`."""
    await check_version(database_url(settings))


@asynccontextmanager
async def open_queue(
    app: App, lanes: Collection[Lane], channels: Collection[ChannelName]
) -> AsyncIterator[PostgresQueue | NatsQueue]:
    """Opens the queue a worker takes its batches from: PostgreSQL, or NATS over it when it is configured.

    Never waits for NATS: while it is away PostgreSQL is asked.
    """
    place = _nats(app.settings)
    if place is None:
        yield PostgresQueue(app.database, app.work, channels)
        return
    stream = JetStream(place, "clarion-worker")
    queue = NatsQueue(stream, app.database, app.work, lanes, channels)
    stream.start()
    queue.start()
    try:
        yield queue
    finally:
        await queue.aclose()
        await stream.aclose()


@asynccontextmanager
async def open_announcers(app: App) -> AsyncIterator[Sequence[NatsAnnouncer]]:
    """Opens what a scheduler announces batches by, one for each channel; none when the queue is PostgreSQL alone."""
    place = _nats(app.settings)
    if place is None:
        yield ()
        return
    stream = JetStream(place, "clarion-scheduler")
    stream.start()
    try:
        yield [NatsAnnouncer(stream, channel) for channel in ChannelName]
    finally:
        await stream.aclose()


async def check_nats(settings: Settings) -> str | None:
    """Says what NATS is there; None when none is configured. Raises `Unavailable` when it does not answer."""
    place = _nats(settings)
    if place is None:
        return None
    stream = JetStream(place, "clarion-doctor")
    stream.start()
    try:
        await stream.until_connected()
        return await stream.describe()
    except Away as away:
        raise Unavailable(f"NATS does not answer: {away}") from away
    finally:
        await stream.aclose()


def _nats(settings: Settings) -> Place | None:
    if settings.nats_url is None:
        return None
    return Place(settings.nats_url.reveal().split(","), settings.nats_prefix, settings.nats_replicas)
