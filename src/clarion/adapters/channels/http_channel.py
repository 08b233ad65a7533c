"""Windows of messages over one HTTP provider: so many requests at once, urgent windows first, one outcome a message.

Owns the order, the number on the wire, the pauses a provider asks for and how long a message may wait. Decides nothing
about an answer: that is the provider's `Api`. Where to read next: `http` for one request, `brake` for the pauses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Generic, Protocol, TypeVar

from clarion.adapters.channels.backlog import HOPELESS, Backlog
from clarion.adapters.channels.brake import Brake
from clarion.adapters.channels.http import Exchange, HttpWay, Request
from clarion.adapters.channels.http_answers import Answer, retry_after
from clarion.application.ports.channel import Window
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.rendering.message import WireMessage

M = TypeVar("M", bound=WireMessage)
M_contra = TypeVar("M_contra", bound=WireMessage, contravariant=True)

_NOT_MADE: Final = Outcome.retry(Reason.CONNECTION_FAILED, "not sent: the request could not be made")
_SPOILED: Final = Outcome.retry(Reason.DEFERRED, "not sent: its batch was refused as a whole")
_STALLED: Final = Outcome.retry(Reason.CONNECTION_FAILED, "not sent: every connection waits for an answer")


class Api(Protocol[M_contra]):
    """What a channel must know of its provider. Pure, but for `request` and `probe`, which may wait for a token."""

    @property
    def most_at_once(self) -> int:
        """How many messages one request may carry."""
        ...

    @property
    def repeats(self) -> int:
        """How often a request that was not answered may be sent again at once: 0 unless it carries a key that the
        provider takes for the same request, so that repeating it is harmless.
        """
        ...

    async def request(self, messages: Sequence[M_contra]) -> Request | Outcome:
        """The request that carries these messages; an outcome when there cannot be one just now."""
        ...

    def outcomes(self, messages: Sequence[M_contra], answer: Answer) -> Sequence[Outcome | None]:
        """What the answer means for each of them, in their order.

        None, of a batch only: none of it was taken, and nobody can tell because of whom; it goes again, one by one.
        """
        ...

    async def probe(self, way: HttpWay) -> Outcome:
        """Asks whether the credentials are good, without sending anything; `sent` means they are."""
        ...


class HttpChannel(Generic[M]):
    """A `Channel` over one HTTP provider. Use from one event loop."""

    def __init__(self, api: Api[M], way: HttpWay, *, brake: Brake | None = None) -> None:
        self._api = api
        self._way = way
        self._timeouts = way.timeouts
        self._backlog: Backlog[M] = Backlog()
        self._brake = brake or Brake(way.max_connections)
        self._carriers: set[asyncio.Task[None]] = set()
        self._on_the_wire: set[Exchange] = set()
        self._ticker: asyncio.TimerHandle | None = None
        self._tick_due = 0.0
        self._moved_at = 0.0
        self._closing = False

    # the Channel contract

    def send(self, window: Window[M]) -> None:
        """Queues a window and returns at once; every message of it settles."""
        now = self._now()
        if not self._backlog.size:
            self._moved_at = max(self._moved_at, now)
        self._backlog.put(window, now)
        self._hand_out()
        self._wind(now)

    async def probe(self) -> Outcome:
        """Asks whether the credentials are good, over the same connections."""
        return await self._api.probe(self._way)

    async def aclose(self) -> None:
        """Finishes what is on the wire within `Timeouts.drain`, settles the rest as retry, and leaves.

        Safe to repeat because a closed channel has nothing left to close. Cancelled, it drops every connection.
        """
        self._closing = True
        self._backlog.close()
        if self._ticker is not None:
            self._ticker.cancel()
        try:
            if self._carriers:
                await asyncio.wait(self._carriers, timeout=self._timeouts.drain)
        finally:
            for carrier in self._carriers:
                carrier.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*self._carriers, return_exceptions=True)
            await self._way.aclose()

    # requests as the load needs them

    def _hand_out(self) -> None:
        wanted = -(-self._backlog.size // self._api.most_at_once)
        while wanted > 0 and self._may_go(len(self._carriers)):
            wanted -= 1
            carrier = asyncio.get_running_loop().create_task(self._carry_on())
            self._carriers.add(carrier)
            carrier.add_done_callback(self._ended)

    def _may_go(self, on_the_wire: int) -> bool:
        return not self._closing and on_the_wire < self._brake.allowed and not self._brake.stands(self._now())

    async def _carry_on(self) -> None:
        while self._may_go(len(self._carriers) - 1) and (batch := self._take()):
            await self._carry(batch)
            if self._backlog.size > self._api.most_at_once:
                self._hand_out()

    def _take(self) -> list[tuple[Window[M], int]]:
        batch: list[tuple[Window[M], int]] = []
        # What was given back goes alone: somebody in its batch spoiled it for the others.
        most = 1 if self._backlog.has_returned else self._api.most_at_once
        while len(batch) < most and (taken := self._backlog.take()):
            batch.append(taken)
        return batch

    async def _carry(self, batch: Sequence[tuple[Window[M], int]]) -> None:
        messages = [window.messages[index] for window, index in batch]
        exchange: Exchange | None = None
        try:
            answer: Answer | Outcome | Request = await self._api.request(messages)
            repeated = 0
            while isinstance(answer, Request):
                exchange = Exchange(self._way, answer)
                answer = self._heard(await self._answer(exchange))
                if repeated < self._api.repeats and _is_lost(answer):
                    repeated, answer = repeated + 1, exchange.request
            self._settle(batch, self._meant(messages, answer, was_lost=repeated > 0), _pause(answer))
        except BaseException:
            # Nothing is left without an outcome, whatever went wrong; what has one keeps it.
            rest = exchange.lost("the answer could not be made out") if exchange else _NOT_MADE
            for window, index in batch:
                window.settle(index, rest)
            raise

    async def _answer(self, exchange: Exchange) -> Answer | Outcome:
        self._on_the_wire.add(exchange)
        try:
            return await exchange.run()
        finally:
            self._on_the_wire.discard(exchange)

    def _heard(self, answer: Answer | Outcome) -> Answer | Outcome:
        """What came of one request, as it is; a channel to many places takes it for less."""
        return answer

    def _meant(self, messages: Sequence[M], answer: Answer | Outcome, *, was_lost: bool) -> Sequence[Outcome | None]:
        if isinstance(answer, Outcome):
            outcomes: Sequence[Outcome | None] = [answer] * len(messages)
        else:
            outcomes = self._api.outcomes(messages, answer)
        # "Not now" to a request that was sent again says nothing of the first time.
        return [_doubted(one) if was_lost and one and one.verdict is Verdict.RETRY else one for one in outcomes]

    def _settle(
        self, batch: Sequence[tuple[Window[M], int]], outcomes: Sequence[Outcome | None], pause: float | None
    ) -> None:
        now = self._now()
        told = [one for one in outcomes if one is not None]
        self._brake.feel(told, pause, now)
        if self._brake.last is None:
            self._moved_at = now
        for (window, index), outcome in zip(batch, outcomes, strict=True):
            if outcome is not None:
                window.settle(index, outcome)
            elif not self._backlog.give_back(window, index, now):
                window.settle(index, _SPOILED)
        if hopeless := next((one for one in told if one.reason in HOPELESS), None):
            self._backlog.settle_all(hopeless)

    def _ended(self, carrier: asyncio.Task[None]) -> None:
        self._carriers.discard(carrier)
        self._hand_out()
        with suppress(asyncio.CancelledError):
            carrier.result()

    # time

    def _wind(self, now: float) -> None:
        if self._ticker is None and (self._backlog.size or self._carriers) and not self._closing:
            self._tick_due = now + self._timeouts.tick
            self._ticker = asyncio.get_running_loop().call_at(self._tick_due, self._tick)

    def _tick(self) -> None:
        self._ticker = None
        now = self._now()
        # Time in which this process stood still is nobody's silence: answers may have come that were not read yet.
        late_s = max(0.0, now - self._tick_due)
        self._moved_at += late_s
        for exchange in self._on_the_wire:
            exchange.excuse(late_s)
        if self._brake.last is not None or not self._carriers:
            patience, outcome = self._timeouts.unreachable, self._brake.last or _STALLED
        else:
            patience, outcome = self._timeouts.stalled, _STALLED
        if now - self._moved_at > patience:
            self._backlog.settle_before(now - patience, outcome)
        self._hand_out()
        self._wind(now)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _is_lost(answer: Answer | Outcome) -> bool:
    """Whether nobody can tell if the request was acted on: no answer, or one from behind a body that was read."""
    if isinstance(answer, Outcome):
        return answer.verdict is Verdict.UNKNOWN
    return answer.status >= 500 and answer.status != 503


def _doubted(outcome: Outcome) -> Outcome:
    return Outcome.unknown(Reason.NO_ANSWER, f"no answer to the first request; then: {outcome.reply}")


def _pause(answer: Answer | Outcome) -> float | None:
    return retry_after(answer.headers, datetime.now(UTC)) if isinstance(answer, Answer) else None
