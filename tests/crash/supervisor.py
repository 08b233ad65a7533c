"""Real `clarion` processes, started within a tenth of a second, watched, and ended by the pids we own.

A fork server has loaded the program once; every process is a fork of it that runs the ordinary command with its own
environment. A thousand kills would otherwise be a thousand times a second of imports. Knows no gate; where next: `run`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.patience import PATIENCE_S

from clarion import failpoints

_PROGRAM = [
    "clarion.entrypoints.cli",
    "clarion.entrypoints.worker",
    "clarion.entrypoints.scheduler",
    "clarion.entrypoints.http.app",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
]
_nursery = multiprocessing.get_context("forkserver")
_nursery.set_forkserver_preload(_PROGRAM)


def load_program() -> None:
    """Has the fork server load the program now.

    Else the first start waits for it, and meanwhile nothing else in this process moves: not the mail server, and no
    transaction, which the database ends when it is idle for a minute.
    """
    first = _nursery.Process(target=int)
    first.start()
    first.join()


class Child:
    """One process we own."""

    def __init__(self, role: str, process: BaseProcess, armed: str = "") -> None:
        self.role = role
        self.armed = armed
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives."""
        return self._process.exitcode

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, if it still lives."""
        if self.code is None:
            os.kill(self.pid, number)

    async def ended(self, patience_s: float = PATIENCE_S) -> int:
        """Waits for its end and returns the exit code. Raises TimeoutError."""
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, end.set)
        try:
            async with asyncio.timeout(patience_s):
                await end.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        assert self.code is not None
        return self.code

    async def stopped(self, patience_s: float = PATIENCE_S) -> None:
        """Waits until it has stopped itself (SIGSTOP). Raises TimeoutError."""
        async with asyncio.timeout(patience_s):
            while _state(self.pid) != "T":
                await asyncio.sleep(0.02)


class Supervisor:
    """Starts processes, keeps as many alive as are wanted, and ends them all with its block."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self._env = dict(env)
        self._log = log
        self._wanted: dict[str, int] = {}
        self.children: list[Child] = []
        self.surprises: list[str] = []
        """Ends nobody asked for."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.rest()

    async def rest(self) -> None:
        """Wakes the frozen, asks every process to drain and waits until it has ended; nothing moves after that."""
        self._wanted.clear()
        for number in (signal.SIGCONT, signal.SIGTERM):
            for child in self.children:
                child.signal(number)
        for child in self.children:
            try:
                await child.ended(PATIENCE_S / 2)
            except TimeoutError:
                child.signal(signal.SIGKILL)
                await child.ended()
        self.children.clear()

    def of(self, role: str) -> list[Child]:
        """The living processes of a role."""
        return [child for child in self.children if child.role == role and child.code is None]

    def start(self, role: str, *, armed: str = "", clock_shift_s: float = 0.0) -> Child:
        """Starts `clarion ROLE` with these failpoints armed and its clock so wrong."""
        env = {**self._env, failpoints.VARIABLE: armed}
        process = _nursery.Process(target=_live, args=(role, env, str(self._log), clock_shift_s), name=role)
        process.start()
        child = Child(role, process, armed)
        self.children.append(child)
        return child

    def keep(self, **wanted: int) -> None:
        """From now on so many processes of each role are wanted; `fill` starts what is missing."""
        self._wanted.update(wanted)
        self.fill()

    def fill(self) -> None:
        """Starts what is missing, and notes what ended by itself."""
        for child in [child for child in self.children if child.code is not None]:
            self.surprises.append(f"{child.role} ended with {child.code}")
            self.children.remove(child)
        for role, count in self._wanted.items():
            for _ in range(count - len(self.of(role))):
                self.start(role)

    async def end(self, child: Child, how: signal.Signals, patience_s: float = PATIENCE_S) -> int:
        """Sends the signal, starts another in its place at once, and returns the exit code once it has ended."""
        self.children.remove(child)
        child.signal(how)
        if how is signal.SIGKILL:
            self.fill()
        try:
            code = await child.ended(patience_s)
        except TimeoutError:
            child.signal(signal.SIGKILL)
            self.surprises.append(f"{child.role} did not end within {patience_s:g} s of {how.name}")
            return await child.ended()
        if code not in {0, -how}:  # one that was still starting has no handler yet: the signal just ends it
            self.surprises.append(f"{child.role} ended with {code} after {how.name}")
        return code

    async def died(self, child: Child, patience_s: float = PATIENCE_S) -> None:
        """Waits for a process that was told to kill itself; it leaves the list, and no surprise is noted.

        Raises TimeoutError, naming the failpoint that was not reached.
        """
        try:
            code = await child.ended(patience_s)
        except TimeoutError:
            raise TimeoutError(
                f"{child.role} was to kill itself ({child.armed}) and lives after {patience_s:g} s"
            ) from None
        self.children.remove(child)
        if code != -signal.SIGKILL:
            self.surprises.append(f"{child.role} was to kill itself and ended with {code}")

    def told(self) -> Iterator[str]:
        """The failpoints that were reached and told of it, as the log has them."""
        for line in self._log.read_text("utf-8", "replace").splitlines():
            word, _, rest = line.partition(" ")
            if word == "failpoint":
                yield rest.partition(" ")[0]


def _live(role: str, env: Mapping[str, str], log: str, clock_shift_s: float) -> None:
    """What a fork does: takes its environment, its log and its clock, and runs the command."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(env)
    failpoints.arm(env.get(failpoints.VARIABLE, ""))
    if clock_shift_s:
        _shift_clock(clock_shift_s)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    from clarion.entrypoints.cli import main  # noqa: PLC0415 - whoever starts processes needs none of it

    sys.argv = ["clarion", role]
    main()


def _leave_with_parent() -> None:
    """Nothing outlives a gate, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)


def _shift_clock(seconds: float) -> None:
    right, right_ns, shift_ns = time.time, time.time_ns, int(seconds * 1e9)
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + shift_ns


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2][:1]
