"""A message centre on loopback: the npm server as a process, and the rules a test gives it.

`async with Centre() as centre:`, then bind to `centre.port`. Ends only the process it started. Where to read next:
`server.js`, which says what the rules are.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from tests.support.certificates import Certificates
from tests.support.patience import PATIENCE_S
from tests.support.smpp_server.install import FOLDER, node

SYSTEM_ID = "clarion"
PASSWORD = "secret"


class Centre:
    """One server process. With certificates it speaks TLS."""

    def __init__(self, certificates: Certificates | None = None, **rules: Any) -> None:
        self.port = 0
        self._files: tuple[Path, ...] = ()
        if certificates is not None:
            self._files = (certificates.certificate_file, certificates.key_file)
        self._rules = rules
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        program = await asyncio.to_thread(node)
        if program is None:
            pytest.skip("npm could not bring the message centre")
        self._process = await asyncio.create_subprocess_exec(
            program,
            FOLDER / "server.js",
            *self._files,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=256 * 1024 * 1024,
        )
        async with asyncio.timeout(PATIENCE_S):
            self.port = (await self._read())["port"]
        if self._rules:
            await self.set(**self._rules)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def set(self, **rules: Any) -> None:
        """Changes rules, named as in `server.js`."""
        await self.ask("set", rules)

    async def counts(self) -> dict[str, int]:
        """What has happened so far."""
        return dict(await self.ask("counts"))

    async def submits(self) -> list[dict[str, Any]]:
        """Every submit_sm that was taken."""
        return list(await self.ask("submits"))

    async def drop(self) -> None:
        """Cuts every session off."""
        await self.ask("drop")

    async def deliver(self, short_message: bytes = b"", **fields: Any) -> int:
        """Sends a deliver_sm over some session; gives the status it was answered with, -1 when it was not."""
        fields["short_message"] = short_message.hex()
        octets = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
        return int((await self.ask("deliver", octets))["status"])

    async def until(self, name: str, least: int) -> None:
        """Waits until one of the counts is at least so much."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.counts())[name] < least:
                await asyncio.sleep(0.02)

    async def ask(self, name: str, value: Any = None) -> Any:
        """One command and its answer."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        async with self._turn:
            process.stdin.write(json.dumps({"name": name, "value": value}).encode() + b"\n")
            async with asyncio.timeout(PATIENCE_S):
                return await self._read()

    async def _read(self) -> Any:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise EOFError("the server has gone")
        return json.loads(line)
