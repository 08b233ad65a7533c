"""Processes kept alive and ended together; `clarion serve` stopped, killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from tests.support.patience import PATIENCE_S
from tests.support.serving import COMMAND, Serving, environment, is_gone, private_directory, serving, wait_until

from clarion.adapters.postgres.migrations import known_versions
from clarion.entrypoints.listening import PortError, open_listener, port_of
from clarion.entrypoints.supervision import EXIT_HOPELESS, Child, Supervisor

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no process of its parent's death")


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with private_directory() as place:
        yield place / "data"


def _python(name: str, code: str) -> Child:
    return Child(name, [sys.executable, "-c", code])


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def _until(path: Path, count: int) -> list[str]:
    while len(_lines(path)) < count:
        await asyncio.sleep(0.01)
    return _lines(path)


def _writes_pid(path: Path, then: str) -> str:
    return f"import os, signal, sys, time\nprint(os.getpid(), file=open({str(path)!r}, 'a'), flush=True)\n{then}"


async def test_f58_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    supervisor = Supervisor([_python("mortal", _writes_pid(pids, "time.sleep(60)"))], drain_s=PATIENCE_S)
    running = asyncio.create_task(supervisor.run())
    first = int((await _until(pids, 1))[0])
    os.kill(first, signal.SIGKILL)
    second = int((await _until(pids, 2))[1])
    assert second != first
    supervisor.stop()
    assert await running == 0
    assert is_gone(second)


async def test_f59_a_stop_waits_for_children_that_drain(tmp_path: Path) -> None:
    pids, ends = tmp_path / "pids", tmp_path / "ends"
    drain = f"""
