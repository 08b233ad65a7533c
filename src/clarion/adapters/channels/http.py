"""One HTTP request to a provider: how long each part of it may take, and whether its body can have arrived.

Owns the line between `retry` and `unknown`, and the size of an answer. Never follows a redirect, keeps a cookie, uses a
proxy of the environment or unpacks an answer; knows no provider. Where to read next: `http_answers` for what an answer
means, `http_channel` for windows of messages.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from clarion.adapters.channels.http_answers import ANSWER_LIMIT, Answer, plain
from clarion.domain.internet import is_public
from clarion.domain.outcome import Outcome, Reason
from clarion.failpoints import failpoint

_NAME: Final = "Clarion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. `answer` runs from the last byte of the request to the last of the answer: a byte now and then does not
    renew it. It is longer than the minute after which load balancers give up on their own servers.
    """

    connect: float = 30.0
    """Name, connection and TLS."""
    write: float = 60.0
    """The whole request."""
    answer: float = 90.0
    idle: float = 15.0
    """A connection without work is closed after this, before the other side closes it under a request of ours."""
    unreachable: float = 4.0
    """How long a message waits while the provider is not to be asked; then its batch goes on without it."""
    stalled: float = 120.0
    """How long a message waits while requests are out and none of them comes back."""
    drain: float = 25.0
    """How long a channel that closes lets requests on the wire finish."""
    tick: float = 0.25
    """How often waiting messages are looked at."""


class Request(NamedTuple):
    """What goes out. `url` is sent as it is written, `body` too: a signature may stand on both."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"

    def __repr__(self) -> str:
        """Without the headers, which hold the login."""
        return f"Request({self.method} {self.url})"


class _Left(Enum):
    NOTHING = 0
    SOMETHING = 1
    ALL = 2


class _Body(aiohttp.BytesPayload):
    """A request body that knows how much of it left this process, and moves the deadline of its exchange along."""

    def __init__(self, value: bytes, timeouts: Timeouts) -> None:
        super().__init__(value)
        self._timeouts = timeouts
        self._writer: AbstractStreamWriter | None = None
        self.deadline: asyncio.Timeout | None = None
        self.left = _Left.NOTHING

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Writes the body, which no provider acts on before it has all of it."""
        self._writer = writer
        self._move(self._timeouts.write)
        failpoint("before_dot")
        self.left = _Left.SOMETHING
        await super().write_with_length(writer, content_length)
        self.left = _Left.ALL
        failpoint("after_dot")
        self._move(self._timeouts.answer)

    def give_up(self) -> _Left:
        """Drops what is still in our buffers; tells how much may have left, rather too much than too little."""
        transport = getattr(self._writer, "transport", None)
        if self.left is _Left.SOMETHING and transport is not None:
            # Closed politely, a connection still sends what is buffered. Over TLS an empty buffer proves nothing.
            if not transport.get_write_buffer_size():
                self.left = _Left.ALL
            transport.abort()
        return self.left

    def excuse(self, late_s: float) -> None:
        """Gives the part of the exchange that is under way so much more time."""
        if self.deadline is not None and not self.deadline.expired() and (due := self.deadline.when()) is not None:
            self.deadline.reschedule(due + late_s)

    def _move(self, seconds: float) -> None:
        if self.deadline is not None and not self.deadline.expired():
            self.deadline.reschedule(asyncio.get_running_loop().time() + seconds)


class HttpWay:
    """The connections to one provider, at most `max_connections` at once. Use from one event loop.

    With `public_only` no address of a private network is connected to, whatever a name resolves to just then: for
    addresses that somebody else gave us.
    """

    def __init__(
        self,
        *,
        max_connections: int,
        timeouts: Timeouts | None = None,
        tls: ssl.SSLContext | None = None,
        public_only: bool = False,
    ) -> None:
        self.timeouts = timeouts or Timeouts()
        self.max_connections = max_connections
        self._tls = tls
        self._public_only = public_only
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, opened at first use, because it belongs to the running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self.max_connections,
                keepalive_timeout=self.timeouts.idle,
                ttl_dns_cache=60,
                ssl=self._tls or True,
                socket_factory=_public_socket if self._public_only else None,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": _NAME, "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=self.timeouts.connect),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def ask(self, request: Request) -> Answer | Outcome:
        """Sends one request and gives the answer, or what it came to without one. For requests that send no message."""
        return await Exchange(self, request).run()

    async def aclose(self) -> None:
        """Closes every connection. Safe to repeat."""
        if self._session is not None:
            await self._session.close()


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its answer. After `run` was cancelled, `lost` tells what the request came to."""

    way: HttpWay
    request: Request
    _body: _Body = field(init=False)
    _response: aiohttp.ClientResponse | None = None
    _read: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._body = _Body(self.request.body, self.way.timeouts)

    async def run(self) -> Answer | Outcome:
        """Sends the request and reads its answer; an outcome instead when there is none.

        `retry` when the body cannot have arrived in full, `unknown` otherwise. Redirects are answers like any other,
        and a status line is one without the rest.
        """
        try:
            failpoint("before_connect")
            async with asyncio.timeout(self.way.timeouts.connect) as deadline:
                self._body.deadline = deadline
                async with self.way.session.request(
                    self.request.method,
                    URL(self.request.url, encoded=True),
                    data=self._body if self.request.body else None,
                    headers=self.request.headers,
                    allow_redirects=False,
                ) as self._response:
                    return await self._whole(self._response)
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            return self._cut() or self.lost(_words(fault), _reason(fault))

    def excuse(self, late_s: float) -> None:
        """Moves the deadline by seconds in which nobody could look at the answer."""
        self._body.excuse(late_s)

    def lost(self, why: str, reason: Reason = Reason.CONNECTION_FAILED) -> Outcome:
        """What a request without an answer came to, and the end of whatever of it is still in our buffers."""
        match self._body.give_up():
            case _Left.NOTHING:
                return Outcome.retry(reason, why)
            case _Left.SOMETHING:
                return Outcome.retry(Reason.CONNECTION_LOST, why)
            case _Left.ALL:
                return Outcome.unknown(Reason.NO_ANSWER, why)

    async def _whole(self, response: aiohttp.ClientResponse) -> Answer:
        while part := await response.content.read(ANSWER_LIMIT + 1 - len(self._read)):
            self._read += part
            if len(self._read) > ANSWER_LIMIT:
                response.close()
                break
        is_whole = len(self._read) <= ANSWER_LIMIT
        return Answer(response.status, response.headers, bytes(self._read[:ANSWER_LIMIT]), is_whole)

    def _cut(self) -> Answer | None:
        """The part of an answer that came before the connection broke or the time was up."""
        if self._response is None:
            return None
        return Answer(self._response.status, self._response.headers, bytes(self._read), is_whole=False)


def _reason(fault: Exception) -> Reason:
    tls = (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError, ssl.SSLError)
    return Reason.TLS_FAILED if isinstance(fault, tls) else Reason.CONNECTION_FAILED


def _words(fault: Exception) -> str:
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    return plain(f"{type(fault).__name__}: {fault}")


def _public_socket(address: aiohttp.connector.AddrInfoType) -> socket.socket:
    """A socket for an address of the public internet; asked with every connection, after the name was resolved."""
    family, kind, protocol, _, place = address
    if not is_public(str(place[0])):
        raise OSError("this address is not on the public internet")
    return socket.socket(family, kind, protocol)
