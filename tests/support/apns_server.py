"""A stand-in for APNs over HTTP/2 that checks what Apple's documentation asks for, and plays every fault of the table.

`server.fates[token]` is what happens to the messages of a device: one of APNs's reasons, or a fault of the connection
(`Fault`). Every acceptance is recorded before it is answered.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Self, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from tests.support.allowance import Allowance
from tests.support.apns_rules import STATUS_OF, header_fault, payload_fault

from clarion.adapters.channels.push.framing import RepeatingEncoder, varying

_PATH = re.compile(r"/3/device/((?:[0-9a-f]{2}){8,100})")
_TOKEN_AGE_S: Final = 3600


class Fault(Enum):
    """What may happen to a message beside an answer."""

    SILENCE = auto()
    """Taken, and never answered."""
    CUT = auto()
    """Taken, and the connection breaks."""
    REFUSED_STREAM = auto()
    """Not looked at, and the stream says so."""
    RESET = auto()
    """Taken, and the stream breaks."""
    GO_AWAY_BEFORE = auto()
    """The server goes away; this message and all after it were not looked at, those before are answered late."""
    GO_AWAY_AFTER = auto()
    """The server goes away with this message as the last one it answers."""


Fate = str | Fault


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that was taken."""

    token: str
    headers: dict[str, str]
    payload: dict[str, Any]


