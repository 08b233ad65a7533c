"""The `clarion serve` a demo runs for itself: started with settings of its own, stopped with everything it started.

Never reads the CLARION_* variables of the person who runs the demo, so a demo cannot touch a real database. Where to
read next: `demo`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from clarion.entrypoints.cli.client import Client

READY_PATIENCE_S: Final = 300.0
"""A server that ends is told of at once; one that is slow to start is waited for."""
STOP_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.05
_COMMAND: Final = (sys.executable, "-m", "clarion.entrypoints.cli")
_LISTENS: Final = "Clarion listens on "


class DemoFailed(Exception):
    """The demo cannot go on; the message says why in a sentence a newcomer can act on."""


class DemoServer:
    """A running server: where it listens, and how to make an account on it."""

    def __init__(self, process: asyncio.subprocess.Process, base_url: str, log: Path, env: dict[str, str]) -> None:
        self.base_url = base_url
        self._process = process
        self._log = log
        self._env = env

    def check(self) -> None:
        """Raises `DemoFailed` when the server has ended by itself."""
        if self._process.returncode is not None:
            raise DemoFailed(f"The server ended by itself (code {self._process.returncode}):\n{_tail(self._log)}")

    async def create_account(self, name: str) -> Client:
        """Runs `clarion account create` and returns a client with the key it printed."""
        command = await asyncio.create_subprocess_exec(
            *_COMMAND, "account", "create", name, env=self._env, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await command.communicate()
        words = dict(line.split(maxsplit=1) for line in out.decode().splitlines() if len(line.split()) == 2)
        if command.returncode or not {"account", "key"} <= words.keys():
            raise DemoFailed(f"No account could be made: {err.decode('utf-8', 'replace').strip()}")
        return Client(self.base_url, words["account"], words["key"])

    async def until_ready(self, client: Client) -> None:
        """Waits until the API can work. Raises `DemoFailed` when that takes too long."""
        deadline = asyncio.get_running_loop().time() + READY_PATIENCE_S
        while not await client.is_ready():
            self.check()
            if asyncio.get_running_loop().time() > deadline:
                raise DemoFailed(f"The server is not ready after {READY_PATIENCE_S:.0f} s:\n{_tail(self._log)}")
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def demo_server(folder: Path) -> AsyncIterator[DemoServer]:
    """Runs `clarion serve` with its data in `folder` for the block; on leaving, every process of it has left."""
    log = folder / "serve.log"
    env = {name: value for name, value in os.environ.items() if not name.startswith("CLARION_")}
    env |= {"CLARION_DATA_DIR": str(folder / "data"), "CLARION_PORT": "0", "CLARION_LOG_FORMAT": "json"}
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, "serve", env=env, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=errors, start_new_session=True,
        )  # fmt: skip
    try:
        yield DemoServer(process, await _address(process, log), log, env)
    finally:
        await asyncio.shield(_stop(process))


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None, "asked for above"  # noqa: S101 - tells the type checker
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_PATIENCE_S):
            async for line in process.stdout:
                text = line.decode("utf-8", "replace").strip()
                if text.startswith(_LISTENS):
                    return text.removeprefix(_LISTENS)
    raise DemoFailed(f"The server did not start:\n{_tail(log)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_PATIENCE_S):
            await process.wait()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
