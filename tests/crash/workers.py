"""Real worker processes and their scheduler, started, watched and killed by the pids we own."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

COMMAND = (sys.executable, "-m", "clarion.entrypoints.cli")


class Workers:
    """A fixed number of `clarion worker` processes and a scheduler; those that end are replaced at once."""

    def __init__(self, count: int, env: Mapping[str, str], log: Path, chance: random.Random) -> None:
        self._count = count
        self._env = {**os.environ, **env}
        self._log = log
        self._chance = chance
        self._alive: list[subprocess.Popen[bytes]] = []
        self._scheduler: list[subprocess.Popen[bytes]] = []
        self.ended = 0
        self.unexpected_exits: list[int] = []

    def __enter__(self) -> Self:
        self.fill()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        everyone = [*self._alive, *self._scheduler]
        for process in everyone:
            process.terminate()
        for process in everyone:
            try:
                process.wait(35)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [process.pid for process in (*self._alive, *self._scheduler)]

    @property
    def worker_pids(self) -> list[int]:
        """The workers alone."""
        return [process.pid for process in self._alive]

    def fill(self) -> None:
        """Starts workers until there are enough; notes those that ended by themselves."""
        for alive in (self._alive, self._scheduler):
            for process in [process for process in alive if process.poll() is not None]:
                self.unexpected_exits.append(process.returncode)
                alive.remove(process)
        while len(self._alive) < self._count:
            self._alive.append(self._start("worker"))
        if not self._scheduler:
            self._scheduler.append(self._start("scheduler"))

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen((*COMMAND, role), env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    async def end_one(self, how: signal.Signals) -> None:
        """Sends a random worker the signal, waits for its end and starts another in its place."""
        process = self._chance.choice(self._alive)
        self._alive.remove(process)
        process.send_signal(how)
        self.fill()
        code = await asyncio.to_thread(process.wait, 60)
        self.ended += 1
        if code not in {0, -how}:  # a worker that was still starting just ends; it had claimed nothing
            self.unexpected_exits.append(code)