def leave(*_):
    time.sleep(0.3)
    print("drained", file=open({str(ends)!r}, "a"))
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("listening", file=open({str(pids)!r}, "a"), flush=True)
time.sleep(60)
"""
    supervisor = Supervisor([_python(f"n{n}", _writes_pid(pids, drain)) for n in range(2)], drain_s=PATIENCE_S)
    running = asyncio.create_task(supervisor.run())
    await _until(pids, 4)
    supervisor.stop()
    assert await running == 0
    assert _lines(ends) == ["drained"] * 2


async def test_a_second_stop_ends_children_that_do_not_listen(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    said = f"print('deaf', file=open({str(pids)!r}, 'a'))"
    deaf = f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{said}\ntime.sleep(60)"
    supervisor = Supervisor([_python("deaf", _writes_pid(pids, deaf))], drain_s=600)
    running = asyncio.create_task(supervisor.run())
    pid = int((await _until(pids, 2))[0])
    supervisor.stop()
    supervisor.stop()
    assert await running == 1
    assert is_gone(pid)


async def test_a_child_that_says_it_is_hopeless_ends_all_of_them(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    children = [
        _python("healthy", _writes_pid(pids, "time.sleep(60)")),
        _python("hopeless", f"import sys; sys.exit({EXIT_HOPELESS})"),
    ]
    assert await Supervisor(children, drain_s=PATIENCE_S).run() == 1


def test_a_port_in_use_is_named_with_the_setting_to_change() -> None:
    with (
        open_listener("127.0.0.1", 0) as taken,
        pytest.raises(PortError, match=rf"port {port_of(taken)}: .*CLARION_PORT"),
    ):
        open_listener("127.0.0.1", port_of(taken))


def test_serve_starts_everything_and_a_sigterm_leaves_nothing(data_dir: Path) -> None:
    with serving(data_dir) as server:
        server.until_ready()
        everything = server.descendants()
        assert any("postgres" in one.name() for one in everything)
        second = subprocess.run([*COMMAND, "serve"], env=environment(data_dir, {}), capture_output=True, check=False)
        assert second.returncode == 1
        assert f"in use by the Clarion process {server.process.pid}" in second.stderr.decode()
        server.process.terminate()
        assert server.process.wait(PATIENCE_S) == 0
        assert all(is_gone(one.pid) for one in everything)


def test_an_account_is_made_beside_a_running_server(data_dir: Path) -> None:
    with serving(data_dir) as server:
        server.until_ready()
        made = subprocess.run(
            [*COMMAND, "account", "create", "Example"], env=environment(data_dir, {}), capture_output=True, check=True
        )
        account, key = (line.split()[1] for line in made.stdout.decode().splitlines())
        ask = partial(httpx.get, f"{server.url}/v1/accounts/{account}/groups", timeout=PATIENCE_S)
        assert ask(headers={"Authorization": f"Bearer {key}"}).status_code == httpx.codes.OK
        assert ask(headers={"X-API-Key": key[:-1] + "!"}).status_code == httpx.codes.UNAUTHORIZED


@linux
def test_serve_that_is_killed_leaves_no_process_and_starts_again(data_dir: Path) -> None:
    with serving(data_dir) as server:
        server.until_ready()
        everything = server.descendants()
        server.process.kill()
        server.process.wait()
        with serving(data_dir) as again:  # at once, while the children of the first one are still leaving
            again.until_ready()
        wait_until("the end of every process", lambda: all(is_gone(one.pid) for one in everything))


def test_f58_f21_killed_parts_come_back(data_dir: Path) -> None:
    with serving(data_dir) as server:
        server.until_ready()
        server.replace("worker")
        server.replace("api")
        server.until_ready()
        database_of(server).kill()
        wait_until("another database", lambda: "database.restarted" in events_of(server))
        server.until_ready()
        server.process.terminate()
        assert server.process.wait(PATIENCE_S) == 0


def database_of(server: Serving) -> psutil.Process:
    """The first process of its database. Sessions of those that were killed may leave while they are looked at."""
    for one in server.descendants():
        with suppress(psutil.NoSuchProcess):
            if one.name() == "postgres" and "-D" in one.cmdline():
                return one
    raise AssertionError("there is no database")


def events_of(server: Serving) -> list[str]:
    """What the log told so far; its last line may be half written."""
    lines = server.errors.read_text().splitlines()
    return [json.loads(line)["event"] for line in lines if line.startswith("{") and line.endswith("}")]


def test_serve_works_on_a_database_of_ours(data_dir: Path, empty_database_url: str) -> None:
    with serving(data_dir, CLARION_DATABASE_URL=empty_database_url) as server:
        server.until_ready()
        assert not any("postgres" in one.name() for one in server.descendants())
        server.process.terminate()
        assert server.process.wait(PATIENCE_S) == 0
    assert not (data_dir / "postgres").exists()


def test_wrong_settings_end_with_every_mistake_and_their_own_code(data_dir: Path) -> None:
    wrong = environment(data_dir, {"CLARION_PORT": "no", "CLARION_WORKERS": "-1"})
    done = subprocess.run([*COMMAND, "serve"], env=wrong, capture_output=True, check=False)
    assert done.returncode == EXIT_HOPELESS
    assert done.stderr.decode().count("\n  CLARION_") == 2
    assert b"Traceback" not in done.stderr
    assert not data_dir.exists()


def test_doctor_shows_what_holds_and_hides_secrets(data_dir: Path, database_url: str) -> None:
    key = "dGVzdHMgdGVzdHMgdGVzdHMgdGVzdHMgdGVzdHMgISE="
    env = environment(data_dir, {"CLARION_DATABASE_URL": database_url, "CLARION_SECRET_KEY": key, "COLUMNS": "200"})
    done = subprocess.run([*COMMAND, "doctor"], env=env, capture_output=True, check=False)
    shown = done.stdout.decode()
    assert done.returncode == 0, shown + done.stderr.decode()
    assert "CLARION_SECRET_KEY" in shown
    assert key not in shown
    assert f"schema {known_versions()[-1]}" in shown


def test_doctor_says_what_is_wrong(data_dir: Path) -> None:
    env = environment(data_dir, {"CLARION_DATABASE_URL": "postgresql://clarion:hunter2@127.0.0.1:1/none"})
    done = subprocess.run([*COMMAND, "doctor"], env=env, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"cannot be reached" in done.stdout
    assert b"hunter2" not in done.stdout
