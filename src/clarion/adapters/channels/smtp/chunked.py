"""Messages over one connection to a far server with CHUNKING (RFC 3030): the next leave before the last is answered.

`BDAT` needs no 354, so a message is `RSET MAIL RCPT BDAT` and its data in one write, and several are on their way at
once: a far relay costs no round trip a message. The price: when such a connection breaks, all of them are uncertain,
not one. Therefore only where the round trip is long, few at a time, and no more once a server has broken it off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from clarion import failpoints
from clarion.adapters.channels.smtp.capabilities import Capabilities
from clarion.adapters.channels.smtp.connection import Connection
from clarion.adapters.channels.smtp.outcomes import refusal
from clarion.adapters.channels.smtp.replies import Reply, parse_reply, reply_text
from clarion.adapters.channels.smtp.stages import DOT, MAIL, PHASES, RCPT, RESET, Owner, patience
from clarion.adapters.channels.smtp.supply import Supply, Taken
from clarion.adapters.channels.smtp.timeouts import Timeouts
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason
from clarion.rendering.email import WireEmail

AHEAD: Final = 4
"""Messages on their way at once over one connection."""
_AHEAD_BYTES: Final = 262_144
"""No further message is begun while so many bytes wait for their answer."""
_DATA_LINE: Final = len(b"DATA\r\n")
_NOT_READ: Final = Outcome.retry(Reason.CONNECTION_LOST, "the server left before it read the message")


class _Flight:
    """One message on its way: which answer is awaited, and whether it was refused already."""

    __slots__ = ("index", "is_refused", "size", "stage", "window")

    def __init__(self, window: Window[WireEmail], index: int, size: int) -> None:
        self.window = window
        self.index = index
        self.size = size
        self.stage = RESET
        self.is_refused = False


class ChunkedExchange:
    """One connection's messages, several at a time, from the first MAIL to QUIT. A connection's listener."""

    def __init__(
        self, connection: Connection, can: Capabilities, owner: Owner, *, timeouts: Timeouts, limit: int
    ) -> None:
        self._connection = connection
        self._owner = owner
        self._write: Callable[[bytes], None] = connection.transport.write
        self._supply = Supply(owner, can, limit=limit)
        self._timeouts = timeouts
        self._flights: deque[_Flight] = deque()
        self._bytes = 0
        self._unsent = 0
        self._leaving = False
        self._closed = False
        self.finished = 0
        """Messages whose transaction came to an answer."""
        self.broke_off = False
        """Whether the connection ended, without a word, while messages were on their way."""
        connection.listener = self

    # what the owner asks

    def start(self) -> None:
        """Begins with the waiting messages, if the exchange is idle and there are some."""
        if self._flights or self._leaving or self._closed:
            return
        self._fill()
        if self._flights:
            return
        if self._supply.ended:
            self._leave()
        else:
            self._owner.rested(self)

    def retire(self) -> None:
        """Takes no more messages; leaves as soon as those in hand are done."""
        self._supply.end()
        if not self._flights and not self._leaving:
            self._leave()

    def abandon(self, why: str) -> None:
        """Gives the connection up now."""
        if not self._closed:
            self._connection.give_up(why)

    def excuse(self, late_s: float) -> None:
        """Moves every deadline by seconds in which nobody could look at the answers."""
        self._connection.answered_at += late_s

    def check(self, now: float) -> None:
        """Looks at the deadlines; called a few times a second."""
        unsent = self._connection.transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._connection.touch()
        self._unsent = unsent
        waited = now - self._connection.answered_at
        if self._flights:
            limit = self._timeouts.block if unsent else patience(self._flights[0].stage, self._timeouts)
            if waited > limit:
                self._connection.give_up(f"no answer to {PHASES[self._flights[0].stage]} within {limit:g} s")
        elif self._leaving:
            if waited > self._timeouts.leave:
                self._connection.give_up("no answer to QUIT")
        elif waited > self._timeouts.idle:
            self._leave()

    # what the connection tells

    def on_replies(self, replies: list[bytes]) -> None:
        """Takes replies in order: each belongs to the oldest message on its way."""
        for raw in replies:
            if self._closed:
                return
            if not self._flights:
                self._connection.give_up("the server said goodbye")
                return
            if raw[:3] == b"250":
                self._on_yes(self._flights[0], raw)
            else:
                self._on_other(self._flights[0], raw)
        if not self._closed:
            self._fill()
            self.start()

    def on_writable(self) -> None:
        """What is written is bounded by what is on its way; nothing waits for the buffer."""

    def on_lost(self, why: str) -> None:
        """Settles what was on its way: it may have been read to its end, and nobody can tell."""
        if self._closed:
            return
        self._closed = True
        flights, self._flights = self._flights, deque()
        self.broke_off = bool(flights)
        for flight in flights:
            if not flight.is_refused:
                flight.window.settle(flight.index, Outcome.unknown(Reason.NO_ANSWER, why))
        self._owner.ended(self)

    # the way of a message

    def _fill(self) -> None:
        if not self._flights:
            self._connection.touch()
        while len(self._flights) < AHEAD and self._bytes < _AHEAD_BYTES:
            taken = self._supply.pick()
            if taken is None:
                return
            self._send(taken)

    def _send(self, taken: Taken) -> None:
        window, index, group, stuffed = taken
        data = unstuffed(stuffed)
        self._flights.append(_Flight(window, index, len(data)))
        self._bytes += len(data)
        if failpoints.ARMED:
            failpoints.failpoint("before_dot")
        # A refused message leaves the server in a state that only RSET ends (RFC 3030 §2); it is in front of each.
        self._write(b"RSET\r\n%bBDAT %d LAST\r\n%b" % (group[:-_DATA_LINE], len(data), data))

    def _on_yes(self, flight: _Flight, raw: bytes) -> None:
        if flight.stage != DOT:
            self._advance(flight)
        elif flight.is_refused:
            self._connection.give_up("the server took a message after refusing its envelope")
        else:
            flight.window.settle(flight.index, Outcome.sent(reply_text(raw)))
            self._finish(flight)

    def _advance(self, flight: _Flight) -> None:
        flight.stage = DOT if flight.stage == RCPT else flight.stage + 1

    def _finish(self, flight: _Flight) -> None:
        self._flights.popleft()
        self._bytes -= flight.size
        self.finished += 1

    # what seldom happens

    def _on_other(self, flight: _Flight, raw: bytes) -> None:
        reply = parse_reply(raw)
        if reply.code == 421:
            self._on_shutdown(reply)
        elif reply.code >= 400 and flight.stage != RESET:
            self._refuse(flight, reply)
            if flight.stage == DOT:
                self._finish(flight)
            else:
                self._advance(flight)
        elif flight.stage in {MAIL, RCPT} and reply.code < 300:
            self._advance(flight)
        else:
            self._connection.give_up(f"out of step: {reply.text}")

    def _refuse(self, flight: _Flight, reply: Reply) -> None:
        if not flight.is_refused:
            flight.is_refused = True
            flight.window.settle(flight.index, refusal(PHASES[flight.stage], reply))

    def _on_shutdown(self, reply: Reply) -> None:
        """The server answers one message with 421 and reads no further: the others were not sent."""
        first, *others = self._flights
        self._flights.clear()
        if not first.is_refused and not (first.stage != DOT and self._elsewhere(first)):
            self._refuse(first, reply)
        for flight in others:
            if not self._elsewhere(flight):
                flight.window.settle(flight.index, _NOT_READ)
        self._connection.give_up(reply.text)

    def _elsewhere(self, flight: _Flight) -> bool:
        return self.finished > 0 and self._owner.give_back(flight.window, flight.index)

    def _leave(self) -> None:
        self._leaving = True
        self._connection.touch()
        self._write(b"QUIT\r\n")


def unstuffed(data: bytes) -> bytes:
    """Data as its author wrote it: `BDAT` counts bytes and needs no dots in front of dots (RFC 5321 §4.5.2)."""
    if data.startswith(b".."):
        data = data[1:]
    return data.replace(b"\r\n..", b"\r\n.")
