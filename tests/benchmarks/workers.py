"""Workers and a scheduler as processes of their own, for as long as a measurement takes.

Ends only what it started. Whoever wants to hurt them takes `tests/crash/supervisor`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

COMMAND = (sys.executable, "-m", "clarion.entrypoints.cli")
STOP_S = 35


class Workers:
    """So many `clarion worker` processes and one scheduler, stopped at the end of the block."""

    def __init__(self, count: int, env: Mapping[str, str], log: Path) -> None:
        self._roles = [*["worker"] * count, "scheduler"]
        self._env = {**os.environ, **env}
        self._log = log
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._running = [
                subprocess.Popen((*COMMAND, role), env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                for role in self._roles
            ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def pids(self) -> list[int]:
        """Every process."""
        return [process.pid for process in self._running]

    @property
    def worker_pids(self) -> list[int]:
        """The workers alone."""
        return self.pids[:-1]
