"""The wire of the scripted sink: lines, data, answers in one write, and misbehaviour on request.

Only CRLF ends a line and only CRLF.CRLF ends data. Commands are answered in one write as far as they have come, so a
pipelining client sees one packet. Where next: `sink_script` for what can be asked of it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from tests.support.sink_script import Script

if TYPE_CHECKING:
    from tests.support.sink import Sink

_END = b"\r\n.\r\n"
_LINE_LIMIT = 4096


class SinkWire(asyncio.Protocol):
    """Cuts what arrives into commands and data; knows how to answer, hold, hang up and worse."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._manners = sink.manners
        sink.connections += 1
        self._number = sink.connections
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._held = False
        self._asking: Callable[[bytes], None] | None = None
        self._in_data = False
        self._chunk: int | None = None
        self._searched = 0
        self._script: Script | None = None

    @abstractmethod
    def _obey(self, line: str) -> None:
        """Answers one command."""

    @abstractmethod
    def _on_dot(self, data: bytes) -> None:
        """Answers a whole message."""

    @abstractmethod
    def _on_chunk(self, data: bytes) -> None:
        """Answers a whole message that came by its length."""

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._sink.open_connections.add(self)
        self._sink.most_open = max(self._sink.most_open, len(self._sink.open_connections))
        if self._manners.silent:
            self._held = True
            return
        self._transport.write(self._manners.greeting)
        if not self._manners.greeting.startswith(b"2"):
            self._transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._sink.open_connections.discard(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._work()

    def cut(self) -> None:
        """Hangs up without a word, unread input and all: the client sees a reset."""
        self._held = True
        self._transport.abort()

    # the machine

    def _work(self) -> None:
        while not self._held and self._take():
            pass
        self._flush()

    def _take(self) -> bool:
        if self._chunk is not None:
            return self._take_chunk(self._chunk)
        return self._take_data() if self._in_data else self._take_line()

    def _begin_chunk(self, size: int) -> None:
        self._chunk = size

    def _take_chunk(self, size: int) -> bool:
        if self._script is not None and self._script.at == "mid-data" and self._buffer:
            self._act(self._script, "mid-data")
            return False
        if len(self._buffer) < size:
            return False
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._chunk = None
        self._on_chunk(data)
        return True

    def _flush(self) -> None:
        if self._out and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _take_line(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > _LINE_LIMIT:
                self._hang_up(b"500 5.5.2 line too long\r\n")
            return False
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if not line.endswith(b"\r\n") or b"\0" in line or b"\r" in line[:-2]:
            self._hang_up(b"554 5.5.2 bare LF, CR or NUL\r\n")
            return False
        if self._asking is not None:
            asking, self._asking = self._asking, None
            asking(line[:-2])
        else:
            self._obey(line[:-2].decode("utf-8", "surrogateescape"))
        return True

    def _say(self, reply: bytes) -> None:
        self._out.append(reply)

    def _begin_data(self) -> None:
        self._in_data = True
        # A CRLF in front lets a lone dot end an empty message.
        self._buffer[:0] = b"\r\n"
        self._say(b"354 end with a dot\r\n")

    def _take_data(self) -> bool:
        if self._script is not None and self._script.at == "mid-data" and len(self._buffer) > 2:
            self._act(self._script, "mid-data")
            return False
        end = self._buffer.find(_END, self._searched)
        if end < 0:
            # Where the end may begin: the last four bytes are looked at again.
            self._searched = max(0, len(self._buffer) - len(_END) + 1)
            return False
        self._searched = 0
        data = bytes(self._buffer[2 : end + 2])
        del self._buffer[: end + len(_END)]
        self._in_data = False
        self._on_dot(data)
        return True

    # misbehaviour

    def _act(self, script: Script | None, at: str) -> bool:
        """Does what is asked for at this point; True when that took the place of the usual answer."""
        if script is None or script.at != at:
            return False
        if script.act == "answer":
            self._say(script.reply)
        elif script.act == "hang-up":
            self._hang_up(script.reply)
        elif script.act == "cut":
            self._cut(at)
        elif script.act == "silent":
            self._flush()
            self._held = True
        elif script.act == "garbage":
            self._say(b"\x00\xff\x1b[31mHTTP/1.1 200 OK\r\n\r\n")
        elif script.act == "endless":
            self._say(b"250 " + b"x" * 10_000_000)
        elif script.act == "rambling":
            self._say(b"250-more\r\n" * 1_000_000)
        elif script.act == "drip":
            self._drip()
        return script.act != "grey"

    def _cut(self, at: str) -> None:
        self._flush()
        self._held = True
        if at == "after-answer":
            # Linger 0: the answer may be lost in the reset, as when a machine behind a balancer dies.
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()

    def _hang_up(self, reply: bytes) -> None:
        self._say(reply)
        self._flush()
        self._held = True
        self._transport.close()

    def _hold(self, seconds: float, reply: bytes) -> None:
        self._flush()
        self._held = True
        asyncio.get_running_loop().call_later(seconds, self._resume, reply)

    def _hold_back(self, reply: bytes) -> None:
        self._flush()
        self._held = True
        self._sink.held.append(lambda: self._resume(reply))
        self._sink.has_held.set()

    def _resume(self, reply: bytes) -> None:
        self._held = False
        self._say(reply)
        self._work()

    def _drip(self) -> None:
        self._flush()
        self._held = True
        if not self._transport.is_closing():
            self._transport.write(b"2")
            asyncio.get_running_loop().call_later(0.02, self._drip)
