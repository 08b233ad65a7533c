"""A scripted SMTP server for tests: strict grammar, recorded acceptances, misbehaviour by recipient.

What a recipient's local part asks for happens to its message (`sink_script`); every acceptance is recorded at the
moment of effect, before the client is told. In a test: `async with Sink() as sink`. As a process:
`python -m tests.support.sink --port 0 --log FILE` prints its port as the first line; `--null` is the fast mode.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.allowance import Allowance
from tests.support.patience import PATIENCE_S
from tests.support.sink_connection import SinkConnection
from tests.support.sink_null import NullConnection, NullCounter
from tests.support.sink_wire import SinkWire


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One message the sink took responsibility for. `data` is as the author wrote it, dot-stuffing undone."""

    at: float
    mail_from: str
    rcpt_to: tuple[str, ...]
    data: bytes
    mail_parameters: tuple[str, ...] = ()
    connection: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """What the sink announces and how it treats every client alike."""

    pipelining: bool = True
    chunking: bool = False
    eightbitmime: bool = True
    smtputf8: bool = True
    size: int | None = 0
    ehlo: bool = True
    greeting: bytes = b"220 sink.test ESMTP\r\n"
    ehlo_reply: bytes | None = None
    implicit_tls: bool = False
    starttls: bool = False
    starttls_reply: bytes = b"220 2.0.0 go ahead\r\n"
    users: dict[str, str] = field(default_factory=dict)
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    auth_reply: bytes | None = None
    login_required: bool = False
    messages_per_connection: int | None = None
    """After so many messages the next MAIL is answered 421 and the connection closed."""
    silent: bool = False
    """Never says a word."""


class Sink:
    """A listening sink. `accepted` holds every acceptance, `commands` every command line, both in order."""

    def __init__(
        self,
        manners: Manners | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        log: int | None = None,
        keep_data: bool = True,
        allowance: Allowance | None = None,
    ) -> None:
        self.allowance = allowance or Allowance()
        """A MAIL beyond it is answered 421, and the connection closed."""
        self.manners = manners or Manners()
        self.tls = tls
        self.accepted: list[Acceptance] = []
        self.commands: list[str] = []
        self.seen_before: set[str] = set()
        self.connections = 0
        self.open_connections: set[SinkWire] = set()
        self.most_open = 0
        self.port = 0
        self._log = log
        self._keep_data = keep_data
        self._waiters: list[tuple[int, asyncio.Event]] = []
        self.is_holding = False
        self.held: list[Callable[[], None]] = []
        self.has_held = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def listen(self, port: int = 0) -> None:
        """Starts listening on loopback; `port` tells where."""
        loop = asyncio.get_running_loop()
        context = self.tls if self.manners.implicit_tls else None
        self._server = await loop.create_server(lambda: SinkConnection(self), "127.0.0.1", port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stops listening and cuts every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.open_connections):
            connection.cut()

    def accept(self, acceptance: Acceptance) -> None:
        """Records a message, in the log first: what is recorded has happened."""
        if self._log is not None:
            os.write(self._log, _entry(acceptance))
        if not self._keep_data:
            acceptance = Acceptance(acceptance.at, acceptance.mail_from, acceptance.rcpt_to, b"")
        self.accepted.append(acceptance)
        for count, event in self._waiters:
            if len(self.accepted) >= count:
                event.set()

    async def wait_accepted(self, count: int) -> None:
        """Waits until at least `count` messages are accepted."""
        event = asyncio.Event()
        self._waiters.append((count, event))
        if len(self.accepted) < count:
            async with asyncio.timeout(PATIENCE_S):
                await event.wait()

    def hold(self) -> None:
        """From now on accepts as before and says so only when released; `has_held` tells that a client waits so."""
        self.is_holding = True
        self.has_held.clear()

    def release(self) -> None:
        """Answers everybody who waits, and all others at once from now on."""
        self.is_holding = False
        held, self.held = self.held, []
        for answer in held:
            answer()

    async def wait_deserted(self) -> None:
        """Waits until no client is connected."""
        async with asyncio.timeout(PATIENCE_S):
            while self.open_connections:
                await asyncio.wait([connection.gone for connection in self.open_connections])

    def recipients(self) -> list[str]:
        """Every accepted recipient, in order, repeated as often as accepted."""
        return [recipient for acceptance in self.accepted for recipient in acceptance.rcpt_to]


def _entry(acceptance: Acceptance) -> bytes:
    entry = {
        "at": acceptance.at,
        "from": acceptance.mail_from,
        "to": acceptance.rcpt_to,
        "data": acceptance.data.decode("utf-8", "surrogateescape"),
    }
    return json.dumps(entry).encode() + b"\n"


async def _serve(options: argparse.Namespace) -> None:
    log = os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if options.log else None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    counter = NullCounter(log, options.delay_ms / 1000)
    sink = Sink(log=log, keep_data=False)
    if options.null:
        server = await loop.create_server(lambda: NullConnection(counter), "127.0.0.1", options.port, backlog=512)
        port = server.sockets[0].getsockname()[1]
    else:
        await sink.listen(options.port)
        port = sink.port
    print(port, flush=True)
    began = time.process_time()
    await stop.wait()
    accepted = counter.accepted + len(sink.accepted)
    print(json.dumps({"accepted": accepted, "cpu_s": round(time.process_time() - began, 3)}), flush=True)


def main() -> int:
    """Runs the sink as a process until SIGTERM, then prints how much it accepted and what that cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", help="append one JSON line per accepted message")
    parser.add_argument("--null", action="store_true", help="accept everything, follow no script, as fast as possible")
    parser.add_argument("--delay-ms", type=float, default=0, help="with --null: answer so much later, as from far away")
    options = parser.parse_args()
    if sys.platform == "win32":
        asyncio.run(_serve(options))
    else:
        import uvloop  # noqa: PLC0415 - absent on Windows

        uvloop.run(_serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
