"""The APNs channel: a few HTTP/2 connections, each with as many messages side by side as the server allows.

Owns when connections are opened, which of them takes a message, and how long one may wait. What was certainly not acted
on goes out again over another connection, once; nothing else is repeated. Where to read next: `http2`, `apns_answers`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from clarion.adapters.channels.backlog import HOPELESS, Backlog
from clarion.adapters.channels.brake import Brake
from clarion.adapters.channels.ground import Ground
from clarion.adapters.channels.http_answers import Answer
from clarion.adapters.channels.opening import OpeningFailed
from clarion.adapters.channels.push.apns_answers import EXPIRED_TOKEN, outcome, read_fault
from clarion.adapters.channels.push.apns_requests import NOBODY, Headers
from clarion.adapters.channels.push.http2 import Http2Connection, Http2Timeouts
from clarion.adapters.channels.push.opening import open_connection
from clarion.adapters.channels.push.provider_token import ProviderToken
from clarion.adapters.channels.push.signed_tokens import BadKey
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.domain.providers.push import Apns
from clarion.failpoints import failpoint
from clarion.rendering.push import WirePush
from clarion.rendering.push_payload import apns_payload

UNREACHABLE_S: Final = 4.0
"""How long a message waits while no connection can be opened; then its batch goes on without it."""
STALLED_S: Final = 120.0
"""How long a message waits while connections are open and none of them moves."""
DRAIN_S: Final = 25.0
_AT_ONCE: Final = 32
"""Requests written before everything else in this process has its turn: what a call brought waits for no window."""
_TICK_S: Final = 0.25

_STALLED: Final = Outcome.retry(Reason.CONNECTION_FAILED, "not sent: every connection waits for an answer")


class _Ticket(NamedTuple):
    window: Window[WirePush]
    place: int
    shown: bytes
    """The token that went with it."""


class ApnsChannel:
    """A `Channel` to APNs for one app. Use from one event loop; holds no task or future per message.

    A message has the same `apns-id` and `apns-collapse-id` at each try, made of its delivery's id: a device that gets
    it twice shows it once.
    """

    def __init__(
        self,
        apns: Apns,
        private_key: str,
        *,
        timeouts: Http2Timeouts | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._apns = apns
        self._timeouts = timeouts or Http2Timeouts()
        self._clock = clock
        self._token: ProviderToken | None = None
        self._bad_key = ""
        try:
            self._token = ProviderToken(apns, private_key, clock)
        except BadKey as fault:
            self._bad_key = str(fault)
        self._headers = Headers(apns)
        self._backlog: Backlog[WirePush] = Backlog()
        self._brake = Brake(apns.max_connections)
        self._connections: list[Http2Connection[_Ticket]] = []
        self._opening: asyncio.Task[None] | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._tick_due = 0.0
        self._moved_at = 0.0
        self._closing = False
        self._empty = asyncio.Event()

    # the Channel contract

    def send(self, window: Window[WirePush]) -> None:
        """Queues a window and returns at once; every message of it settles."""
        if self._token is None:
            for index in range(len(window.messages)):
                window.settle(index, Outcome.retry(Reason.AUTH_FAILED, self._bad_key))
            return
        now = self._now()
        if not self._backlog.size:
            self._moved_at = max(self._moved_at, now)
        self._backlog.put(window, now)
        # Not from inside the call: whoever sends goes on first, and what comes together leaves together.
        asyncio.get_running_loop().call_soon(self._hand_out)
        self._wind(now)

    async def probe(self) -> Outcome:
        """Sends to a device that nobody has: when that is all APNs finds fault with, the key is good."""
        window = Window([NOBODY])
        self.send(window)
        await window.wait(self._timeouts.connect + self._timeouts.answer)
        found = next((one for _, one in window.drain()), _STALLED)
        if found.verdict is Verdict.FAILED:
            return Outcome.sent(f"ready; APNs takes the key, and says of a made-up device: {found.reply}")
        return found

    async def aclose(self) -> None:
        """Finishes what is on the wire within `DRAIN_S`, settles the rest as retry, and leaves.

        Safe to repeat because a closed channel has nothing left to close. Cancelled, it drops every connection.
        """
        self._closing = True
        self._backlog.close()
        if self._opening is not None:
            self._opening.cancel()
        for connection in list(self._connections):
            connection.retire()
        try:
            async with asyncio.timeout(DRAIN_S):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            pass
        finally:
            for connection in list(self._connections):
                connection.give_up("the channel closed before an answer came")
            if self._ticker is not None:
                self._ticker.cancel()
                self._ticker = None

    # what connections tell

    def answered(self, ticket: _Ticket, answer: Answer) -> None:
        """Settles a message, unless it was refused for a token that has expired and there is a newer one."""
        self._moved_at = self._now()
        if answer.status != 200 and read_fault(answer.body)[0] == EXPIRED_TOKEN and self._goes_again(ticket):
            return
        settled = outcome(answer)
        self._brake.feel([settled], None, self._moved_at)
        ticket.window.settle(ticket.place, settled)
        if settled.reason in HOPELESS:
            self._backlog.settle_all(settled)

    def lost(self, ticket: _Ticket, outcome: Outcome) -> None:
        """Queues a message that was not acted on again, once; settles any other."""
        if outcome.verdict is Verdict.RETRY and self._give_back(ticket):
            return
        ticket.window.settle(ticket.place, outcome)

    def has_room(self, connection: Http2Connection[_Ticket]) -> None:
        """Hands out what waits."""
        if self._backlog.size and connection.room > 0:
            self._hand_out()

    def ended(self, connection: Http2Connection[_Ticket]) -> None:
        """Forgets a connection, and opens another if messages wait."""
        if connection in self._connections:
            self._connections.remove(connection)
        self._moved_at = self._now()
        if not self._connections:
            self._empty.set()
        asyncio.get_running_loop().call_soon(self._hand_out)

    def _goes_again(self, ticket: _Ticket) -> bool:
        return self._token is not None and self._token.renew(ticket.shown) and self._give_back(ticket)

    def _give_back(self, ticket: _Ticket) -> bool:
        if not self._backlog.give_back(ticket.window, ticket.place, self._now()):
            return False
        asyncio.get_running_loop().call_soon(self._hand_out)
        return True

    # connections as the load needs them

    def _hand_out(self) -> None:
        if self._closing or not self._backlog.size or self._brake.stands(self._now()):
            return
        for connection in list(self._connections):
            if connection.room > 0 and connection.is_alive():
                self._fill(connection)
        are_full = all(connection.room <= 0 for connection in self._connections)
        is_one_asked = any(not connection.open and connection.room <= 0 for connection in self._connections)
        may_open = self._opening is None and len(self._connections) < self._apns.max_connections
        if self._backlog.size and may_open and are_full and not is_one_asked:
            self._opening = asyncio.get_running_loop().create_task(self._open())
            self._opening.add_done_callback(self._opened)

    def _fill(self, connection: Http2Connection[_Ticket]) -> None:
        assert self._token is not None  # noqa: S101 - nothing is queued without a key
        shown = self._token.header()
        authorization, now = (b"authorization", shown), int(self._clock())
        left = _AT_ONCE
        while left and connection.room > 0 and (taken := self._backlog.take()):
            left -= 1
            push = taken[0].messages[taken[1]]
            headers = self._headers.of(push, authorization, now)
            connection.request(_Ticket(*taken, shown), headers, apns_payload(push))
        connection.flush()
        if not left:
            asyncio.get_running_loop().call_soon(self._hand_out)

    async def _open(self) -> None:
        try:
            failpoint("before_connect")
            self._connections.append(await open_connection(self._apns, self, self._timeouts))
            failpoint("after_connect")
        except OpeningFailed as failure:
            self._brake.feel([failure.outcome], None, self._now())
            if failure.outcome.reason in HOPELESS:
                self._backlog.settle_all(failure.outcome)

    def _opened(self, opening: asyncio.Task[None]) -> None:
        self._opening = None
        with suppress(asyncio.CancelledError):
            opening.result()
        self._hand_out()

    # time

    def _wind(self, now: float) -> None:
        busy = self._backlog.size or any(connection.open for connection in self._connections)
        if self._ticker is None and busy and not self._closing:
            self._tick_due = now + _TICK_S
            self._ticker = asyncio.get_running_loop().call_at(self._tick_due, self._tick)

    def _tick(self) -> None:
        self._ticker = None
        now = self._now()
        # Time in which this process stood still is nobody's silence.
        self._moved_at += now - self._tick_due
        for connection in list(self._connections):
            connection.look(now)
        if not self._connections or self._brake.stands(now):
            patience, outcome = UNREACHABLE_S, self._brake.last or _STALLED
        else:
            patience, outcome = STALLED_S, _STALLED
        if now - self._moved_at > patience:
            self._backlog.settle_before(now - patience, outcome)
        self._hand_out()
        self._wind(now)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def channel(apns: Apns, secrets: Mapping[str, str], ground: Ground) -> ApnsChannel:
    """The channel of a sender."""
    del ground
    return ApnsChannel(apns, secrets["privateKey"])
