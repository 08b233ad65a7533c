"""A TCP proxy for tests: a far-away relay, a cut line, a reset, a line that went silent.

In a test: `async with Proxy(sink.port, fault=Fault(delay_s=0.01)) as proxy`, and connect to `proxy.port`. A fault
strikes what comes from the client; the delay holds for both ways. Where next: `sink_script` for what a server does
wrong by itself.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Self, cast

FINAL_DOT = b"\r\n.\r\n"
_HELD_LIMIT = 4 * 1024 * 1024


class Strike(Enum):
    """How a line breaks: each side sees it close, both see a reset, or nobody sees anything any more."""

    CLOSE = auto()
    RESET = auto()
    SILENCE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What befalls a connection. What the client wrote up to the strike still reaches the server."""

    delay_s: float = 0.0
    """One way; an answer comes twice as much later."""
    after_bytes: int | None = None
    after_pattern: bytes | None = None
    pattern_no: int = 1
    """At the how manieth pattern it strikes."""
    strike: Strike = Strike.RESET


NONE = Fault()


class Proxy:
    """A listening proxy to a loopback port. `choose` gives the fault of the n-th connection; else `fault` holds."""

    def __init__(self, to: int, *, fault: Fault = NONE, choose: Callable[[int], Fault] | None = None) -> None:
        self.fault = fault
        self.port = 0
        self.connections = 0
        self.strikes = 0
        self.is_breaking_off = False
        """While it is, all but the last byte of what a client writes next arrives, and the line breaks."""
        self.lines: set[Line] = set()
        self._to = to
        self._choose = choose
        self._server: asyncio.Server | None = None
        self._dialling: set[asyncio.Task[None]] = set()

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
        self._server = await loop.create_server(lambda: _End(self._begin), "127.0.0.1", port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stops listening and resets every line."""
        if self._server is not None:
            self._server.close()
        for task in self._dialling:
            task.cancel()
        self.strike_all(Strike.RESET)

    def strike_all(self, strike: Strike) -> None:
        """Breaks every line that is open now."""
        for line in list(self.lines):
            line.break_(strike)

    def _begin(self, client: _End) -> None:
        self.connections += 1
        fault = self._choose(self.connections) if self._choose else self.fault
        line = Line(self, client, fault)
        self.lines.add(line)
        dialling = asyncio.get_running_loop().create_task(self._dial(line))
        self._dialling.add(dialling)
        dialling.add_done_callback(self._dialling.discard)

    async def _dial(self, line: Line) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: _End(line.join), "127.0.0.1", self._to)
        except OSError:
            line.break_(Strike.RESET)


class Line:
    """One client's connection through the proxy, both ways. Once `is_broken`, nothing passes any more."""

    def __init__(self, proxy: Proxy, client: _End, fault: Fault) -> None:
        self._proxy = proxy
        self._fault = fault
        self._client = client
        self._server: _End | None = None
        self._seen = 0
        self._patterns = 0
        self._tail = b""
        self.is_broken = False

    def join(self, server: _End) -> None:
        """Connects the two ends once the server has answered the call."""
        self._server = server
        client, fault = self._client, self._fault
        _Way(self, client, server, fault.delay_s, self._watch)
        _Way(self, server, client, fault.delay_s, self._pass)
        for data in client.early:
            client.on_data(data)
        if client.transport.is_closing():  # before the other end was there
            asyncio.get_running_loop().call_later(fault.delay_s * 1.1, server.transport.close)

    def break_(self, strike: Strike) -> None:
        """Breaks the line as told."""
        self.is_broken = True
        self._proxy.strikes += 1
        if strike is Strike.SILENCE:
            return
        if strike is Strike.RESET:
            self._client.reset()
        else:
            self._client.transport.close()
        if self._server is not None:
            self._server.transport.close()  # what the client wrote before arrives
        self.forget()

    def forget(self) -> None:
        """One of its ends has closed."""
        self._proxy.lines.discard(self)

    def _pass(self, data: bytes) -> bytes:
        return b"" if self.is_broken else data

    def _watch(self, data: bytes) -> bytes:
        """Lets bytes of the client pass until the fault strikes; what is behind the point never arrives."""
        if self.is_broken:
            return b""
        end = self._struck_at(data)
        if end is None:
            return data
        self.is_broken = True
        asyncio.get_running_loop().call_later(self._fault.delay_s * 1.1, self.break_, self._fault.strike)
        return data[:end]

    def _struck_at(self, data: bytes) -> int | None:
        if self._proxy.is_breaking_off:
            return len(data) - 1
        before, self._seen = self._seen, self._seen + len(data)
        limit, pattern = self._fault.after_bytes, self._fault.after_pattern
        if limit is not None and self._seen >= limit:
            return limit - before
        if pattern is None:
            return None
        text, skipped = self._tail + data, len(self._tail)
        at = 0
        while (found := text.find(pattern, at)) >= 0:
            at = found + len(pattern)
            self._patterns += 1
            if self._patterns == self._fault.pattern_no:
                return at - skipped
        self._tail = text[max(at, len(text) - len(pattern) + 1) :]
        return None


class _End(asyncio.Protocol):
    """One of a line's two connections."""

    def __init__(self, made: Callable[[_End], None]) -> None:
        self._made = made
        self.early: list[bytes] = []
        """What came before the other end was there."""
        self.on_data: Callable[[bytes], None] = self.early.append
        self.on_end: Callable[[], None] = lambda: None
        self.on_pause: Callable[[], None] = lambda: None
        self.on_resume: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._made(self)

    def data_received(self, data: bytes) -> None:
        self.on_data(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.on_end()

    def pause_writing(self) -> None:
        self.on_pause()

    def resume_writing(self) -> None:
        self.on_resume()

    def reset(self) -> None:
        """Drops the connection so that the other side sees a reset and nothing that was on its way."""
        if self.transport.is_closing():
            return
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class _Way:
    """One direction: what is read from one end is written to the other, `delay_s` later, in order."""

    def __init__(self, line: Line, source: _End, target: _End, delay_s: float, allow: Callable[[bytes], bytes]) -> None:
        self._line = line
        self._source, self._target = source, target
        self._delay_s = delay_s
        self._allow = allow
        self._held: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._loop = asyncio.get_running_loop()
        source.on_data, source.on_end = self._take, self._end
        target.on_pause, target.on_resume = self._pause, self._resume

    def _take(self, data: bytes) -> None:
        allowed = self._allow(data)
        if not allowed:
            return
        if self._delay_s:
            self._hold(allowed)
        else:
            self._target.transport.write(allowed)

    def _hold(self, data: bytes) -> None:
        self._held.append((self._loop.time() + self._delay_s, data))
        self._size += len(data)
        if self._size > _HELD_LIMIT:
            self._source.transport.pause_reading()
        if len(self._held) == 1:
            self._loop.call_later(self._delay_s, self._let_go)

    def _let_go(self) -> None:
        now = self._loop.time()
        ready: list[bytes] = []
        while self._held and self._held[0][0] <= now + 0.0005:
            ready.append(self._held.popleft()[1])
        whole = b"".join(ready)
        self._size -= len(whole)
        if not self._target.transport.is_closing():
            self._target.transport.write(whole)
        if self._held:
            self._loop.call_at(self._held[0][0], self._let_go)
        if self._size <= _HELD_LIMIT:
            self._resume()

    def _end(self) -> None:
        self._line.forget()
        if not self._line.is_broken:  # else it is closed already, or is to hear nothing of it
            self._loop.call_later(self._delay_s * 1.1, self._target.transport.close)

    def _pause(self) -> None:
        if not self._source.transport.is_closing():
            self._source.transport.pause_reading()

    def _resume(self) -> None:
        if not self._source.transport.is_closing():
            self._source.transport.resume_reading()
