"""Fixtures every test may use: `database_url` and `database` (fresh and migrated), `settings`, `statement_log`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as property_settings
from tests.support.database import URL_VARIABLE, Databases, StatementLog, opened, running_server
from tests.support.lending import Lender

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.settings import Settings, load_settings

TEST_KEY = "dGVzdHMgdGVzdHMgdGVzdHMgdGVzdHMgdGVzdHMgISE="
_server = pytest.StashKey[ExitStack]()

# The same examples everywhere and every time, however long one takes; else only a machine that says CI=true has them.
property_settings.register_profile(
    "suite", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
property_settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Under xdist the controller starts the one server and its workers find it in their environment."""
    _say_errors_plainly()
    _forget_proxies()
    stack = config.stash[_server] = ExitStack()
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        os.environ[URL_VARIABLE] = stack.enter_context(running_server())


def _say_errors_plainly() -> None:
    """Nobody has configured the log in a test, and structlog would draw every variable of every frame: seconds each."""
    processors = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors[:-1], plain])


def _forget_proxies() -> None:
    """What a machine's proxy is for, tests never call; and their clients would ask it for servers of loopback too."""
    for name in [name for name in os.environ if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}]:
        del os.environ[name]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops the server the controller started."""
    config.stash[_server].close()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of a running PostgreSQL server."""
    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
async def databases(server_url: str) -> AsyncIterator[Databases]:
    """Makes and drops databases."""
    made = Databases(server_url)
    yield made
    await made.drop_template()


@pytest.fixture(scope="session")
async def lender(databases: Databases) -> AsyncIterator[Lender]:
    """Lends databases that are as fresh ones are."""
    made = Lender(databases)
    yield made
    await made.aclose()


@pytest.fixture
async def empty_database_url(databases: Databases) -> AsyncIterator[str]:
    """The URL of a fresh database without a schema."""
    url = await databases.create()
    yield url
    await databases.drop(url)


@pytest.fixture
async def database_url(lender: Lender) -> AsyncIterator[str]:
    """The URL of a database with the newest schema and no rows, the test's own."""
    url = await lender.lend()
    yield url
    await lender.take_back(url)


@pytest.fixture
def statement_log() -> StatementLog:
    """What the `database` fixture sent."""
    return StatementLog()


@pytest.fixture
async def database(database_url: str, statement_log: StatementLog) -> AsyncIterator[PostgresDatabase]:
    """A fresh database with the newest schema."""
    async with opened(database_url, statement_log) as database:
        yield database


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings for a fresh database and a data directory of the test's own."""
    return load_settings(
        {
            "CLARION_DATA_DIR": str(tmp_path / "data"),
            "CLARION_DATABASE_URL": database_url,
            "CLARION_SECRET_KEY": TEST_KEY,
            "CLARION_PORT": "0",
            "CLARION_WORKERS": "1",
        }
    )
