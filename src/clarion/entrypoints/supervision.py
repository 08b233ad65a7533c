"""Keeping processes alive: starts each child, starts it again when it ends by itself, and ends all of them together.

Children get a pipe whose other end only the supervisor holds: when it closes, however the supervisor died, they stop by
themselves (`leave_with_parent`). Where to read next: `cli/serve`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from clarion.telemetry import Event, logger

PARENT_VARIABLE: Final = "CLARION_INTERNAL_PARENT_FD"
EXIT_HOPELESS: Final = 78
"""A child ends with this code (EX_CONFIG of sysexits.h) when starting it again cannot help; all others end then too."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
KILL_MARGIN_S: Final = 5.0
CHECK_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep alive: a name for the log, its command, and what differs in its environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()


class Supervisor:
    """Runs children until a SIGTERM or SIGINT; a second one does not wait for them to drain."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        drain_s: float,
        check: Callable[[], None] = lambda: None,
        ended: Callable[[int], None] = lambda _pid: None,
    ) -> None:
        self._children = children
        self._drain_s = drain_s
        self._check = check
        self._ended = ended
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._failed = False

    async def run(self) -> int:
        """Returns the exit code once every child has left: 0 when all went by themselves, 1 when one failed for good
        or had to be killed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        reading, writing = os.pipe()
        try:
            keepers = [asyncio.create_task(self._keep(child, reading)) for child in self._children]
            checker = asyncio.create_task(self._keep_checking())
            await self._stopping.wait()
            await self._end(keepers)
            checker.cancel()
        finally:
            os.close(reading)
            os.close(writing)
        return 1 if self._failed else 0

    def stop(self) -> None:
        """Asks every child to drain and leave; called again, ends them at once."""
        if self._stopping.is_set():
            self._hurry.set()
        else:
            logger().info(Event.SERVE_STOPPING, drain_s=self._drain_s)
            self._stopping.set()

    async def _keep(self, child: Child, parent_fd: int) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run_once(child, parent_fd)
            if self._stopping.is_set():
                return
            if code == EXIT_HOPELESS:
                self._failed = True
                self.stop()
                return
            if time.monotonic() - started > STEADY_S:
                pause = FIRST_PAUSE_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _run_once(self, child: Child, parent_fd: int) -> int:
        process = await asyncio.create_subprocess_exec(
            *child.command,
            env={**os.environ, **child.environment, PARENT_VARIABLE: str(parent_fd)},
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(parent_fd, *child.pass_fds),
            start_new_session=True,  # a Ctrl-C in the terminal reaches only us; we tell the children
        )
        logger().info(Event.PROCESS_STARTED, child=child.name, child_pid=process.pid)
        self._running[child.name] = process
        if self._stopping.is_set():  # asked to stop while the process was being made
            process.terminate()
        code = await process.wait()
        del self._running[child.name]
        self._ended(process.pid)
        log = logger().info if self._stopping.is_set() else logger().error
        log(Event.PROCESS_ENDED, child=child.name, child_pid=process.pid, code=code)
        return code

    async def _end(self, keepers: list[asyncio.Task[None]]) -> None:
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        waits = {asyncio.create_task(self._all_gone(keepers)), asyncio.create_task(self._hurried())}
        await asyncio.wait(waits, timeout=self._drain_s + KILL_MARGIN_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        for name, process in self._running.items():
            self._failed = True
            logger().error(Event.PROCESS_KILLED, child=name, child_pid=process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait(keepers)

    async def _all_gone(self, keepers: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(keepers)

    async def _hurried(self) -> None:
        await self._hurry.wait()

    async def _keep_checking(self) -> None:
        """Calls the check again and again; one that raises is tried again, ever more patiently."""
        pause = CHECK_EVERY_S
        while True:
            await asyncio.sleep(pause)
            try:
                self._check()
                pause = CHECK_EVERY_S
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, the others go on
                logger().error(Event.DATABASE_DOWN, problem=str(error))
                pause = min(pause * 2, LONGEST_PAUSE_S)


def leave_with_parent(drain_s: float) -> None:
    """In a child: drains and leaves when the supervisor is gone, at the latest `drain_s` and a margin later.

    Does nothing in a process that no supervisor started.
    """
    number = os.environ.get(PARENT_VARIABLE)
    if number is not None:
        threading.Thread(target=_watch, args=(int(number), drain_s), name="parent-watch", daemon=True).start()


def _watch(parent_fd: int, drain_s: float) -> None:
    with contextlib.suppress(OSError):
        while os.read(parent_fd, 1):
            pass
    logger().warning(Event.PARENT_GONE)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(drain_s + KILL_MARGIN_S)
    sys.stderr.flush()
    os._exit(1)
