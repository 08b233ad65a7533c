"""A load generator for calls with recipients: raw HTTP/1.1 over connections kept open, in a process of its own.

Cheap enough not to be what is measured: no HTTP library, bodies made from a pattern, one write a call. Each call has a
request id and recipients of its own. Writes one JSON object to its output: when each call went out and was answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import cast

import uvloop

ADDRESS = "person.{:07}@load.example"
EXTERNAL = "called.{:07}@load.example"


class Caller(asyncio.Protocol):
    """One connection: one call at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[int] | None = None
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def call(self, request: bytes) -> asyncio.Future[int]:
        """Sends a request; its status comes when the answer is whole."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if not found or self._answer is None:
            return
        at = head.lower().index(b"content-length:") + 15
        if len(body) >= int(head[at:].split(b"\r\n", 1)[0]):
            self._seen = b""
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection"))


class Load:
    """Calls to one campaign. `first` is the first recipient's number, so that two loads share nobody."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._next = options.first
        self._head = (
            f"POST {options.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {options.key}\r\n"
            f"{self._adobe_headers()}Content-Type: application/json\r\nContent-Length: "
        )
        self.calls: list[tuple[float, float, int, int]] = []

    def _request(self) -> tuple[int, bytes]:
        first = self._next
        self._next += self._options.recipients
        people = ",".join(
            f'{{{self._who(number)},"context":{{"order":{{"id":"o-{number}","total":"12.50"}},"city":"Northmere"}}}}'
            for number in range(first, self._next)
        )
        campaign = f'"campaignId":"{self._options.campaign}",' if self._options.campaign else ""
        body = f'{{{campaign}"requestId":"{self._options.name}-{first}","recipients":[{people}]}}'
        return first, f"{self._head}{len(body)}\r\n\r\n{body}".encode()

    def _adobe_headers(self) -> str:
        if not self._options.campaign:
            return ""
        client_id = self._options.key.split("_")[1]
        return f"x-api-key: {client_id}\r\nx-gw-ims-org-id: acme@AdobeOrg\r\nx-sandbox-name: prod\r\n"

    def _who(self, number: int) -> str:
        if self._options.campaign:
            kind, address = ("external", EXTERNAL.format(number)) if self._options.external else (
                "aep", ADDRESS.format(1 + number % self._options.people)
            )  # fmt: skip
            return f'"type":"{kind}","namespace":"email","userId":"{address}"'
        if self._options.external:
            return f'"addresses":{{"email":"{EXTERNAL.format(number)}"}}'
        return f'"contact":{{"email":"{ADDRESS.format(1 + number % self._options.people)}"}}'

    async def run(self) -> None:
        """Calls for the time asked, as fast as the connections allow or at a rate."""
        loop = asyncio.get_running_loop()
        self._ends = time.monotonic() + self._options.seconds
        free: asyncio.Queue[Caller] = asyncio.Queue()
        for _ in range(self._options.connections):
            _, caller = await loop.create_connection(Caller, "127.0.0.1", self._options.port)
            free.put_nowait(caller)
        if self._options.rate:
            await self._paced(free)
        else:
            await asyncio.gather(*(self._busy(free.get_nowait()) for _ in range(free.qsize())))

    async def _busy(self, caller: Caller) -> None:
        while time.monotonic() < self._ends:
            await self._call(caller)

    async def _paced(self, free: asyncio.Queue[Caller]) -> None:
        began, sent, under_way = time.monotonic(), 0, set()
        while (now := time.monotonic()) < self._ends:
            if (early := began + sent / self._options.rate - now) > 0:
                await asyncio.sleep(early)
            sent += 1
            task = asyncio.create_task(self._borrowed(free))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def _borrowed(self, free: asyncio.Queue[Caller]) -> None:
        caller = await free.get()
        await self._call(caller)
        free.put_nowait(caller)

    async def _call(self, caller: Caller) -> None:
        first, request = self._request()
        began = time.time()
        status = await caller.call(request)
        self.calls.append((began, time.time(), first, status))


def main() -> int:
    """Reads the command line, makes the load, writes what became of it."""
    parser = argparse.ArgumentParser()
    for name in ("path", "key", "name", "output"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("port", "recipients", "connections", "people"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--campaign", help="calls this campaign as Adobe's callers do")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--external", action="store_true", help="to addresses of nobody known")
    options = parser.parse_args()
    load = Load(options)
    uvloop.run(load.run())
    Path(options.output).write_text(json.dumps(load.calls))
    return 0


if __name__ == "__main__":
    sys.exit(main())
