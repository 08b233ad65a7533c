"""One HTTP/2 connection that carries requests side by side, and what each came to (RFC 9113).

Owns streams, flow control, GOAWAY and PING; framing and states are `h2`'s. Draws the line between `retry` and
`unknown`: a request is complete with its END_STREAM. Never makes a task or a future per request and knows no provider.
Where to read next: `apns`, which hands out the requests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar, cast

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes
from hpack.struct import Header

from clarion.adapters.channels.http_answers import ANSWER_LIMIT, Answer, plain
from clarion.adapters.channels.push.framing import Machine
from clarion.domain.outcome import Outcome, Reason
from clarion.failpoints import failpoint

T = TypeVar("T")

_LAST_STREAM: Final = 2**30
"""Streams are numbered up to twice of this; a connection that old makes room for another."""
_PING: Final = b"clarion?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2Timeouts:
    """Seconds. `answer` is longer than the minute after which load balancers give up on their own servers."""

    connect: float = 30.0
    """Name, connection, TLS and the server's first SETTINGS."""
    answer: float = 90.0
    silence: float = 15.0
    """A connection that was quiet for so long is asked by PING whether it lives, before it carries anything more."""
    ping: float = 10.0


class Owner(Protocol[T]):
    """Who hands out requests over a connection. `ticket` is whatever it gave with the request."""

    def answered(self, ticket: T, answer: Answer) -> None:
        """The whole answer to a request, or as much of it as there will be."""

    def lost(self, ticket: T, outcome: Outcome) -> None:
        """There will be no answer: `retry` when the request was certainly not acted on, `unknown` otherwise."""

    def has_room(self, connection: Http2Connection[T]) -> None:
        """The connection may take more, or less, than before."""

    def ended(self, connection: Http2Connection[T]) -> None:
        """The connection is gone; everything on it was answered or lost."""


