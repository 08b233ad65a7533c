"""The SMTP channel: one relay, up to `max_connections` connections, messages handed to whichever is free.

Owns when connections are opened, how long a failing relay is left alone, and how long a message may wait. Decides
nothing about a reply (`outcomes`) and retries no message that may have been sent. Where next: `exchange`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress

from clarion.adapters.channels.backlog import HOPELESS, Backlog
from clarion.adapters.channels.knocking import Knocking
from clarion.adapters.channels.opening import OpeningFailed, tls_context
from clarion.adapters.channels.smtp.capabilities import Capabilities
from clarion.adapters.channels.smtp.chunked import ChunkedExchange
from clarion.adapters.channels.smtp.connection import Connection
from clarion.adapters.channels.smtp.exchange import Exchange
from clarion.adapters.channels.smtp.opening import open_connection, say_goodbye
from clarion.adapters.channels.smtp.timeouts import Timeouts
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smtp import SmtpRelay
from clarion.failpoints import failpoint
from clarion.rendering.email import WireEmail

AnyExchange = Exchange | ChunkedExchange

_HELO_NAME = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,255}")

_MESSAGES_PER_NEW_CONNECTION = 4
"""A connection is opened for so many waiting messages: a handshake costs the relay more than a short wait."""

_FIRST = Outcome.retry(Reason.CONNECTION_FAILED, "no connection yet")
_ENDED = Outcome.retry(Reason.CONNECTION_LOST, "not sent: the server ends connections before it takes a message")
_STALLED = Outcome.retry(Reason.CONNECTION_FAILED, "not sent: every connection waits for an answer")


class SmtpChannel:
    """A `Channel` over one SMTP relay. Use from one event loop; holds no task or future per message."""

    def __init__(self, relay: SmtpRelay, *, helo_name: str, timeouts: Timeouts | None = None) -> None:
        if not _HELO_NAME.fullmatch(helo_name):
            raise ValueError(f"{helo_name!r} cannot be said in EHLO: it takes a host name or an [address]")
        self._relay = relay
        self._helo_name = helo_name
        self._timeouts = timeouts or Timeouts()
        self._tls: ssl.SSLContext | None = None
        self._backlog: Backlog[WireEmail] = Backlog()
        self._exchanges: set[AnyExchange] = set()
        self._idle: list[AnyExchange] = []
        self._sends_ahead = True
        self._openings: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.TimerHandle | None = None
        self._tick_due = 0.0
        self._closing = False
        self._empty = asyncio.Event()
        self._knocking = Knocking(first=self._timeouts.first_pause, longest=self._timeouts.longest_pause, last=_FIRST)
        self._careful_until = 0.0
        self._finished_before = 0
        self._finished_seen = 0
        self._moved_at = 0.0
        self.take = self._backlog.take

    # the Channel contract

    def send(self, window: Window[WireEmail]) -> None:
        """Queues a window and returns at once; every message of it settles."""
        now = self._now()
        if not self._backlog.size:
            self._moved_at = max(self._moved_at, now)
        self._backlog.put(window, now)
        self._hand_out()
        self._wind(now)

    async def probe(self) -> Outcome:
        """Connects, greets, secures, logs in and leaves, over a connection of its own."""
        try:
            connection, can = await self._connect()
        except OpeningFailed as failure:
            return failure.outcome
        await say_goodbye(connection, self._timeouts)
        announced = [name for name in ("pipelining", "eightbitmime", "smtputf8", "size") if getattr(can, name)]
        return Outcome.sent(f"ready; the server offers {', '.join(announced) or 'no extension we use'}")

    async def aclose(self) -> None:
        """Finishes what is on the wire within `Timeouts.drain`, settles the rest as retry, and leaves.

        Safe to repeat because a closed channel has nothing left to close. Cancelled, it drops every connection.
        """
        self._closing = True
        self._backlog.close()
        for opening in list(self._openings):
            opening.cancel()
        for exchange in list(self._exchanges):
            exchange.retire()
        try:
            async with asyncio.timeout(self._timeouts.drain):
                while self._exchanges or self._openings:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            pass
        finally:
            for exchange in list(self._exchanges):
                exchange.abandon("the channel closed before an answer came")
            if self._ticker is not None:
                self._ticker.cancel()
                self._ticker = None

    # what the exchanges ask for; `take` is the backlog's own, to spare a call a message

    def give_back(self, window: Window[WireEmail], index: int) -> bool:
        """Queues a message again, in front, once."""
        if not self._backlog.give_back(window, index, self._now()):
            return False
        # Not from inside the call: the exchange giving it back is in the middle of something.
        asyncio.get_running_loop().call_soon(self._hand_out)
        return True

    def wants_loan(self) -> bool:
        """True when nothing waits and a connection is free or may be opened."""
        room = len(self._exchanges) + len(self._openings) < self._relay.max_connections
        return not self._backlog.size and (bool(self._idle) or room)

    def rested(self, exchange: AnyExchange) -> None:
        """Remembers a connection that has nothing to do."""
        self._idle.append(exchange)

    def ended(self, exchange: AnyExchange) -> None:
        """Forgets a connection, and opens another if messages wait."""
        self._finished_before += exchange.finished
        if isinstance(exchange, ChunkedExchange) and exchange.broke_off:
            self._sends_ahead = False
        self._exchanges.discard(exchange)
        self._moved_at = self._now()
        if exchange in self._idle:
            self._idle.remove(exchange)
        elif not exchange.finished:
            # Let in and not let work, as by a server that says 421 to each MAIL: the next one knocks later.
            self._knocking.failed(_ENDED, self._moved_at)
            self._careful_until = self._moved_at + self._timeouts.longest_pause
        if self._closing:
            self._empty.set()
        else:
            self._open_more()

    # connections as the load needs them

    def _hand_out(self) -> None:
        while self._idle and self._backlog.size:
            self._idle.pop().start()
        self._open_more()

    def _open_more(self) -> None:
        waiting, now = self._backlog.size, self._now()
        if not waiting or self._closing or not self._knocking.may_try(now):
            return
        room = self._relay.max_connections - len(self._exchanges) - len(self._openings)
        wanted = -(-waiting // _MESSAGES_PER_NEW_CONNECTION) - len(self._openings)
        if self._knocking.is_failing or not self._exchanges or now < self._careful_until:
            # A relay that just failed or turned one away, or was not reached yet, is tried by one connection first.
            wanted = 1 - len(self._openings)
        for _ in range(min(room, wanted)):
            opening = asyncio.get_running_loop().create_task(self._open())
            self._openings.add(opening)
            opening.add_done_callback(self._opened)

    async def _open(self) -> None:
        try:
            failpoint("before_connect")
            connection, can = await self._connect()
        except OpeningFailed as failure:
            self._note_failure(failure.outcome)
            return
        except Exception as fault:
            # A surprise is reported by the loop, but must cost a pause like any failure: the next try comes at once.
            self._note_failure(Outcome.retry(Reason.CONNECTION_FAILED, f"no connection: {type(fault).__name__}"))
            raise
        is_far = can.chunking and can.pipelining and connection.round_trip_s > self._timeouts.far
        kind = ChunkedExchange if is_far and self._sends_ahead else Exchange
        limit = self._relay.max_messages_per_connection
        exchange = kind(connection, can, self, timeouts=self._timeouts, limit=limit)
        self._exchanges.add(exchange)
        self._moved_at = self._now()
        failpoint("after_connect")
        exchange.start()

    async def _connect(self) -> tuple[Connection, Capabilities]:
        if self._tls is None and self._relay.security is not Security.NONE:
            self._tls = tls_context(self._relay.ca_file)
        return await open_connection(self._relay, helo_name=self._helo_name, timeouts=self._timeouts, tls=self._tls)

    def _opened(self, opening: asyncio.Task[None]) -> None:
        self._openings.discard(opening)
        with suppress(asyncio.CancelledError):
            opening.result()
        if self._closing:
            self._empty.set()
        else:
            self._open_more()

    def _note_failure(self, outcome: Outcome) -> None:
        self._knocking.failed(outcome, self._now())
        if outcome.reason in HOPELESS and not self._exchanges:
            self._backlog.settle_all(outcome)

    # time

    def _wind(self, now: float) -> None:
        if self._ticker is None and (self._exchanges or self._openings or self._backlog.size):
            self._tick_due = now + self._timeouts.tick
            self._ticker = asyncio.get_running_loop().call_at(self._tick_due, self._tick)

    def _tick(self) -> None:
        self._ticker = None
        now = self._now()
        self._excuse(now - self._tick_due)
        for exchange in list(self._exchanges):
            exchange.check(now)
        self._let_go(now)
        self._hand_out()
        self._wind(now)

    def _excuse(self, late_s: float) -> None:
        """Time in which this process stood still is nobody's silence: answers may have come that were not read yet."""
        self._moved_at += late_s
        for exchange in self._exchanges:
            exchange.excuse(late_s)

    def _let_go(self, now: float) -> None:
        """Settles what has waited too long while nothing moved: held for ever, it would hold up its whole batch."""
        finished = self._finished_before + sum(exchange.finished for exchange in self._exchanges)
        if finished != self._finished_seen:
            self._finished_seen = finished
            self._moved_at = now
            self._knocking.worked()
        if self._exchanges:
            patience, outcome = self._timeouts.stalled, _STALLED
        else:
            patience, outcome = self._timeouts.unreachable, self._knocking.last
        if now - self._moved_at > patience:
            self._backlog.settle_before(now - patience, outcome)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
