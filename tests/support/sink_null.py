"""An SMTP server that accepts everything as fast as Python can: for benchmarks and crash runs.

Follows the same grammar as the scripted sink where it matters (only CRLF.CRLF ends data) and announces the same
extensions, but reads no script and keeps no message. With a log, one line a message is appended before it is accepted.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import cast

_END = b"\r\n.\r\n"
_EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250 SIZE 52428800\r\n"
_REPLIES = {
    b"MAIL": b"250 2.1.0 ok\r\n",
    b"RCPT": b"250 2.1.5 ok\r\n",
    b"DATA": b"354 go ahead\r\n",
    b"EHLO": _EHLO,
    b"HELO": b"250 sink.test\r\n",
    b"RSET": b"250 2.0.0 ok\r\n",
    b"NOOP": b"250 2.0.0 ok\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}


class NullCounter:
    """What all connections together have accepted; `log` is an append-only file descriptor or None.

    Every answer leaves `delay_s` after what it answers: a server that is so far away.
    """

    def __init__(self, log: int | None = None, delay_s: float = 0.0) -> None:
        self.accepted = 0
        self.octets = 0
        self.log = log
        self.delay_s = delay_s


class NullConnection(asyncio.Protocol):
    """One client."""

    def __init__(self, counter: NullCounter) -> None:
        self._counter = counter
        self._rest = b""
        self._in_data = False
        self._chunk = 0
        self._recipient = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._answer(b"220 sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._counter.octets += len(data)
        if self._rest:
            data = self._rest + data
        out: list[bytes] = []
        at = 0
        while True:
            if self._chunk:
                if len(data) - at < self._chunk:
                    self._chunk -= len(data) - at
                    self._rest = b""
                    break
                at += self._chunk
                self._chunk = 0
                self._accept()
                out.append(b"250 2.0.0 accepted\r\n")
            elif self._in_data:
                end = data.find(_END, at)
                if end < 0:
                    # The end may be cut in two; everything else of the data can be forgotten.
                    self._rest = data[max(at, len(data) - len(_END) + 1) :]
                    break
                at = end + len(_END)
                self._accept()
                out.append(b"250 2.0.0 accepted\r\n")
            else:
                end = data.find(b"\r\n", at)
                if end < 0:
                    self._rest = data[at:]
                    break
                line = data[at:end]
                # A CRLF in front lets a lone dot end an empty message.
                if line[:4].upper() == b"BDAT":
                    self._chunk = int(line.split()[1])
                else:
                    out.append(self._obey(line))
                at = end if self._in_data else end + 2
        self._answer(b"".join(out))

    def _answer(self, words: bytes) -> None:
        if not self._counter.delay_s:
            self._transport.write(words)
        elif words:
            asyncio.get_running_loop().call_later(self._counter.delay_s, self._answer_now, words)

    def _answer_now(self, words: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(words)

    def _obey(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"DATA":
            self._in_data = True
        elif verb == b"RCPT":
            self._recipient = line[9:-1]
        elif verb == b"QUIT":
            # After the goodbye, which is at the front of the queue by then.
            asyncio.get_running_loop().call_later(self._counter.delay_s * 1.1, self._transport.close)
        return _REPLIES.get(verb, b"500 5.5.2 what?\r\n")

    def _accept(self) -> None:
        self._in_data = False
        self._counter.accepted += 1
        if self._counter.log is not None:
            entry = b'{"at": %.6f, "to": ["%b"]}\n' % (time.time(), self._recipient)
            os.write(self._counter.log, entry)
