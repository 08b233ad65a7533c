"""A tap on the wire: passes bytes on to a server as they come, and looks at what the client said.

Servers that store mail rewrite line ends, so bare CR and LF can only be seen here. Runs on a thread of its own.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
LINE_LIMIT = 998


class Tap:
    """What went by, towards the server."""

    def __init__(self, server_port: int) -> None:
        self.faults: Counter[str] = Counter()
        self.octets = 0
        self.longest_line = 0
        self.first_data_at: float | None = None
        self.port = 0
        self._server_port = server_port

    async def serve(self, ready: threading.Event, over: asyncio.Event) -> None:
        """Listens until `over`."""
        async with await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=200) as server:
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await over.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        await asyncio.gather(self._up(reader, up_writer), _copy(up_reader, writer), return_exceptions=True)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        while data := await reader.read(1 << 18):
            writer.write(data)
            if self.first_data_at is None and b"DATA\r\n" in data:
                self.first_data_at = time.monotonic()
            self.octets += len(data)
            rest = self._look(rest + data)
            await writer.drain()
        if rest:
            self.faults["a line without an end"] += 1
        writer.close()

    def _look(self, seen: bytes) -> bytes:
        whole, end, rest = seen.rpartition(b"\r\n")
        if end:
            for bare in _BARE.findall(whole + end):
                self.faults[f"bare {bare!r}"] += 1
            longest = max(map(len, whole.split(b"\r\n")))
            self.longest_line = max(self.longest_line, longest)
            self.faults["line over 998"] += longest > LINE_LIMIT
        return rest


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextmanager
def tapped(server_port: int) -> Iterator[Tap]:
    """A tap before the server for the block."""
    tap, ready = Tap(server_port), threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(tap.serve(ready, over)), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield tap
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
