"""A real `clarion serve` in a directory of its own, for tests that stop, kill and restart it."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from tests.support.patience import PATIENCE_S

COMMAND = (sys.executable, "-m", "clarion.entrypoints.cli")


def wait_until(what: str, true: Callable[[], bool]) -> None:
    """Returns as soon as `true()`; fails the test with `what` when that takes too long.

    For what signals nobody: another process's sockets and its end.
    """
    ends_at = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < ends_at, f"not in {PATIENCE_S} s: {what}"
        time.sleep(0.02)


def is_gone(process: int | psutil.Process) -> bool:
    """Whether a process has ended, buried or not. A `Process` has also when its number is another's by now."""
    try:
        one = psutil.Process(process) if isinstance(process, int) else process
        return not one.is_running() or one.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Serving:
    """A running `clarion serve`."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process = process
        self.errors = errors
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.url = self._announced_url()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def _announced_url(self) -> str:
        line = self._lines.get(timeout=PATIENCE_S)
        assert "http://" in line, f"it said {line!r} and {self.errors.read_text()}"
        return line.split()[-1]

    def is_ready(self) -> bool:
        """Whether `/health/ready` says so."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def until_ready(self) -> None:
        """Returns once `/health/ready` says so."""
        wait_until("ready", self.is_ready)

    def descendants(self) -> list[psutil.Process]:
        """Every process under it."""
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def child(self, command: str) -> psutil.Process | None:
        """The process that runs this subcommand of `clarion` now."""
        for one in self.descendants():
            with contextlib.suppress(psutil.Error):
                if one.cmdline()[-1:] == [command]:
                    return one
        return None

    def replace(self, command: str) -> None:
        """Kills the process of this subcommand and returns when another has taken its place."""
        victim = self.child(command)
        assert victim is not None
        victim.kill()
        wait_until(f"another {command}", lambda: self.child(command) not in {None, victim})


def environment(data_dir: Path, overrides: Mapping[str, str]) -> dict[str, str]:
    """What a `clarion` started by a test sees: nothing of the settings of whoever runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CLARION_")}
    own = {"CLARION_DATA_DIR": str(data_dir), "CLARION_PORT": "0", "CLARION_WORKERS": "1"}
    return {**inherited, **own, **overrides}


@contextmanager
def private_directory() -> Iterator[Path]:
    """A directory for the block. Not pytest's: run by root, it closes its directories to the embedded server's user."""
    directory = Path(tempfile.mkdtemp(prefix="clarion-serving-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def serving(data_dir: Path, **overrides: str) -> Iterator[Serving]:
    """Runs `clarion serve` for the block; at its end nothing of it is left, however the block ended."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    errors = data_dir.parent / "serve.err"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "serve"], env=environment(data_dir, overrides), stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    known: list[psutil.Process] = []
    try:
        server = Serving(process, errors)
        known = server.descendants()
        yield server
        known += server.descendants() if process.poll() is None else []
    finally:
        process.kill()
        process.wait()
        wait_until("the end of every process", lambda: all(is_gone(one) for one in known))
