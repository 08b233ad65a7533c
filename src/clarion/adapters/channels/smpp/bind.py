"""One session with a centre, from bind_transceiver to unbind.

Owns what is said besides messages, the timers of SMPP 3.4 §7.2, and how a session ends. Messages leave as long as the
window and the pace have room; none waits for the answer to the one before. Where to read next: `inflight` (messages on
the wire), `incoming` (what the centre tells), `channel` (the owner).
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from clarion import failpoints
from clarion.adapters.channels.opening import OpeningFailed
from clarion.adapters.channels.smpp import pdu, statuses
from clarion.adapters.channels.smpp.connection import Connection
from clarion.adapters.channels.smpp.dispatch import Dispatch
from clarion.adapters.channels.smpp.incoming import Desk, Incoming
from clarion.adapters.channels.smpp.inflight import InFlight
from clarion.adapters.channels.smpp.pdu import Pdu
from clarion.adapters.channels.smpp.slowing import Slowing
from clarion.adapters.channels.smpp.timers import Timers
from clarion.domain.outcome import Outcome, Reason

_BINDING, _BOUND, _LEAVING, _CLOSED = range(4)


class Owner(Protocol):
    """Who hands out messages and wants to know how a session fares."""

    slowing: Slowing

    def take(self) -> Dispatch | None:
        """The next waiting message."""
        ...

    def name_of(self, given: str) -> str:
        """The centre's id of a message in the form in which receipts are compared with it."""
        ...

    def answered(self, dispatch: Dispatch) -> None:
        """Every part of a message has an answer."""
        ...

    def hold_up(self) -> None:
        """The pace has no room just now; it will in a moment."""
        ...

    def ended(self, bind: Bind) -> None:
        """The session is over; every message it had is answered."""
        ...


