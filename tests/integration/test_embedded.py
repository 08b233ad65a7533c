"""The embedded server: made once, private, stopped with its owner, and back after every kind of end."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from tests.support.serving import is_gone, private_directory, wait_until

from clarion.adapters.postgres.directory import DirectoryInUse, EmbeddedError
from clarion.adapters.postgres.embedded import EmbeddedServer

OWNER = """
import sys, time
from pathlib import Path
from clarion.adapters.postgres.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with private_directory() as directory:
        yield directory


@pytest.fixture
def data_dir(place: Path) -> Path:
    return place / "data"


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(data_dir)
    yield server
    server.stop()


async def _ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def until_gone(pid: int) -> None:
    wait_until("the end of the server", lambda: is_gone(pid))


def _owner(data_dir: Path) -> tuple[subprocess.Popen[str], int]:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


async def test_what_was_written_is_there_after_a_restart(server: EmbeddedServer) -> None:
    server.start()
    await _ask(server.url, "CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    server.start()
    assert await _ask(server.url, "SELECT number FROM kept") == 7


async def test_it_is_durable_and_listens_on_a_private_socket_only(server: EmbeddedServer) -> None:
    server.start()
    for name, value in [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")]:
        assert await _ask(server.url, f"SHOW {name}") == value
    assert await _ask(server.url, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.cluster.stat().st_mode) == 0o700
    assert server.pid is not None
    assert not [c for c in psutil.Process(server.pid).net_connections() if c.family.name != "AF_UNIX"]


def test_a_second_owner_is_refused_and_told_who_has_the_directory(server: EmbeddedServer, data_dir: Path) -> None:
    server.start()
    with pytest.raises(DirectoryInUse, match=rf"process {os.getpid()}\b"):
        EmbeddedServer(data_dir).start()


def test_a_stop_leaves_no_process_and_frees_the_directory(server: EmbeddedServer, data_dir: Path) -> None:
    server.start()
    pid = server.pid
    server.stop()
    assert pid is not None
    assert not psutil.pid_exists(pid)
    with EmbeddedServer(data_dir):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no process of its parent's death")
def test_the_server_leaves_when_its_owner_is_killed(data_dir: Path) -> None:
    owner, server_pid = _owner(data_dir)
    owner.kill()
    owner.wait()
    until_gone(server_pid)


async def test_f21_a_start_after_owner_and_server_were_killed_recovers_what_was_acknowledged(data_dir: Path) -> None:
    owner, server_pid = _owner(data_dir)
    url = EmbeddedServer(data_dir).url
    await _ask(url, "CREATE TABLE kept AS SELECT g FROM generate_series(1, 50000) AS g")
    os.kill(server_pid, signal.SIGKILL)
    owner.kill()
    owner.wait()
    with EmbeddedServer(data_dir) as server:
        assert await _ask(server.url, "SELECT count(*) FROM kept") == 50000


def test_a_server_left_behind_by_a_killed_owner_is_replaced(data_dir: Path) -> None:
    owner, server_pid = _owner(data_dir)

    async def hold_a_session() -> int | None:
        # A session that stays keeps the server from leaving by itself: the next start must end it.
        connection = await asyncpg.connect(EmbeddedServer(data_dir).url)
        owner.kill()
        owner.wait()
        with EmbeddedServer(data_dir) as server:
            assert await _ask(server.url, "SELECT 1") == 1
            assert is_gone(server_pid)
            connection.terminate()
            return server.pid

    assert asyncio.run(hold_a_session()) != server_pid


async def test_f21_a_server_that_died_is_started_again_by_its_owner(server: EmbeddedServer) -> None:
    server.start()
    assert not server.ensure_running()
    assert server.pid is not None
    children = psutil.Process(server.pid).children(recursive=True)
    os.kill(server.pid, signal.SIGKILL)
    for pid in (server.pid, *(child.pid for child in children)):
        until_gone(pid)  # its children hold its memory for a moment longer, and no other server starts beside them
    assert server.ensure_running()
    server.wait_until_ready()
    assert await _ask(server.url, "SELECT 1") == 1


def test_an_interrupted_first_start_leaves_nothing_half_made(server: EmbeddedServer, data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir(parents=True)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
    server.start()
    assert not (data_dir / "postgres.new").exists()


def test_a_cluster_of_another_major_version_is_refused(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    version = server.cluster / "PG_VERSION"
    version.write_text("14\n")
    with pytest.raises(EmbeddedError, match="PostgreSQL 14"):
        server.start()
    version.write_text("18\n")
    server.start()


async def test_a_path_too_long_for_a_socket_gets_one_elsewhere_that_is_private(place: Path) -> None:
    with EmbeddedServer(place / ("d" * 60) / ("e" * 60)) as server:
        assert not server.socket_dir.is_relative_to(place)
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
        assert await _ask(server.url, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
async def test_as_root_the_server_passes_through_a_closed_directory_and_opens_it_to_nobody(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedServer(closed / "data") as server:
        assert server.pid is not None
        assert psutil.Process(server.pid).uids().real != 0
        assert await _ask(server.url, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) & 0o007 == 0
    other = await asyncio.create_subprocess_exec("setpriv", "--reuid=65534", "--clear-groups", "ls", str(closed))
    assert await other.wait() != 0