@dataclass(slots=True)
class _Stream(Generic[T]):
    ticket: T
    rest: bytes
    """What of the body has not left; the request is complete without any."""
    began_at: float
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class Http2Connection(asyncio.Protocol, Generic[T]):
    """A connection as asyncio drives it. `ready` is done when the server said how many streams it takes."""

    transport: asyncio.Transport

    def __init__(self, owner: Owner[T], timeouts: Http2Timeouts) -> None:
        self._owner = owner
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, _Stream[T]] = {}
        self._machine = Machine(lambda: len(self._streams) - 1)
        self._blocked: deque[int] = deque()
        self._completed = False
        self._paused = False
        self._leaving = False
        self._why = "the server closed the connection"
        self._heard_at = self._loop.time()
        self._asked_at: float | None = None
        self.ready: asyncio.Future[None] = self._loop.create_future()

    @property
    def room(self) -> int:
        """How many more requests may be opened now."""
        if self._leaving or self._paused or self._blocked or self._asked_at is not None or not self.ready.done():
            return 0
        return self._machine.remote_settings.max_concurrent_streams - len(self._streams)

    @property
    def open(self) -> int:
        """How many requests wait for their answers."""
        return len(self._streams)

    def is_alive(self) -> bool:
        """Whether something was heard just now; if not, asks, and says that there is room when the answer comes."""
        if self._streams or self._loop.time() - self._heard_at < self._timeouts.silence:
            return True
        self._ask()
        return False

    def request(self, ticket: T, headers: Sequence[Header], body: bytes) -> None:
        """Opens a stream for a request, while there is `room`; it leaves with the next `flush`."""
        number = self._machine.get_next_available_stream_id()
        self._leaving = self._leaving or number > _LAST_STREAM
        stream = self._streams[number] = _Stream(ticket, body, self._loop.time())
        try:
            self._machine.send_headers(number, headers)
            self._pump(number, stream)
        except BaseException as fault:
            # Nothing is left without an outcome, whatever went wrong.
            self.give_up(f"the request could not be written: {plain(str(fault))}")
            if not isinstance(fault, H2Error):
                raise

    def flush(self) -> None:
        """Writes what was said since the last time."""
        if data := self._machine.data_to_send():
            self.transport.write(data)
        if self._completed:
            self._completed = False
            failpoint("after_dot")

    def retire(self) -> None:
        """Takes no more requests and leaves when those on the way are answered."""
        self._leaving = True
        self._leave_when_done()

    def give_up(self, why: str) -> None:
        """Drops the connection; what it carries is lost."""
        self._why = why
        self._leaving = True
        self.transport.abort()
        self._lose_all()

    def look(self, now: float) -> None:
        """Gives up on what has waited too long, and asks whether a silent connection lives."""
        if self._asked_at is not None and now - self._asked_at > self._timeouts.ping:
            self.give_up("the connection is dead: no answer to PING")
        elif self._streams and self._asked_at is None and now - self._heard_at > self._timeouts.silence:
            self._ask()
        for number, stream in list(self._streams.items()):
            if now - stream.began_at <= self._timeouts.answer:
                break
            self._machine.reset_stream(number, ErrorCodes.CANCEL)
            self._lose(number, "no answer in time")
        if not self.transport.is_closing():
            self.flush()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's contract
        self.transport = cast("asyncio.Transport", transport)
        self._machine.initiate_connection()
        self._machine.update_settings({SettingCodes.ENABLE_PUSH: 0})
        self.flush()

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's contract
        self._heard_at = self._loop.time()
        try:
            for event in self._machine.receive_data(data):
                self._hear(event)
        except H2Error as fault:
            self.give_up(f"the server does not keep to HTTP/2: {plain(str(fault))}")
            return
        self.flush()
        self._leave_when_done()
        self._owner.has_room(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's contract
        if exc is not None:
            self._why = f"the connection broke: {plain(str(exc))}"
        self._leaving = True
        self._lose_all()
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(self._why))
            self.ready.exception()  # nobody may be waiting for it
        self._owner.ended(self)

    def pause_writing(self) -> None:  # noqa: D102 - asyncio's contract
        self._paused = True

    def resume_writing(self) -> None:  # noqa: D102 - asyncio's contract
        self._paused = False
        self._owner.has_room(self)

    def _hear(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                self._begin(event)
            case DataReceived():
                self._collect(event)
            case StreamEnded():
                self._end(event.stream_id)
            case StreamReset():
                is_untouched = event.error_code == ErrorCodes.REFUSED_STREAM
                self._lose(event.stream_id, "the server reset the stream", is_untouched=is_untouched)
            case RemoteSettingsChanged() | WindowUpdated():
                if isinstance(event, RemoteSettingsChanged) and not self.ready.done():
                    self.ready.set_result(None)
                self._pump_blocked()
            case PingAckReceived():
                self._asked_at = None
            case ConnectionTerminated():
                self._go_away(event)

    def _begin(self, event: ResponseReceived) -> None:
        if stream := self._streams.get(event.stream_id):
            texts = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
            status, stream.headers = texts.get(":status", ""), texts
            stream.status = int(status) if len(status) == 3 and status.isascii() and status.isdigit() else 0

    def _collect(self, event: DataReceived) -> None:
        if stream := self._streams.get(event.stream_id):
            stream.body += event.data[: ANSWER_LIMIT - len(stream.body)]
        self._machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _end(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        if stream.rest:
            # Answered before it was complete: the server needs no more of it (RFC 9113 §8.1).
            self._machine.reset_stream(number, ErrorCodes.NO_ERROR)
        self._owner.answered(stream.ticket, Answer(stream.status, stream.headers, bytes(stream.body), is_whole=True))

    def _go_away(self, told: ConnectionTerminated) -> None:
        self._leaving = True
        words = plain((told.additional_data or b"").decode("utf-8", "replace"))
        self._why = f"the server goes away {words}".strip()
        for number in [number for number in self._streams if number > (told.last_stream_id or 0)]:
            self._lose(number, self._why, is_untouched=True)

    def _pump(self, number: int, stream: _Stream[T]) -> None:
        """Writes as much of a body as the server takes now."""
        while True:
            room = min(self._machine.local_flow_control_window(number), self._machine.max_outbound_frame_size)
            if room < 1 and stream.rest:
                self._blocked.append(number)
                return
            part, stream.rest = stream.rest[:room], stream.rest[room:]
            if not stream.rest:
                failpoint("before_dot")
                self._machine.send_data(number, part, end_stream=True)
                self._completed = True
                return
            self._machine.send_data(number, part)

    def _pump_blocked(self) -> None:
        for _ in range(len(self._blocked)):
            number = self._blocked.popleft()
            if stream := self._streams.get(number):
                self._pump(number, stream)

    def _ask(self) -> None:
        if self._asked_at is None and not self.transport.is_closing():
            self._asked_at = self._loop.time()
            self._machine.ping(_PING)
            self.flush()

    def _lose(self, number: int, why: str, *, is_untouched: bool = False) -> None:
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        if stream.status:
            # The status says it all, even when the rest did not come.
            answer = Answer(stream.status, stream.headers, bytes(stream.body), is_whole=False)
            self._owner.answered(stream.ticket, answer)
        elif is_untouched or stream.rest:
            self._owner.lost(stream.ticket, Outcome.retry(Reason.CONNECTION_LOST, why))
        else:
            self._owner.lost(stream.ticket, Outcome.unknown(Reason.NO_ANSWER, why))

    def _lose_all(self) -> None:
        for number in list(self._streams):
            self._lose(number, self._why)

    def _leave_when_done(self) -> None:
        if self._leaving and not self._streams and not self.transport.is_closing():
            self._machine.close_connection()
            self.flush()
            self.transport.close()