class Bind:
    """One session. A connection's listener from the first byte on."""

    def __init__(self, owner: Owner, desk: Desk, timers: Timers) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._timers = timers
        self._incoming = Incoming(desk, timers, self._write)
        self.in_flight = InFlight(owner.take, owner.name_of, owner.answered)
        self._connection: Connection | None = None
        self._bound: asyncio.Future[None] = self._loop.create_future()
        self._stage = _BINDING
        self._retires = False
        self._goodbye: int | None = None
        """The number of the centre's unbind, once it wants to end."""
        self._late_s = 0.0
        self._heard_at = self._asked_at = self._loop.time()

    # opening

    async def log_in(self, connection: Connection, body: bytes) -> None:
        """Binds as a transceiver over a connection whose units come here. Raises: OpeningFailed; it is closed then."""
        self._connection = connection
        self._write(pdu.unit(pdu.BIND_TRANSCEIVER, self.in_flight.number(), body))
        try:
            async with asyncio.timeout(self._timers.bind):
                await self._bound
        except TimeoutError:
            words = f"the centre did not answer bind_transceiver within {self._timers.bind:g} s"
            raise OpeningFailed(Outcome.retry(Reason.CONNECTION_FAILED, words)) from None
        finally:
            if self._stage == _BINDING:
                self._stage = _CLOSED
                connection.transport.abort()
        if self._stage == _CLOSED:
            # Bound and lost before anybody could look.
            raise OpeningFailed(Outcome.retry(Reason.CONNECTION_FAILED, "the centre ended the session at once"))

    def _on_bound(self, status: int) -> None:
        if self._stage != _BINDING or self._bound.done():
            return
        if status:
            self._bound.set_exception(OpeningFailed(statuses.refused_bind(status)))
            return
        # From here on, also for what came in the same breath: centres deliver at once what waited for us.
        self._stage = _BOUND
        self._bound.set_result(None)

    # what the owner asks

    def pump(self) -> None:
        """Writes as many waiting messages as the window and the pace have room for."""
        connection = self._connection
        if self._stage != _BOUND or self._retires or connection is None or connection.paused:
            return
        slowing = self._owner.slowing
        window = int(slowing.window) - len(self.in_flight)
        if window <= 0:
            return
        now = self._loop.time()
        room = min(window, slowing.room(now))
        units = self.in_flight.fill(room, now - self._late_s)
        if units:
            slowing.spend(len(units))
            if failpoints.ARMED:
                failpoints.failpoint("before_dot")
            connection.transport.write(b"".join(units))
            if failpoints.ARMED:
                failpoints.failpoint("after_dot")
        if len(units) == room < window:
            self._owner.hold_up()

    def retire(self) -> None:
        """Takes no more messages, and leaves as soon as those on the wire are answered."""
        self._retires = True
        self.in_flight.put_down("the session is ending")
        self._leave_if_done()

    def abandon(self, why: str) -> None:
        """Gives the connection up now."""
        if self._connection is not None and self._stage != _CLOSED:
            self._connection.give_up(why)

    def excuse(self, late_s: float) -> None:
        """Takes seconds in which nobody could look at the answers out of every timer."""
        self._late_s += late_s

    def check(self, now: float) -> None:
        """Looks at the timers; called a few times a second."""
        now -= self._late_s
        self._incoming.check(now)
        if self._stage == _LEAVING:
            if now - self._asked_at > self._timers.leave:
                self.abandon("the centre did not end the session")
            return
        self.in_flight.give_up_before(now - self._timers.response, f"no answer within {self._timers.response:g} s")
        if self._heard_at < self._asked_at:
            if now - self._asked_at > self._timers.alive:
                self.abandon(f"nothing heard for {self._timers.alive:g} s after enquire_link")
        elif now - self._heard_at > self._timers.enquire:
            self._asked_at = now
            self._write(pdu.unit(pdu.ENQUIRE_LINK, self.in_flight.number()))
        if self._retires:
            self._leave_if_done()

    # what the connection tells

    def on_units(self, units: list[Pdu]) -> None:
        """Takes PDUs in order, then writes as many messages as were answered."""
        now = self._loop.time()
        self._heard_at = now - self._late_s
        took, refused = 0, set[int]()
        for unit in units:
            if unit.command == pdu.SUBMIT_SM_RESP:
                if self.in_flight.answer(unit):
                    if unit.status:
                        refused.add(unit.status)
                    else:
                        took += 1
            else:
                self._on_other(unit, now)
        if took:
            self._owner.slowing.took(took, now)
        # The pace that was too fast is that of all that was taken.
        for status in refused:
            self._note(status, now)
        if self._retires:
            self._leave_if_done()
        else:
            self.pump()

    def on_writable(self) -> None:
        """Enough of what was written has left."""
        self.pump()

    def on_lost(self, why: str) -> None:
        """Answers for everything that was in hand."""
        stage, self._stage = self._stage, _CLOSED
        if stage == _CLOSED:
            return
        self._incoming.end()
        if not self._bound.done():
            self._bound.set_exception(OpeningFailed(Outcome.retry(Reason.CONNECTION_FAILED, why)))
        elif stage != _BINDING:
            self.in_flight.end(why)
            self._owner.ended(self)

    # what seldom happens

    def _note(self, status: int, now: float) -> None:
        if status in statuses.TOO_FAST:
            self._owner.slowing.too_fast(now)
        elif status == statuses.WRONG_BIND:
            # Not from inside: the units behind this one are answers too.
            self._loop.call_soon(self.abandon, "the centre says that there is no bind")

    def _on_other(self, unit: Pdu, now: float) -> None:
        command = unit.command
        if command in {pdu.DELIVER_SM, pdu.DATA_SM}:
            self._incoming.take(unit, now - self._late_s)
        elif command == pdu.ENQUIRE_LINK:
            self._write(pdu.unit(pdu.ENQUIRE_LINK_RESP, unit.sequence))
        elif command == pdu.BIND_TRANSCEIVER_RESP:
            self._on_bound(unit.status)
        elif command == pdu.UNBIND:
            self._on_unbind(unit)
        elif command == pdu.UNBIND_RESP:
            if self._stage == _LEAVING:
                self.abandon("unbound")
        elif command == pdu.GENERIC_NACK:
            self._on_nack(unit._replace(status=unit.status or statuses.SYSTEM_ERROR), now)
        elif not command & pdu.IS_RESPONSE and command != pdu.ALERT_NOTIFICATION:
            self._write(pdu.unit(pdu.GENERIC_NACK, unit.sequence, status=statuses.INVALID_COMMAND))

    def _on_nack(self, unit: Pdu, now: float) -> None:
        """§4.3.1: the centre could not make sense of something; when it does not say of what, the session is over."""
        if self._stage == _BINDING:
            self._on_bound(unit.status)
        elif self.in_flight.answer(unit):
            self._note(unit.status, now)
        else:
            self._loop.call_soon(self.abandon, f"generic_nack: {statuses.name_of(unit.status)}")

    def _on_unbind(self, unit: Pdu) -> None:
        """The centre wants to end: what is on the wire has a moment left for its answers, then we agree."""
        self._goodbye = unit.sequence
        self._retires = True
        self.in_flight.put_down("the centre ends the session")
        self._loop.call_later(self._timers.leave, self._agree, unit.sequence)

    def _agree(self, sequence: int) -> None:
        if self._stage == _BOUND:
            self._write(pdu.unit(pdu.UNBIND_RESP, sequence))
            self._end_by(self._loop.time())
            if self._connection is not None:
                self._connection.transport.close()

    def _leave_if_done(self) -> None:
        if self._stage != _BOUND or self.in_flight or self._incoming.is_busy:
            return
        if self._goodbye is not None:
            self._agree(self._goodbye)
        else:
            self._end_by(self._loop.time())
            self._write(pdu.unit(pdu.UNBIND, self.in_flight.number()))

    def _end_by(self, now: float) -> None:
        self._stage, self._asked_at = _LEAVING, now - self._late_s

    def _write(self, octets: bytes) -> None:
        connection = self._connection
        if connection is not None and not connection.transport.is_closing():
            connection.transport.write(octets)