@dataclass
class ApnsServer:
    """In a test: `async with ApnsServer(key, ...) as server`. `complaints` are breaches of what Apple documents."""

    key: EllipticCurvePublicKey
    team_id: str = "TEAM456789"
    key_id: str = "KEY4567890"
    topic: str = "test.app"
    tls: ssl.SSLContext | None = None
    max_streams: int = 1000
    window: int = 2**20
    port: int = 0
    url: str = ""
    """What a sender calls."""
    keeps: bool = True
    """Whether arrivals are kept whole, or only counted."""
    allowance: Allowance = field(default_factory=Allowance)
    """What is beyond it is told `ServiceUnavailable`."""
    fates: dict[str, Fate] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """Provider tokens that came, each with what is wrong with it, "" for nothing."""
    connections: set[_Connection] = field(default_factory=set)
    opened: int = 0
    clock: Any = time.time
    _listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._listener.sockets[0].getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for connection in list(self.connections):
            connection.transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._listener.wait_closed()

    def recipients(self) -> list[str]:
        """The devices whose messages were taken, in order."""
        return [arrival.token for arrival in self.arrivals]

    def verdict(self, headers: dict[str, str], body: bytes) -> str:
        """The reason why a message is not taken, "" when it is."""
        path = _PATH.fullmatch(headers.get(":path", ""))
        if headers.get(":method") != "POST":
            return "MethodNotAllowed"
        if path is None:
            return "BadPath"
        authorization = headers.get("authorization", "")
        if authorization not in self.tokens:
            self.tokens[authorization] = self._token_fault(authorization)
        fault = self.tokens[authorization] or header_fault(headers, self.topic) or payload_fault(headers, body)
        if fault:
            self.complaints.append(f"{fault}: {headers} {body[:200]!r}")
            return fault
        if self.allowance.is_used_up():
            return "ServiceUnavailable"
        fate = self.fates.get(path[1], "BadDeviceToken" if set(path[1]) == {"0"} else "")
        return fate if isinstance(fate, str) else ""

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Records an acceptance."""
        token = headers[":path"].rpartition("/")[2]
        self.counted[token] += 1
        if self.keeps:
            self.arrivals.append(Arrival(token, headers, json.loads(body)))

    def _token_fault(self, authorization: str) -> str:
        scheme, _, token = authorization.partition(" ")
        if scheme != "bearer" or not token:
            return "MissingProviderToken"
        try:
            head = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token, self.key, algorithms=["ES256"], options={"require": ["iss", "iat"], "verify_iat": False}
            )
        except jwt.PyJWTError:
            return "InvalidProviderToken"
        if head.get("kid") != self.key_id or claims["iss"] != self.team_id:
            return "InvalidProviderToken"
        return "" if self.clock() - _TOKEN_AGE_S < claims["iat"] <= self.clock() + 1 else "ExpiredProviderToken"


class _Machine(H2Connection):
    """`h2`, but for counting the open streams, over all of which it would walk for each request."""

    requests: dict[int, Any]
    asked = 0

    @property
    def open_inbound_streams(self) -> int:
        self.asked += 1
        return len(self.requests) if self.asked % 256 else super().open_inbound_streams


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, server: ApnsServer) -> None:
        self._server = server
        config = H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,  # what matters is checked below
        )
        self._machine = _Machine(config)
        self._machine.encoder = RepeatingEncoder()
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._machine.requests = self._requests
        self._ended = 0
        """The last stream that is looked at after the server said that it goes away; 0 before."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)
        self._server.opened += 1
        first: dict[SettingCodes, int] = {
            SettingCodes.MAX_CONCURRENT_STREAMS: self._server.max_streams,
            SettingCodes.INITIAL_WINDOW_SIZE: min(self._server.window, 65_535),
        }
        self._machine.local_settings = Settings(client=False, initial_values=first)
        self._machine.initiate_connection()
        if self._server.window > 65_535:
            self._machine.increment_flow_control_window(self._server.window)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's contract
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._machine.receive_data(data):
                match event:
                    case RequestReceived(stream_id=number, headers=headers):
                        texts = {name.decode(): value.decode() for name, value in headers}
                        self._requests[number] = texts, bytearray()
                    case DataReceived(stream_id=number, data=part):
                        if number in self._requests:
                            self._requests[number][1].extend(part)
                        self._machine.acknowledge_received_data(event.flow_controlled_length, number)
                    case StreamEnded(stream_id=number):
                        self._complete(number)
        except H2Error as fault:
            self._server.complaints.append(f"not HTTP/2: {fault!r}")
            self.transport.abort()
        self._flush()

    def _complete(self, number: int) -> None:
        headers, body = self._requests.pop(number)
        if self._ended and number > self._ended:
            return
        token = headers.get(":path", "").rpartition("/")[2]
        fate = self._server.fates.get(token)
        refusal = self._server.verdict(headers, bytes(body))
        if not isinstance(fate, Fault) or refusal:
            self._answer(number, headers, bytes(body), refusal)
        else:
            self._play(fate, number, headers, bytes(body))

    def _play(self, fate: Fault, number: int, headers: dict[str, str], body: bytes) -> None:
        if fate is Fault.REFUSED_STREAM:
            # Once: whoever comes again is welcome.
            del self._server.fates[headers[":path"].rpartition("/")[2]]
            self._machine.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        if fate is Fault.GO_AWAY_BEFORE:
            del self._server.fates[headers[":path"].rpartition("/")[2]]
            self._go_away(max(number - 2, 1) if number > 1 else 0)
            return
        if fate is Fault.GO_AWAY_AFTER:
            self._go_away(number)
            self._answer(number, headers, body, "")
            return
        self._server.take(headers, body)
        if fate is Fault.RESET:
            self._machine.reset_stream(number, ErrorCodes.INTERNAL_ERROR)
        elif fate is Fault.CUT:
            self._flush()
            self.transport.abort()

    def _go_away(self, last: int) -> None:
        """GOAWAY by hand: `h2` would take the connection for closed, and answers are still to come."""
        self._ended = last or -1
        self._flush()
        body = last.to_bytes(4, "big") + bytes(4) + b'{"reason":"Shutdown"}'
        self.transport.write(len(body).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + body)

    def _answer(self, number: int, headers: dict[str, str], body: bytes, refusal: str) -> None:
        name = varying(b"apns-id", headers.get("apns-id", "").encode())
        if not refusal:
            self._server.take(headers, body)
            self._machine.send_headers(number, [(b":status", b"200"), name], end_stream=True)
            return
        status = STATUS_OF[refusal]
        told: dict[str, object] = {"reason": refusal}
        if status == 410:
            told["timestamp"] = 1_700_000_000_000
        self._machine.send_headers(number, [(b":status", str(status).encode()), name])
        self._machine.send_data(number, json.dumps(told).encode(), end_stream=True)

    def _flush(self) -> None:
        if not self.transport.is_closing() and (data := self._machine.data_to_send()):
            self.transport.write(data)
