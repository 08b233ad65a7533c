"""A local mail catcher: an SMTP server that accepts everything, sends nothing on, and counts who was written to.

Owns the conversation and the count per recipient. It never judges a message and knows no campaign. The messages it
keeps to look at live in `mailbox`; the demo and `clarion catcher` start it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Final, cast

from clarion.entrypoints.cli.mailbox import Mailbox

MAX_MESSAGE_BYTES: Final = 25 * 1024 * 1024
_MAX_LINE: Final = 4096
_END: Final = b"\r\n.\r\n"
_REPLIES: Final = {
    b"EHLO": b"250-catcher\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE %d\r\n" % MAX_MESSAGE_BYTES,
    b"HELO": b"250 catcher\r\n",
    b"MAIL": b"250 OK\r\n",
    b"RCPT": b"250 OK\r\n",
    b"RSET": b"250 OK\r\n",
    b"NOOP": b"250 OK\r\n",
    b"QUIT": b"221 Bye\r\n",
}


class Catcher:
    """Accepts mail on a loopback port until closed. `received` counts messages per recipient as accepted."""

    def __init__(self, mailbox: Mailbox | None = None) -> None:
        self.mailbox = mailbox
        self.received: Counter[str] = Counter()
        self.first_at: float | None = None
        self._server: asyncio.Server | None = None
        self._sessions: set[_Session] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listens and returns the port; 0 lets the system choose a free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self, self._sessions), host, port)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def close(self) -> None:
        """Stops listening and drops every connection."""
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            session.drop()

    @property
    def total(self) -> int:
        """How many messages were accepted, one per recipient."""
        return self.received.total()

    @property
    def repeated(self) -> list[str]:
        """Recipients who were written to more than once."""
        return [address for address, times in self.received.items() if times > 1]

    def accept(self, recipients: list[str], message: bytes) -> None:
        """Counts one accepted message; called at the moment its final dot is read."""
        if self.first_at is None:
            self.first_at = time.monotonic()
        self.received.update(recipients)
        if self.mailbox is not None:
            self.mailbox.keep(recipients, message)


class _Session(asyncio.Protocol):
    """One connection. Commands may come in any number at once (RFC 2920); their replies leave in one write."""

    def __init__(self, catcher: Catcher, sessions: set[_Session]) -> None:
        self._catcher = catcher
        self._sessions = sessions
        self._buffer = bytearray()
        self._recipients: list[str] = []
        self._in_data = False
        self._searched = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._sessions.add(self)
        self._transport.write(b"220 catcher ready\r\n")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._sessions.discard(self)

    def drop(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = bytearray()
        while (reply := self._data() if self._in_data else self._command()) is not None:
            replies += reply
        if self._transport is not None and replies:
            self._transport.write(bytes(replies))
            if replies.endswith((b"221 Bye\r\n", b"closing\r\n")):
                self._transport.close()

    def _command(self) -> bytes | None:
        """Answers the next whole line of the buffer, or None when there is none yet."""
        end = self._buffer.find(b"\n")
        if end < 0:
            return self._overflow(_MAX_LINE)
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        verb, _, rest = line.partition(b" ")
        return self._answer(verb.upper(), rest)

    def _answer(self, verb: bytes, rest: bytes) -> bytes:
        if verb in {b"MAIL", b"RSET"}:
            self._recipients.clear()
        elif verb == b"RCPT":
            self._recipients.append(_address(rest))
        elif verb == b"DATA":
            return self._open_data()
        return _REPLIES.get(verb, b"502 Not here\r\n")

    def _open_data(self) -> bytes:
        if not self._recipients:
            return b"503 RCPT first\r\n"
        self._in_data = True
        self._searched = 0
        # A message that opens with the final dot is empty; the line break that ends DATA stands before it.
        self._buffer[:0] = b"\r\n"
        return b"354 Go on\r\n"

    def _data(self) -> bytes | None:
        """Takes the message once its final dot is in the buffer (RFC 5321 §4.1.1.4)."""
        end = self._buffer.find(_END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._buffer) - len(_END) + 1)
            return self._overflow(MAX_MESSAGE_BYTES)
        message = bytes(self._buffer[: end + 2]).replace(b"\r\n..", b"\r\n.")[2:]
        del self._buffer[: end + len(_END)]
        self._in_data = False
        self._catcher.accept(self._recipients, message)
        self._recipients.clear()
        return b"250 2.0.0 Caught\r\n"

    def _overflow(self, limit: int) -> bytes | None:
        if len(self._buffer) <= limit:
            return None
        self._buffer.clear()
        self._in_data = False
        return b"421 Too long, closing\r\n"


def _address(argument: bytes) -> str:
    """The address of `TO:<address> …`, as sent."""
    opening, closing = argument.find(b"<"), argument.rfind(b">")
    return argument[opening + 1 : closing].decode("utf-8", "replace") if 0 <= opening < closing else ""
