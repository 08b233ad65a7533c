"""A running API on a real socket and a real database, and callers with keys of two accounts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
import uvicorn
from tests.conftest import TEST_KEY
from tests.support.database import Databases
from tests.support.patience import PATIENCE_S

from clarion.application.access import create_account, create_key
from clarion.bootstrap import App, open_app
from clarion.domain.access import Account, ApiKey, Permission
from clarion.entrypoints.http import app as http_app
from clarion.entrypoints.http.app import create_app
from clarion.entrypoints.http.security import Pace
from clarion.settings import Settings, load_settings


@dataclass(frozen=True)
class Caller:
    """One account with its first key, and a client that presents it."""

    account: Account
    key: ApiKey
    text: str
    http: httpx.AsyncClient

    @property
    def root(self) -> str:
        return f"/v1/accounts/{self.account.id.hex()}"

    async def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.http.get(self.root + path, **kwargs)

    async def post(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.http.post(self.root + path, **kwargs)

    async def patch(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.http.patch(self.root + path, **kwargs)

    async def delete(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.http.delete(self.root + path, **kwargs)


class _Server(uvicorn.Server):
    def __init__(self, app: App) -> None:
        # Whoever calls hangs up first: a request must not meet the end of the connection that it came on.
        config = uvicorn.Config(
            create_app(app), log_config=None, access_log=False, server_header=False, ws="none",
            timeout_keep_alive=int(PATIENCE_S),
        )  # fmt: skip
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def install_signal_handlers(self) -> None:
        """The test process keeps its own."""


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[str]:
    """Serves the application on a free port for the block; gives its base URL."""
    listener = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # named, so that asyncio sets NODELAY
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    server = _Server(app)
    running = asyncio.create_task(server._serve([listener]))
    await server.ready.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


@pytest.fixture(scope="session")
async def api_settings(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Settings]:
    """Settings of the one API all these tests share; each test has accounts of its own."""
    url = await databases.create_migrated()
    yield load_settings(
        {
            "CLARION_DATA_DIR": str(tmp_path_factory.mktemp("api") / "data"),
            "CLARION_DATABASE_URL": url,
            "CLARION_SECRET_KEY": TEST_KEY,
            "CLARION_PUBLIC_URL": "https://mail.sender.example",
            "CLARION_RELAY_CHECK_SECONDS": "0",
        }
    )
    await databases.drop(url)


@pytest.fixture(scope="session")
async def app(api_settings: Settings) -> AsyncIterator[App]:
    async with open_app(api_settings, acquire_timeout_s=PATIENCE_S) as app:
        yield app


@pytest.fixture(scope="session")
async def base_url(app: App) -> AsyncIterator[str]:
    async with serving(app) as url:
        yield url


@pytest.fixture
def _standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys win no room for requests by waiting, however long the machine takes."""
    monkeypatch.setattr(http_app, "Pace", partial(Pace, clock=lambda: 0.0))


@pytest.fixture
async def anonymous(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_S) as client:
        yield client


@asynccontextmanager
async def calling(app: App, base_url: str, name: str) -> AsyncIterator[Caller]:
    """A new account and a client with its first key."""
    async with app.database.transaction() as tx:
        account, key, text = await create_account(tx, name=name)
    async with client_with(base_url, text) as client:
        yield Caller(account, key, text, client)


def client_with(base_url: str, text: str) -> httpx.AsyncClient:
    """A client that presents this key."""
    limits = httpx.Limits(max_connections=120, max_keepalive_connections=20)
    headers = {"Authorization": f"Bearer {text}"}
    return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=PATIENCE_S, limits=limits)


async def forsake(app: App, account: Account) -> None:
    """Points an account's relays nowhere: a later test's may get the port at which its mail would still be tried."""
    async with app.database.reading() as tx:
        nowhere = """UPDATE sender SET config = config || '{"port": 9}' WHERE account_id = $1 AND provider = 'smtp'"""
        await tx.connection.execute(nowhere, account.id)


@pytest.fixture
async def caller(app: App, base_url: str) -> AsyncIterator[Caller]:
    async with calling(app, base_url, "Analytical Engines") as caller:
        yield caller
        await forsake(app, caller.account)


@pytest.fixture
async def stranger(app: App, base_url: str) -> AsyncIterator[Caller]:
    async with calling(app, base_url, "Difference Engines") as caller:
        yield caller
        await forsake(app, caller.account)


async def key_with(app: App, caller: Caller, *permissions: Permission) -> tuple[ApiKey, str]:
    """Another key of the caller's account, with just these permissions."""
    async with app.database.transaction() as tx:
        return await create_key(tx, account_id=caller.account.id, name="narrow", permissions=permissions)


async def kept_receipts(app: App, sender: str) -> list[tuple[str, str, str]]:
    """Event, name of the message and state of each receipt that a sender's provider brought and nobody applied yet."""
    async with app.database.reading() as tx:
        rows = await tx.connection.fetch(
            "SELECT event_id, ref, state FROM receipt WHERE sender_id = $1 ORDER BY 1", bytes.fromhex(sender)
        )
    return [tuple(row) for row in rows]
